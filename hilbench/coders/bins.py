"""Observations as the bin that they lie in."""

from __future__ import annotations

from typing import Literal

import numpy as np

from hilbench.coders._bins import Binned, BinnedConfig
from hilbench.types import EVENT, NO_EVENTS, Encoder, Events, PlantSpec, Values


class BinsConfig(BinnedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the encoder `bins`."""

    gives: Literal["events", "values"] = "events"
    """An event of the bin at the period's start, or a value of 1 for it and 0 for the others."""


class Bins(Encoder):
    """One-hot: of the bins of each observation, the one that it lies in."""

    Config = BinsConfig

    def __init__(self, config: BinsConfig, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, plant, period_us)
        self.kind = config.gives
        self._bins = Binned(config, plant)
        self.size = self._bins.size

    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        addresses, _, _ = self._bins(obs)
        if self.kind == "values":
            values[:] = 0
            values[addresses] = 1
            return NO_EVENTS
        found = np.zeros(addresses.size, EVENT)
        found["address"] = addresses
        return found
