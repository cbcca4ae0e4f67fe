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
from numpy.typing import NDArray

from hilbench.controllers._law import around, law_program
from hilbench.errors import ScenarioError
from hilbench.types import BuiltController, Controller, Events, Law, PlantSpec, Port

Positive = Annotated[float, Meta(gt=0)]
ALONG = 0.3
"""How much of a ray's push acts along the robot: what is ahead should turn it, not stop it."""
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
    undoes: Literal["nothing", "mirrored", "swapped"] = "nothing"
    """What it knows to happen while a disturbance acts: the lidar is mirrored, or the wheels are swapped."""


class FieldLawConfig(PotentialFieldConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings, where in the observation what is, and the robot."""

    bearing_column: int
    first_ray: int
    n_rays: int
    body_radius_m: float
    track_m: float
    speed_m_s: float


class FieldLaw(Law):
    """Turns into the field, and drives as fast as that and what is ahead allow."""

    Config = FieldLawConfig

    def reset(self, seed: int) -> None:
        c = self.config
        self._angles = np.linspace(-c.fov_rad / 2, c.fov_rad / 2, c.n_rays)
        self._along, self._across = ALONG * np.cos(self._angles), np.sin(self._angles)
        self._ahead = np.abs(self._angles) < AHEAD_RAD

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        c = self.config
        acts = c.undoes != "nothing" and modulators[0] > 0
        clear_m = values[c.first_ray : c.first_ray + c.n_rays].astype(float) - c.body_radius_m
        if acts and c.undoes == "mirrored":
            clear_m = clear_m[::-1]
        push = c.repulsion * np.clip(1 - clear_m / c.range_m, 0, None) ** 2
        bearing = float(values[c.bearing_column])
        angle = atan2(sin(bearing) - float(push @ self._across), cos(bearing) - float(push @ self._along))
        room = min(1.0, max(0.1, (float(clear_m[self._ahead].min(initial=9.0)) - 0.1) / 0.6))
        speed = c.speed_m_s * max(0.1, cos(angle)) * room
        half = min(max(c.turn_gain * angle, -c.limit_rad_s), c.limit_rad_s) * c.track_m / 2
        wheels = speed - half, speed + half
        return np.array(wheels[::-1] if acts and c.undoes == "swapped" else wheels)


class PotentialField(Controller):
    """The goal attracts and what a lidar meets repels: the classical way through obstacles."""

    Config = PotentialFieldConfig
    backend = "law"

    @staticmethod
    def build(config: PotentialFieldConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        rays = [i for i, name in enumerate(plant.obs_names) if name.startswith(f"{config.lidar}.")]
        if not rays or "goal_bearing" not in plant.obs_names or plant.action_names != ("left", "right"):
            raise ScenarioError(
                "controller 'potential_field' needs a robot on two wheels that sees a goal_bearing, and a lidar in"
                f" [sensors.{config.lidar}]"
            )
        p = plant.parameters
        law = FieldLawConfig(
            **{name: getattr(config, name) for name in config.__struct_fields__},
            bearing_column=plant.obs_names.index("goal_bearing"),
            first_ray=rays[0],
            n_rays=len(rays),
            body_radius_m=p["body_radius_m"],
            track_m=p["track_m"],
            speed_m_s=p["speed_m_s"],
        )
        if config.undoes == "nothing":
            return around(law_program("potential_field", law, plant, "wheels"), plant, period_us)
        told = law_program("potential_field", law, plant, "wheels", modulators=(Port("disturbed", 1, units=("1",)),))
        return around(told, plant, period_us, _whether_disturbed)


def _whether_disturbed(
    obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray
) -> None:
    modulators[0] = info["disturbances"]
