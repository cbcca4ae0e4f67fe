"""Observations as the activity of populations with Gaussian tuning curves."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from msgspec import Meta

from hilbench.coders._scaled import RangeConfig, Scaled
from hilbench.coders._spikes import MOST_HZ, Spacing, spikes
from hilbench.types import NO_EVENTS, Encoder, Events, PlantSpec, Values


class GaussianConfig(RangeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the encoder `gaussian`."""

    n: Annotated[int, Meta(ge=2, le=10_000)] = 10
    """How many tuning curves an observation has, with their centres evenly from `low` to `high`."""
    width: Annotated[float, Meta(ge=1e-3)] = 1.0
    """A curve's standard deviation, in distances between neighbouring centres."""
    gives: Literal["events", "values"] = "events"
    """Spikes at `rate_high_hz` times the activation, or the activations from 0 to 1."""
    rate_high_hz: Annotated[float, Meta(ge=0, le=MOST_HZ)] = 100.0
    """The rate at a curve's centre, in Hz."""
    spacing: Spacing = "regular"
    """Evenly spaced spikes, or those of a Poisson process."""
    stream: str = ""
    """A name for the Poisson process's random numbers; the observations' names when empty."""


class Gaussian(Encoder):
    """A population of tuning curves for each observation, side by side: its activations, or spikes at their rates."""

    Config = GaussianConfig

    def __init__(self, config: GaussianConfig, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, plant, period_us)
        self.kind = config.gives
        self._scaled = Scaled(config, plant)
        self.size = self._scaled.size * config.n
        self._steps, self._centres = config.n - 1, np.arange(config.n)
        self._factor = -0.5 / config.width**2
        name = f"gaussian.{config.stream or ','.join(self._scaled.names)}"
        self._spikes = spikes(config.spacing, self.size, period_us, name)

    def reset(self, seed: int) -> None:
        self._spikes.reset(seed)

    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        apart = (self._scaled(obs) * self._steps)[:, None] - self._centres
        activation = np.exp(self._factor * apart**2).ravel()
        if self.kind == "events":
            return self._spikes(activation * self.config.rate_high_hz)
        values[:] = activation
        return NO_EVENTS
