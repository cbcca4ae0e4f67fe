"""An integer network as flat arrays: neurons side by side, synapses by source, one bundle for each delay."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.nal.loihi.equations import ALIGN_BITS
from hilbench.nal.loihi.model import IntegerNetwork
from hilbench.types import Probes

# Rows of `Flat.neurons`.
DU, DV, THRESHOLD, REFRACTORY = range(4)
# Columns of `Flat.populations`.
LO, HI = range(2)
# Columns of `Flat.outputs` and `Flat.probes`: whose spikes are written, counted from which address.
TAPPED, ADDRESS = range(2)
# Columns of `Flat.bundles`. A population of -1 means event ports; sources are then counted by address.
POPULATION, SOURCE_LO, SOURCE_HI, TARGET_LO, TARGET_HI, ROW, DELAY, EXPONENT = range(8)

NEVER = 1 << 40
"""A threshold that no v reaches."""


@dataclass(slots=True, eq=False)
class Flat:
    """All arrays are integers, so that no machine rounds differently."""

    neurons: NDArray  # (4, n) int64: one row per constant
    bias: NDArray  # (n,) int64
    v_initial: NDArray  # (n,) int64
    populations: NDArray  # (n_populations, 2) int64
    outputs: NDArray  # (n_event_ports, 2) int64
    probes: NDArray  # (n_probes, 2) int64
    bundles: NDArray  # (n_bundles, 8) int64: a projection's synapses of one delay
    starts: NDArray  # (rows + 1,) int64 into targets and weights
    targets: NDArray  # (n_synapses,) int32: place within the target population
    weights: NDArray  # (n_synapses,) int32, without the exponent
    at: dict[str, slice]  # where a population's neurons lie

    @property
    def n_slots(self) -> int:
        """How many steps of input wait in the ring."""
        return 1 + int(self.bundles[:, DELAY].max(initial=0))


def lower(network: IntegerNetwork, probes: Probes) -> Flat:
    """Lay a network out flat. Its numbers are valid by construction; probes are checked by the backend."""
    populations = list(network.populations.values())
    ends = np.cumsum([0, *(p.size for p in populations)]).tolist()
    at = {p.name: slice(ends[i], ends[i + 1]) for i, p in enumerate(populations)}
    constants = [(p.du, p.dv, NEVER if p.vth is None else p.vth << ALIGN_BITS, p.refractory_steps) for p in populations]
    return Flat(
        neurons=np.repeat(np.array(constants, np.int64).T, [p.size for p in populations], axis=1).copy(),
        bias=np.concatenate([p.bias for p in populations]),
        v_initial=np.concatenate([p.v_initial for p in populations]),
        populations=np.array([(at[p.name].start, at[p.name].stop) for p in populations], np.int64),
        outputs=_taps(network, [network.taps[port.name] for port in network.outputs if port.kind == "events"]),
        probes=_taps(network, probes.spikes),
        at=at,
        **_bundles(network, at),
    )


def _taps(network: IntegerNetwork, names: Sequence[str]) -> NDArray:
    order, sizes = list(network.populations), [network.populations[name].size for name in names]
    starts = np.cumsum([0, *sizes]).tolist()
    return np.array([(order.index(name), start) for name, start in zip(names, starts, strict=False)], np.int64).reshape(
        -1, 2
    )


def _first(ports: tuple) -> dict[str, int]:
    """The first address of each event port."""
    events = [port for port in ports if port.kind == "events"]
    starts = np.cumsum([0, *(port.size for port in events)]).tolist()
    return {port.name: start for port, start in zip(events, starts, strict=False)}


def _bundles(network: IntegerNetwork, at: dict[str, slice]) -> dict[str, NDArray]:
    """Lava rounds what each delay brings by itself, so each has a bundle of its own."""
    order, ports = list(network.populations), _first(network.inputs)
    rows, starts, targets, weights, n = [], [np.zeros(1, np.int64)], [], [], 0
    for p in network.projections.values():
        n_source = p.weights.shape[1]
        source = order.index(p.source) if p.source in at else -1
        first = at[p.source].start if p.source in at else ports[p.source]
        for delay in np.unique(p.delay_steps).tolist():
            part = _where(p.weights, p.delay_steps == delay)
            target = at[p.target]
            rows.append((source, first, first + n_source, target.start, target.stop, 0, delay, p.weight_exp))
            starts.append(n + part.indptr[1:].astype(np.int64))
            targets.append(part.indices.astype(np.int32))
            weights.append(part.data.astype(np.int32))
            n += part.nnz
    table = np.array(rows, np.int64).reshape(-1, 8)
    sizes = table[:, SOURCE_HI] - table[:, SOURCE_LO]
    table[:, ROW] = np.cumsum(sizes) - sizes
    empty = [np.empty(0, np.int32)]
    return {
        "bundles": table,
        "starts": np.concatenate(starts),
        "targets": np.concatenate(targets or empty),
        "weights": np.concatenate(weights or empty),
    }


def _where(matrix: scipy.sparse.csc_array, chosen: NDArray) -> scipy.sparse.csc_array:
    """Those entries alone, zeros among them."""
    counts = np.concatenate([[0], np.cumsum(chosen)])
    return scipy.sparse.csc_array(
        (matrix.data[chosen], matrix.indices[chosen], counts[matrix.indptr]), shape=matrix.shape
    )
