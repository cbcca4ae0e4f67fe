"""Disturbances of events, as neuromorphic sensors have them: added ones, lost ones, and wrong times."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs.disturbances._base import Span, Traits
from hilbench.envs.disturbances._events import EventConfig, EventDisturbance, in_order
from hilbench.errors import ScenarioError
from hilbench.types import Events

RateHz = Annotated[float, Meta(gt=0, le=1e5)]
Chance = Annotated[float, Meta(gt=0, le=1)]


class _SomeConfig(EventConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    count: Annotated[int, Meta(ge=1)] | None = None
    """How many addresses, drawn anew by each episode's seed."""
    addresses: tuple[Annotated[int, Meta(ge=0)], ...] = ()
    """Or which ones, counted within the sensor; within all of them, side by side, where no sensor is named."""


class _OfSome(EventDisturbance):
    """One that reaches only some addresses: `chosen`."""

    def fit(self, traits: Traits) -> None:
        super().fit(traits)
        count, given = self.config.count, self.config.addresses
        if (count is None) == (not given):
            found = "neither" if count is None else "both"
            raise ScenarioError(f"{self.where}: found {found} of count and addresses; allowed: one of them")
        field, most = ("addresses", max(given) + 1) if given else ("count", count)
        if most > self.size:
            found = max(given) if given else count
            limit = self.size - 1 if given else self.size
            raise ScenarioError(
                f"{self.where}.{field}: found {found}; allowed: up to {limit}, by the sensor's addresses"
            )
        self.chosen: NDArray[np.int64] = self.first + np.unique(np.array(given, np.int64))

    def reset(self, seed: int) -> None:
        super().reset(seed)
        if self.config.count is not None:
            drawn = self.random.choice(self.size, self.config.count, replace=False)
            self.chosen = self.first + np.sort(drawn)


class HotPixels(_OfSome):
    """Lets some addresses fire all the time, whatever they see: a Poisson process at each of them."""

    class Config(_SomeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        rate_hz: RateHz
        """Events of each hot address in a second."""

    def tell(self, events: Events, span: Span) -> Events:
        return self.added(events, self.chosen, self.config.rate_hz, span)


class DeadChannels(_OfSome):
    """Silences some addresses: all their events are lost. While it ramps up, a share of them."""

    class Config(_SomeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Settings of the disturbance `dead_channels`."""

    def tell(self, events: Events, span: Span) -> Events:
        return self.dropped(events, self.levels(events, span) * np.isin(events["address"], self.chosen))


class NoiseEvents(EventDisturbance):
    """Adds events at all addresses alike: background activity, a Poisson process at each of them."""

    class Config(EventConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        rate_hz: RateHz
        """Events of each address in a second."""

    def fit(self, traits: Traits) -> None:
        super().fit(traits)
        self._all = np.arange(self.first, self.first + self.size)

    def tell(self, events: Events, span: Span) -> Events:
        return self.added(events, self._all, self.config.rate_hz, span)


class TimeJitter(EventDisturbance):
    """Shifts each event's time by white Gaussian noise. A time beyond the window is reflected into it."""

    class Config(EventConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        std_s: Annotated[float, Meta(gt=0, le=1)]
        """Standard deviation of the shift."""

    def tell(self, events: Events, span: Span) -> Events:
        levels = self.levels(events, span)
        if not levels.any():
            return events
        shift = self.random.standard_normal(events.size) * (self.config.std_s * 1e6) * levels
        # Reflected at -1/2 and at the window's length - 1/2, so that no microsecond gets more than its share.
        t_us = np.rint(events["t_us"] + shift).astype(np.int64) % (2 * span.period_us)
        moved = events.copy()
        moved["t_us"] = np.where(t_us < span.period_us, t_us, 2 * span.period_us - 1 - t_us)
        return in_order(moved)


class EventDropout(EventDisturbance):
    """Loses each event by chance, independently of all others."""

    class Config(EventConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        probability: Chance
        """The chance of each event to be lost."""

    def tell(self, events: Events, span: Span) -> Events:
        return self.dropped(events, self.levels(events, span) * self.config.probability)
