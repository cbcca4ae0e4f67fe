"""Where sampled numbers, with straight lines between, have moved by thresholds: ON and OFF events."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hilbench.coders._names import spread
from hilbench.coders._spikes import events_at, repeats
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
        self._last, self._level, self._ready_us = np.empty((3, n))
        self.reset()

    def reset(self) -> None:
        """Forget all: the next sample sets the level."""
        self._last[:] = self._level[:] = np.nan
        self._ready_us[:] = 0
        self._fresh = True

    def __call__(self, x: NDArray[np.float64]) -> Events:
        """The events of the line to the next sample, (n,); address 2 i is ON of number i, 2 i + 1 OFF."""
        x = np.where(np.isfinite(x), x, self._last)
        if self._fresh:
            self._start(x)
        step = np.where(x > self._level, self._on, self._off)
        crossed = np.floor(np.nan_to_num((x - self._level) / step))
        found = self._along(x, step, crossed) if crossed.any() else NO_EVENTS
        self._level += crossed * step
        self._last[:] = x
        self._ready_us -= self._period_us
        return found

    def _start(self, x: NDArray[np.float64]) -> None:
        """The first finite sample sets the level, and is where the first line begins."""
        for held in (self._last, self._level):
            np.copyto(held, x, where=np.isnan(held))
        self._fresh = bool(np.isnan(self._level).any())

    def _along(self, x: NDArray[np.float64], step: NDArray[np.float64], crossed: NDArray[np.float64]) -> Events:
        """The events of this line: crossing k = 1, 2, ... is `start_us + k * apart_us` after the window's start.

        They are evenly spaced: of those after the refractory period, each `stride`-th one gives an event.
        The margin of 1e-6 of a spacing is for samples that are float32.
        """
        moving = np.flatnonzero(crossed)
        per_us = (x - self._last)[moving] / self._period_us
        per_us[per_us == 0] = np.inf
        start_us, apart_us = (self._level - self._last)[moving] / per_us, step[moving] / per_us
        least_us = np.maximum(apart_us, 1e-9)
        first = np.maximum(np.ceil((self._ready_us[moving] - start_us) / least_us - 1e-6), 1)
        stride = np.maximum(np.ceil(self._refractory_us / least_us - 1e-6), 1)
        counts = np.clip(np.floor((crossed[moving] - first) / stride) + 1, 0, self._max_events)
        which, k = repeats(counts.astype(np.int64))
        at_us = start_us[which] + (first[which] + k * stride[which]) * apart_us[which]
        self._ready_us[moving[which]] = at_us + self._refractory_us  # of each number the last one stays
        t_us = np.clip(np.ceil(at_us - 1e-6) - 1, 0, self._period_us - 1).astype(np.int64)
        return events_at(t_us, 2 * moving[which] + (step[moving] < 0)[which])


def _thresholds(given: float | Sequence[float], n: int, field: str) -> NDArray[np.float64]:
    found = np.array(spread(given, n, field))
    for value in found[found <= 0][:1]:
        raise ScenarioError(f"{field}: found {value:g}; allowed: more than 0")
    return found
