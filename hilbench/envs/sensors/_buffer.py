"""Where the kernels of a sensor write events, and how those become the sensor's own."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np

from hilbench.compiled.cache import kernels
from hilbench.types import EVENT, NO_EVENTS, Events


class EventBuffer:
    """Room for the events of a sample.

    Parameters
    ----------
    n_max : int
        How many.
    """

    def __init__(self, n_max: int) -> None:
        self.events, self._other = np.empty((2, n_max, 2), np.uint32)
        """For `events` of a kernel, (n_max, 2): time in the period and address."""
        self.counters = np.zeros(2, np.int64)
        """For `counters` of a kernel: events beyond that room, and what the sensor counts besides."""
        self._counts = np.empty(1 << 11, np.int64)
        self._sort = kernels("hilbench.envs.sensors._events").sort

    @property
    def n_lost(self) -> int:
        """How many events were beyond that room."""
        return int(self.counters[0])

    def taken(self, n: int, period_us: int) -> Events:
        """The first `n` in order of time; of equal times the first stays first.

        Parameters
        ----------
        n, period_us : int
        """
        if not n:
            return NO_EVENTS
        self._sort(self.events, n, period_us, self._other, self._counts)
        return self.events[:n].copy().view(EVENT).reshape(-1)


def event_kernels(name: str) -> ModuleType:
    """`kernels` for a module of kernels that write events.

    Parameters
    ----------
    name : str
        The module's full name.
    """
    return kernels(name, Path(__file__).with_name("_events.py"))
