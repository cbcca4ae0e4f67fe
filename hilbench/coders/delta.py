"""Changes of observations as events, as the pixels of an event camera give them."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders._names import columns_of, spread
from hilbench.coders._spikes import events_at, repeats
from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS, Encoder, Events, PlantSpec, Values


class DeltaConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the encoder `delta`."""

    observations: tuple[str, ...] = ()
    """Which observations; all when empty. Each has two addresses: ON, then OFF."""
    threshold: float | tuple[float, ...]
    """The change that gives an event, in the observations' units: one for all, or one each."""
    threshold_off: float | tuple[float, ...] | None = None
    """The fall that gives an OFF event, likewise; as `threshold` when absent."""
    refractory_s: Annotated[float, Meta(ge=0)] = 0.0
    """For how long after an event an observation gives no other, in s. Its level moves all the same."""
    max_events: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    """How many events an observation gives in a tick at most. Its level moves all the same."""


class Delta(Encoder):
    """An ON or OFF event wherever an observation, taken as a straight line between ticks, has moved by a threshold."""

    Config = DeltaConfig
    kind = "events"

    def __init__(self, config: DeltaConfig, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, plant, period_us)
        self._columns = np.array(columns_of(config.observations, plant.obs_names, "observations"), int)
        n = self._columns.size
        self.size = 2 * n
        off = config.threshold if config.threshold_off is None else config.threshold_off
        self._on = _thresholds(config.threshold, n, "threshold")
        self._off = -_thresholds(off, n, "threshold_off")
        self._refractory_us = config.refractory_s * 1e6
        self._last, self._level, self._ready_us = np.empty((3, n))
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._last[:] = self._level[:] = np.nan
        self._ready_us[:] = 0
        self._fresh = True

    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        x = obs[self._columns].astype(np.float64)
        x = np.where(np.isfinite(x), x, self._last)
        if self._fresh:
            self._start(x)
        step = np.where(x > self._level, self._on, self._off)
        crossed = np.floor(np.nan_to_num((x - self._level) / step))
        found = self._crossings(x, step, crossed) if crossed.any() else NO_EVENTS
        self._level += crossed * step
        self._last[:] = x
        self._ready_us -= self.period_us
        return found

    def _start(self, x: NDArray[np.float64]) -> None:
        """The first finite observation sets the level, and is where the first line begins."""
        for held in (self._last, self._level):
            np.copyto(held, x, where=np.isnan(held))
        self._fresh = bool(np.isnan(self._level).any())

    def _crossings(self, x: NDArray[np.float64], step: NDArray[np.float64], crossed: NDArray[np.float64]) -> Events:
        """The events of this tick: crossing k = 1, 2, ... is `start_us + k * apart_us` after the window's start.

        They are evenly spaced: of those after the refractory period, each `stride`-th one gives an event.
        The margin of 1e-6 of a spacing is for observations, which are float32.
        """
        moving = np.flatnonzero(crossed)
        per_us = (x - self._last)[moving] / self.period_us
        per_us[per_us == 0] = np.inf
        start_us, apart_us = (self._level - self._last)[moving] / per_us, step[moving] / per_us
        least_us = np.maximum(apart_us, 1e-9)
        first = np.maximum(np.ceil((self._ready_us[moving] - start_us) / least_us - 1e-6), 1)
        stride = np.maximum(np.ceil(self._refractory_us / least_us - 1e-6), 1)
        counts = np.clip(np.floor((crossed[moving] - first) / stride) + 1, 0, self.config.max_events)
        which, k = repeats(counts.astype(np.int64))
        at_us = start_us[which] + (first[which] + k * stride[which]) * apart_us[which]
        self._ready_us[moving[which]] = at_us + self._refractory_us  # of each observation the last one stays
        t_us = np.clip(np.ceil(at_us - 1e-6) - 1, 0, self.period_us - 1).astype(np.int64)
        return events_at(t_us, 2 * moving[which] + (step[moving] < 0)[which])


def _thresholds(given: float | tuple[float, ...], n: int, field: str) -> NDArray[np.float64]:
    found = np.array(spread(given, n, field))
    for value in found[found <= 0][:1]:
        raise ScenarioError(f"{field}: found {value:g}; allowed: more than 0")
    return found
