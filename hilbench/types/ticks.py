"""What crosses a link in every control period: a Tick to the device, a Reply back; and the arrays they hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

EVENT = np.dtype([("t_us", "<u4"), ("address", "<u4")])
"""One spike event: microseconds since the start of its tick's window, and its address."""

Events = NDArray[np.void]
"""(n,) EVENT, sorted by `t_us`."""
Values = NDArray[np.float32]
"""(n,) float32."""
States = dict[str, NDArray[Any]]
"""A snapshot: arrays of any shape and type, by name."""

NO_EVENTS: Events = np.empty(0, EVENT)[:]  # views, for everybody shares them and a view cannot be resized
"""No spike event; everybody shares it."""
NO_VALUES: Values = np.empty(0, np.float32)[:]
"""No value; everybody shares it."""
COUNTERS = ("spikes", "synaptic_operations", "neuron_updates", "weight_updates", "multiplications")
"""What a Reply counts, in the order of its `counters`."""
_NOTHING_COUNTED = np.zeros(len(COUNTERS), np.uint64)

HELD, REPLIED, SAFE = range(3)
"""Where a physics step's action came from: the record's `sources` column."""


@dataclass(slots=True)
class Tick:
    """What the loop sends for one control period."""

    seq: int = 0
    t_ns: int = 0
    learning: bool = True
    events: Events = field(default_factory=NO_EVENTS.copy)
    values: Values = field(default_factory=NO_VALUES.copy)  # (n_values,)
    modulators: Values = field(default_factory=NO_VALUES.copy)  # (n_modulators,)


@dataclass(slots=True)
class Reply:
    """What a device answers to one Tick. Whoever reads it may put other arrays into it and write over those it has."""

    seq: int = 0
    t_ns: int = 0
    prev_seq: int = -1  # the tick this device ran before this one; -1 when there was none
    recv_ns: int = 0
    compute_ns: int = 0
    counters: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(5, np.uint64))  # in the order of COUNTERS
    energy_j: float = float("nan")
    events: Events = field(default_factory=NO_EVENTS.copy)
    values: NDArray[np.floating[Any]] = field(default_factory=NO_VALUES.copy)  # (n_values,); float32 on the wire
    probe_events: Events = field(default_factory=NO_EVENTS.copy)
    probe_values: NDArray[np.floating[Any]] = field(default_factory=NO_VALUES.copy)  # (n_probe_values,)

    def renew(self, values: NDArray[np.floating[Any]], counters: NDArray[np.uint64] | None = None) -> None:
        """Give it new arrays in place of all that a reader may have kept or changed; events and probes are empty.

        Parameters
        ----------
        values : (n_values,) float
            What the program's value ports give out.
        counters : (5,) uint64, optional
            In the order of COUNTERS; zeros when absent.
        """
        self.values = values
        self.counters = _NOTHING_COUNTED.copy() if counters is None else counters
        self.events = self.probe_events = NO_EVENTS
        self.probe_values = NO_VALUES


def copied(events: Events) -> Events:
    """A copy of one event or more that may be written to, by its bytes: `copy` goes event by event, field by field."""
    return np.frombuffer(bytearray(events.tobytes()), events.dtype)
