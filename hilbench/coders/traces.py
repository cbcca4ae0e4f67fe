"""Exponentially decaying counts of a sensor's events."""

from __future__ import annotations

from math import exp
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.coders._pooling import PoolConfig, Pooled
from hilbench.types import NO_EVENTS, Encoder, Events, PlantSpec, Values


class TracesConfig(PoolConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the encoder `traces`."""

    tau_s: Annotated[float, Meta(ge=1e-6)]
    """The time constant with which a count decays, in s."""


class Traces(Encoder):
    """For each of a sensor's addresses, or pools of them, a value: its events, each with exp(-age / tau_s)."""

    Config = TracesConfig
    kind = "values"

    def __init__(self, config: TracesConfig, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, plant, period_us)
        pooled = Pooled(config, plant)
        self.size, self._table = pooled.size, pooled.table.astype(np.intp)
        self._per_us = 1e-6 / config.tau_s
        self._decay = exp(-self._per_us * period_us)
        self._traces = np.zeros(self.size)
        self._room = np.empty(0)

    def reset(self, seed: int) -> None:
        self._traces[:] = 0

    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        self._traces *= self._decay
        if events.size:
            addresses, weights = self._table[events["address"]], self._weights(events["t_us"])
            self._traces += np.bincount(addresses, weights, self.size + 1)[: self.size]
        values[:] = self._traces
        return NO_EVENTS

    def _weights(self, t_us: NDArray) -> NDArray[np.float64]:
        """exp(-age / tau_s) of events, in an array for all ticks: a new one would cost more than the exponentials."""
        if t_us.size > self._room.size:
            self._room = np.empty(2 * t_us.size)
        found = self._room[: t_us.size]
        np.subtract(t_us, self.period_us - 1, out=found, dtype=np.float64)
        found *= self._per_us
        return np.exp(found, out=found)
