"""Observations as spike rates."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hilbench.coders._scaled import RangeConfig, Scaled
from hilbench.coders._spikes import MOST_HZ, Spacing, spikes
from hilbench.errors import ScenarioError
from hilbench.types import Encoder, Events, PlantSpec, Values


class RateConfig(RangeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the encoder `rate`."""

    rate_low_hz: Annotated[float, Meta(ge=0, le=MOST_HZ)] = 0.0
    """The rate at `low`, in Hz."""
    rate_high_hz: Annotated[float, Meta(ge=0, le=MOST_HZ)] = 100.0
    """The rate at `high`, in Hz."""
    spacing: Spacing = "regular"
    """Evenly spaced spikes, or those of a Poisson process."""
    signed: bool = False
    """Whether an observation x has two addresses: x / high where it is positive, then x / low where it is negative."""
    stream: str = ""
    """A name for the Poisson process's random numbers; the observations' names when empty."""


class Rate(Encoder):
    """An address for each observation, or for each sign of it, that spikes at a rate between two limits."""

    Config = RateConfig
    kind = "events"

    def __init__(self, config: RateConfig, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, plant, period_us)
        self._scaled = Scaled(config, plant, config.signed)
        self.size = self._scaled.size
        self._low_hz, self._span_hz = config.rate_low_hz, config.rate_high_hz - config.rate_low_hz
        if self._span_hz < 0:
            raise ScenarioError(
                f"rate_high_hz: found {config.rate_high_hz:g}; allowed: rate_low_hz, {config.rate_low_hz:g}, or more"
            )
        name = f"rate.{config.stream or ','.join(self._scaled.names)}"
        self._spikes = spikes(config.spacing, self.size, period_us, name)

    def reset(self, seed: int) -> None:
        self._spikes.reset(seed)

    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        return self._spikes(self._low_hz + self._span_hz * self._scaled(obs))
