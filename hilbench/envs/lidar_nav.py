"""A robot that drives to a goal among obstacles. It must not know who drives it."""

from __future__ import annotations

from collections.abc import Sequence
from math import atan2, cos, hypot, pi
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.compiled.cache import kernels
from hilbench.envs._obstacles import HALF_M, Map, blocked_pair, made_map
from hilbench.envs._picture import View
from hilbench.envs._stepped import Shown
from hilbench.envs._wheels import WHEELED_NAMES, WHEELS, WheeledConfig, WheeledPlant, forward_at_most
from hilbench.envs.disturbances import Traits
from hilbench.types import PlantSpec

OWN = ("goal_bearing", "turn_rate", "speed")
_WALL_M, _HIGH_M = 0.1, 0.3
_TOUCH_M = 0.002
"""Contacts are found this much before bodies meet, as the engine's are."""


class LidarNav(WheeledPlant):
    """A robot finds its way to a goal among discs and boxes, by what it carries of lidars and bumpers.

    ## Description
    A round robot of 0.18 m radius on two wheels, in a room of 10 m x 10 m with 12 discs and 12 boxes, whose gaps are at
    least 0.75 m wide. It knows the bearing of its goal; what is in between it sees by the sensors that the scenario
    gives it, a lidar above all. It drives at most `speed_m_s` forwards, so that the time has a bound: the straight way
    at this speed, which is always blocked. The robot is 0.11 m high and obstacles 0.3 m: a lidar stands in between, or
    its rays begin beyond the robot's rim.

    ## Action Space
    `Box(-0.8, 0.8, (2,), float32)`: the speed of each wheel's rim, held over a control period. Where their mean is
    above `speed_m_s`, both are reduced alike. A lag of the first order follows.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 | left | m/s | -max_speed_m_s | max_speed_m_s |
    | 1 | right | m/s | -max_speed_m_s | max_speed_m_s |

    ## Observation Space
    `Box((3,), float32)`, as sensed, and what sensors measure beside them.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | goal_bearing, 0 ahead, growing to the left, -pi to pi | rad | 10 |
    | 1 | turn_rate, to the left | rad/s | 100 |
    | 2 | speed, forwards | m/s | 100 |

    ## Rewards
    The speed towards the goal times the control period, in m; less 1 with a collision.

    ## Starting State
    One of `n_maps` maps, a start and a goal 5 to 8.5 m apart, each 0.45 m from all obstacles. The robot is at rest and
    looks towards the goal within 1 rad.

    ## Episode End
    Terminates when the goal is nearer than 0.4 m, or the robot touches anything, at any physics step. `gym.make`
    truncates after 75 000 steps, which is 75 s at the default control period.

    ## Arguments
    `gym.make("hilbench:hilbench/LidarNav-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `goal_m`, the distance to the goal; `goal_bearing`, the true one;
    `clearance_m`, from the robot's rim to the nearest obstacle or wall; `reached` and `collided`, 1 when it has;
    `shortest_s`, the time that the straight way takes; `left_m_s` and `right_m_s`, what the wheels were told last;
    `work_j`, what their motors did; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(WheeledConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        wheel_radius_m: Annotated[float, Meta(ge=0.005, le=0.5)] = 0.05
        track_m: Annotated[float, Meta(ge=0.02, le=2)] = 0.3
        body_radius_m: Annotated[float, Meta(ge=0.02, le=2)] = 0.18
        mass_kg: Annotated[float, Meta(ge=0.1, le=100)] = 3.0
        wheel_lag_s: Annotated[float, Meta(ge=0, le=1)] = 0.1
        max_speed_m_s: Annotated[float, Meta(gt=0, le=5)] = 0.8
        speed_m_s: Annotated[float, Meta(gt=0, le=5)] = 0.5
        """Largest forward speed."""
        map_seed: Annotated[int, Meta(ge=0)] = 0
        """Which set of maps."""
        n_maps: Annotated[int, Meta(ge=1, le=1000)] = 10
        """How many maps the set has; an episode's seed chooses one."""
        reached_m: Annotated[float, Meta(gt=0, le=2)] = 0.4
        """The distance at which the goal is reached."""

    env_id: ClassVar[str] = "hilbench/LidarNav-v0"
    max_episode_steps: ClassVar[int] = 75_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": OWN,
        "obs_units": ("rad", "rad/s", "m/s"),
        "action_names": WHEELS,
        "action_units": ("m/s", "m/s"),
    }
    traits = Traits(sensors=(*WHEELED_NAMES, "goal_bearing"), joints=WHEELS, actuators=WHEELS)
    obs_high = (10.0, 100.0, 100.0)
    view = View((0.0, -5.0, 13.0), (0.0, -0.25, 0.0), fov_deg=45.0, width=480, height=420)

    @property
    def own_spec(self) -> PlantSpec:
        """Names, limits and the robot's constants."""
        config = self.config
        info_units = {"t_s": "s", "goal_m": "m", "goal_bearing": "rad", "clearance_m": "m", "reached": "1"}
        info_units |= {"collided": "1", "shortest_s": "s", "left_m_s": "m/s", "right_m_s": "m/s"}
        return PlantSpec(
            obs_names=OWN,
            obs_units=("rad", "rad/s", "m/s"),
            physics_step_s=config.physics_step_s,
            info_units=info_units | {"work_j": "J", "disturbances": "1"},
            error="goal_m",
            parameters=self.parameters | {"speed_m_s": config.speed_m_s, "reached_m": config.reached_m},
            **self.action_facts,
        )

    def begin(self, random: np.random.Generator) -> None:
        self._map = made_map(self.config.map_seed, int(random.integers(self.config.n_maps)))
        start, goal = blocked_pair(self._map, random)
        self._start, self._goal = (float(start[0]), float(start[1])), (float(goal[0]), float(goal[1]))
        self._reached = self._collided = False
        self._free_m, self._free_at = 0.0, self._start
        self._shares = kernels("hilbench.envs._ranges").shares
        super().begin(random)
        self.world.square_friction()

    def load(self) -> int:
        robot = super().load()
        self.load_urdf("lidar_nav.urdf.template", {"shapes": "\n".join(_shapes(self._map))})
        self._mark = self.load_urdf("goal.urdf")
        return robot

    def pose(self, random: np.random.Generator) -> Sequence[float]:
        (x, y), (goal_x, goal_y) = self._start, self._goal
        distance_m = hypot(goal_x - x, goal_y - y)
        self._shortest_s = (distance_m - self.config.reached_m) / self.config.speed_m_s
        self.place(self._mark, [goal_x, goal_y, 0.0, 0.0, 0.0, 0.0, 1.0, *(0.0,) * 6])
        self.stand(x, y, atan2(goal_y - y, goal_x - x) + random.uniform(-1.0, 1.0))
        return 0.0, 0.0

    def drive(self, values: list[float]) -> list[float]:
        return forward_at_most(values, self.config.speed_m_s)

    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        own = super().read_joints(joints)
        x, y, heading = own[:3]
        to_x, to_y = self._goal[0] - x, self._goal[1] - y
        self._goal_m = hypot(to_x, to_y)
        # Clearance shrinks by the way at most, so it is looked up only where the robot may have come near something.
        least_m = self._free_m - hypot(x - self._free_at[0], y - self._free_at[1])
        if least_m < _TOUCH_M and self._clearance_m(x, y) < _TOUCH_M and not self._reached:
            self._collided = True
        if self._goal_m < self.config.reached_m and not self._collided:
            self._reached = True
        return [*own, (atan2(to_y, to_x) - heading + pi) % (2 * pi) - pi]

    def rays(self, from_m: NDArray[np.float64], to_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """As those of BulletPlant. Level rays between robot and obstacles' tops are computed without the engine."""
        begins, ends = np.asarray(from_m, np.float64), np.asarray(to_m, np.float64)
        around, found = self._map, np.empty(len(begins))
        limits = HALF_M, 2.2 * self.config.wheel_radius_m, _HIGH_M  # the robot's deck is 2.15 of these high
        if self._shares(begins, ends, around.centre_m, around.half_m, around.radius_m, *limits, found):
            return found
        return super().rays(begins, ends)

    def _clearance_m(self, x: float, y: float) -> float:
        """From the robot's rim, at a place of its middle, to the nearest obstacle or wall."""
        self._free_m, self._free_at = self._map.clearance_m(x, y) - self.config.body_radius_m, (x, y)
        return self._free_m

    def show(self) -> Shown:
        bearing, turn_rate, speed = self.sensed[len(WHEELED_NAMES)], self.sensed[4], self.sensed[3]
        info = {
            "t_s": self.time_s,
            "goal_m": self._goal_m,
            "goal_bearing": self.truth[len(WHEELED_NAMES)],
            "clearance_m": self._clearance_m(self.truth[0], self.truth[1]),
            "reached": float(self._reached),
            "collided": float(self._collided),
            "shortest_s": self._shortest_s,
            "left_m_s": self.forces[0],
            "right_m_s": self.forces[1],
            "work_j": self.work_j,
            "disturbances": float(len(self._schedule.active)),
        }
        period_s = self.control_steps * self.config.physics_step_s
        reward = period_s * self.truth[3] * cos(info["goal_bearing"]) - info["collided"]
        return [bearing, turn_rate, speed], reward, self._reached or self._collided, info


def _shapes(found: Map) -> list[str]:
    """The obstacles and the walls, as elements of the template's link."""
    lines = []
    for (x, y), (half_x, half_y), radius in zip(found.centre_m, found.half_m, found.radius_m, strict=True):
        form = f'cylinder radius="{radius}" length="{_HIGH_M}"'
        lines.append(_shape((x, y), f'box size="{2 * half_x} {2 * half_y} {_HIGH_M}"' if half_x else form, "amber"))
    long_m, at_m = 2 * HALF_M + 2 * _WALL_M, HALF_M + _WALL_M / 2
    for sign in (-1, 1):
        lines.append(_shape((0.0, sign * at_m), f'box size="{long_m} {_WALL_M} {_HIGH_M}"', "steel"))
        lines.append(_shape((sign * at_m, 0.0), f'box size="{_WALL_M} {long_m} {_HIGH_M}"', "steel"))
    return lines


def _shape(at_m: tuple[float, float], form: str, material: str) -> str:
    """One element, seen and met."""
    where = f'<origin xyz="{at_m[0]} {at_m[1]} {_HIGH_M / 2}"/><geometry><{form}/></geometry>'
    return f'<visual>{where}<material name="{material}"/></visual><collision>{where}</collision>'
