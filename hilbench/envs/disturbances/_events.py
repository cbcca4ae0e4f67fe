"""What the disturbances of events share: which addresses they reach, and how events are taken away and added."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.coders import events_at
from hilbench.envs.disturbances._base import Disturbance, Span, Timing, Traits
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.seeding import stream
from hilbench.types import Events


class EventConfig(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a disturbance of events acts, and on which event sensor."""

    sensor: str = ""
    """Which of the plant's event sensors; all of them when empty."""


class EventDisturbance(Disturbance):
    """A change of the plant's events. `first` and `size` say which addresses it reaches, `random` is its own stream.

    Raises ScenarioError when the plant has no event sensor, or none of that name.
    """

    def fit(self, traits: Traits) -> None:
        sensors, wanted = traits.event_sensors, self.config.sensor
        names = [sensor.name for sensor in sensors]
        if not sensors:
            raise ScenarioError(f"{self.where}: found a plant without event sensors; allowed: one that has some")
        if wanted and wanted not in names:
            raise ScenarioError(f"{self.where}.sensor: found {wanted!r}; {allowed_hint(wanted, names)}")
        chosen = names.index(wanted) if wanted else 0
        self.first = sum(sensor.size for sensor in sensors[:chosen])
        self.size = sensors[chosen].size if wanted else sum(sensor.size for sensor in sensors)

    def reset(self, seed: int) -> None:
        self.random = stream(seed, f"events.{self.where}")

    def levels(self, events: Events, span: Span) -> NDArray[np.float64]:
        """The level at each event, 0 at addresses that are out of reach, (n,).

        Parameters
        ----------
        events : (n,) EVENT
        span : Span
        """
        levels = span.levels(events)
        address = events["address"]
        return levels * ((address >= self.first) & (address < self.first + self.size))

    def dropped(self, events: Events, chances: NDArray[np.float64]) -> Events:
        """What is left when each event is lost by chance, independently.

        Parameters
        ----------
        events : (n,) EVENT
        chances : (n,) float
            From 0 to 1.
        """
        return events[self.random.random(events.size) >= chances] if chances.any() else events

    def added(self, events: Events, addresses: NDArray[np.int64], rate_hz: float, span: Span) -> Events:
        """The events, and those of a Poisson process at some addresses among them.

        Parameters
        ----------
        events : (n,) EVENT
        addresses : (n_addresses,) int
        rate_hz : float
            Of each address, at level 1.
        span : Span
        """
        mean = rate_hz * 1e-6 * (span.end_us - span.begin_us) * addresses.size
        n = int(self.random.poisson(mean))
        t_us = self.random.integers(span.begin_us, span.end_us, n)
        new = events_at(t_us, addresses[self.random.integers(0, addresses.size, n)])
        # A rate that ramps up is the full rate, of which each event is kept by the level at its time.
        new = self.dropped(new, 1.0 - span.levels(new))
        return in_order(np.concatenate((events, new))) if new.size else events


def in_order(events: Events) -> Events:
    """The events in order of `t_us`; of equal times the first stays first."""
    return events[np.argsort(events["t_us"], kind="stable")]
