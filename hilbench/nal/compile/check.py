"""Checking: the limits of a target that a network breaks wherever its neurons are placed.

`place` finds the limits that depend on which neuron is on which core. `fold` has removed relays before.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from msgspec import Struct

from hilbench.nal.compile.firing import awaits_arrivals
from hilbench.nal.compile.host_part import held_back
from hilbench.nal.compile.target import Choice, Span, Target
from hilbench.nal.compile.wiring import Wiring
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population
from hilbench.nal.model.projection import Projection
from hilbench.nal.model.rule import Rule
from hilbench.nal.rules.pes import PES


class Broken(Struct, frozen=True):
    """One limit that a network breaks."""

    limit: str
    where: str
    found: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.where}: {self.limit}: found {self.found}; allowed: {self.allowed}"


def check(network: Network, wiring: Wiring, target: Target) -> list[Broken]:
    """The limits that this network breaks wherever its neurons are placed.

    Parameters
    ----------
    network : Network
        The network, without relays.
    wiring : Wiring
        Its wiring.
    target : Target
        The hardware.
    """
    return [
        *_time_step(network, target),
        *_ports(network, target),
        *(broken for p in network.populations.values() for broken in _population(network, p, target)),
        *(broken for p in network.projections.values() for broken in _projection(p, network, target)),
        *_fans(network, wiring, target),
        *_state_memory(network, wiring, target),
    ]


def approximated(network: Network, target: Target) -> list[str]:
    """What the target does otherwise than the network states, though no limit forbids it.

    Parameters
    ----------
    network : Network
        The network, without relays.
    target : Target
        The hardware.
    """
    limits, said = target.limits, []
    for p in network.populations.values():
        if p.kind in target.approximates:
            said.append(f"population {p.name!r}: {target.approximates[p.kind]}")
        if p.behaviour.reset_at == "next" and limits.resets is not None:
            said.append(f"population {p.name!r}: the reset acts at once, not in the next step")
    for q in _between_neurons(network):
        if limits.delay_steps is not None and _steps(q)[0] < limits.delay_steps.low:
            low = limits.delay_steps.low
            said.append(f"projection {q.name!r}: delays below {low} step{'s' * (low > 1)} become {low}")
        if q.after_threshold:
            said.append(f"projection {q.name!r}: input after the threshold test acts a step later")
    if "weights" in target.approximates and network.projections:
        said.append(f"weights: {target.approximates['weights']}")
    hosted = [port.name for port in network.inputs if port.kind == "values"]
    return said + [f"input {name!r}: its values become constant inputs, which the host computes" for name in hosted]


def _time_step(network: Network, target: Target) -> Iterator[Broken]:
    span = target.limits.time_step_s
    if span is not None and not span.low <= network.dt_s <= span.high:
        yield Broken("time_step_s", "network", f"{network.dt_s:g} s", f"{span.low:g} to {span.high:g} s")


def _ports(network: Network, target: Target) -> Iterator[Broken]:
    limits = target.limits
    for name, limit, ports in (
        ("event_inputs", limits.event_inputs, network.inputs),
        ("event_outputs", limits.event_outputs, network.outputs),
    ):
        size = sum(port.size for port in ports if port.kind == "events")
        if limit is not None and size > limit.value:
            yield Broken(name, "network", str(size), str(limit.value))


def _population(network: Network, p: Population, target: Target) -> Iterator[Broken]:
    limits, b, where = target.limits, p.behaviour, f"population {p.name!r}"
    if p.kind != "passthrough" or all(q.source != p.name for q in network.onto(p.name)):  # `fold.loops` names loops
        yield from _chosen("kinds", limits.kinds, p.kind, where)
    if p.rule is not None:
        yield from _rule(p.rule, limits.rules, where)
    if not p.spiking:
        return
    if p.v_reset is not None:
        yield from _chosen("resets", limits.resets, b.reset, where)
    yield from _chosen("spikes", limits.spikes, b.spikes, where)
    more = {"v_floor": b.v_floor is not None, "threshold_noise": b.threshold_noise, "adaptation": b.adapt_tau_s}
    for name in (name for name, there in more.items() if there):
        yield from _chosen("behaviours", limits.behaviours, name, where)
    if awaits_arrivals(network, p):  # no chip is known to do it
        yield Broken("fires", where, "on_arrival", "always")
    steps, span = round(b.refractory_s / network.dt_s), limits.refractory_steps
    if span is not None and not span.low <= steps <= span.high:
        yield Broken("refractory_steps", where, str(steps), _span(span))


def _projection(p: Projection, network: Network, target: Target) -> Iterator[Broken]:
    limits, where = target.limits, f"projection {p.name!r}"
    if p.rule is not None:
        yield from _rule(p.rule, limits.rules, where)
        if limits.rules is not None and not isinstance(p.delay_steps, int):
            yield Broken("rules", where, "synapses that learn with different delays", "one delay for all of them")
    if p.short_term is not None:  # no chip is known to do it
        yield Broken("short_term", where, f"u {p.short_term.u:g}", "none")
    source = network.populations.get(p.source)
    if source is None:
        yield from _held_back(p, network, target)
        return
    if not source.spiking and limits.spikes is not None and "graded" not in limits.spikes.values:
        found = f"values of {source.name!r} in every step"
        yield Broken("spikes", where, found, ", ".join(limits.spikes.values))
    if limits.delay_steps is not None and _steps(p)[1] > limits.delay_steps.high:
        yield Broken("delay_steps", where, f"up to {_steps(p)[1]}", _span(limits.delay_steps))


def _held_back(p: Projection, network: Network, target: Target) -> Iterator[Broken]:
    """Values become constant inputs, which act at once; software that learns delays those onto a readout."""
    port, found = network.port(p.source), held_back(p)
    software = target.limits.rules is None and any(isinstance(q.rule, PES) for q in network.onto(p.target))
    if port is not None and port.kind == "values" and found is not None and not software:
        allowed = "values that act at once; delay them before they are sent, or send events"
        yield Broken(found[0], f"projection {p.name!r}", f"{found[1]} for values", allowed)


def _span(span: Span) -> str:
    return str(span.low) if span.low == span.high else f"{span.low} to {span.high}"


def _chosen(limit: str, choice: Choice | None, found: str, where: str) -> Iterator[Broken]:
    if choice is not None and found not in choice.values:
        yield Broken(limit, where, found, ", ".join(choice.values) or "none")


def _rule(rule: Rule, choice: Choice | None, where: str) -> Iterator[Broken]:
    """Chips that have a rule are known to run it in its plain form alone."""
    name = type(rule).__name__
    yield from _chosen("rules", choice, name, where)
    if choice is not None and name in choice.values:
        yield from (Broken("rules", where, f"{name} with {more}", name) for more in rule.beyond_basics)


def _between_neurons(network: Network) -> list[Projection]:
    return [p for p in network.projections.values() if p.source in network.populations]


def _steps(p: Projection) -> tuple[int, int]:
    """The shortest and the longest delay in steps; input after the threshold test counts as a step more."""
    if not p.weights.nnz:
        return 1, 1
    return p.min_delay_steps + p.after_threshold, p.max_delay_steps + p.after_threshold


def _fans(network: Network, wiring: Wiring, target: Target) -> Iterator[Broken]:
    """Limits of single neurons (synapses, delays, different weights); a line for the worst one of each population."""
    limits = target.limits
    if limits.fan_in is not None:
        yield from _worst("fan_in", limits.fan_in.value, wiring.synapses.sum(axis=1), wiring)
    if limits.fan_out is not None:
        yield from _worst("fan_out", limits.fan_out.value, wiring.synapses.sum(axis=0), wiring)
    if limits.synapses_per_pair is not None and wiring.synapses.nnz:
        pairs = wiring.synapses.max(axis=0).toarray().ravel()
        yield from _worst("synapses_per_pair", limits.synapses_per_pair.value, pairs, wiring)
    if limits.delays_per_source is not None:
        delays = _delays(network, wiring, limits.delay_steps.low if limits.delay_steps else 0)
        yield from _worst("delays_per_source", limits.delays_per_source.value, delays, wiring)
    if limits.weights_per_neuron is not None:
        yield from _worst("weights_per_neuron", limits.weights_per_neuron.value, _different(network, wiring), wiring)


def _state_memory(network: Network, wiring: Wiring, target: Target) -> Iterator[Broken]:
    memory = target.limits.state_memory
    if memory is None:
        return
    plastic = sum(p.weights.nnz for p in network.projections.values() if p.rule is not None)
    slots = 1 + max((p.max_delay_steps for p in network.projections.values()), default=0)
    bits = memory.bits_per_neuron * wiring.n_neurons + memory.bits_per_synapse * plastic + 32 * slots * wiring.n_neurons
    if bits > memory.bits * target.cores_per_chip:
        allowed = memory.bits * target.cores_per_chip
        yield Broken("state_memory", "network", f"{bits // 8} bytes", f"{allowed // 8} bytes")


def _worst(limit: str, most: int, found: np.ndarray, wiring: Wiring) -> Iterator[Broken]:
    for name, part in wiring.slices.items():
        here = found[part]
        if here.size and here.max() > most:
            over, worst = int((here > most).sum()), int(here.argmax())
            where = f"{name!r}, neuron {worst}" + (f" and {over - 1} more" if over > 1 else "")
            yield Broken(limit, where, str(int(here.max())), str(most))


def _delays(network: Network, wiring: Wiring, low: int) -> np.ndarray:
    """(n_neurons,) int: how many different delays lead from each neuron, shorter ones than `low` counted as that."""
    pairs = []
    for p in _between_neurons(network):
        sources = np.repeat(np.arange(p.weights.shape[1]), np.diff(p.weights.indptr)) + wiring.slices[p.source].start
        steps = np.maximum(np.broadcast_to(p.delay_steps, sources.shape) + p.after_threshold, low)
        used = p.weights.data != 0
        pairs.append((sources[used], steps[used]))
    return _count_different(pairs, wiring.n_neurons)


def _different(network: Network, wiring: Wiring) -> np.ndarray:
    """(n_neurons,) int: how many different weights other than 0 lie on each neuron."""
    pairs = []
    for p in network.projections.values():
        if p.source in wiring.slices:
            used = p.weights.data != 0
            weights = p.weights.data[used].astype(np.float32, copy=False)  # without 0, equal where their bits are
            pairs.append((p.weights.indices[used] + wiring.slices[p.target].start, weights.view(np.uint32)))
    return _count_different(pairs, wiring.n_neurons)


def _count_different(pairs: list[tuple[np.ndarray, np.ndarray]], n: int) -> np.ndarray:
    """(n,) int: how many different numbers below 2^32 stand with each of n neurons in pairs (neurons, numbers)."""
    joined = [neurons.astype(np.uint64) << 32 | numbers.astype(np.uint64) for neurons, numbers in pairs]
    different = np.unique(np.concatenate([np.empty(0, np.uint64), *joined]))
    return np.bincount((different >> 32).astype(np.int64), minlength=n)
