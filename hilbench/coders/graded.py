"""Observations as a number of events at one instant."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta

from hilbench.coders._scaled import RangeConfig, Scaled
from hilbench.types import EVENT, Encoder, Events, PlantSpec, Values


class GradedConfig(RangeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the encoder `graded`."""

    levels: Annotated[int, Meta(ge=1, le=10_000)] = 16
    """How many events `high` gives. `low` gives none; where signed, 0 gives none, and `low` as many as `high`."""
    signed: bool = False
    """Whether an observation x has two addresses: x / high where it is positive, then x / low where it is negative."""


class Graded(Encoder):
    """A magnitude as that many events at the period's start: events of one address in one network step add up."""

    Config = GradedConfig
    kind = "events"

    def __init__(self, config: GradedConfig, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, plant, period_us)
        self._scaled = Scaled(config, plant, config.signed)
        self.size = self._scaled.size
        self._addresses = np.arange(self.size)

    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        counts = np.rint(self._scaled(obs) * self.config.levels).astype(np.int64)
        found = np.zeros(counts.sum(), EVENT)
        found["address"] = np.repeat(self._addresses, counts)
        return found
