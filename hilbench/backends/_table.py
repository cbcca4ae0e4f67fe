"""The table that `_kernels.run` reads: sizes and addresses, and the arrays behind them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Entry = IntEnum(
    "Entry",
    [
        # sizes
        "N", "N_SLOTS", "N_POPULATIONS", "N_LINKS", "N_HELD", "N_FROM_VALUES", "N_FROM_EVENTS", "N_COUNTED",
        "N_READOUTS", "N_VALUES", "N_MODULATORS", "N_PLANS", "N_MOVES", "DT_US", "ANY_LATE", "ANY_RULE", "N_PARTS",
        # what stays
        "CONSTANTS", "POPULATIONS", "TRAITS", "LINKS", "SYNAPSES", "BIAS", "READOUTS", "KEYS", "NUMBERS",
        "PLANS", "MOVES", "BOUNDS",
        # what changes
        "V", "CURRENT", "EARLY", "LATE", "HELD_CURRENT", "RELEASE", "HOLDING", "HOLD_V", "QUEUE", "PENDING", "ADAPTED",
        "OVER", "FIRED", "AMOUNT", "SPIKED", "EXCESS", "CLOCKS", "N_FIRED", "TOTALS", "ARRIVED",
        # in and out
        "EVENTS", "VALUES", "MODULATORS", "OUT", "PROBE", "VALUES_OUT", "COUNTS",
    ],
    start=0,
)  # fmt: skip
"""Places in the table."""

NUMBERS = ("dt_s", "amplitude")
CLOCKS = ("now", "since_reset")


def fill(entries: Mapping[str, NDArray | int]) -> NDArray:
    """The table of these sizes and arrays; who calls keeps the arrays. Raises KeyError for an entry left out."""
    table = np.zeros(len(Entry), np.int64)
    for entry in Entry:
        value = entries[entry.name]
        table[entry] = value.ctypes.data if isinstance(value, np.ndarray) else int(value)
    return table
