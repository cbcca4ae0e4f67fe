"""A robot that seeks the source of a scent with two noses. It must not know who drives it."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, log, pi, sin
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta

from hilbench.envs._picture import View
from hilbench.envs._stepped import Shown
from hilbench.envs._wheels import WHEELED_NAMES, WHEELS, WheeledConfig, WheeledPlant, forward_at_most
from hilbench.envs.disturbances import Traits
from hilbench.seeding import Rows
from hilbench.types import PlantSpec

NOSES = ("log_left", "log_right")
START_M, SOURCE_M = 1.8, 1.7
"""How far from the middle of the arena, along x and along y, a start and a source may be."""
NEAREST_M, FARTHEST_M = 1.5, 3.5
EDGE_M, WHISKER_M_S = 1.9, 0.1
"""Where whiskers meet the rim of the arena, and how fast the wheels then turn the robot on the spot."""


class GradientSeek(WheeledPlant):
    """A robot with two noses drives up a gradient of scent to its source.

    ## Description
    A round robot on two wheels, in an arena of 4 m x 4 m, finds the source when its middle is nearer than 0.3 m. The
    scent at a distance r has the concentration 1 / (r + 0.3 m); two noses, 0.1 m apart beside the robot's middle,
    give its logarithm with white noise. The robot drives at most `speed_m_s` forwards, turning or not, so that the time
    to find has a bound: the straight way at this speed. Where it meets the rim of the arena, whiskers turn it on the
    spot to the nearer side until it no longer looks outwards; the action waits. The usual disturbances are
    `sensor_fault` that reverses `log_left` and `log_right`, and a `sensor_bias` of log(0.5) = -0.693, which is a nose
    that smells half as much.

    ## Action Space
    `Box(-0.3, 0.3, (2,), float32)`: the speed of each wheel's rim, held over a control period. Where their mean is
    above `speed_m_s`, both are reduced alike. A lag of the first order follows.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 | left | m/s | -max_speed_m_s | max_speed_m_s |
    | 1 | right | m/s | -max_speed_m_s | max_speed_m_s |

    ## Observation Space
    `Box((2,), float32)`, as sensed: with what disturbances make of it.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | log_left, the natural logarithm of the concentration times 1 m | 1 | 10 |
    | 1 | log_right | 1 | 10 |

    ## Rewards
    Minus the length of the control period, in s: an episode's return is minus its time.

    ## Starting State
    The source is uniform in a square of +-1.7 m, the robot in one of +-1.8 m, 1.5 to 3.5 m away from it, at rest,
    and it looks anywhere.

    ## Episode End
    Terminates when the source is found, at any physics step. `gym.make` truncates after 90 000 steps, which is 90 s
    at the default control period.

    ## Arguments
    `gym.make("hilbench:hilbench/GradientSeek-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `distance_m`, from the robot's middle to the source; `found`, 1 when
    it is; `shortest_s`, the time that the straight way from the start takes; `log_left` and `log_right`, what the noses
    give before disturbances; `left_m_s` and `right_m_s`, what the wheels were told last; `work_j`, what their
    motors did; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(WheeledConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        wheel_radius_m: Annotated[float, Meta(ge=0.005, le=0.5)] = 0.025
        track_m: Annotated[float, Meta(ge=0.02, le=2)] = 0.1
        body_radius_m: Annotated[float, Meta(ge=0.02, le=2)] = 0.06
        mass_kg: Annotated[float, Meta(ge=0.1, le=100)] = 0.5
        wheel_lag_s: Annotated[float, Meta(ge=0, le=1)] = 0.1
        max_speed_m_s: Annotated[float, Meta(gt=0, le=5)] = 0.3
        speed_m_s: Annotated[float, Meta(gt=0, le=5)] = 0.2
        """Largest forward speed."""
        noses_m: Annotated[float, Meta(gt=0, le=1)] = 0.1
        """Distance between the noses."""
        noise: Annotated[float, Meta(ge=0, le=10)] = 0.005
        """Standard deviation of the logarithm, drawn anew at each physics step."""
        core_m: Annotated[float, Meta(gt=0, le=10)] = 0.3
        """What is added to the distance in the concentration."""
        found_m: Annotated[float, Meta(gt=0, le=1)] = 0.3
        """The distance at which the source is found."""

    env_id: ClassVar[str] = "hilbench/GradientSeek-v0"
    max_episode_steps: ClassVar[int] = 90_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": NOSES,
        "obs_units": ("1", "1"),
        "action_names": WHEELS,
        "action_units": ("m/s", "m/s"),
    }
    traits = Traits(sensors=(*WHEELED_NAMES, *NOSES), joints=WHEELS, actuators=WHEELS)
    obs_high = (10.0, 10.0)
    view = View((0.0, -2.2, 5.6), (0.0, -0.12, 0.0), fov_deg=43.0, width=480, height=400)

    @property
    def own_spec(self) -> PlantSpec:
        """Names, limits and the robot's constants."""
        config = self.config
        names = ("speed_m_s", "noses_m", "core_m", "found_m")
        return PlantSpec(
            obs_names=NOSES,
            obs_units=("1", "1"),
            physics_step_s=config.physics_step_s,
            info_units={
                "t_s": "s",
                "distance_m": "m",
                "found": "1",
                "shortest_s": "s",
                "log_left": "1",
                "log_right": "1",
                "left_m_s": "m/s",
                "right_m_s": "m/s",
                "work_j": "J",
                "disturbances": "1",
            },
            error="distance_m",
            parameters=self.parameters | {name: getattr(config, name) for name in names},
            **self.action_facts,
        )

    def load(self) -> int:
        robot = super().load()
        self.load_urdf("gradient_seek.urdf")
        self._mark = self.load_urdf("source.urdf")
        return robot

    def pose(self, random: np.random.Generator) -> Sequence[float]:
        while True:
            source, start = random.uniform(-SOURCE_M, SOURCE_M, 2), random.uniform(-START_M, START_M, 2)
            distance_m = hypot(*(start - source))
            if NEAREST_M < distance_m < FARTHEST_M:
                break
        self._source = float(source[0]), float(source[1])
        self._shortest_s = (distance_m - self.config.found_m) / self.config.speed_m_s
        self._found = False
        self._noise = Rows(lambda n: (random.standard_normal((n, 2)) * self.config.noise).tolist())
        self.place(self._mark, [*self._source, 0.0, 0.0, 0.0, 0.0, 1.0, *(0.0,) * 6])
        self.stand(float(start[0]), float(start[1]), random.uniform(-pi, pi))
        return 0.0, 0.0

    def drive(self, values: list[float]) -> list[float]:
        x, y, heading = self.truth[:3]
        out_x, out_y = (x > EDGE_M) - (x < -EDGE_M), (y > EDGE_M) - (y < -EDGE_M)
        if (out_x or out_y) and out_x * cos(heading) + out_y * sin(heading) > 0:
            looks_right = out_x * sin(heading) - out_y * cos(heading) < 0
            return [WHISKER_M_S, -WHISKER_M_S] if looks_right else [-WHISKER_M_S, WHISKER_M_S]
        return forward_at_most(values, self.config.speed_m_s)

    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        own = super().read_joints(joints)
        x, y, heading = own[:3]
        half_m = self.config.noses_m / 2
        dx, dy = -half_m * sin(heading), half_m * cos(heading)  # from the middle to the left nose
        self._distance_m = hypot(x - self._source[0], y - self._source[1])
        if self._distance_m < self.config.found_m:
            self._found = True
        noise = self._noise.next()
        return [*own, self._log(x + dx, y + dy) + noise[0], self._log(x - dx, y - dy) + noise[1]]

    def show(self) -> Shown:
        n = len(WHEELED_NAMES)
        log_left, log_right = self.truth[n:]
        info = {
            "t_s": self.time_s,
            "distance_m": self._distance_m,
            "found": float(self._found),
            "shortest_s": self._shortest_s,
            "log_left": log_left,
            "log_right": log_right,
            "left_m_s": self.forces[0],
            "right_m_s": self.forces[1],
            "work_j": self.work_j,
            "disturbances": float(len(self._schedule.active)),
        }
        return self.sensed[n:], -self.control_steps * self.config.physics_step_s, self._found, info

    def _log(self, x_m: float, y_m: float) -> float:
        """The logarithm of the concentration at a point."""
        return -log(hypot(x_m - self._source[0], y_m - self._source[1]) + self.config.core_m)
