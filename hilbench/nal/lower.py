"""A Network as flat arrays: populations side by side in step order, synapses by source. What fast engines run.

It reads a Network and knows no engine; `backends/reference.py` does without it, so that an error here shows there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.nal.network import Network, Population, Projection
from hilbench.nal.rules.pes import PES
from hilbench.types import Probes

# Rows of `Lowered.neurons`.
DECAY, GAIN, REST, THRESHOLD, KEEP, ADD = range(6)
# Columns of `Lowered.populations`; an address of -1 means that no port takes the spikes.
LO, HI, FIRST_PROJECTION, LAST_PROJECTION, OUT_ADDRESS, PROBE_ADDRESS = range(6)
# Columns of `Lowered.projections`; `ROW` is the first source's row in `starts`.
SOURCE_LO, SOURCE_HI, TARGET_LO, TARGET_HI, ROW, DELAY, DENSE, PLASTIC = range(8)
# Columns of `Lowered.plastic` and rows of `Lowered.rule_constants`.
PROJECTION, MODULATOR_LO, TRACE_LO = range(3)
SCALE, TRACE_DECAY = range(2)


@dataclass(slots=True, eq=False)
class Lowered:
    """Flat arrays of one network.

    Weights are float32; neuron constants float64, because float32 membranes move spikes: rounding of 1e-7 at the
    threshold can shift a spike by a step.
    """

    neurons: NDArray  # (6, n) float64: one row per constant
    refractory_steps: NDArray  # (n,) int32
    bias: NDArray  # (n,) float64: constant input
    populations: NDArray  # (n_populations, 6) int64, in step order
    projections: NDArray  # (n_projections, 8) int64: from values, from events, then by population in step order
    n_from_values: int
    n_from_events: int
    starts: NDArray  # (rows + 1,) int64 into targets and weights
    targets: NDArray  # (n_synapses,) int32: neuron index
    weights: NDArray  # (n_synapses,) float32
    plastic: NDArray  # (n_plastic, 3) int64
    rule_constants: NDArray  # (2, n_plastic) float32
    readouts: NDArray  # (n_values_out,) int64: neuron behind each output value
    n_slots: int
    n_traces: int
    weight_slices: dict[str, slice]  # where a projection's weights lie


def lower(network: Network, probes: Probes) -> Lowered:
    """Lay a network out flat. The network is valid by construction; probes are checked by the backend."""
    order = [network.populations[name] for name in network.order()]
    offsets = np.cumsum([0, *(p.size for p in order)])
    at = {p.name: int(offset) for p, offset in zip(order, offsets, strict=False)}
    groups = _by_source(network, order)
    ordered = [p for group in groups for p in group]
    starts, targets, weights, slices = _synapses(ordered, at)
    ends = np.cumsum([len(group) for group in groups])
    plastic, constants, n_traces = _plastic(network, ordered)
    return Lowered(
        neurons=np.concatenate([_constants(p, network) for p in order], axis=1),
        refractory_steps=np.repeat(
            [round(p.refractory_s / network.dt_s) for p in order], [p.size for p in order]
        ).astype(np.int32),
        bias=_bias(network, at, int(offsets[-1])),
        populations=np.array(
            [
                (at[p.name], at[p.name] + p.size, ends[i + 1], ends[i + 2], out, probe)
                for i, (p, out, probe) in enumerate(
                    zip(order, _addresses(order, network.outputs), _probe_addresses(order, probes), strict=True)
                )
            ],
            np.int64,
        ),
        projections=_describe(ordered, network, at),
        n_from_values=int(ends[0]),
        n_from_events=int(ends[1]),
        starts=starts,
        targets=targets,
        weights=weights,
        plastic=plastic,
        rule_constants=constants,
        readouts=np.concatenate(
            [np.arange(at[p.name], at[p.name] + p.size) for p in network.outputs if p.kind == "values"] or [[]]
        ).astype(np.int64),
        n_slots=1 + max((p.delay_steps for p in ordered), default=0),
        n_traces=n_traces,
        weight_slices=slices,
    )


def step_constants(p: Population, network: Network) -> tuple[NDArray, NDArray]:
    """(decay, gain) of v <- rest + (v - rest) decay + gain I over one step: held input, or forward Euler."""
    ratio = network.dt_s / p.tau_s.astype(np.float64)
    decay = np.exp(-ratio) if network.integrator == "exact" else 1 - ratio
    return decay, p.r * (1 - decay)


def _constants(p: Population, network: Network) -> NDArray:
    decay, gain = step_constants(p, network)
    threshold = p.v_threshold.astype(np.float64)
    if p.threshold == ">=":  # the engine compares with ">"
        threshold = np.nextafter(threshold, -np.inf)
    keep = np.full(p.size, float(p.reset == "subtract"))
    add = {"value": p.v_reset, "zero": np.zeros(p.size), "subtract": -p.v_threshold}[p.reset]
    if p.kind == "li":
        keep, add = np.ones(p.size), np.zeros(p.size)
    return np.stack([decay, gain, p.v_leak, threshold, keep, add])


def _by_source(network: Network, order: list[Population]) -> list[list[Projection]]:
    """Projections from value ports, from event ports, then from each population in step order."""
    kinds = {port.name: port.kind for port in network.inputs}
    everything = network.projections.values()
    return [
        [p for p in everything if kinds.get(p.source) == "values"],
        [p for p in everything if kinds.get(p.source) == "events"],
        *([p for p in everything if p.source == population.name] for population in order),
    ]


def _synapses(ordered: list[Projection], at: dict[str, int]) -> tuple[NDArray, NDArray, NDArray, dict[str, slice]]:
    starts, targets, weights, slices, n = [np.zeros(1, np.int64)], [], [], {}, 0
    for p in ordered:
        # Rows of different projections follow each other, so a projection's first start is the last one's end.
        starts.append(n + p.weights.indptr[1:].astype(np.int64))
        targets.append(p.weights.indices.astype(np.int32) + np.int32(at[p.target]))
        weights.append(p.weights.data)
        slices[p.name] = slice(n, n + p.weights.nnz)
        n += p.weights.nnz
    empty = [np.empty(0)]
    return (
        np.concatenate(starts),
        np.concatenate(targets or empty).astype(np.int32),
        np.concatenate(weights or empty).astype(np.float32),
        slices,
    )


def _describe(ordered: list[Projection], network: Network, at: dict[str, int]) -> NDArray:
    sources = dict(at)
    for kind in ("values", "events"):
        ports = [port for port in network.inputs if port.kind == kind]
        sizes = np.cumsum([0, *(port.size for port in ports)])
        sources |= {port.name: int(start) for port, start in zip(ports, sizes, strict=False)}
    rows = np.cumsum([0, *(p.weights.shape[1] for p in ordered)])
    return np.array(
        [
            (
                sources[p.source], sources[p.source] + p.weights.shape[1],
                at[p.target], at[p.target] + p.weights.shape[0],
                row, p.delay_steps, p.weights.nnz == p.weights.shape[0] * p.weights.shape[1], p.rule is not None,
            )
            for p, row in zip(ordered, rows, strict=False)
        ],
        np.int64,
    ).reshape(-1, 8)  # fmt: skip


def _bias(network: Network, at: dict[str, int], n: int) -> NDArray:
    bias = np.zeros(n)
    for p in network.projections.values():
        if p.bias is not None:
            bias[at[p.target] : at[p.target] + p.bias.size] += p.bias
    return bias


def _plastic(network: Network, ordered: list[Projection]) -> tuple[NDArray, NDArray, int]:
    ports = network.modulators
    first = dict(zip([m.name for m in ports], np.cumsum([0, *(m.size for m in ports)]).tolist(), strict=False))
    rows, constants, n_traces = [], [], 0
    for index, p in enumerate(ordered):
        if isinstance(p.rule, PES):
            n_source = p.weights.shape[1]
            rows.append((index, first[p.rule.modulator], n_traces))
            scale = p.rule.learning_rate * network.dt_s / n_source
            constants.append((scale, np.exp(-network.dt_s / p.rule.pre_tau_s)))
            n_traces += n_source
    return np.array(rows, np.int64).reshape(-1, 3), np.array(constants, np.float32).reshape(-1, 2).T.copy(), n_traces


def _addresses(order: list[Population], ports: tuple) -> list[int]:
    first, address = {}, 0
    for port in ports:
        if port.kind == "events":
            first[port.name] = address
            address += port.size
    return [first.get(p.name, -1) for p in order]


def _probe_addresses(order: list[Population], probes: Probes) -> list[int]:
    sizes = {p.name: p.size for p in order}
    starts = np.cumsum([0, *(sizes[name] for name in probes.spikes)]).tolist()
    first = dict(zip(probes.spikes, starts, strict=False))
    return [first.get(p.name, -1) for p in order]
