"""Observations as spike rates, and spike rates as actions."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders._counts import FilterTime, SpikeCounts
from hilbench.coders._groups import Scores, refused
from hilbench.coders._names import spread
from hilbench.coders._scaled import RangeConfig, Scaled
from hilbench.coders._spikes import MOST_HZ, Spacing, spikes
from hilbench.errors import ScenarioError
from hilbench.types import Decoder, Encoder, Events, PlantSpec, Port, Values


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


class RateDecoderConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the decoder `rate`."""

    tau_s: FilterTime = 0.0
    """Time constant of the filter of the rates, in s; 0 for the period's count over the period."""
    gain: float | tuple[float, ...] = 1.0
    """What each rate is multiplied by, in the action's units per Hz: one for all addresses, or one each."""
    offset: float | tuple[float, ...] = 0.0
    """What is then added, in the action's units: one for all addresses, or one each."""


class RateDecoder(Decoder):
    """The spike rate of an address for each action, scaled; a discrete one takes the choice with the largest."""

    Config = RateDecoderConfig

    def __init__(self, config: RateDecoderConfig, port: Port, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, port, plant, period_us)
        self._scores = Scores(plant)
        if port.kind != "events" or port.size != self._scores.size:
            choices = ", and one for each choice of a discrete one" if any(plant.choices) else ""
            raise refused(port, f"{self._scores.size} event addresses, one for each action{choices}")
        self._counts = SpikeCounts(port.size, config.tau_s, period_us)
        self._gain = np.array(spread(config.gain, port.size, "gain")) * self._counts.per_count_hz
        self._offset = np.array(spread(config.offset, port.size, "offset"))

    def reset(self, seed: int) -> None:
        self._counts.reset()

    def decode(self, values: NDArray[np.floating[Any]], events: Events, action: NDArray[np.float64]) -> None:
        self._scores.write(self._counts.update(events) * self._gain + self._offset, action)
