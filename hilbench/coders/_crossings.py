"""Where sampled numbers, with straight lines between, have moved by thresholds: ON and OFF events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hilbench.coders._names import spread
from hilbench.coders._spikes import events_at
from hilbench.compiled.cache import kernels
from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS, Events


class Crossings:
    """The events of some numbers, sample by sample.

    Parameters
    ----------
    n : int
        How many numbers.
    threshold : float or (n,) sequence of float
        The rise that gives an ON event.
    threshold_off : float or (n,) sequence of float, optional
        The fall that gives an OFF event; as `threshold` when absent.
    refractory_s : float
        For how long after an event a number gives no other. Its level moves all the same.
    max_events : int
        How many events a number gives in a period at most. Its level moves all the same.
    period_us : int
        Time from sample to sample, in microseconds.
    where : str
        What comes before a field's name in messages.
    """

    def __init__(
        self, n: int, threshold: float | Sequence[float], threshold_off: float | Sequence[float] | None,
        refractory_s: float, max_events: int, period_us: int, where: str = "",
    ) -> None:  # fmt: skip
        off = threshold if threshold_off is None else threshold_off
        self._on = _thresholds(threshold, n, f"{where}threshold")
        self._off = -_thresholds(off, n, f"{where}threshold_off")
        self._refractory_us, self._max_events, self._period_us = refractory_s * 1e6, max_events, period_us
        self._last, self._level, self._ready_us = self._state = np.empty((3, n))
        self._found = np.empty((2, 16 * n), np.int64)
        self._kernel = kernels("hilbench.coders._crossing_kernels").crossings
        self.reset()

    def reset(self) -> None:
        """Forget all: the next sample sets the level."""
        self._last[:] = self._level[:] = np.nan
        self._ready_us[:] = 0

    def __call__(self, x: NDArray[np.float64]) -> Events:
        """The events of the line to the next sample, (n,); address 2 i is ON of number i, 2 i + 1 OFF."""
        x = np.ascontiguousarray(x, np.float64)
        n = self._along(x)
        if n > self._found.shape[1]:  # nothing has moved yet
            self._found = np.empty((2, 2 * n), np.int64)
            self._along(x)
        return events_at(*self._found[:, :n]) if n else NO_EVENTS

    def _along(self, x: NDArray[np.float64]) -> int:
        return self._kernel(
            x, self._state, self._on, self._off, self._refractory_us, self._max_events, self._period_us, self._found
        )


def _thresholds(given: float | Sequence[float], n: int, field: str) -> NDArray[np.float64]:
    found = np.array(spread(given, n, field))
    for value in found[found <= 0][:1]:
        raise ScenarioError(f"{field}: found {value:g}; allowed: more than 0")
    return found
