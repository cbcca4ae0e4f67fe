"""Wheel encoders: an event for each tick, at its exact time, or counts of ticks."""

from __future__ import annotations

from math import pi
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.coders import columns_of, events_at, repeats
from hilbench.envs.sensors._base import Carrier, Mount, Sensor, SensorConfig
from hilbench.seeding import stream
from hilbench.types import NO_EVENTS, Events


class OdometryConfig(SensorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the sensor `odometry`."""

    entries: tuple[str, ...] = ()
    """Names of the wheels' angles or speeds in the plant's named state; all of it when empty."""
    of: Literal["angle", "speed"] = "angle"
    """Whether they are angles in rad, or speeds in rad/s, which are taken as straight lines between samples."""
    ticks_per_turn: Annotated[int, Meta(ge=1, le=1_000_000)]
    """How many ticks a turn of a wheel has. A wheel at angle 0 stands halfway between two of them."""
    scale_std: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Standard deviation of each wheel's scale error, drawn by an episode's seed: 0.05 is 5 % of the way."""
    counts: bool = False
    """Whether it shows how many ticks there were since the start, backward ones taken away, in place of events."""
    max_events: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    """How many events a wheel gives from sample to sample at most; the last ones are lost."""


class Odometry(Sensor):
    """Ticks of wheels, forwards and backwards; of a wheel that turns evenly between samples, at their exact times."""

    Config = OdometryConfig

    def __init__(self, config: OdometryConfig, mount: Mount) -> None:
        super().__init__(config, mount)
        self._columns = columns_of(config.entries, mount.names, f"{mount.where}.entries")
        n = len(self._columns)
        if config.counts:
            self.channels, self.units = tuple(mount.names[column] for column in self._columns), ("1",) * n
        else:
            self.shape, self.axes = (n, 2), ("channel", "polarity")
        self._half_s = 0.5e-6 * mount.period_us
        self.reset(0)

    def reset(self, seed: int) -> None:
        errors = self.config.scale_std * stream(seed, self.mount.where).standard_normal(len(self._columns))
        self._per_rad = (1.0 + errors) * (self.config.ticks_per_turn / (2 * pi))
        self._angle, self._start = np.zeros((2, len(self._columns)))
        self._entry: NDArray[np.float64] | None = None

    def sample(self, plant: Carrier) -> list[float] | Events:
        entry = np.array([plant.truth[column] for column in self._columns])
        first = self._entry is None
        last = self._ticks()
        self._turn(entry)
        now = self._ticks()
        if self.config.counts:
            self._start = np.floor(now) if first else self._start
            return (np.floor(now) - self._start).tolist()
        return NO_EVENTS if first else self._passed(last, now)

    def _turn(self, entry: NDArray[np.float64]) -> None:
        """Take in the next sample. What is not finite is as it was."""
        if self._entry is not None:
            entry = np.where(np.isfinite(entry), entry, self._entry)
        if self.config.of == "angle":
            self._angle = entry
        elif self._entry is not None:
            self._angle = self._angle + self._half_s * (self._entry + entry)
        self._entry = entry

    def _ticks(self) -> NDArray[np.float64]:
        """How far the wheels have turned, in ticks; each tick is at a whole number."""
        return self._angle * self._per_rad + 0.5

    def _passed(self, last: NDArray[np.float64], now: NDArray[np.float64]) -> Events:
        """The ticks that were passed on the straight line from one sample to the next."""
        before, after = np.floor(last), np.floor(now)
        if not (before != after).any():
            return NO_EVENTS
        counts = np.minimum(np.abs(after - before), self.config.max_events).astype(np.int64)
        which, number = repeats(counts)
        forward = (now > last)[which]
        tick = before[which] + np.where(forward, 1 + number, -number)
        at_us = (tick - last[which]) / (now - last)[which] * self.mount.period_us
        t_us = np.clip(np.ceil(at_us - 1e-6) - 1, 0, self.mount.period_us - 1).astype(np.int64)
        return events_at(t_us, 2 * which + forward)
