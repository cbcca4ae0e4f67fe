"""Dead reckoning, the classical way home: the heading is the gyro's integral, the place that of the speed along it.

While the sky is seen, the heading follows it with `sky_rate_per_s`. With `gain_rate` it also learns the gyro's gain
from the heading's error then, which is the adaptive observer of a first-order system:

    d/dt heading = gain gyro + sky_rate error,    d/dt gain = gain_rate error gyro,    error = sky - heading.

Narendra & Annaswamy (1989), "Stable Adaptive Systems", chapter 3, prove that it converges where the gyro does not stay
at 0. With `knows_change` it reads gyro and odometer before disturbances, which no controller on a robot knows. It is
then the oracle that learners are compared with. With a `home_m` of many metres it says that it is home wherever the way
out ends, which is the floor.
"""

from __future__ import annotations

from math import atan2, cos, hypot, pi, sin
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._homing import check_homing
from hilbench.controllers._law import around, law_program, told
from hilbench.types import BuiltController, Controller, Law, PlantSpec

Positive = Annotated[float, Meta(gt=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
TOLD = ("gyro_rad_s", "odometer_m_s")


class DeadReckoningConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `dead_reckoning`."""

    sky_rate_per_s: Positive = 2.0
    """How fast the heading follows the sky while that is seen."""
    gain_rate: NotNegative = 0.0
    """How fast it learns the gyro's gain, per rad of the heading's error and rad of turn; 0 leaves it at 1."""
    turn_per_s: Positive = 2.0
    """Turn rate for a sine of 1 of the angle to home."""
    speed_m_s: Positive = 0.25
    """On the way back."""
    home_m: Positive = 0.1
    """How near it believes to be when it says that it is home."""
    knows_change: bool = False
    """Whether it reads gyro and odometer before disturbances, from the plant's info."""


class DeadReckoningLawConfig(DeadReckoningConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings and the control period."""

    period_s: float


class DeadReckoningLaw(Law):
    """Turn and speed towards home from where it believes to be; the gyro's gain is what it learns."""

    Config = DeadReckoningLawConfig
    learnt = ("gain",)

    def reset(self, seed: int) -> None:
        self.gain = np.ones(1)
        self._heading_rad: float | None = None
        self._x_m = self._y_m = 0.0

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        c = self.config
        gyro, odometer = (modulators if c.knows_change else values[:2]).tolist()
        self._feel(gyro, odometer, float(values[2]), float(values[3]), learning)
        left = sin(atan2(-self._y_m, -self._x_m) - (self._heading_rad or 0.0))
        away = hypot(self._x_m, self._y_m) > c.home_m
        return np.array((c.turn_per_s * left, c.speed_m_s if away else 0.0))

    def _feel(self, gyro: float, odometer: float, sky_cos: float, sky_sin: float, learning: bool) -> None:
        """Take in a control period: heading, place and, under the sky, the gyro's gain."""
        c, seen = self.config, bool(sky_cos or sky_sin)
        if self._heading_rad is None:
            self._heading_rad = atan2(sky_sin, sky_cos)
        turned_rad = float(self.gain[0]) * gyro * c.period_s
        middle_rad = self._heading_rad + turned_rad / 2
        self._x_m += odometer * c.period_s * cos(middle_rad)
        self._y_m += odometer * c.period_s * sin(middle_rad)
        self._heading_rad += turned_rad
        if seen:
            error_rad = (atan2(sky_sin, sky_cos) - self._heading_rad + pi) % (2 * pi) - pi
            self._heading_rad += min(1.0, c.sky_rate_per_s * c.period_s) * error_rad
            if learning:
                self.gain += c.gain_rate * error_rad * gyro * c.period_s


class DeadReckoning(Controller):
    """Goes home by the integral of gyro and odometer: the classical path integration."""

    Config = DeadReckoningConfig
    backend = "law"

    @staticmethod
    def build(config: DeadReckoningConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        check_homing(plant, "dead_reckoning")
        stated = {field: getattr(config, field) for field in config.__struct_fields__}
        law = DeadReckoningLawConfig(**stated, period_s=period_us * 1e-6)
        if not config.knows_change:
            return around(law_program("dead_reckoning", law, plant, "way"), plant, period_us)
        ports, tell = told(TOLD, plant)
        return around(law_program("dead_reckoning", law, plant, "way", modulators=ports), plant, period_us, tell)
