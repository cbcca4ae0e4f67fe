"""A sensor that tells changes of named state as events, each at its exact time."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta

from hilbench.coders import Crossings, columns_of
from hilbench.envs.sensors._base import Carrier, Mount, Sensor, SensorConfig
from hilbench.types import Events


class DeltaConfig(SensorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the sensor `delta`."""

    entries: tuple[str, ...] = ()
    """Which of the plant's named state; all of it when empty. Each is a channel with two polarities."""
    threshold: float | tuple[float, ...]
    """The rise that gives an ON event, in the entries' units: one for all, or one each."""
    threshold_off: float | tuple[float, ...] | None = None
    """The fall that gives an OFF event, likewise; as `threshold` when absent."""
    refractory_s: Annotated[float, Meta(ge=0)] = 0.0
    """For how long after an event a channel gives no other. Its level moves all the same."""
    max_events: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    """How many events a channel gives from sample to sample at most. Its level moves all the same."""


class Delta(Sensor):
    """An ON or OFF event wherever a named state, taken as a straight line between samples, has moved by a threshold."""

    Config = DeltaConfig
    axes = ("channel", "polarity")

    def __init__(self, config: DeltaConfig, mount: Mount) -> None:
        super().__init__(config, mount)
        self._columns = columns_of(config.entries, mount.names, f"{mount.where}.entries")
        self.shape = (len(self._columns), 2)
        self._crossings = Crossings(
            len(self._columns), config.threshold, config.threshold_off, config.refractory_s, config.max_events,
            mount.period_us, f"{mount.where}.",
        )  # fmt: skip

    def reset(self, seed: int) -> None:
        self._crossings.reset()

    def sample(self, plant: Carrier) -> Events:
        events = self._crossings(np.array([plant.truth[column] for column in self._columns]))
        if not events.size:
            return events
        events["address"] ^= 1  # a sensor's OFF is 0 and its ON 1; the encoder's addresses begin with ON
        return events
