"""The table that `kernels.run` reads: sizes and addresses, and the arrays behind them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from hilbench.backends._network import MAX_SPIKES
from hilbench.nal.compile.lowered import Column, Lowered, Synapses
from hilbench.nal.model.network import Network
from hilbench.types import EVENT, size_of

Argument = IntEnum(
    "Argument",
    [
        # sizes
        "N", "N_SLOTS", "N_POPULATIONS", "N_LINKS", "N_HELD", "N_FROM_VALUES", "N_FROM_EVENTS", "N_COUNTED",
        "N_READOUTS", "N_VALUES", "N_MODULATORS", "N_PLANS", "N_MOVES", "DT_US", "ANY_AFTER_THRESHOLD", "ANY_RULE",
        "N_PARTS", "PART", "N_STEPS", "N_MARK_SLOTS", "N_EARS", "N_HEARD",
        # what stays
        "CONSTANTS", "POPULATIONS", "TRAITS", "LINKS", "SYNAPSES", "BIAS", "READOUTS", "KEYS", "NUMBERS",
        "PLANS", "MOVES", "BOUNDS", "EARS",
        # what changes
        "V", "CURRENT", "DELAY_RING", "AFTER_THRESHOLD", "HELD_CURRENT", "RELEASE", "HOLDING", "HOLD_V", "QUEUE",
        "PENDING", "ADAPTED", "HOT_BLOCKS", "OVER", "FIRED", "AMOUNT", "SPIKED", "EXCESS", "CLOCKS", "FRESH",
        "N_FIRED", "TOTALS", "ARRIVED", "MARKS", "ROWS", "HEARD",
        # in and out
        "EVENTS", "VALUES", "MODULATORS", "OUT", "PROBE", "VALUES_OUT", "COUNTS", "COUNTS_OUT",
    ],
    start=0,
)  # fmt: skip
"""Positions in the table."""

Address = IntEnum("Address", ["CUTS", "TARGETS", "WEIGHTS", "DELAYS", "STARTS", "SHORT_TERM", "RELEASES"], start=0)
"""Columns of SYNAPSES, a row for each projection; the last two are 0 where its synapses do not tire."""

BLOCK = 128
"""How many neurons are searched for spikes at a time."""
TOGETHER = 256
"""How many spikes at most are sent together, window by window."""
CACHE_LINE = 64
"""Bytes that a processor's cache holds and moves at once."""
RELEASED = 1 << 61
"""A count of ARRIVED from which on nobody waits: it lets threads go when one of them has failed."""


def fill(entries: Mapping[str, NDArray | int]) -> NDArray:
    """The table of these sizes and arrays; the caller keeps the arrays alive. Raises KeyError for a missing entry."""
    table = np.zeros(len(Argument), np.int64)
    for entry in Argument:
        value = entries[entry.name]
        table[entry] = value.ctypes.data if isinstance(value, np.ndarray) else int(value)
    return table


def state(flat: Lowered, n_parts: int) -> dict[str, NDArray]:
    """A network's states and scratch space. All are 0 at first but V.

    Parameters
    ----------
    flat : Lowered
        The network's arrays.
    n_parts : int
        How many threads run it.
    """
    n = flat.bias.size
    kinds = {
        np.float64: ("V", "CURRENT", "HELD_CURRENT", "HOLD_V", "PENDING", "ADAPTED", "AMOUNT", "EXCESS"),
        np.int64: ("RELEASE",),
        np.int32: ("HOLDING", "FIRED"),
        np.uint8: ("SPIKED",),
    }
    return {
        **{name: _zeros(n, kind) for kind, names in kinds.items() for name in names},
        "HOT_BLOCKS": _zeros((n_parts, n // BLOCK + 1), np.int32),
        "OVER": _zeros((n_parts, BLOCK // 8), np.uint64),
        "DELAY_RING": _zeros((flat.n_slots, n), np.float64),
        "AFTER_THRESHOLD": _zeros((flat.n_slots if flat.after_threshold else 0, n), np.float64),
        "QUEUE": _zeros((len(flat.order), n_parts, 3), np.int64),
        "N_FIRED": _zeros((len(flat.order), n_parts), np.int64),
        "ROWS": _zeros((n_parts, TOGETHER, 2), np.int64),
        "TOTALS": _zeros((n_parts, 2), np.int64),
        "ARRIVED": _zeros(1, np.int64),
        "MARKS": _zeros((flat.n_mark_slots, n), np.uint8),
        "CLOCKS": _zeros(2, np.int64),
        "FRESH": _zeros(1, np.uint8),
    }


def _zeros(shape: int | tuple[int, ...], kind: type) -> NDArray:
    """Zeros from the start of a cache line on: a vector that lies in two lines takes twice the time."""
    n_bytes = int(np.prod(shape)) * np.dtype(kind).itemsize
    room = np.zeros(n_bytes + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    return room[start : start + n_bytes].view(kind).reshape(shape)


def io(flat: Lowered, net: Network, n_steps: int) -> dict[str, NDArray]:
    """Buffers for one tick. Those for events have room for all possible spikes; untouched pages take no memory.

    Parameters
    ----------
    flat : Lowered
        The network's arrays.
    net : Network
        What `flat` was made of.
    n_steps : int
        Network steps in a tick.
    """
    multiple = flat.populations[:, Column.MULTIPLE]
    sizes = (flat.populations[:, Column.HI] - flat.populations[:, Column.LO]) * np.where(multiple, MAX_SPIKES, 1)

    def room(column: Column) -> NDArray:
        return np.zeros((int(sizes[flat.populations[:, column] >= 0].sum()) * n_steps, 2), np.uint32)

    return {
        "EVENTS": np.zeros(16, EVENT),
        "VALUES": np.zeros(size_of(net.inputs, "values"), np.float32),
        "MODULATORS": np.zeros(size_of(net.modulators, "values"), np.float32),
        "OUT": room(Column.OUT_ADDRESS),
        "PROBE": room(Column.PROBE_ADDRESS),
    }


def addresses(s: Synapses, cuts: NDArray, releases: NDArray | None = None) -> tuple[int, ...]:
    """The addresses of one projection's arrays: its row in SYNAPSES.

    Parameters
    ----------
    s : Synapses
        The projection's synapses.
    cuts : (n_source, n_parts + 1) int64
        Where each part's synapses begin.
    releases : (n_parts, 3, n_source) float64, optional
        The states of short-term plasticity.
    """
    arrays = cuts, s.targets, s.weights, s.delays, s.starts, s.short_term, releases
    return tuple(0 if array is None else array.ctypes.data for array in arrays)
