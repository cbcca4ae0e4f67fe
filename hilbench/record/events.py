"""How events lie in a record's streams: one whole number each, made so that zstd finds what repeats.

An event is d + 2^32 address, where d is its `t_us` less that of the event before it in its row, or its own `t_us` for
the first one of a row. Differences are small and repeat; times do not.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.types import EVENT, Events


def packed(events: NDArray[np.uint64], starts: NDArray[np.integer[Any]]) -> NDArray[np.uint64]:
    """The events of several rows, end to end, as a record has them; they are changed in place.

    Parameters
    ----------
    events : (n,) uint64
        Events, each viewed as one number: t_us + 2^32 address.
    starts : (n_rows,) int
        Where each row that is not empty begins.
    """
    t_us = events.view(EVENT)["t_us"]
    first_us = t_us[starts]
    t_us[1:] -= t_us[:-1].copy()
    t_us[starts] = first_us
    return events


def unpacked(numbers: NDArray[np.uint64], starts: NDArray[np.integer[Any]]) -> Events:
    """What `packed` was given, (n,) EVENT.

    Parameters
    ----------
    numbers : (n,) uint64
        As a record has them.
    starts : (n_rows,) int
        Where each row that is not empty begins.
    """
    events = numbers.copy().view(EVENT)
    t_us = np.cumsum(events["t_us"], dtype=np.uint32)  # a sum beyond 2^32 begins anew, and so does the difference
    before_us = np.where(starts > 0, t_us[starts - 1], 0).astype(np.uint32)
    events["t_us"] = t_us - np.repeat(before_us, np.diff(starts, append=numbers.size))
    return events
