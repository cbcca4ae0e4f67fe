"""Compiling: what becomes of a network on a target, in one report.

It names every limit that is broken, and places and quantises all the same, so that the report shows by how much.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.compile.check import Broken, approximated, check
from hilbench.nal.compile.energy import EnergyPart, Events, Range, account, baselines, dynamic
from hilbench.nal.compile.facts import facts_of
from hilbench.nal.compile.fold import A_NEURON, early_constants, fold, loops
from hilbench.nal.compile.operations import counted
from hilbench.nal.compile.outputs import dropped, unreadable
from hilbench.nal.compile.place import Placement, broken, place
from hilbench.nal.compile.quantise import NeuronError, WeightError, quantise
from hilbench.nal.compile.target import Target
from hilbench.nal.compile.wiring import Wiring, wire
from hilbench.nal.compile.zeros import Inputless, told
from hilbench.nal.model.network import Network
from hilbench.types import NetworkFacts

ONE_EACH = "one spike of every neuron and one event of every input"


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """What a record of this network holds."""

    spikes: Mapping[str, NDArray]
    """(size,) counts of each population that sends spikes and each port that sends events."""
    ticks: int
    """Decisions."""
    seconds: float
    """Of the periods of these ticks."""
    weight_updates: float
    period_us: int | None = 0
    """None where the network's time was not the plant's, so that no number of steps follows from it."""
    facts: NetworkFacts | None = None
    """What the record says of its network (`nal.facts`), where it says anything."""
    run_s: float | None = None
    """The whole run, where some of it was not told of: static power goes on."""


class Use(Struct, frozen=True):
    """How much of one kind of limit the cores use; no `allowed` where there is no limit."""

    most: int
    mean: float
    allowed: int | None


class Traffic(Struct, frozen=True):
    """Messages between cores; `order` is the one that was kept of those that were tried."""

    of: str
    messages: float
    messages_in_order: float
    hops: float | None
    order: str
    tried: tuple[str, ...]


class Cost(Struct, frozen=True):
    """Joules of a decision, modelled: parts, the sum of those that are known without static power, and the baselines in
    45 nm. Like the parts, these leave out what the host computes of values.
    """

    parts: dict[str, EnergyPart]
    dynamic: EnergyPart
    baselines: dict[str, Range]


class CompileReport(Struct, frozen=True):
    """What becomes of a network on a target."""

    target: str
    neurons: int
    synapses: int
    cores: int
    cores_allowed: int
    use: dict[str, Use]
    traffic: Traffic
    weights: list[WeightError]
    populations: list[NeuronError]
    approximated: list[str]
    dropped: list[str]
    broken: list[Broken]
    erased: list[str]
    """A line for all weights and thresholds that become 0, and each population with neurons that lose all input."""
    energy: Cost | None = None
    """Where an activity was given."""


def compile_network(
    network: Network, name: str, target: Target, activity: Activity | None = None, chips: int = 1
) -> CompileReport:
    """Check, quantise and place a network. Raises NetworkError for an activity that is not this network's.

    Parameters
    ----------
    network : Network
        The network as stated.
    name : str
        The target's name.
    target : Target
        The hardware.
    activity : Activity, optional
        What a record holds; without one every neuron is counted as spiking once, and there is no energy.
    chips : int
        How many chips there are.
    """
    if activity is not None and activity.facts is not None:
        _check_it_ran(network, activity)
    folded = fold(network)
    if not folded.populations:
        raise NetworkError("network: it has no neurons to place")
    wiring = wire(folded)
    sent = np.ones(wiring.synapses.shape[1]) if activity is None else _sent(activity, wiring)
    placement = place(wiring, target, sent, chips)
    _, weight_errors, neuron_errors = quantise(folded, target)
    return CompileReport(
        target=name,
        neurons=wiring.n_neurons,
        synapses=int(wiring.synapses.sum()),
        cores=placement.load.neurons.size,
        cores_allowed=target.cores_per_chip * chips,
        use=_use(placement, target),
        traffic=Traffic(
            ONE_EACH if activity is None else "the recorded spikes",
            placement.messages, placement.messages_in_order, placement.hops, placement.order, placement.tried,
        ),
        weights=weight_errors,
        populations=neuron_errors,
        approximated=[
            *_early(network, folded), *approximated(folded, target), *_comparisons(folded, target, neuron_errors),
        ],
        dropped=dropped(network, folded),
        erased=_erased(folded, weight_errors, neuron_errors),
        broken=check(folded, wiring, target) + broken(placement, target, chips)
        + _looped(network, folded) + unreadable(network, folded),
        energy=None if activity is None else _cost(network, folded, wiring, placement, target, activity, sent),
    )  # fmt: skip


def _check_it_ran(network: Network, activity: Activity) -> None:
    """Raise NetworkError where a record's network has other parts than this one."""
    mine, theirs = facts_of(network, activity.period_us or 0), activity.facts
    assert theirs is not None  # asked only where the record says something of its network
    for kind in ("populations", "projections"):
        ours, recorded = getattr(mine, kind), getattr(theirs, kind)
        for name in sorted(ours.keys() | recorded.keys()):
            there, here = recorded.get(name), ours.get(name)
            if there is None or here is None:
                raise NetworkError(
                    f"activity: it is of another network: {name!r} is {'here' if here else 'there'} alone"
                )
            for field in here.__struct_fields__:
                if getattr(there, field) != getattr(here, field):
                    raise NetworkError(f"activity: it is of another network: {name!r} has another {field} there")
    if activity.period_us is not None and theirs.steps_per_tick != mine.steps_per_tick:
        steps = theirs.steps_per_tick, mine.steps_per_tick
        raise NetworkError(f"activity: it is of another network: {steps[0]} steps in a tick there, {steps[1]} here")


def _sent(activity: Activity, wiring: Wiring) -> NDArray:
    """(n_sources,) how many spikes each source sent; a population that reaches nobody may be absent."""
    sent, reaches = np.zeros(wiring.synapses.shape[1]), wiring.synapses.sum(axis=0) > 0
    for name, part in wiring.slices.items():
        if name not in activity.spikes and not reaches[part].any():
            continue
        if name not in activity.spikes:
            known = allowed_hint(name, activity.spikes)
            raise NetworkError(f"activity: it has no spikes of {name!r}; set record.spikes in the run; {known}")
        found = np.asarray(activity.spikes[name])
        if found.shape != sent[part].shape:
            raise NetworkError(f"activity: {name!r} has {found.size} neurons in it; allowed: {sent[part].size}")
        sent[part] = found
    return sent


def _use(placement: Placement, target: Target) -> dict[str, Use]:
    limits, load = target.limits, placement.load
    allowed = {
        "neurons": target.neurons_per_core,
        "axons_in": None if limits.axons_in is None else limits.axons_in.value,
        "axons_out": None if limits.axons_out is None else limits.axons_out.value,
        "memory_bits": None if limits.memory is None else limits.memory.bits,
        "cores_reached": None if limits.cores_reached is None else limits.cores_reached.value,
    }
    found = dict(
        zip(allowed, (load.neurons, load.axons_in, load.axons_out, load.bits, load.cores_reached), strict=True)
    )
    if limits.memory is None:
        del found["memory_bits"]
    return {name: Use(int(n.max()), float(n.mean()), allowed[name]) for name, n in found.items()}


def _early(network: Network, folded: Network) -> Iterator[str]:
    return (f"projection {name!r}: {how}" for name, how in early_constants(network, folded))


def _looped(network: Network, folded: Network) -> list[Broken]:
    return [Broken("kinds", "network", loop, A_NEURON) for loop in loops(network, folded)]


def _comparisons(network: Network, target: Target, found: list[NeuronError]) -> Iterator[str]:
    """What becomes of > and >= where the target knows one of them alone, and v moves on no grid."""
    for n in found:
        p = network.populations[n.population]
        if target.comparison is None or p.v_threshold is None or n.on_grid or p.behaviour.threshold_noise:
            continue
        if p.behaviour.threshold_test != target.comparison.value:
            text = f"a spike needs v {target.comparison.value} v_threshold, not {p.behaviour.threshold_test}"
            yield f"population {p.name!r}: {text}, and v moves on no grid that the target can hold"


def _erased(network: Network, weights: list[WeightError], neurons: list[NeuronError]) -> list[str]:
    silent = [Inputless(n.population, n.inputless, network.populations[n.population].size)
              for n in neurons if n.inputless]  # fmt: skip
    return list(told([*(w.lost for w in weights), *(n.lost for n in neurons)], silent))


def _cost(
    network: Network, folded: Network, wiring: Wiring, placement: Placement, target: Target, activity: Activity,
    sent: NDArray,
) -> Cost:  # fmt: skip
    """Per decision. Operations are those of spikes and events; what the host computes of values costs the chip none."""
    n = max(activity.ticks, 1)
    crossed = float(sent @ wiring.synapses.sum(axis=0)) / n
    spikes = float(sent[: wiring.n_neurons].sum()) / n
    updates = wiring.n_neurons * activity.seconds / folded.dt_s / n
    share = placement.load.neurons.size / target.cores_per_chip
    events = Events(
        synaptic_operations=crossed,
        neuron_updates=updates,
        active_updates=_active(updates, updates * _driven(folded, wiring).mean(), crossed, spikes),
        weight_updates=activity.weight_updates / n,
        chip_s=share * (activity.run_s or activity.seconds) / n,
        spikes=spikes,
        messages=placement.messages / n,
        hops=None if placement.hops is None else placement.hops / n,
    )
    parts = account(events, target.energy)
    return Cost(parts, dynamic(parts), baselines(_synapses(network), crossed))


def _synapses(network: Network) -> int:
    """Weights behind spikes and events, of the layers as they are: folding makes one large matrix of two small ones.

    Those that only values reach, through relays or at once, are the host's.
    """
    hosted = {port.name for port in network.inputs if port.kind == "values"}
    for name in network.order():
        into = {p.source for p in network.onto(name)}
        if network.populations[name].kind == "passthrough" and into and into <= hosted:
            hosted.add(name)
    return sum(p.weights.nnz for p in network.projections.values() if p.source not in hosted and counted(network, p))


def _driven(network: Network, wiring: Wiring) -> NDArray:
    """(n_neurons,) bool: whether a neuron has a constant input, which comes in every step."""
    driven = np.zeros(wiring.n_neurons, bool)
    for p in network.projections.values():
        here = driven[wiring.slices[p.target]]
        if p.bias is not None:
            here |= p.bias != 0
        if p.source not in wiring.slices:
            here[p.weights.indices[p.weights.data != 0]] = True
    return driven


def _active(updates: float, driven: float, operations: float, spikes: float) -> Range:
    """Driven neurons are active in every step; elsewhere an operation, or a spike, makes at most one update active.

    At least the neurons that spike are.
    """
    most = min(updates, driven + operations + spikes)
    return Range(most, min(spikes, most), most)
