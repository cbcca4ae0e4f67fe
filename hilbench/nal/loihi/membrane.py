"""What a population's step is in the form that Loihi has, in thresholds: one decay, one current, 0 where it resets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import NetworkError
from hilbench.nal.compile.firing import check_tested_always
from hilbench.nal.loihi.equations import UNITY
from hilbench.nal.loihi.model import RANGES
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population, StepConstants, present, step_constants
from hilbench.nal.model.projection import Projection

KINDS = ("lif", "if", "cuba_lif", "li", "i", "cuba_li")


@dataclass(frozen=True, slots=True, eq=False)
class Membrane:
    """One step, with w = (v - zero) / depth: a spike is w > 1, a reset w = 0.

        u <- (1 - taken_u) u + drive x
        w <- (1 - taken_v) w + u + bias + held_drive x_held

    Here taken_u is (du + 1) / 4096 and taken_v dv / 4096. What is held, as a constant input is, does not pass
    through u: it is worth what u would settle at. Arrays are (size,) float64.
    """

    zero: NDArray
    depth: NDArray
    du: int
    dv: int
    drive: NDArray
    held_drive: NDArray
    bias: NDArray


def membrane_of(network: Network, p: Population, largest_value: float) -> tuple[Membrane, list[str]]:
    """A population's Membrane, and what it approximates. Raises NetworkError for what Loihi's neurons cannot do.

    Parameters
    ----------
    network : Network
        The network, without relays.
    p : Population
        One of its populations.
    largest_value : float
        The largest input value that the biases leave room for.
    """
    _refuse(network, p)
    step = step_constants(p, network.dt_s)
    zero = _zero(p, step)
    left = 1 - step.syn_decay
    drive = step.from_input * left + step.from_current * step.syn_gain
    depth = _threshold_depth(p, zero) if p.spiking else _largest(network, p, step, drive / left, largest_value)
    du, lines_u = _register(p, "tau_syn_s", step.syn_decay, "du", 1)
    dv, lines_v = _register(p, "tau_s", step.decay, "dv", 0)
    bias = (1 - step.decay) * (step.rest - zero)
    lines = _behaviour(p) + lines_u + lines_v
    if not np.allclose(drive * step.syn_decay, step.from_current * step.syn_gain, rtol=1e-9):
        lines.append("a step's synaptic current acts after its own decay, not over the step or before")
    return Membrane(zero, depth, du, dv, drive / depth, drive / left / depth, bias / depth), lines


def onto(network: Network, p: Population) -> list[Projection]:
    """The projections that a population receives.

    Parameters
    ----------
    network : Network
        The network.
    p : Population
        One of its populations.
    """
    return network.onto(p.name)


def amplitude(network: Network, q: Projection) -> float:
    """What one sending of a projection's source is multiplied by.

    Parameters
    ----------
    network : Network
        The network.
    q : Projection
        One of its projections.
    """
    return network.spike_amplitude if q.source in network.populations else 1.0


def holds(network: Network, q: Projection) -> bool:
    """Whether a projection brings values, which are held over a tick.

    Parameters
    ----------
    network : Network
        The network.
    q : Projection
        One of its projections.
    """
    port = network.port(q.source)
    return port is not None and port.kind == "values"


def row_sums(q: Projection) -> NDArray:
    """(n_target,) float64: all magnitudes onto each neuron together."""
    return np.ravel(abs(q.weights.astype(np.float64)).sum(axis=1))


def _refuse(network: Network, p: Population) -> None:
    where, b = f"population {p.name!r}", p.behaviour
    if p.kind not in KINDS:
        raise NetworkError(f"{where}: kind: found {p.kind!r}; allowed in Loihi's integers: {', '.join(KINDS)}")
    check_tested_always(network, p, "in Loihi's integers")
    for what, found, allowed in (
        ("spikes", b.spikes, "single"),
        ("v_floor", b.v_floor, None),
        ("threshold_noise", b.threshold_noise, 0.0),
        ("adapt_tau_s", b.adapt_tau_s, None),
        ("rule", p.rule, None),
    ):
        if found != allowed:
            raise NetworkError(f"{where}: {what}: found {found!r}; allowed in Loihi's integers: {allowed!r}")


def _zero(p: Population, step: StepConstants) -> NDArray:
    """The v that the integer 0 stands for: where a spike resets to."""
    if not p.spiking:
        return step.rest
    return present(p.v_reset).astype(np.float64) if p.behaviour.reset == "value" else np.zeros(p.size)


def _behaviour(p: Population) -> list[str]:
    """What of the execution profile Loihi does in its own way."""
    said = {
        "a spike sets v to 0 and takes no threshold away": p.behaviour.reset == "subtract",
        "a spike resets v in its own step, not in the next": p.behaviour.reset_at == "next",
    }
    return [line for line, so in said.items() if so and p.spiking]


def _threshold_depth(p: Population, zero: NDArray) -> NDArray:
    threshold = present(p.v_threshold)
    depth = threshold.astype(np.float64) - zero
    bad = threshold[~((depth > 0) & np.isfinite(depth))]
    if bad.size:
        text = f"found {bad[0]:g}; allowed in Loihi's integers: finite and above what v is reset to"
        raise NetworkError(f"population {p.name!r}: v_threshold: {text}")
    return depth


def _largest(network: Network, p: Population, step: StepConstants, gain: NDArray, largest_value: float) -> NDArray:
    """How far v of a population that never spikes can get, with every synapse busy in every step."""
    x = np.zeros(p.size)
    for q in onto(network, p):
        sent = largest_value if holds(network, q) else amplitude(network, q)
        x += sent * row_sums(q) + (0 if q.bias is None else np.abs(q.bias))
    # Without a leak there is no end to it: room for a thousand such steps.
    most = np.abs(gain) * x / np.maximum(1 - step.decay, 1e-3) + np.abs(p.v_initial - step.rest)
    return np.where(most > 0, most, 1.0)


def _register(p: Population, what: str, kept: NDArray, name: str, offset: int) -> tuple[int, list[str]]:
    """The register for what is `kept` of a state over a step, one for all neurons, and what is approximate in it."""
    found = np.unique(np.rint(UNITY * (1 - kept)).astype(np.int64))
    if found.size > 1:
        taus = getattr(p, what)
        text = f"found {taus.min():.6g} to {taus.max():.6g}; allowed in Loihi's integers: one for the whole population"
        raise NetworkError(f"population {p.name!r}: {what}: {text}")
    low, high = RANGES[name]
    register = int(np.clip(found[0] - offset, low, high))
    taken = (register + offset) / UNITY
    if np.allclose(taken, 1 - kept, rtol=1e-6, atol=0):  # a tau of float32 is no nearer to it
        return register, []
    return register, [f"{what}: a step takes {register + offset}/{UNITY} away, not {1 - kept[0]:.6g}"]
