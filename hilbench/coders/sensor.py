"""The events of one of the plant's event sensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from hilbench.coders._pooling import PoolConfig, Pooled
from hilbench.types import EVENT, Encoder, Events, PlantSpec, Values


class SensorConfig(PoolConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the encoder `sensor`."""


class Sensor(Encoder):
    """The events of an event sensor, as they are or pooled in space and polarity."""

    Config = SensorConfig
    kind = "events"

    def __init__(self, config: SensorConfig, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, plant, period_us)
        self._pooled = Pooled(config, plant)
        self.size = self._pooled.size

    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        pooled = self._pooled
        if pooled.changes_none or not events.size:
            return events
        address: Any = pooled.table[events["address"]]
        t_us = events["t_us"]
        if not pooled.takes_all:
            kept = np.flatnonzero(address < self.size)
            address, t_us = address[kept], t_us[kept]
        found = np.empty(address.size, EVENT)
        found["t_us"], found["address"] = t_us, address
        return found
