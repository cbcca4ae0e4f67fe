"""An artificial potential field: the goal attracts, and what a lidar meets repels.

Khatib (1986), "Real-time obstacle avoidance for manipulators and mobile robots", Int. J. Robotics Research 5: 90. Here
the field is a direction alone: the robot turns into it, and drives slower the farther it looks away, and the nearer
something is ahead. A ray repels with the square of its nearness, across the robot more than along it.

With `undoes` the law knows what a disturbance does and, from the plant's info, when one acts. It is then the oracle
that learners are compared with.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import atan2, cos, sin
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct
from msgspec.structs import asdict
from numpy.typing import NDArray

from hilbench.controllers._law import around, law_program
from hilbench.controllers._lidar import LidarRobot, lidar_robot, wheels
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.types import BuiltController, Controller, Events, Law, PlantSpec, Port

Positive = Annotated[float, Meta(gt=0)]
ALONG = 0.3
"""How much of a ray's push acts along the robot: what is ahead should turn it, not stop it."""
FAR_M = 1e3
"""The range of nothing."""
AHEAD_RAD = 0.3
"""Rays within this angle of straight ahead slow the robot down."""


class PotentialFieldConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `potential_field`."""

    repulsion: Positive = 0.5
    """The push of a ray at the robot's rim, against the goal's pull of 1."""
    range_m: Positive = 1.2
    """The distance from the rim at which rays push no more."""
    turn_gain: Positive = 2.0
    """Turn rate for an angle of 1 rad to the field, per second."""
    limit_rad_s: Positive = 2.0
    """Largest turn rate, either way."""
    lidar: str = "lidar"
    """The sensor's name in the scenario."""
    fov_rad: Positive = 2.967
    """Its field of view, the first ray to the right."""
    undoes: Literal["nothing", "mirrored", "swapped", "broken", "scaled", "turned"] = "nothing"
    """What it knows to happen while a disturbance acts: the lidar is mirrored, or the wheels are swapped; rays are
    broken, ranges multiplied, or the lidar is turned."""
    broken: tuple[str, ...] = ()
    """broken: the channels, as `ray_3`, in whose place it takes the nearer one of their neighbours that work."""
    scale: Positive = 2.0
    """scaled: what ranges are multiplied by."""
    turned_rays: Annotated[int, Meta(ge=-1000, le=1000)] = 3
    """turned: by how many rays, to the right."""


class FieldLawConfig(PotentialFieldConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings and the robot."""

    robot: LidarRobot


class FieldLaw(Law):
    """Turns into the field, and drives as fast as that and what is ahead allow."""

    Config = FieldLawConfig

    def reset(self, seed: int) -> None:
        c, robot = self.config, self.config.robot
        self._angles = np.linspace(-c.fov_rad / 2, c.fov_rad / 2, robot.n_rays)
        self._along, self._across = ALONG * np.cos(self._angles), np.sin(self._angles)
        self._ahead = np.abs(self._angles) < AHEAD_RAD
        self._broken = np.isin(np.arange(robot.n_rays), [int(name.removeprefix("ray_")) for name in c.broken])

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        c, robot = self.config, self.config.robot
        acts = c.undoes != "nothing" and modulators[0] > 0
        ranges_m = values[robot.first_ray : robot.first_ray + robot.n_rays].astype(float)
        clear_m = (self._undone(ranges_m) if acts else ranges_m) - robot.body_radius_m
        push = c.repulsion * np.clip(1 - clear_m / c.range_m, 0, None) ** 2
        bearing = float(values[robot.bearing_column])
        angle = atan2(sin(bearing) - float(push @ self._across), cos(bearing) - float(push @ self._along))
        room = min(1.0, max(0.1, (float(clear_m[self._ahead].min(initial=9.0)) - 0.1) / 0.6))
        speed = robot.speed_m_s * max(0.1, cos(angle)) * room
        rims = wheels(speed, min(max(c.turn_gain * angle, -c.limit_rad_s), c.limit_rad_s), robot.track_m)
        return np.array(rims[::-1] if acts and c.undoes == "swapped" else rims)

    def _undone(self, ranges_m: NDArray) -> NDArray:
        """What the rays would show without what it knows of; where nothing tells, that there is nothing."""
        c, n = self.config, ranges_m.size
        if c.undoes == "mirrored":
            return ranges_m[::-1]
        if c.undoes == "scaled":
            return ranges_m / c.scale
        if c.undoes == "turned":
            index = np.arange(n) + c.turned_rays
            seen = (index >= 0) & (index < n)
            return np.where(seen, ranges_m[np.clip(index, 0, n - 1)], FAR_M)
        if c.undoes == "broken":
            works = np.concatenate(([FAR_M], np.where(self._broken, FAR_M, ranges_m), [FAR_M]))
            return np.where(self._broken, np.minimum(works[:-2], works[2:]), ranges_m)
        return ranges_m


class PotentialField(Controller):
    """The goal attracts and what a lidar meets repels: the classical way through obstacles."""

    Config = PotentialFieldConfig
    backend = "law"

    @staticmethod
    def build(config: PotentialFieldConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        robot = lidar_robot(plant, "potential_field", config.lidar)
        names = [f"ray_{i}" for i in range(robot.n_rays)]
        for name in config.broken:
            if name not in names:
                raise ScenarioError(
                    f"controller 'potential_field' needs the lidar's channels in broken; found {name!r}; "
                    + allowed_hint(name, names)
                )
        law = FieldLawConfig(**asdict(config), robot=robot)
        if config.undoes == "nothing":
            return around(law_program("potential_field", law, plant, "wheels"), plant, period_us)
        told = law_program("potential_field", law, plant, "wheels", modulators=(Port("disturbed", 1, units=("1",)),))
        return around(told, plant, period_us, _whether_disturbed)


def _whether_disturbed(
    obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray
) -> None:
    modulators[0] = info["disturbances"]
