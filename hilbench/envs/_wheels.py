"""Robots with two driven wheels on a floor, on PyBullet: what every such plant shares. It must not know any task."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import atan2, cos, exp, sin
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta

from hilbench.envs._bullet import GRAVITY_M_S2, BulletConfig, BulletPlant
from hilbench.errors import ScenarioError

__all__ = ["WHEELED_NAMES", "WHEELED_UNITS", "WHEELS", "WheeledConfig", "WheeledPlant", "forward_at_most"]

WHEELS = ("left", "right")
"""The actuators, and the joints: the speed of each wheel's rim over the ground, in m/s, forward positive."""
WHEELED_NAMES = ("x", "y", "heading", "speed", "turn_rate", "left_wheel", "right_wheel")
"""The named state of every wheeled robot; a plant may add its own after it."""
WHEELED_UNITS = ("m", "m", "rad", "m/s", "rad/s", "m/s", "m/s")
"""The units of WHEELED_NAMES."""

_SUPPORT_KG, _WHEEL_SHARE = 0.005, 0.03
_GAP_M = 1e-4
"""How high the supports hang: the wheels carry the robot, and it tilts by next to nothing."""


class WheeledConfig(BulletConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The robot's body. A plant states its own values as defaults."""

    wheel_radius_m: Annotated[float, Meta(ge=0.005, le=0.5)] = 0.033
    """Radius of a driven wheel."""
    track_m: Annotated[float, Meta(ge=0.02, le=2)] = 0.16
    """Distance between the wheels."""
    body_radius_m: Annotated[float, Meta(ge=0.02, le=2)] = 0.1
    """Radius of the round chassis, which is what collides."""
    mass_kg: Annotated[float, Meta(ge=0.1, le=100)] = 1.1
    """Mass of all of it."""
    wheel_lag_s: Annotated[float, Meta(ge=0, le=1)] = 0.05
    """Time constant with which a wheel's speed follows its command; 0 for at once."""
    max_speed_m_s: Annotated[float, Meta(gt=0, le=5)] = 1.0
    """Largest speed of a wheel's rim, either way."""


class WheeledPlant(BulletPlant):
    """A round robot on two driven wheels and two frictionless supports, on a floor at z = 0; it looks along +x.

    An action is the speed of both rims in m/s, `left` and `right`. Disturbances of actuators act on it after its
    limits; a lag of the first order and then a servo of the wheel's speed follow. `WHEELED_NAMES` is the named state:
    the pose of the middle between the wheels (`heading` in -pi to pi, growing to the left), forward speed, turn rate,
    and both rims' speeds. Wheels slip where a command asks for more than the floor's friction gives, about 9.8 m/s2.
    Physics steps of up to 10 ms drive alike within 0.2 %.

    A plant gives `Config` (from WheeledConfig), `traits` with `joints=WHEELS, actuators=WHEELS` and sensors that begin
    with WHEELED_NAMES, `pose`, which calls `stand` and returns (0.0, 0.0), `own_spec` and `show`. With more in its
    world it extends `load`, and with more in its named state `read_joints`::

        def load(self):
            robot = super().load()          # the floor and the robot
            self.load_urdf("maze.urdf")
            return robot

        def read_joints(self, joints):
            return [*super().read_joints(joints), self.distance_m()]

    `action_facts` and `parameters` are parts of its `own_spec`.
    """

    Config: ClassVar[type[WheeledConfig]] = WheeledConfig
    floor_friction: ClassVar[float] = 1.0
    """Of the floor; a wheel's is 1, and the ground holds with their product."""

    @abstractmethod
    def pose(self, random: np.random.Generator) -> Sequence[float]:
        """Draw what this episode draws, and `stand` somewhere; return (0.0, 0.0), the wheels' angles."""

    @property
    def action_facts(self) -> dict[str, Any]:
        """The part of a PlantSpec that says what the wheels take."""
        most = self.config.max_speed_m_s
        return {
            "action_names": WHEELS,
            "action_units": ("m/s", "m/s"),
            "action_low": (-most, -most),
            "action_high": (most, most),
            "safe_action": (0.0, 0.0),
        }

    @property
    def parameters(self) -> dict[str, float]:
        """The body's constants, for `PlantSpec.parameters`."""
        names = ("wheel_radius_m", "track_m", "body_radius_m", "mass_kg", "wheel_lag_s", "max_speed_m_s")
        return {name: getattr(self.config, name) for name in names}

    def load(self) -> int:
        """A floor, and the robot on it."""
        self.floor(self.floor_friction)
        return self.load_urdf("wheels.urdf.template", _body(self.config), fixed=False)

    def stand(self, x_m: float, y_m: float, heading_rad: float) -> None:
        """Put the robot at rest on the floor; only within `pose`.

        Parameters
        ----------
        x_m, y_m : float
            Where the middle between its wheels is.
        heading_rad : float
            Where it looks: 0 along +x, growing to the left.
        """
        facing = 0.0, 0.0, sin(heading_rad / 2), cos(heading_rad / 2)
        self.place(self.body, [x_m, y_m, self.config.wheel_radius_m, *facing, *(0.0,) * 6])

    def begin(self, random: np.random.Generator) -> None:
        """Build the simulation anew, with the wheels at rest."""
        super().begin(random)
        config = self.config
        self._hold = self.world.servo(self.body, (0, 1), config.mass_kg * GRAVITY_M_S2 * config.wheel_radius_m)
        self._keep = exp(-config.physics_step_s / config.wheel_lag_s) if config.wheel_lag_s else 0.0
        self._turning = [0.0, 0.0]

    def move(self, forces: list[float]) -> None:
        """One step of the engine; `forces` are the speeds of the rims, in m/s."""
        keep, scale = self._keep, (1.0 - self._keep) / self.config.wheel_radius_m
        before = self._turning
        self._turning = turning = [keep * before[0] + scale * forces[0], keep * before[1] + scale * forces[1]]
        self._hold(turning)

    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        """The true `WHEELED_NAMES`."""
        x, y, _, qx, qy, qz, qw, vx, vy, _, _, _, turn_rate = self.base()
        heading = atan2(2 * (qw * qz + qx * qy), 1 - 2 * (qy * qy + qz * qz))
        left, right = joints[0], joints[1]
        self.work_j += (abs(left[1] * left[3]) + abs(right[1] * right[3])) * self.config.physics_step_s
        radius_m = self.config.wheel_radius_m
        speed = vx * cos(heading) + vy * sin(heading)
        return [x, y, heading, speed, turn_rate, radius_m * left[1], radius_m * right[1]]


def forward_at_most(values: list[float], speed_m_s: float) -> list[float]:
    """What `drive` returns where a robot may only be so fast forwards: both rims slower by the same, so that it turns.

    Parameters
    ----------
    values : (2,) list of float
        What the rims are told, in m/s.
    speed_m_s : float
        The most that their mean may be.
    """
    left, right = values
    above = max(0.0, (left + right) / 2 - speed_m_s)
    return [left - above, right - above]


def _body(config: WheeledConfig) -> dict[str, float]:
    """What fills in the template."""
    wheel_m, body_m = config.wheel_radius_m, config.body_radius_m
    if config.track_m > 2 * body_m:
        raise ScenarioError(
            f"plant.track_m: found {config.track_m}; allowed: up to {2 * body_m:g}, twice body_radius_m"
        )
    wheel_kg = _WHEEL_SHARE * config.mass_kg
    chassis_kg = config.mass_kg - 2 * wheel_kg - 2 * _SUPPORT_KG
    width_m, support_m = 0.5 * wheel_m, 0.4 * wheel_m
    deck_m = 1.5 * wheel_m
    return {
        "chassis_kg": chassis_kg,
        "chassis_ixx": chassis_kg * (3 * body_m**2 + deck_m**2) / 12,
        "chassis_izz": chassis_kg * body_m**2 / 2,
        "wheel_kg": wheel_kg,
        "wheel_ixx": wheel_kg * (3 * wheel_m**2 + width_m**2) / 12,
        "wheel_iyy": wheel_kg * wheel_m**2 / 2,
        "support_kg": _SUPPORT_KG,
        "body_radius_m": body_m,
        "deck_m": deck_m,
        "deck_z_m": 0.4 * wheel_m,
        "nose_x_m": 0.6 * body_m,
        "nose_z_m": 0.4 * wheel_m + deck_m / 2 + 0.002,
        "nose_m": 0.7 * body_m,
        "nose_width_m": 0.2 * body_m,
        "wheel_radius_m": wheel_m,
        "wheel_width_m": width_m,
        "half_track_m": config.track_m / 2,
        "support_radius_m": support_m,
        "support_x_m": 0.8 * body_m,
        "support_z_m": support_m - wheel_m + _GAP_M,
    }
