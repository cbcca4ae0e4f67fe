"""A Network in Lava's numbers, real or integer: what runs there, and what stays with the host.

Readouts that learn are computed on the host, in real numbers; with the tag `float` all readouts are, for Lava's LIF is
made to spike. What Lava's neurons and synapses cannot be is refused by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.backends._lava.plan import Neurons, Wires
from hilbench.errors import NetworkError
from hilbench.nal.compile.firing import check_tested_always
from hilbench.nal.compile.host_part import check_at_once
from hilbench.nal.compile.zeros import check_zeros
from hilbench.nal.loihi.lower import lower
from hilbench.nal.loihi.membrane import KINDS, amplitude, holds, onto
from hilbench.nal.loihi.model import IntegerPopulation, written
from hilbench.nal.loihi.quantise import Quantised
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population, step_constants
from hilbench.nal.model.projection import Projection
from hilbench.types import Probes, size_of

NEVER = 131_072
"""A vth that no v of 24 bits passes. The chip's register ends one below; v gets past that in its last 63 steps."""
REGISTER_END = 131_071
ALLOWED = "allowed on backend 'lava'"


@dataclass(slots=True, eq=False)
class Form:
    """A network in Lava's numbers."""

    parts: list[Neurons]
    wires: list[Wires]
    weights: dict[str, scipy.sparse.csc_array]
    """What probes see of the projections in Lava."""
    counted: list[str]
    """Projections whose transmissions count as synaptic operations; values that become biases do not."""
    drive: Callable[[NDArray], dict[str, NDArray]]
    """From input values, what the host adds to each driven population."""
    volts: dict[str, tuple[NDArray, NDArray]]
    """By population: the value at v = 0, and what a 1 of v is worth."""
    lines: list[str]
    """What is approximate, as `NAME: how`."""
    warnings: tuple[str, ...] = ()


def _first_lines(network: Network) -> dict[str, int]:
    """The first event line of each event port."""
    start, first = 0, {}
    for port in network.inputs:
        if port.kind == "events":
            first[port.name] = start
            start += port.size
    return first


def fixed_form(
    network: Network, made: Quantised, zeros_max: float, register_end: bool, hold: Callable[..., None]
) -> Form:
    """A network in the integers of backend `loihi`.

    Parameters
    ----------
    network : Network
        The part of the network that runs in Lava.
    made : Quantised
        The same part in integers.
    zeros_max : float
        The share of a projection's weights that may become 0.
    register_end : bool
        Whether the highest threshold is that of the chip's register, which v can pass.
    hold : callable
        The kernel of backend `loihi` that turns values into biases.
    """
    integers, warnings = made.integers, check_zeros(made.zeros, made.inputless, zeros_max)
    flat, first = lower(integers, Probes()), _first_lines(network)
    constant = _held(hold, flat, np.zeros(size_of(network.inputs, "values")))
    driven = {each.target for each in integers.value_inputs}
    parts = [_integer_neurons(p, constant[flat.at[p.name]], p.name in driven, register_end)
             for p in integers.populations.values()]  # fmt: skip
    wires = [
        Wires(None if q.source in first else q.source, first.get(q.source, 0), q.target, q.weights, q.delay_steps,
              q.weight_exp)
        for q in integers.projections.values()
    ]  # fmt: skip

    def drive(values: NDArray) -> dict[str, NDArray]:
        more = _held(hold, flat, values) - constant
        return {name: more[flat.at[name]] for name in driven}

    seen = {q.name: scipy.sparse.csc_array((written(q), q.weights.indices, q.weights.indptr), q.weights.shape)
            for q in integers.projections.values()}  # fmt: skip
    seen |= {q.name: q.weights.astype(np.float64) for q in integers.value_inputs}
    volts = {p.name: (p.v_zero, p.volts) for p in integers.populations.values()}
    return Form(parts, wires, seen, list(integers.projections), drive, volts, made.lines, warnings)


def _held(hold: Callable[..., None], flat, values: NDArray) -> NDArray:
    """The biases of all neurons while these values are held, (n,) int64."""
    bias = np.zeros_like(flat.bias)
    hold(values, flat.bias, bias, flat.held, flat.held_scales, *flat.held_synapses, np.zeros(bias.size))
    return bias


def _integer_neurons(p: IntegerPopulation, bias: NDArray, driven: bool, register_end: bool) -> Neurons:
    never = REGISTER_END if register_end else NEVER
    return Neurons(
        p.name, p.size, p.du, p.dv, never if p.vth is None else p.vth, p.refractory_steps, bias, p.v_initial, driven
    )


def float_form(network: Network) -> Form:
    """A network in Lava's real numbers, the same equations as the reference's where Lava has them."""
    first = _first_lines(network)
    made = {p.name: _real_neurons(network, p) for p in network.populations.values()}
    scales = {name: scale for name, (_, scale, _) in made.items()}
    wires: list[Wires] = []
    lines: list[str] = []
    for q in network.projections.values():
        if holds(network, q):
            check_at_once(q, "on backend 'lava'")
        else:
            wires.append(_real_wires(network, q, scales[q.target], first, lines))
    values = {name: [q for q in onto(network, p) if holds(network, q)] for name, p in network.populations.items()}
    places = _places(network)

    def drive(found: NDArray) -> dict[str, NDArray]:
        return {
            name: constant + scales[name] * sum((q.weights @ found[places[q.source]] for q in values[name]), 0.0)
            for name, (part, _, constant) in made.items()
            if part.driven
        }

    seen = {q.name: q.weights.astype(np.float64) for q in network.projections.values()}
    volts = {p.name: (_zero(p), np.ones(p.size)) for p in network.populations.values()}
    return Form([part for part, _, _ in made.values()], wires, seen, list(seen), drive, volts, lines)


def _places(network: Network) -> dict[str, slice]:
    start, places = 0, {}
    for port in network.inputs:
        if port.kind == "values":
            places[port.name] = slice(start, start + port.size)
            start += port.size
    return places


def _real_neurons(network: Network, p: Population) -> tuple[Neurons, NDArray, NDArray]:
    """A population, what one unit of its input is worth in u, and the constant input that passes through u."""
    _refuse(network, p)
    assert p.v_initial is not None
    assert p.v_threshold is not None  # readouts, which have none, stay with the host
    step, zero = step_constants(p, network.dt_s), _zero(p)
    scale = step.from_input
    if not np.allclose(scale * step.syn_decay, step.from_current * step.syn_gain, rtol=1e-9):
        found = f"found integrator {p.behaviour.integrator!r} with synapse_update {p.behaviour.synapse_update!r}"
        text = f"{found}; {ALLOWED}: euler or discrete, with 'before'"
        raise NetworkError(f"population {p.name!r}: synapse_update: {text}")
    inputs = onto(network, p)
    constant = scale * sum((q.bias.astype(np.float64) for q in inputs if q.bias is not None), np.zeros(p.size))
    through_u = bool(step.syn_decay.any() and constant.any())
    bias = (1 - step.decay) * (step.rest - zero) + (0 if through_u else constant)
    threshold = _one(p, "v_threshold", p.v_threshold.astype(np.float64) - zero)
    if p.behaviour.threshold_test == ">=":
        threshold = float(np.nextafter(threshold, -np.inf))
    refractory = round(p.behaviour.refractory_s / network.dt_s)
    neurons = Neurons(
        p.name, p.size, _one(p, "tau_syn_s", 1 - step.syn_decay), _one(p, "tau_s", 1 - step.decay), threshold,
        refractory, bias,
        p.v_initial.astype(np.float64) - zero, through_u or any(holds(network, q) for q in inputs),
    )  # fmt: skip
    return neurons, scale, constant if through_u else np.zeros(p.size)


def _zero(p: Population) -> NDArray:
    """The v that Lava's 0 stands for: where a spike resets to."""
    if p.behaviour.reset != "value":
        return np.zeros(p.size)
    assert p.v_reset is not None  # all kinds that spike and that Lava has, have one
    return p.v_reset.astype(np.float64)


def _one(p: Population, what: str, found: NDArray) -> float:
    """The number that all neurons share, as one LIF of Lava has it."""
    if (
        np.ptp(found[np.isfinite(found)]) > 1e-12 * np.abs(found).max()
        if np.isfinite(found).all()
        else len({*found}) > 1
    ):
        raise NetworkError(f"population {p.name!r}: {what}: found several; {ALLOWED}: one for the whole population")
    return float(found[0])


def _refuse(network: Network, p: Population) -> None:
    """Raise NetworkError for what Lava's LIF does not do."""
    where, b = f"population {p.name!r}", p.behaviour
    if p.kind not in KINDS:
        raise NetworkError(f"{where}: kind: found {p.kind!r}; {ALLOWED}: {', '.join(KINDS)}")
    check_tested_always(network, p, "on backend 'lava'")
    for what, found, allowed in (
        ("reset", b.reset, ("zero", "value")),
        ("reset_at", b.reset_at, ("now",)),
        ("spikes", b.spikes, ("single",)),
        ("v_floor", b.v_floor, (None,)),
        ("threshold_noise", b.threshold_noise, (0.0,)),
        ("adapt_tau_s", b.adapt_tau_s, (None,)),
        ("rule", p.rule, (None,)),
    ):
        if found not in allowed:
            raise NetworkError(f"{where}: {what}: found {found!r}; {ALLOWED}: {' or '.join(map(repr, allowed))}")


def _real_wires(network: Network, q: Projection, scale: NDArray, first: dict[str, int], lines: list[str]) -> Wires:
    if q.after_threshold:
        raise NetworkError(f"projection {q.name!r}: after_threshold: found True; {ALLOWED}: False")
    weights = q.weights.astype(np.float64)
    weights.data *= (amplitude(network, q) * scale)[weights.indices]
    delays = np.broadcast_to(np.asarray(q.delay_steps, np.int64), weights.data.shape)
    if (delays == 0).any():
        lines.append(f"{q.name}: a spike without delay acts in the next step")
    source = None if q.source in first else q.source
    return Wires(source, first.get(q.source, 0), q.target, weights, np.maximum(delays, 1))
