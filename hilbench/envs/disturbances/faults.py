"""Faults of sensors and motors, in the modes of failure that autopilots inject."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.coders import columns_of, events_at
from hilbench.envs.disturbances._base import Disturbance, Loads, Span, Traits, require_actuators
from hilbench.envs.disturbances._events import EventDisturbance, in_order
from hilbench.envs.disturbances._faults import FaultConfig, check_settings, needed, outages, value_mode
from hilbench.envs.disturbances._modes import Outages
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.types import Events

OF_VALUES = ("value", "low", "high", "bias", "order", "lag_s", "period_s")
"""Settings that mean nothing to an event sensor."""


class MotorFault(Disturbance):
    """Makes motors off, stuck, garbage, wrong, slow, delayed or intermittent, behind their limits."""

    class Config(FaultConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        actuators: tuple[str, ...] = ()
        """Which ones; all of them when empty."""

    def fit(self, traits: Traits) -> None:
        require_actuators("motor_fault", traits, self.where)
        check_settings(self.config, self.where)
        chosen = columns_of(self.config.actuators, traits.actuators, f"{self.where}.actuators")
        self._at = sorted(set(chosen))
        names = [traits.actuators[index] for index in self._at]
        self._mode = value_mode(self.config, names, traits.step_s, self.where, rest=0.0)

    def reset(self, seed: int) -> None:
        self._mode.reset(seed)

    def load(self, loads: Loads) -> None:
        """What is left of motors that are off or wrong by a gain alone, as `actuator_gain` has it."""
        for index, left in zip(self._at, self._mode.left(), strict=False):
            loads.gains[index] *= 1.0 + self.level * (left - 1.0)

    def actuate(self, forces: list[float]) -> None:
        if self.level:
            for index, force in zip(self._at, self._mode([forces[i] for i in self._at], self.level), strict=True):
                forces[index] = force


class SensorFault(EventDisturbance):
    """Makes sensors off, stuck, garbage, wrong, slow, delayed or intermittent: measured values, or event sensors."""

    class Config(FaultConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        sensors: tuple[str, ...] = ()
        """Names of measured values, or of sensors that the plant carries; all of both when empty."""
        rate_hz: Annotated[float, Meta(gt=0, le=1e5)] | None = None
        """Of each address of an event sensor. garbage: of the events in place of its own; wrong: of those besides."""

    def fit(self, traits: Traits) -> None:
        check_settings(self.config, self.where)
        names = self._names(traits)
        self._at = [traits.sensors.index(name) for name in names]
        self._values = value_mode(self.config, names, traits.step_s, self.where, rest=None) if names else None
        self._addresses = self._reached(traits)
        self._check_reach()
        self._outages: Outages | None = None
        self._rate_hz: float | None = None
        if self._addresses.size:
            self._fit_events(traits)

    def reset(self, seed: int) -> None:
        super().reset(seed)
        if self._values is not None:
            self._values.reset(seed)
        if self._outages is not None:
            self._outages.reset(seed)
        self._due_us, self._due_at = np.zeros((2, 0), np.int64)

    def sense(self, values: list[float]) -> None:
        if self._values is not None and self.level:
            found = self._values([values[i] for i in self._at], self.level)
            for index, value in zip(self._at, found, strict=True):
                values[index] = value

    def tell(self, events: Events, span: Span) -> Events:
        if not self._addresses.size:
            return events
        levels, mode = self.levels(events, span), self.config.mode
        if mode == "wrong":
            events = self.dropped(events, levels * (1.0 - self._kept))
        elif mode == "delayed":
            return self._told_late(events, levels > 0, span)
        elif self._outages is not None:
            mine = levels > 0
            t_us = events["t_us"][mine].astype(np.int64) + (span.start_us - self._first_us)
            mine[mine] = self._outages.at(t_us)
            return events[~mine]
        else:
            events = events[levels == 0]
        return events if self._rate_hz is None else self.added(events, self._addresses, self._rate_hz, span)

    def levels(self, events: Events, span: Span) -> NDArray[np.float64]:
        return span.levels(events) * np.isin(events["address"], self._addresses)

    def _told_late(self, events: Events, mine: NDArray[np.bool_], span: Span) -> Events:
        """Put events under way, and tell those that come in this window. Those due in an unread window are lost."""
        due_us = events["t_us"][mine].astype(np.int64) + (span.start_us + self._delay_us)
        due_us = np.concatenate((self._due_us, due_us)) - span.start_us
        address = np.concatenate((self._due_at, events["address"][mine].astype(np.int64)))
        first, end = np.searchsorted(due_us, (span.begin_us, span.end_us))
        self._due_us, self._due_at = due_us[end:] + span.start_us, address[end:]
        return in_order(np.concatenate((events[~mine], events_at(due_us[first:end], address[first:end]))))

    def _names(self, traits: Traits) -> list[str]:
        """The measured values that it reaches. Raises ScenarioError for a name that none and no event sensor has."""
        told = [sensor.name for sensor in traits.event_sensors]
        carried = [name.partition(".")[0] for name in traits.sensors if "." in name]
        if not traits.sensors and not told:
            raise ScenarioError(f"{self.where}: found a plant without sensors; allowed: one that has some")
        for name in self.config.sensors:
            if name not in (known := {*traits.sensors, *carried, *told}):
                raise ScenarioError(f"{self.where}.sensors: found {name!r}; {allowed_hint(name, known)}")
        wanted = self.config.sensors or traits.sensors
        return [name for name in traits.sensors if name in wanted or name.partition(".")[0] in wanted]

    def _reached(self, traits: Traits) -> NDArray[np.int64]:
        """The addresses of the event sensors that it reaches."""
        found, first = [np.zeros(0, np.int64)], 0
        for sensor in traits.event_sensors:
            if not self.config.sensors or sensor.name in self.config.sensors:
                found.append(np.arange(first, first + sensor.size))
            first += sensor.size
        return np.concatenate(found)

    def _check_reach(self) -> None:
        """Raise ScenarioError for settings of values without values, and of events without an event sensor."""
        for fields, reached, what in ((OF_VALUES, self._at, "value"), (("rate_hz",), self._addresses, "event sensor")):
            for field in fields:
                if not len(reached) and getattr(self.config, field) is not None:
                    raise ScenarioError(f"{self.where}.{field}: found no {what} that it could reach; allowed: none")

    def _fit_events(self, traits: Traits) -> None:
        """What the mode is for events. Raises ScenarioError where it is nothing."""
        config, where = self.config, self.where
        if config.mode == "slow":
            raise ScenarioError(f"{where}.mode: found 'slow' for an event sensor; allowed: any other, as 'delayed'")
        if config.mode == "delayed":
            self._delay_us = round(needed(config, "delay_s", where) * 1e6)
        if config.mode == "intermittent":
            self._outages = outages(config, where)
            self._first_us = round(config.at_s / traits.step_s) * round(traits.step_s * 1e6)
        if config.mode == "garbage":
            self._rate_hz = needed(config, "rate_hz", where)
        if config.mode == "wrong":
            self._fit_wrong_events()

    def _fit_wrong_events(self) -> None:
        if self.config.gain is None and self.config.rate_hz is None:
            text = "found neither gain nor rate_hz; mode 'wrong' needs one of them for an event sensor"
            raise ScenarioError(f"{self.where}: {text}")
        gain = 1.0 if self.config.gain is None else self.config.gain
        if not isinstance(gain, int | float) or not 0 <= gain <= 1:
            raise ScenarioError(
                f"{self.where}.gain: found {gain}; allowed for an event sensor: a number from 0 to 1, the share of its"
                " events that is left"
            )
        self._kept, self._rate_hz = gain, self.config.rate_hz
