"""A two-wheeled robot that is to drive at a set speed through an arena of posts. Pure NumPy, no physics engine."""

from __future__ import annotations

from collections.abc import Mapping
from math import cos, isfinite, sin
from typing import Annotated, Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.utils import EzPickle
from msgspec import Meta, Struct
from numpy.typing import ArrayLike, NDArray

from hilbench.envs import Plant, Schedule
from hilbench.envs.disturbances import Traits
from hilbench.seeding import stream
from hilbench.settings import to_config, whole_steps
from hilbench.types import Events, PlantSpec
from hilbench_diffdrive import sensors
from hilbench_diffdrive.world import World

WHEEL_M, TRACK_M, BODY_M = 0.05, 0.2, 0.12
"""Radius of a wheel, distance between the wheels, radius of the body."""
TAU_S = 0.08
"""How slowly a wheel follows its motor: d speed / dt = (command - speed) / TAU_S."""
TOP_RAD_S = 20.0
RAYS = tuple(f"ray_{i}" for i in range(sensors.N_RAYS))


class DiffDriveConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the robot and its arena."""

    physics_step_s: Annotated[float, Meta(ge=1e-4, le=0.02)] = 0.002
    """The step of the integration, a whole number of microseconds."""
    half_m: Annotated[float, Meta(ge=1, le=20)] = 2.5
    """Half the side of the arena."""
    posts: Annotated[int, Meta(ge=0, le=50)] = 6
    """How many posts stand in it."""
    speed_m_s: Annotated[float, Meta(gt=0, le=1)] = 0.4
    """How fast it is to go."""
    camera_period_s: Annotated[float, Meta(gt=0, le=1)] = 0.01
    """How often the event camera looks, whole physics steps."""


class DiffDrive(Plant, EzPickle):
    """A two-wheeled robot among posts, with a lidar of 16 rays and a 32x32 event camera.

    Parameters
    ----------
    render_mode : None or "rgb_array"
        Whether `render` gives pictures.
    control_period_s : float
        Length of one `step` in seconds, a whole number of physics steps.
    disturbances : dict of dict, optional
        By name {"kind": ..., and that kind's fields}.
    settings
        The fields of DiffDriveConfig.
    """

    Config = DiffDriveConfig
    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 50}
    traits = Traits(sensors=RAYS, joints=(), actuators=("left", "right"), event_sensors=(sensors.CAMERA,))

    def __init__(
        self,
        *,
        render_mode: str | None = None,
        control_period_s: float = 0.02,
        disturbances: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        EzPickle.__init__(
            self, render_mode=render_mode, control_period_s=control_period_s, disturbances=disturbances, **settings
        )
        self.config = to_config(DiffDriveConfig, settings, "plant")
        step_s = self.config.physics_step_s
        self._step_us = whole_steps(step_s, 1e-6, "plant.physics_step_s", "microseconds")
        self.control_steps = whole_steps(control_period_s, step_s, "control_period_s")
        self._camera_steps = whole_steps(self.config.camera_period_s, step_s, "plant.camera_period_s")
        self._period_us = self.control_steps * self._step_us
        self.render_mode = render_mode
        self._schedule = Schedule(disturbances or {}, self.traits, step_s)
        self._camera = sensors.EventCamera()
        self._index: int | None = None
        spec = self.plant_spec
        low, high = (np.array(limit, np.float32) for limit in (spec.action_low, spec.action_high))
        self.action_space = gymnasium.spaces.Box(low, high, dtype=np.float32)
        ranges = np.full(len(RAYS), 2 * sensors.RANGE_M, np.float32)
        high = np.concatenate([ranges, np.full(2, 10 * TOP_RAD_S, np.float32)])
        self.observation_space = gymnasium.spaces.Box(-high, high, dtype=np.float32)

    @property
    def plant_spec(self) -> PlantSpec:
        """Ranges and wheel speeds in, wheel speeds out; the error is how far its speed is from the one that is set."""
        return PlantSpec(
            obs_names=(*RAYS, "left", "right"),
            obs_units=("m",) * len(RAYS) + ("rad/s", "rad/s"),
            action_names=("left", "right"),
            action_units=("rad/s", "rad/s"),
            action_low=(-TOP_RAD_S, -TOP_RAD_S),
            action_high=(TOP_RAD_S, TOP_RAD_S),
            safe_action=(0.0, 0.0),
            physics_step_s=self.config.physics_step_s,
            info_units={"t_s": "s", "speed_error_m_s": "m/s", "clearance_m": "m", "x_m": "m", "y_m": "m"},
            error="speed_error_m_s",
            parameters={
                "wheel_m": WHEEL_M, "track_m": TRACK_M, "body_m": BODY_M, "tau_s": TAU_S, "range_m": sensors.RANGE_M,
                "speed_m_s": self.config.speed_m_s,
            },
            event_sensors=(sensors.CAMERA,),
            state_meaning="position, heading and wheel speeds",
        )  # fmt: skip

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, float]]:
        """Place the posts and the robot anew; all that is drawn follows from the seed."""
        super().reset(seed=seed)
        episode = int(self.np_random.integers(2**63)) if seed is None else seed
        self._schedule.reset(episode)
        random, config = stream(episode, "plant"), self.config
        places = random.uniform(-0.8 * config.half_m, 0.8 * config.half_m, (config.posts, 2))
        self._world = World(config.half_m, np.column_stack([places, random.uniform(0.08, 0.2, config.posts)]))
        pose = random.uniform(-1, 1, 3) * (0.5 * config.half_m, 0.5 * config.half_m, np.pi)
        while self._world.clearance_m(*pose[:2]) < 3 * BODY_M:
            pose = random.uniform(-1, 1, 3) * (0.5 * config.half_m, 0.5 * config.half_m, np.pi)
        self._x, self._y, self._heading = pose.tolist()
        self._left = self._right = 0.0
        self._index, self._read_us, self._crashed = 0, 0, False
        self._camera.reset(self._view())
        self._sense()
        obs, _, _, _, info = self.observe()
        return obs, info

    def advance(self, n_steps: int, action: ArrayLike) -> None:
        """Run physics steps: wheels follow their motors, the robot its wheels, until it touches something."""
        if self._index is None:
            raise gymnasium.error.ResetNeeded("reset() this plant before it is advanced")
        command = [min(max(float(value), -TOP_RAD_S), TOP_RAD_S) for value in np.ravel(action)]
        if len(command) != 2 or not all(map(isfinite, command)):
            raise ValueError(f"action: found {command}, expected 2 finite numbers")
        for _ in range(n_steps):
            self._step(command[:])

    def _step(self, forces: list[float]) -> None:
        step_s = self.config.physics_step_s
        for disturbance in self._schedule.active:
            disturbance.actuate(forces)
        share = step_s / TAU_S
        self._left += share * (forces[0] - self._left)
        self._right += share * (forces[1] - self._right)
        forward = WHEEL_M * (self._left + self._right) / 2
        turn = WHEEL_M * (self._right - self._left) / TRACK_M
        x, y = self._x + step_s * forward * cos(self._heading), self._y + step_s * forward * sin(self._heading)
        self._heading += step_s * turn
        if self._world.clearance_m(x, y) > BODY_M:
            self._x, self._y = x, y
        else:
            self._crashed = True
        self._index += 1
        if self._index % self._camera_steps == 0:
            now_us = self._index * self._step_us
            self._camera.look(self._view(), now_us - self._camera_steps * self._step_us, now_us)
        self._sense()

    def _view(self) -> NDArray[np.float64]:
        return sensors.view(self._world, self._x, self._y, self._heading)

    def _sense(self) -> None:
        """Arrive at an instant: what acts from now on, and what the lidar shows once it is disturbed."""
        if self._index >= self._schedule.wake:
            self._schedule.at(self._index)
        self._ranges: list[float] | None = None
        if self._schedule.active:  # a disturbance is asked once per physics step, whether or not anybody looks
            self._ranges = self._measured()
            for disturbance in self._schedule.active:
                disturbance.sense(self._ranges)

    def _measured(self) -> list[float]:
        return sensors.lidar(self._world, self._x, self._y, self._heading).tolist()

    def observe(self) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, float]]:
        """Gymnasium's five-tuple for the present instant."""
        if self._ranges is None:
            self._ranges = self._measured()
        speed = WHEEL_M * (self._left + self._right) / 2
        info = {
            "t_s": self._index * self._step_us / 1e6,
            "speed_error_m_s": self.config.speed_m_s - speed,
            "clearance_m": self._world.clearance_m(self._x, self._y) - BODY_M,
            "x_m": self._x,
            "y_m": self._y,
        }
        obs = np.array([*self._ranges, self._left, self._right], np.float32)
        return obs, float(speed), self._crashed, False, info

    def events(self) -> Events:
        """What the camera told since the last call, as disturbances leave it."""
        now_us = self._index * self._step_us
        start_us = now_us - self._period_us
        found = self._camera.read(now_us, self._period_us)
        # Within the window only what was not read before: noise is added once.
        found = self._schedule.tell(found, max(0, self._read_us - start_us), start_us, self._period_us)
        self._read_us = now_us
        return found

    def state(self) -> NDArray[np.float64]:
        """Position, heading and wheel speeds."""
        return np.array([self._x, self._y, self._heading, self._left, self._right])

    def render(self) -> NDArray[np.uint8] | None:
        """The arena from above, (256, 256, 3); None without a render mode."""
        if self.render_mode is None or self._index is None:
            return None
        half_m = self.config.half_m
        y, x = np.meshgrid(np.linspace(half_m, -half_m, 256), np.linspace(-half_m, half_m, 256), indexing="ij")
        picture = np.full((256, 256, 3), 240, np.uint8)
        for post_x, post_y, radius_m in self._world.posts:
            picture[np.hypot(x - post_x, y - post_y) < radius_m] = (60, 60, 60)
        picture[np.hypot(x - self._x, y - self._y) < BODY_M] = (200, 80, 40)
        nose = self._x + BODY_M * cos(self._heading), self._y + BODY_M * sin(self._heading)
        picture[np.hypot(x - nose[0], y - nose[1]) < 0.04] = (30, 30, 160)
        return picture
