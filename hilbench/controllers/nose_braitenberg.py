"""Braitenberg's vehicle: it turns to the side where it smells more.

Braitenberg (1984), "Vehicles: Experiments in Synthetic Psychology", vehicle 2b: each sensor drives the wheel of the
other side. Here the forward speed stays, and the turn rate is a gain times the low-passed difference of the logarithms.

With `knows_change` the law smells what the noses give before disturbances, which no controller on a robot knows. It is
then the oracle that learners are compared with.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._law import around, law_program, told
from hilbench.controllers._noses import NOSES, Robot, robot_of
from hilbench.types import BuiltController, Controller, Law, PlantSpec

Positive = Annotated[float, Meta(gt=0)]


class BraitenbergConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `nose_braitenberg`."""

    gain_rad_s: Positive = 60.0
    """Turn rate for a difference of 1 between the logarithms."""
    limit_rad_s: Positive = 3.0
    """Largest turn rate, either way."""
    smooth_s: Positive = 0.1
    """Time constant of the difference's low-pass."""
    knows_change: bool = False
    """Whether it smells what the noses give before disturbances, from the plant's info."""


class SmellLawConfig(BraitenbergConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings, the robot and the control period."""

    track_m: float
    speed_m_s: float
    period_s: float


class SmellLaw(Law):
    """The turn rate is proportional to the difference, which is low-passed."""

    Config = SmellLawConfig

    def reset(self, seed: int) -> None:
        c = self.config
        self._robot, self._share, self._difference = (
            Robot(c.track_m, c.speed_m_s),
            min(1.0, c.period_s / c.smooth_s),
            0.0,
        )

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        c = self.config
        left, right = modulators if c.knows_change else values[:2]
        self._difference += (float(left) - float(right) - self._difference) * self._share
        turn_rad_s = min(max(c.gain_rad_s * self._difference, -c.limit_rad_s), c.limit_rad_s)
        return np.array(self._robot.wheels(turn_rad_s))


class Braitenberg(Controller):
    """Turns to the side where it smells more: the classical way up a gradient."""

    Config = BraitenbergConfig
    backend = "law"

    @staticmethod
    def build(config: BraitenbergConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        robot = robot_of(plant, "nose_braitenberg")
        law = SmellLawConfig(
            gain_rad_s=config.gain_rad_s,
            limit_rad_s=config.limit_rad_s,
            smooth_s=config.smooth_s,
            knows_change=config.knows_change,
            track_m=robot.track_m,
            speed_m_s=robot.speed_m_s,
            period_s=period_us * 1e-6,
        )
        if not config.knows_change:
            return around(law_program("nose_braitenberg", law, plant, "wheels"), plant, period_us)
        ports, tell = told(NOSES, plant)
        return around(law_program("nose_braitenberg", law, plant, "wheels", modulators=ports), plant, period_us, tell)
