"""What neurons do without input: whether they decay, and whether they can be silent."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import NetworkError
from hilbench.nal.model.neurons import OTHER_UNITS, Population, present, step_constants


def check_decay(p: Population, dt_s: float) -> None:
    """Raise NetworkError where Euler's decay 1 - dt/tau is negative, as it is for times counted in other units.

    Parameters
    ----------
    p : Population
        The neurons.
    dt_s : float
        The network step, in seconds.
    """
    for key, tau_s in (("tau_s", p.tau_s), ("tau_syn_s", p.tau_syn_s)):
        if tau_s is not None and p.behaviour.integrator != "exact" and tau_s.min() < dt_s * (1 - 1e-6):
            raise NetworkError(
                f"population {p.name!r}: {key}: found {tau_s.min():.3g}; allowed: the network step of {dt_s:g} s or"
                f" more, under {p.behaviour.integrator!r}; {OTHER_UNITS}"
            )


def check_it_can_be_silent(p: Population, dt_s: float) -> None:
    """Raise NetworkError for neurons that would fire in every step, without input, from their first spike on.

    Parameters
    ----------
    p : Population
        The neurons.
    dt_s : float
        The network step, in seconds.
    """
    b = p.behaviour
    if not p.spiking or p.kind == "poisson" or b.fires == "on_arrival":
        return
    if b.threshold_noise or (b.adapt_tau_s is not None and b.adapt_step > 0) or p.rule is not None:
        return  # noise, or a threshold that rises, ends the firing
    _check_floor(p)
    step, after = step_constants(p, dt_s), after_reset(p)
    moved = after if b.reset_at == "next" else step.rest + (after - step.rest) * step.decay
    wrong = passes(p, after) & passes(p, moved)
    if p.kind != "threshold" and b.reset == "subtract":
        wrong = present(p.v_threshold) <= 0  # a spike takes nothing away
    if wrong.any():
        i = int(wrong.argmax())
        above = b.threshold_test == ">=" or (b.reset == "subtract" and p.kind != "threshold")
        allowed = f"more than {after[i]:g}" if above else f"{after[i]:g} or more"
        how = (
            f"threshold_test {b.threshold_test!r}"
            if p.v_reset is None
            else f"reset {b.reset!r} and threshold_test {b.threshold_test!r}"
        )
        raise NetworkError(
            f"population {p.name!r}: v_threshold: found {present(p.v_threshold)[i]:g}, neuron {i} would fire for ever;"
            f" allowed: {allowed} with {how}, or fires 'on_arrival'"
        )


def _check_floor(p: Population) -> None:
    """Raise NetworkError where v_floor passes the threshold: it lifts v over the threshold again after each reset."""
    floor = p.behaviour.v_floor
    if floor is None or not (wrong := passes(p, np.full(p.size, floor))).any():
        return
    i = int(wrong.argmax())
    at_most = "less than" if p.behaviour.threshold_test == ">=" else "up to"
    allowed = f"{at_most} its threshold of {present(p.v_threshold)[i]:g}"
    raise NetworkError(
        f"population {p.name!r}: v_floor: found {floor:g}, neuron {i} would fire for ever; allowed: {allowed}"
    )


def passes(p: Population, v: NDArray) -> NDArray:
    """(size,) bool: whether membranes at v pass their thresholds.

    Parameters
    ----------
    p : Population
        The neurons.
    v : (size,) float64
        Their membranes.
    """
    threshold = present(p.v_threshold)
    return v >= threshold if p.behaviour.threshold_test == ">=" else v > threshold


def after_reset(p: Population) -> NDArray:
    """(size,) float64: the membranes after a reset to a value, or to 0."""
    if p.v_reset is None or p.behaviour.reset != "value":
        return np.zeros(p.size)
    return p.v_reset.astype(np.float64)
