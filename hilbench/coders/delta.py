"""Changes of observations as events, as the pixels of an event camera give them."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct

from hilbench.coders._crossings import Crossings
from hilbench.coders._names import columns_of
from hilbench.types import Encoder, Events, PlantSpec, Values


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
        self._crossings = Crossings(
            n, config.threshold, config.threshold_off, config.refractory_s, config.max_events, period_us
        )

    def reset(self, seed: int) -> None:
        self._crossings.reset()

    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        return self._crossings(obs[self._columns].astype(np.float64))
