"""A sensor of named state with the errors of real ones: gain, bias, noise, steps, limits and lost samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.coders import columns_of, spread
from hilbench.envs.sensors._base import Carrier, Mount, Sensor, SensorConfig
from hilbench.errors import ScenarioError
from hilbench.seeding import Rows, stream


class AnalogConfig(SensorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the sensor `analog`. Those in the sensor's units are one for all channels, or one each."""

    entries: tuple[str, ...] = ()
    """Which of the plant's named state, in the order of the channels; all of it when empty."""
    units: tuple[str, ...] = ()
    """Of the channels, where `scale` changes them; the entries' own when empty."""
    scale: float | tuple[float, ...] = 1.0
    """What each entry is multiplied by: the sensor's units for one unit of the entry."""
    bias: float | tuple[float, ...] = 0.0
    """What is then added, in the sensor's units."""
    noise_std: float | tuple[float, ...] = 0.0
    """Standard deviation of white Gaussian noise, drawn anew for each sample, in the sensor's units."""
    step: float | tuple[float, ...] = 0.0
    """What values are rounded to a multiple of, in the sensor's units; 0 rounds nothing."""
    low: float | tuple[float, ...] | None = None
    """The least value that it shows, in the sensor's units."""
    high: float | tuple[float, ...] | None = None
    """The greatest one."""
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """The chance of a sample to be lost; the one before holds then."""


class Analog(Sensor):
    """Values of the plant's named state: scaled, with bias and noise, rounded, limited, and lost by chance."""

    Config = AnalogConfig

    def __init__(self, config: AnalogConfig, mount: Mount) -> None:
        super().__init__(config, mount)
        self._columns = columns_of(config.entries, mount.names, f"{mount.where}.entries")
        self.channels = tuple(mount.names[column] for column in self._columns)
        self.units = self._units()
        self._scale, self._bias = self._each("scale"), self._each("bias")
        self._std, self._step = self._each("noise_std"), self._each("step")
        for field, given in (("noise_std", self._std), ("step", self._step)):
            if given.min() < 0:
                raise ScenarioError(f"{mount.where}.{field}: found {given.min():g}; allowed: 0 or more")
        self._low = self._each("low") if config.low is not None else np.full(self._scale.size, -np.inf)
        self._high = self._each("high") if config.high is not None else np.full(self._scale.size, np.inf)
        if (wrong := np.flatnonzero(self._low >= self._high)).size:
            found = f"{self._low[wrong[0]]:g} and {self._high[wrong[0]]:g}"
            raise ScenarioError(f"{mount.where}.low, high: found {found}; allowed: the lower first")
        self.low, self.high = self._low.tolist(), self._high.tolist()
        self._draws = bool(self._std.any()), config.dropout > 0
        self._rounds, self._limits = bool(self._step.any()), config.low is not None or config.high is not None
        self._grid = np.where(self._step > 0, self._step, 1.0)
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._random = stream(seed, self.mount.where)
        self._noise, self._lost = Rows(self._draw_noise), Rows(self._draw_lost)
        self._held: Sequence[float] | None = None

    def sample(self, plant: Carrier) -> Sequence[float]:
        noisy, drops = self._draws
        if drops and self._lost.next() and self._held is not None:
            return self._held
        values = np.array([plant.truth[column] for column in self._columns]) * self._scale + self._bias
        if noisy:
            values += self._noise.next()
        if self._rounds:
            values = np.where(self._step > 0, np.rint(values / self._grid) * self._grid, values)
        if self._limits:
            values = np.clip(values, self._low, self._high)
        self._held = values.tolist()
        return self._held

    def _draw_noise(self, n: int) -> list[NDArray[np.float64]]:
        return list(self._random.standard_normal((n, self._std.size)) * self._std)

    def _draw_lost(self, n: int) -> list[bool]:
        return (self._random.random(n) < self.config.dropout).tolist()

    def _each(self, field: str) -> NDArray[np.float64]:
        given = getattr(self.config, field)
        return np.array(spread(given, len(self._columns), f"{self.mount.where}.{field}"), float)

    def _units(self) -> tuple[str, ...]:
        own = tuple(self.mount.units[column] for column in self._columns)
        given = self.config.units or own
        if len(given) != len(own):
            raise ScenarioError(f"{self.mount.where}.units: found {len(given)}; allowed: {len(own)}, one a channel")
        if "" in given:
            name = self.channels[given.index("")]
            raise ScenarioError(f"{self.mount.where}.units: found none of {name!r} at the plant; allowed: a unit each")
        return given
