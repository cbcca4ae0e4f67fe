"""A Network as flat arrays for fast engines: populations side by side in step order, synapses by source.

It reads a Network and knows no engine. `backends/reference.py` does not use it, so a comparison shows an error here.
Synapses of static projections are the Network's own arrays, not copies.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hilbench.nal.compile.lowered import Column, ConstantColumn, Lowered, ProjectionRow, Synapses, Trait
from hilbench.nal.compile.operations import counted
from hilbench.nal.model.columns import table_of
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population, step_constants
from hilbench.nal.model.projection import Projection
from hilbench.nal.model.short_term import release_constants
from hilbench.types import Probes


def lower(network: Network, probes: Probes) -> Lowered:
    """Lay a network out flat. The network is valid by construction; the backend checks the probes.

    Parameters
    ----------
    network : Network
        The network.
    probes : Probes
        What the run watches.
    """
    order = [network.populations[name] for name in network.order()]
    offsets = np.cumsum([0, *(p.size for p in order)])
    at = {p.name: int(offset) for p, offset in zip(order, offsets, strict=False)}
    groups = _by_source(network, order)
    ordered = [p for group in groups for p in group]
    ends = np.cumsum([len(group) for group in groups])
    bias, held = _constant_input(network, at, int(offsets[-1]), groups[0])
    constants = np.concatenate([_constants(p, network) for p in order], axis=1)
    v_initial = [np.zeros(p.size) if p.v_initial is None else p.v_initial for p in order]
    readouts = [_neurons(network, at, port.name) for port in network.outputs if port.kind == "values"]
    return Lowered(
        order=order,
        constants=constants,
        populations=_population_rows(network, order, constants, ends, ordered, held, probes),
        traits=table_of(Trait, [_traits(p, network) for p in order], np.float64),
        projections=ordered,
        links=table_of(ProjectionRow, _projection_rows(ordered, network, at), np.int64),
        n_held=int(ends[0]),
        n_from_values=int(ends[1]),
        n_from_events=int(ends[2]),
        bias=bias,
        v_initial=np.concatenate(v_initial, dtype=float),
        readouts=np.concatenate([*readouts, np.zeros(0, np.int64)]).astype(np.int64),
        n_slots=1 << max((p.max_delay_steps for p in ordered), default=0).bit_length(),
        n_mark_slots=_mark_slots(network),
        synapses=[_synapses(p, network.dt_s) for p in ordered],
    )


def _population_rows(
    network: Network,
    order: list[Population],
    constants: NDArray,
    ends: NDArray,
    ordered: list[Projection],
    held: set[str],
    probes: Probes,
) -> NDArray:
    """`Lowered.populations`; `ends` says where each group of projections ends, as `_by_source` makes them."""
    out, probe = _addresses(network), _probe_addresses(network, probes)
    after_threshold = {p.target for p in ordered if p.after_threshold}
    watched = {p.target for p in ordered if p.rule is not None and p.rule.reads_membrane}
    rows, lo = [], 0
    for i, p in enumerate(order):
        hi = lo + p.size
        rows.append(
            _behaviour(p, network.dt_s)
            | {
                "LO": lo,
                "HI": hi,
                "FIRST_PROJECTION": ends[i + 2],
                "LAST_PROJECTION": ends[i + 3],
                "OUT_ADDRESS": out.get(p.name, -1),
                "PROBE_ADDRESS": probe.get(p.name, -1),
                "UNIFORM": _uniform(constants[:, lo:hi]) and p.rule is None,
                "HELD_INPUT": p.name in held,
                "AFTER_THRESHOLD": p.name in after_threshold,
                "EXCESS": p.name in watched,
            }
        )
        lo = hi
    return table_of(Column, rows, np.int64)


def _behaviour(p: Population, dt_s: float) -> dict[str, int]:
    """The columns that follow from a population alone."""
    b = p.behaviour
    return {
        "REFRACTORY_STEPS": round(b.refractory_s / dt_s),
        "SPIKING": p.spiking,
        "COUNTED": p.kind != "passthrough",
        "CURRENT": p.tau_syn_s is not None,
        "PLAIN": b.plain and p.kind != "poisson",
        "AT_LEAST": b.threshold_test == ">=",
        "NEXT": b.reset_at == "next",
        "SUBTRACT": b.reset == "subtract" and p.v_reset is not None,
        "MULTIPLE": b.spikes == "multiple",
        "GRADED": b.spikes == "graded",
        "POISSON": p.kind == "poisson",
        "ON_ARRIVAL": b.fires == "on_arrival",
    }


def _neurons(network: Network, at: dict[str, int], port: str) -> NDArray:
    p = network.populations[network.output_sources[port]]
    return np.arange(at[p.name], at[p.name] + p.size)


def _by_source(network: Network, order: list[Population]) -> list[list[Projection]]:
    """Projections from values that act at once, from other values, from events, then from each population."""
    kinds = {port.name: port.kind for port in network.inputs}
    from_values = [p for p in network.projections.values() if kinds.get(p.source) == "values"]
    by_source: dict[str, list[Projection]] = {p.name: [] for p in order}
    for p in network.projections.values():
        if p.source in by_source:
            by_source[p.source].append(p)
    return [
        [p for p in from_values if _holds(network, p)],
        [p for p in from_values if not _holds(network, p)],
        [p for p in network.projections.values() if kinds.get(p.source) == "events"],
        *by_source.values(),
    ]


def _holds(network: Network, p: Projection) -> bool:
    """Whether what it brings is the same in all steps of a tick, and its target is tested in every step."""
    return p.max_delay_steps == 0 and not p.after_threshold and not _marks(network, p)


def _marks(network: Network, p: Projection) -> bool:
    """Whether its target is tested only where something arrives."""
    return network.populations[p.target].behaviour.fires == "on_arrival"


def _mark_slots(network: Network) -> int:
    steps = [p.max_delay_steps + p.after_threshold for p in network.projections.values() if _marks(network, p)]
    any_tested = any(p.behaviour.fires == "on_arrival" for p in network.populations.values())
    return 1 << max(steps, default=0).bit_length() if any_tested else 0


def _constant_input(network: Network, at: dict[str, int], n: int, held: list[Projection]) -> tuple[NDArray, set[str]]:
    """Biases, (n,) float64, and the populations that have one or take in held values."""
    bias, names = np.zeros(n), {p.target for p in held}
    for p in network.projections.values():
        if p.bias is not None:
            bias[at[p.target] : at[p.target] + p.bias.size] += p.bias
            names.add(p.target)
    return bias, names


def _constants(p: Population, network: Network) -> NDArray:
    threshold = np.full(p.size, np.inf) if p.v_threshold is None else p.v_threshold.astype(np.float64)
    # The engine compares with ">".
    limit = np.nextafter(threshold, -np.inf) if p.behaviour.threshold_test == ">=" else threshold
    keep, add = np.ones(p.size), np.zeros(p.size)
    if p.v_reset is not None:
        keep[:] = p.behaviour.reset == "subtract"
        add = {"value": p.v_reset, "zero": add, "subtract": -threshold}[p.behaviour.reset]
    step = step_constants(p, network.dt_s)
    rows = {
        "REST": step.rest, "DECAY": step.decay, "FROM_CURRENT": step.from_current, "FROM_INPUT": step.from_input,
        "SYN_DECAY": step.syn_decay, "SYN_GAIN": step.syn_gain, "THRESHOLD": threshold, "LIMIT": limit, "KEEP": keep,
        "ADD": add,
    }  # fmt: skip
    return np.stack([rows[column.name] for column in ConstantColumn])


def _uniform(constants: NDArray) -> bool:
    return bool((constants == constants[:, :1]).all())


def _traits(p: Population, network: Network) -> dict[str, float]:
    b = p.behaviour
    return {
        "FLOOR": -np.inf if b.v_floor is None else b.v_floor,
        "NOISE": b.threshold_noise,
        "ADAPT_DECAY": 0.0 if b.adapt_tau_s is None else np.exp(-network.dt_s / b.adapt_tau_s),
        "ADAPT_STEP": 0.0 if b.adapt_tau_s is None else b.adapt_step,
    }


def _synapses(p: Projection, dt_s: float) -> Synapses:
    weights = p.weights.data.astype(np.float32, copy=False) if p.rule is None else p.weights.data.astype(np.float64)
    delays = None if isinstance(p.delay_steps, int) else p.delay_steps
    starts = p.weights.indptr.astype(np.int64)
    tiring = None if p.short_term is None else np.array(release_constants(p.short_term, dt_s))
    return Synapses(starts, np.ascontiguousarray(p.weights.indices, np.int32), weights, delays, tiring)


def _projection_rows(ordered: list[Projection], network: Network, at: dict[str, int]) -> Iterator[dict[str, int]]:
    sources = dict(at)
    for kind in ("values", "events"):
        ports = [port for port in network.inputs if port.kind == kind]
        sizes = np.cumsum([0, *(port.size for port in ports)])
        sources |= {port.name: int(start) for port, start in zip(ports, sizes, strict=False)}
    for p in ordered:
        n_target, n_source = p.weights.shape
        yield {
            "SOURCE_LO": sources[p.source],
            "N_SOURCE": n_source,
            "TARGET_LO": at[p.target],
            "N_TARGET": n_target,
            "DELAY": p.max_delay_steps,
            "DENSE": p.weights.nnz == n_target * n_source,
            "PLASTIC": p.rule is not None,
            "AFTER_THRESHOLD": p.after_threshold,
            "COUNTED": counted(network, p),
            "MARKS": _marks(network, p),
        }


def _addresses(network: Network) -> dict[str, int]:
    """The first event address of each population that an event port reads."""
    first, address = {}, 0
    for port in network.outputs:
        if port.kind == "events":
            first[network.output_sources[port.name]] = address
            address += port.size
    return first


def _probe_addresses(network: Network, probes: Probes) -> dict[str, int]:
    starts = np.cumsum([0, *(network.populations[name].size for name in probes.spikes)]).tolist()
    return dict(zip(probes.spikes, starts, strict=False))
