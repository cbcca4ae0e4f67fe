"""Small plants of tests: a mass in plain Python, and PyBullet plants with a free base, thrusters and wheels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hilbench.envs import (
    BASE_NAMES,
    BASE_UNITS,
    BulletConfig,
    BulletPlant,
    Shown,
    SteppedConfig,
    SteppedPlant,
    Thruster,
)
from hilbench.envs.disturbances import Traits
from hilbench.types import PlantSpec

BOX_KG, BOX_M = 2.0, (0.4, 0.2, 0.1)
BOX_KG_M2 = tuple(BOX_KG * (sum(m**2 for m in BOX_M) - own**2) / 12 for own in BOX_M)
WHEEL_M, AXLE_M = 0.05, 0.3


def sheet(names: Sequence[str], units: Sequence[str], actions: Sequence[str], limit: float, step_s: float) -> PlantSpec:
    n = len(actions)
    return PlantSpec(
        obs_names=tuple(names), obs_units=tuple(units), action_names=tuple(actions), action_units=("N",) * n,
        action_low=(-limit,) * n, action_high=(limit,) * n, safe_action=(0.0,) * n, physics_step_s=step_s,
        info_units={"t_s": "s"}, error="", parameters={},
    )  # fmt: skip


class Mass(SteppedPlant):
    """A mass of 1 kg on a rail, in plain Python; the position moves by exactly speed x step."""

    traits = Traits(sensors=("x", "v"), actuators=("force",))
    obs_high = (1e3, 1e3)

    class Config(SteppedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        speed_m_s: float = 0.0
        """The first speed."""

    @property
    def own_spec(self) -> PlantSpec:
        return sheet(("x", "v"), ("m", "m/s"), ("force",), 10.0, self.config.physics_step_s)

    def begin(self, random: np.random.Generator) -> None:
        self.x, self.v = 0.0, self.config.speed_m_s

    def move(self, forces: list[float]) -> None:
        self.v += forces[0] * self.config.physics_step_s
        self.x += self.v * self.config.physics_step_s

    def read(self) -> list[float]:
        return [self.x, self.v]

    def show(self) -> Shown:
        return self.sensed, 0.0, False, {"t_s": self.time_s}


class Cart(SteppedPlant):
    """A robot on two wheels that roll at the speeds they are told, among walls and discs; in plain Python."""

    RADIUS_M, TRACK_M = 0.05, 0.3
    traits = Traits(
        sensors=("x", "y", "yaw", "left", "right", "vx", "vy", "yaw_rate", "left_rate", "right_rate"),
        actuators=("left", "right"),
    )
    obs_high = (1e3,) * 10
    walls_x_m: tuple[float, ...] = ()
    """Walls across the x axis."""
    discs_m: tuple[tuple[float, float, float], ...] = ()
    """x, y and radius."""

    @property
    def own_spec(self) -> PlantSpec:
        units = ("m", "m", "rad", "rad", "rad", "m/s", "m/s", "rad/s", "rad/s", "rad/s")
        return sheet(self.traits.sensors, units, ("left", "right"), 100.0, self.config.physics_step_s)

    def begin(self, random: np.random.Generator) -> None:
        self.place_m, self.yaw_rad, self.angles_rad, self.rates_rad_s = np.zeros(2), 0.0, np.zeros(2), np.zeros(2)

    def move(self, forces: list[float]) -> None:
        step_s, self.rates_rad_s = self.config.physics_step_s, np.array(forces)
        self.angles_rad = self.angles_rad + self.rates_rad_s * step_s
        self.yaw_rad += self._yaw_rate() * step_s
        self.place_m = self.place_m + self._velocity() * step_s

    def rays(self, from_m: np.ndarray, to_m: np.ndarray) -> np.ndarray:
        """As `BulletPlant.rays`."""
        begin, way = from_m[:, :2], (to_m - from_m)[:, :2]
        with np.errstate(divide="ignore", invalid="ignore"):
            shares = [np.ones(len(way))]
            shares += [(wall_m - begin[:, 0]) / way[:, 0] for wall_m in self.walls_x_m]
            for x, y, radius_m in self.discs_m:
                off = begin - (x, y)
                a, b, c = (way**2).sum(1), (way * off).sum(1), (off**2).sum(1) - radius_m**2
                shares.append((-b - np.sqrt(b * b - a * c)) / a)
        found = np.array([np.where(share >= 0, share, 1.0) for share in shares])
        return np.minimum(found.min(axis=0), 1.0)

    def read(self) -> list[float]:
        rates = [self._yaw_rate(), *self.rates_rad_s.tolist()]
        return [*self.place_m.tolist(), self.yaw_rad, *self.angles_rad.tolist(), *self._velocity().tolist(), *rates]

    def show(self) -> Shown:
        return self.sensed, 0.0, False, {"t_s": self.time_s}

    def _yaw_rate(self) -> float:
        return float(self.rates_rad_s[1] - self.rates_rad_s[0]) * self.RADIUS_M / self.TRACK_M

    def _velocity(self) -> np.ndarray:
        speed_m_s = self.rates_rad_s.mean() * self.RADIUS_M
        return speed_m_s * np.array([np.cos(self.yaw_rad), np.sin(self.yaw_rad)])


class _Free(BulletPlant):
    obs_high = (1e3,) * len(BASE_NAMES)
    file = ""

    class Config(BulletConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        folder: str
        """Where the body's file is written."""

    def load(self) -> int:
        path = Path(self.config.folder).absolute() / f"{type(self).__name__}.urdf"
        path.write_text(self.file)
        return self.load_urdf(path, fixed=False)

    @property
    def own_spec(self) -> PlantSpec:
        return sheet(BASE_NAMES, BASE_UNITS, self.traits.actuators, 50.0, self.config.physics_step_s)

    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        return self.base() + [float(joint[1]) for joint in joints]

    def show(self) -> Shown:
        return self.sensed[: len(BASE_NAMES)], 0.0, False, {"t_s": self.time_s}


class Box(_Free):
    """A free box with a thruster through its centre and one beside it; another box floats nowhere near."""

    traits = Traits(sensors=BASE_NAMES, actuators=("lift", "turn"))
    thrusters = (Thruster(-1, (0.0, 0.0, 0.0), (0.0, 0.0, 1.0)), Thruster(-1, (0.0, 0.2, 0.0), (1.0, 0.0, 0.0)))
    file = f"""<robot name="box"><link name="body"><inertial><mass value="{BOX_KG}"/>
    <inertia ixx="{BOX_KG_M2[0]}" ixy="0" ixz="0" iyy="{BOX_KG_M2[1]}" iyz="0" izz="{BOX_KG_M2[2]}"/></inertial>
    <collision><geometry><box size="{BOX_M[0]} {BOX_M[1]} {BOX_M[2]}"/></geometry></collision>
    <visual><geometry><box size="{BOX_M[0]} {BOX_M[1]} {BOX_M[2]}"/></geometry></visual></link></robot>"""

    class Config(_Free.Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
        start: tuple[float, ...] = (0, 0, 100.0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0)
        """The base's first state."""
        with_floor: bool = False
        """Whether there is a floor."""

    def load(self) -> int:
        body = super().load()
        path = Path(self.config.folder).absolute() / f"{type(self).__name__}.urdf"
        self.other = self.load_urdf(path, fixed=True, at_m=(50.0, 0.0, 7.0))
        if self.config.with_floor:
            self.floor()
        return body

    def pose(self, random: np.random.Generator) -> Sequence[float]:
        self.place(self.body, self.config.start)
        return ()


def _wheel(name: str, y_m: float) -> str:
    return f"""<link name="{name}"><inertial><mass value="0.2"/>
    <inertia ixx="2e-4" ixy="0" ixz="0" iyy="2.5e-4" iyz="0" izz="2e-4"/></inertial>
    <collision><geometry><sphere radius="{WHEEL_M}"/></geometry></collision></link>
    <joint name="{name}_axle" type="continuous"><parent link="body"/><child link="{name}"/>
    <origin xyz="0 {y_m} 0"/><axis xyz="0 1 0"/></joint>"""


class Rover(_Free):
    """Two driven wheels on a body that hangs low between them, on a floor."""

    traits = Traits(
        sensors=(*BASE_NAMES, "left", "right"), joints=("left_axle", "right_axle"), actuators=("left", "right")
    )
    driven = (0, 1)
    file = f"""<robot name="rover"><link name="body"><inertial><origin xyz="0 0 -0.02"/><mass value="1.0"/>
    <inertia ixx="0.01" ixy="0" ixz="0" iyy="0.001" iyz="0" izz="0.01"/></inertial></link>
    {_wheel("left", AXLE_M / 2)}{_wheel("right", -AXLE_M / 2)}</robot>"""

    def load(self) -> int:
        self.floor(friction=1.0)
        return super().load()

    def pose(self, random: np.random.Generator) -> Sequence[float]:
        self.place(self.body, (0, 0, WHEEL_M - 0.02, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0))
        return 0.0, 0.0
