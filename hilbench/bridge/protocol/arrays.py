"""The arrays of a TICK or a REPLY: filled again and again from frames, and checked.

It must not know where in a frame they stand.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.bridge.protocol.wire import Code, FrameError
from hilbench.types import EVENT, Events

VALUE = np.dtype("<f4")


class Store:
    """An array made once and filled again and again; it grows when a frame needs more."""

    def __init__(self, dtype: np.dtype[Any], capacity: int) -> None:
        self._dtype = dtype
        self._make(capacity)

    def _make(self, capacity: int) -> None:
        self._whole, self._capacity = np.zeros(capacity, self._dtype), capacity
        self.bytes = self._whole.view(np.uint8).data
        """Its bytes, all of them, to write over."""
        self.array, self._n_bytes = self._whole[:], self._whole.nbytes  # a view: nobody resizes what it is filled by
        """What was filled last; all of it before."""

    def fill(self, data: bytes, at: int, count: int) -> NDArray[Any]:
        """Take elements from a frame whose length has been checked.

        Parameters
        ----------
        data : bytes
            The frame.
        at : int
            The byte where they begin.
        count : int
            How many they are.
        """
        if count > self._capacity:
            self._make(max(count, 2 * self._capacity))
        n_bytes = count * self._dtype.itemsize
        if n_bytes != self._n_bytes:
            self.array, self._n_bytes = self._whole[:count], n_bytes
        self.bytes[:n_bytes] = data[at : at + n_bytes]
        return self.array


def check_events(events: Events, period_us: int, n_addresses: int) -> None:
    """Raise FrameError for events of another type, beyond the period, or beyond the addresses.

    Parameters
    ----------
    events : (n,) EVENT
        One at least.
    period_us : int
        The control period, in microseconds.
    n_addresses : int
        Addresses that there are.
    """
    if events.dtype != EVENT or events.ndim != 1:
        raise FrameError(Code.COUNT, f"events are {events.shape} {events.dtype}; allowed: (n,) {EVENT}")
    if (last := events["t_us"].max()) >= period_us:
        raise FrameError(Code.RANGE, f"an event's t_us is {last}; allowed: below the period of {period_us}")
    if (top := events["address"].max()) >= n_addresses:
        raise FrameError(Code.RANGE, f"an event's address is {top}; allowed: below {n_addresses}")


def check_order(t_us: NDArray[np.uint32]) -> None:
    """Raise FrameError for times that are not in order."""
    if (t_us[1:] < t_us[:-1]).any():
        raise FrameError(Code.RANGE, "events are not in the order of t_us")
