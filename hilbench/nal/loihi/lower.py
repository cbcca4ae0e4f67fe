"""An integer network as flat arrays: neurons side by side, synapses by source, one bundle for each delay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum, auto
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.nal.loihi.equations import ALIGN_BITS
from hilbench.nal.loihi.model import IntegerNetwork, IntegerProjection, ValueInput
from hilbench.nal.model.columns import Columns, table_of
from hilbench.types import Port, Probes


class NeuronRow(Columns):
    """Rows of `Flat.neurons`."""

    DU = auto()
    DV = auto()
    THRESHOLD = auto()
    REFRACTORY = auto()


class PopulationColumn(Columns):
    """Columns of `Flat.populations`."""

    LO = auto()
    HI = auto()


class TapColumn(Columns):
    """Columns of `Flat.outputs` and `Flat.probes`: whose spikes are written, counted from which address."""

    POPULATION = auto()
    ADDRESS = auto()


class BundleColumn(Columns):
    """Columns of `Flat.bundles`; those of `Flat.held`, whose sources are values, are the first five."""

    SOURCE_LO = auto()
    SOURCE_HI = auto()
    TARGET_LO = auto()
    TARGET_HI = auto()
    ROW = auto()  # the first source's row in `starts`
    POPULATION = auto()  # -1 for an event port: its sources are then counted by address
    DELAY = auto()
    EXPONENT = auto()


HELD_COLUMNS = tuple(BundleColumn)[:5]

NEVER = 1 << 40
"""A threshold that no v reaches."""


class Synapses(NamedTuple):
    """Matrices side by side, column by column."""

    starts: NDArray  # (rows + 1,) int64 into targets and weights
    targets: NDArray  # (n_synapses,) int32: place within the target population
    weights: NDArray  # (n_synapses,)


@dataclass(slots=True, eq=False)
class Flat:
    """Flat arrays of one network. All that a step computes with are integers, so that no machine rounds differently."""

    neurons: NDArray  # (4, n) int64: one row per constant
    bias: NDArray  # (n,) int64
    v_initial: NDArray  # (n,) int64
    populations: NDArray  # (n_populations, 2) int64
    outputs: NDArray  # (n_event_ports, 2) int64
    probes: NDArray  # (n_probes, 2) int64
    bundles: NDArray  # (n_bundles, 8) int64: a projection's synapses of one delay
    synapses: Synapses  # of the bundles, weights int32, without the exponent
    held: NDArray  # (n_value_inputs, 5) int64
    held_synapses: Synapses  # weights float32
    held_scales: NDArray  # float64: bias per weight x value, by target neuron, one value input after the other
    at: dict[str, slice]  # where a population's neurons lie

    @property
    def n_slots(self) -> int:
        """How many steps of input wait in the ring."""
        return 1 + int(self.bundles[:, BundleColumn.DELAY].max(initial=0))


def lower(network: IntegerNetwork, probes: Probes) -> Flat:
    """Lay a network out flat. Its numbers are valid by construction; the backend checks the probes.

    Parameters
    ----------
    network : IntegerNetwork
        The network.
    probes : Probes
        What the run watches.
    """
    populations = list(network.populations.values())
    ends = np.cumsum([0, *(p.size for p in populations)]).tolist()
    at = {p.name: slice(ends[i], ends[i + 1]) for i, p in enumerate(populations)}
    constants = [
        {
            "DU": p.du, "DV": p.dv, "THRESHOLD": NEVER if p.vth is None else p.vth << ALIGN_BITS,
            "REFRACTORY": p.refractory_steps,
        }
        for p in populations
    ]  # fmt: skip
    spans = [{"LO": at[p.name].start, "HI": at[p.name].stop} for p in populations]
    return Flat(
        neurons=np.repeat(table_of(NeuronRow, constants, np.int64).T, [p.size for p in populations], axis=1).copy(),
        bias=np.concatenate([p.bias for p in populations]),
        v_initial=np.concatenate([p.v_initial for p in populations]),
        populations=table_of(PopulationColumn, spans, np.int64),
        outputs=_taps(
            network, [network.output_sources[port.name] for port in network.outputs if port.kind == "events"]
        ),
        probes=_taps(network, probes.spikes),
        at=at,
        **_bundles(network, at),
        **_held(network, at),
    )


def _taps(network: IntegerNetwork, names: Sequence[str]) -> NDArray:
    place = {name: i for i, name in enumerate(network.populations)}
    starts = np.cumsum([0, *(network.populations[name].size for name in names)])
    rows = [{"POPULATION": place[name], "ADDRESS": at} for name, at in zip(names, starts.tolist(), strict=False)]
    return table_of(TapColumn, rows, np.int64)


def first_of(ports: tuple[Port, ...], kind: str) -> dict[str, int]:
    """The first address, or the place of the first value, of each port of a kind.

    Parameters
    ----------
    ports : tuple of Port
        They lie side by side in this order.
    kind : str
        "values" or "events".
    """
    chosen = [port for port in ports if port.kind == kind]
    starts = np.cumsum([0, *(port.size for port in chosen)]).tolist()
    return {port.name: start for port, start in zip(chosen, starts, strict=False)}


def _bundles(network: IntegerNetwork, at: dict[str, slice]) -> dict[str, Any]:
    """Lava rounds what each delay brings by itself, so each has a bundle of its own."""
    place = {name: i for i, name in enumerate(network.populations)}
    ports = first_of(network.inputs, "events")
    rows, parts = [], []
    for p in network.projections.values():
        source = place.get(p.source, -1)
        first = at[p.source].start if p.source in at else ports[p.source]
        for delay in np.unique(p.delay_steps).tolist():
            parts.append(where(p.weights, p.delay_steps == delay).astype(np.int32))
            more = {"POPULATION": source, "DELAY": delay, "EXPONENT": p.weight_exp}
            rows.append(_ends(p, first, at) | more)
    return {"bundles": _with_rows(BundleColumn, rows), "synapses": _side_by_side(parts, np.int32)}


def _held(network: IntegerNetwork, at: dict[str, slice]) -> dict[str, Any]:
    inputs, ports = network.value_inputs, first_of(network.inputs, "values")
    return {
        "held": _with_rows(HELD_COLUMNS, [_ends(p, ports[p.source], at) for p in inputs]),
        "held_synapses": _side_by_side([p.weights for p in inputs], np.float32),
        "held_scales": np.concatenate([*(p.scale for p in inputs), np.zeros(0)]),
    }


def _ends(p: IntegerProjection | ValueInput, first: int, at: dict[str, slice]) -> dict[str, int]:
    """Where its sources lie, the first one at `first`, and its targets."""
    target = at[p.target]
    n_source = p.weights.shape[1]
    return {"SOURCE_LO": first, "SOURCE_HI": first + n_source, "TARGET_LO": target.start, "TARGET_HI": target.stop}


def _with_rows(columns: Iterable[IntEnum], ends: list[dict[str, int]]) -> NDArray:
    """A table of these rows; their matrices lie side by side, so each one's ROW follows from the sizes before it."""
    sizes = [row["SOURCE_HI"] - row["SOURCE_LO"] for row in ends]
    starts = np.cumsum([0, *sizes]).tolist()
    return table_of(columns, [row | {"ROW": start} for row, start in zip(ends, starts, strict=False)], np.int64)


def _side_by_side(matrices: list[scipy.sparse.csc_array], dtype: type) -> Synapses:
    ends = np.cumsum([0, *(m.nnz for m in matrices)])
    starts = [end + m.indptr[1:].astype(np.int64) for end, m in zip(ends, matrices, strict=False)]
    return Synapses(
        np.concatenate([np.zeros(1, np.int64), *starts]),
        np.concatenate([np.empty(0, np.int32), *(m.indices.astype(np.int32) for m in matrices)]),
        np.concatenate([np.empty(0, dtype), *(m.data for m in matrices)]),
    )


def where(matrix: scipy.sparse.csc_array, chosen: NDArray) -> scipy.sparse.csc_array:
    """A matrix with some of its entries alone, zeros among them.

    Parameters
    ----------
    matrix : csc_array
        The matrix.
    chosen : (nnz,) bool
        Which of its entries stay.
    """
    counts = np.concatenate([[0], np.cumsum(chosen)])
    return scipy.sparse.csc_array(
        (matrix.data[chosen], matrix.indices[chosen], counts[matrix.indptr]), shape=matrix.shape
    )
