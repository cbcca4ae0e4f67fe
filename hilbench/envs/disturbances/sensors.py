"""Disturbances of measured values, whoever measures them: the plant itself, or a sensor that it carries."""

from __future__ import annotations

import numpy as np

from hilbench.envs.disturbances._base import (
    Disturbance,
    Finite,
    NotNegative,
    Timing,
    Traits,
    spread,
)
from hilbench.seeding import Rows, stream


class SensorBias(Disturbance):
    """Adds a constant to sensed values."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        bias: tuple[Finite, ...] | dict[str, Finite]
        """In the sensor's own unit: a list, or a table by observation name."""

    def fit(self, traits: Traits) -> None:
        self._bias = spread(self.config.bias, traits.sensors, 0.0, f"{self.where}.bias")

    def sense(self, values: list[float]) -> None:
        for index, bias in enumerate(self._bias):
            values[index] += self.level * bias


class SensorNoise(Disturbance):
    """Adds white Gaussian noise to sensed values, drawn anew at each physics step."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        std: tuple[NotNegative, ...] | dict[str, NotNegative]
        """Standard deviation in the sensor's own unit: a list, or a table by observation name."""

    def fit(self, traits: Traits) -> None:
        self._std = np.array(spread(self.config.std, traits.sensors, 0.0, f"{self.where}.std"))

    def reset(self, seed: int) -> None:
        # One stream per disturbance: a second noise, or another window of the first, shifts no draw of this one.
        self._random = stream(seed, f"sensor.{self.where}")
        self._noise = Rows(self._draw)

    def sense(self, values: list[float]) -> None:
        for index, noise in enumerate(self._noise.next()):
            values[index] += self.level * noise

    def _draw(self, n: int) -> list[list[float]]:
        return (self._random.standard_normal((n, self._std.size)) * self._std).tolist()
