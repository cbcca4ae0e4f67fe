"""A reflex without a lidar: it heads for the goal, and turns away from and brakes for what a proximity skirt sees.

It is what the learner of a lidar is taught by, and shows how much of a task needs no lidar. With `gain` 0 it heads for
the goal blindly.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from msgspec.structs import asdict
from numpy.typing import NDArray

from hilbench.controllers._law import around, law_program
from hilbench.controllers._lidar import LidarRobot, away_from_touch, lidar_robot, wheels
from hilbench.types import BuiltController, Controller, Law, PlantSpec

BEARING_MOST_RAD = 0.6
"""The goal pulls no more than at this bearing."""


class SkirtReflexConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `skirt_reflex`."""

    gain: Annotated[float, Meta(ge=0, le=100)] = 1.0
    """How strong the reflex is."""
    turn_gain: Annotated[float, Meta(gt=0, le=100)] = 2.0
    """Turn rate for a bearing of 1 rad, per second."""
    touch_rad_s: Annotated[float, Meta(gt=0, le=100)] = 3.0
    """Turn rate away from a side that touches, at a gain of 1."""
    lidar: str = "lidar"
    """The lidar's name in the scenario; it is not looked at."""
    skirt: str = "skirt"
    """The name of the proximity skirt, which is `normalised`."""


class ReflexLawConfig(SkirtReflexConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings and the robot."""

    robot: LidarRobot


class ReflexLaw(Law):
    """The nearer something is, the less the goal counts, the more it turns away, and the slower it drives."""

    Config = ReflexLawConfig

    def reset(self, seed: int) -> None:
        self._turn_rad_s = 0.0

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        c, robot = self.config, self.config.robot
        left, right = values[robot.skirt_column : robot.skirt_column + 2].astype(float)
        near = c.gain * (left + right)
        bearing = min(max(float(values[robot.bearing_column]), -BEARING_MOST_RAD), BEARING_MOST_RAD)
        away = c.touch_rad_s * c.gain * away_from_touch(left, right, self._turn_rad_s)
        self._turn_rad_s = c.turn_gain * bearing * max(0.0, 1.0 - near) + away
        return np.array(wheels(robot.speed_m_s * (1.0 - min(0.9, 0.8 * near)), self._turn_rad_s, robot.track_m))


class SkirtReflex(Controller):
    """It heads for the goal and turns away from what its skirt touches; it does not look at the lidar."""

    Config = SkirtReflexConfig
    backend = "law"

    @staticmethod
    def build(config: SkirtReflexConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        robot = lidar_robot(plant, "skirt_reflex", config.lidar, config.skirt)
        law = ReflexLawConfig(**asdict(config), robot=robot)
        return around(law_program("skirt_reflex", law, plant, "wheels"), plant, period_us)
