"""Observations as a number of spikes in one of several bins, without jumps between bins."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from hilbench.coders._bins import Binned, BinnedConfig, Count
from hilbench.coders._spikes import events_at, repeats
from hilbench.errors import ScenarioError
from hilbench.types import Encoder, Events, PlantSpec, Values


class FlipFlopConfig(BinnedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the encoder `flip_flop`."""

    n: Count | tuple[Count, ...] = 2
    """How many bins of equal width an observation has, one number for all or one for each.

    The first and the last one are open at their outer end."""
    max_events: Annotated[int, Meta(ge=1, le=10_000)] = 8
    """How many events a whole bin gives."""
    spacing_s: Annotated[float, Meta(ge=0)]
    """From one event of a bin to the next, in s; the first comes at the period's start."""
    rounding: Literal["nearest", "up"] = "nearest"
    """Which whole number of events is taken. Up gives an event for the smallest part of a bin."""


class FlipFlop(Encoder):
    """An observation's bin gives the more events the farther it is in the bin; every other bin is reversed."""

    Config = FlipFlopConfig
    kind = "events"

    def __init__(self, config: FlipFlopConfig, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, plant, period_us)
        self._bins = Binned(config, plant)
        self.size = self._bins.size
        last_us = (config.max_events - 1) * config.spacing_s * 1e6
        if round(last_us) >= period_us:
            raise ScenarioError(
                f"spacing_s: found {config.spacing_s:g} s, with {config.max_events} events; allowed: 0 to less than"
                f" {period_us * 1e-6 / max(config.max_events - 1, 1):g} s, so that all lie within the control period"
            )
        self._times_us = np.rint(np.arange(config.max_events) * config.spacing_s * 1e6).astype(np.int64)
        self._whole = np.ceil if config.rounding == "up" else np.rint

    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        addresses, bins, parts = self._bins(obs)
        parts = np.where(bins % 2, parts, 1 - parts)
        which, k = repeats(self._whole(parts * self.config.max_events).astype(np.int64))
        return events_at(self._times_us[k], addresses[which])
