"""Observations as the time of a spike."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta

from hilbench.coders._scaled import RangeConfig, Scaled
from hilbench.coders._spikes import events_at
from hilbench.errors import ScenarioError
from hilbench.types import Encoder, Events, PlantSpec, Values


class LatencyConfig(RangeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the encoder `latency`."""

    window_s: Annotated[float, Meta(gt=0)] | None = None
    """In how many seconds from the period's start all spikes lie; the whole period when absent."""


class Latency(Encoder):
    """One spike for each observation in each period: the larger, the earlier."""

    Config = LatencyConfig
    kind = "events"

    def __init__(self, config: LatencyConfig, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, plant, period_us)
        self._scaled = Scaled(config, plant)
        self.size = self._scaled.size
        window_us = period_us if config.window_s is None else round(config.window_s * 1e6)
        if not 1 <= window_us <= period_us:
            raise ScenarioError(
                f"window_s: found {config.window_s:g} s; allowed: 1e-06 to {period_us * 1e-6:g} s, the control period"
            )
        self._last_us = window_us - 1
        self._addresses = np.arange(self.size)

    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        return events_at(np.rint((1 - self._scaled(obs)) * self._last_us).astype(np.int64), self._addresses)
