"""A robot that stands before a wall with an event camera, and is to dodge balls. It must not know who alarms it."""

from __future__ import annotations

from collections.abc import Mapping
from math import atan, atan2, hypot, inf, pi, tan
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs._loom import (
    BODY_M,
    FOV_RAD,
    KINDS,
    LUMINANCE,
    N_TEXELS,
    PIXELS,
    angle_rad,
    dodged,
    drawn,
    nearest_m,
    texture,
    trembling,
)
from hilbench.envs._loom_picture import HIT, ROBOT, SAFE, View, picture
from hilbench.envs._stepped import Shown, SteppedConfig, SteppedPlant
from hilbench.envs.disturbances import Traits
from hilbench.envs.sensors import Ground, Scene, sphere
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.types import PlantSpec

STATE, UNITS = ("moved", "speed", "pan", "tilt"), ("m", "m/s", "rad", "rad")
WALL_M = 40.0
"""How far away the background is."""
TEXEL_M = 2 * WALL_M * tan(FOV_RAD / 2) / PIXELS
"""A texel is as large as a pixel's view of the background."""
GRAIN, SPREAD = 4, 0.2
"""The background: texels of a square's side, and how much the logarithm of its luminance differs."""
ALARM = 0.5
"""From which action on the robot dodges."""
EYE = {"kind": "dvs", "width": PIXELS, "height": PIXELS, "fov_rad": FOV_RAD, "noise_hz": 1.0, "period_s": 0.002}
"""The event camera that it carries where nobody says what it carries."""
NOWHERE = -10.0
"""A ball that is not there is so far behind the camera, in m."""


class LoomDVS(SteppedPlant):
    """A robot before a wall with an event camera that is to dodge balls which come at it, and nothing else.

    ## Description
    An episode is a trial of 2 s. In half of them a ball of 0.1 to 0.3 m in radius comes on a collision course, at a
    speed that takes it past its own radius in 20 to 60 ms, and meets the robot after 1.2 to 1.7 s, if that stays. In
    the others there is nothing to dodge: a ball that comes as fast and passes three to five radii aside, one that has
    passed and goes away, one that crosses 1 to 3 m away, or a step of the light by 0.6 or 1.6 after 1 s: one in eight
    each. Balls are brighter or darker than the background, by 0.9 to 1.3 in ln.

    The camera looks at a wall 40 m away, of squares of 4 pixels whose luminance differs by 0.2 in ln, and trembles by
    0.2 pixels. Unless `sensors` says otherwise, the event camera `eye` looks through it: 64 x 64 pixels, 60 degrees,
    500 frames a second. `events()` gives what it told.

    An alarm makes the robot dodge, once a trial: 10 ms later it is pushed by 30 m/s2, away from the ball's path and at
    right angles to it, over half of 0.5 m, and slowed down over the other half. Where the ball is then, and whether it
    touches the robot's body of 0.1 m in radius, decides, and not the alarm's time. Nothing but geometry moves.

    The usual disturbances are `lighting` with a contrast of 0.4, as in mist, and `event_threshold`, a camera whose
    thresholds drift; `noise_events` tests robustness. In a `drought` no ball comes on a collision course.

    ## Action Space
    `Box(0, 1, (1,), float32)`: at 0.5 or more the robot dodges.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 | alarm | 1 | 0 | 1 |

    ## Observation Space
    `Box((4,), float32)`, as sensed: with bias and noise where a disturbance adds them. What there is to be seen comes
    as events.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | moved, how far it has dodged | m | 1e2 |
    | 1 | speed | m/s | 1e3 |
    | 2 | pan, how far the camera is turned to the left by its trembling | rad | 1 |
    | 3 | tilt, upwards | rad | 1 |

    ## Rewards
    -1 when it is hit, and -1 when it dodges with no ball on a collision course.

    ## Starting State
    The robot stands. The seed draws the trial, the wall, and how the camera trembles.

    ## Episode End
    Terminates when a ball hits the robot, when one on a collision course is past it, or after `trial_s`. `gym.make`
    truncates after 60 000 steps, which is 60 s at the default control period.

    ## Arguments
    `gym.make("hilbench:hilbench/LoomDVS-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `target`, 1 where a ball is on a collision course; `alarm`, 1 where
    the robot has dodged and is not hit; `alarmed`, 1 where it has dodged; `collided`; `failed`, 1 where it was hit, or
    dodged for nothing; `kind`, of the trial, by its place in `hilbench.envs._loom.KINDS`; `contact_s`, when the ball
    meets a robot that stays, -1 where it does not; `warning_s`, how long before that the alarm was, 0 before it and
    where there is no contact; `theta_rad`, the angle that the ball fills, 0 where none is before the camera, and
    `theta_dot_rad_s`, how fast it grows; `contrast` and `thresholds`, what differences of light and the camera's
    thresholds are multiplied by; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(SteppedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        trial_s: Annotated[float, Meta(ge=1.8, le=100)] = 2.0
        """How long a trial is at most."""
        approaches: Annotated[float, Meta(ge=0, le=1)] = 0.5
        """The chance of a ball on a collision course."""
        l_over_v_s: tuple[Annotated[float, Meta(ge=0.005, le=1)], Annotated[float, Meta(ge=0.005, le=1)]] = (0.02, 0.06)
        """The least and the largest ratio of a ball's radius to its speed."""
        dodge_m_s2: Annotated[float, Meta(gt=0, le=1e3)] = 30.0
        """How strongly the robot is pushed aside."""
        dodge_m: Annotated[float, Meta(gt=0, le=10)] = 0.5
        """How far."""
        dodge_late_s: Annotated[float, Meta(ge=0, le=1)] = 0.01
        """How long after an alarm."""
        tremble_px: Annotated[float, Meta(ge=0, le=10)] = 0.2
        """Standard deviation of the camera's trembling, each way, in pixels of its usual lens."""

    env_id: ClassVar[str] = "hilbench/LoomDVS-v0"
    max_episode_steps: ClassVar[int] = 60_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": STATE,
        "obs_units": UNITS,
        "action_names": ("alarm",),
        "action_units": ("1",),
    }
    traits = Traits(sensors=STATE, actuators=("alarm",), lit=True, trials=True)
    obs_high = (1e2, 1e3, 1.0, 1.0)

    def __init__(self, *, sensors: Mapping[str, Any] | None = None, **arguments: Any) -> None:
        super().__init__(sensors={"eye": EYE} if sensors is None else sensors, **arguments)

    @property
    def own_spec(self) -> PlantSpec:
        """Names, limits, and what a trial is made of."""
        config = self.config
        return PlantSpec(
            **self.named,
            action_low=(0.0,),
            action_high=(1.0,),
            safe_action=(0.0,),
            physics_step_s=config.physics_step_s,
            info_units={
                "t_s": "s",
                "target": "1",
                "alarm": "1",
                "alarmed": "1",
                "collided": "1",
                "failed": "1",
                "kind": "1",
                "contact_s": "s",
                "warning_s": "s",
                "theta_rad": "rad",
                "theta_dot_rad_s": "rad/s",
                "contrast": "1",
                "thresholds": "1",
                "disturbances": "1",
            },
            error="failed",
            parameters={
                **{name: getattr(config, name) for name in ("trial_s", "approaches", "dodge_m_s2", "dodge_m")},
                **{"l_over_v_least_s": config.l_over_v_s[0], "l_over_v_most_s": config.l_over_v_s[1]},
                **{"body_m": BODY_M, "wall_m": WALL_M, "fov_rad": FOV_RAD},
            },
        )

    def scene(self) -> Scene:
        """The wall and the ball, under the light that there is now."""
        seen, trial, time_s = self._scene, self._trial, self.time_s
        ahead, left, up = trial.ball_m(time_s)
        if trial.kind == "light":
            ahead = NOWHERE
        seen.bodies[0, 1:4] = up, left, WALL_M - ahead
        seen.brightness = self.loads.brightness * trial.light(time_s)
        seen.contrast = self.loads.contrast
        return seen

    def camera(self, name: str) -> tuple[float, ...]:
        """Where the camera `front` is; its scene's z points from the wall to it. Raises ScenarioError for another one.

        It looks along -z with x upwards, which yaw and roll alike turn, so that both together leave up as it is.
        """
        if name != "front":
            raise ScenarioError(f"camera: found {name!r}; {allowed_hint(name, ('front',))}")
        (moved_m, _, pan_rad, tilt_rad), (aside_left, aside_up) = self.truth, self._trial.aside
        left, up = tan(pan_rad), tan(tilt_rad)
        turn = atan2(left, up)
        return -moved_m * aside_up, -moved_m * aside_left, WALL_M, turn, pi / 2 - atan(hypot(left, up)), turn

    def begin(self, random: np.random.Generator) -> None:
        config, step_s = self.config, self.config.physics_step_s
        self._trial, self._quiet = drawn(random, config.approaches, config.l_over_v_s)
        wall = texture(random, N_TEXELS, GRAIN, SPREAD)
        ground = Ground(wall, (-0.5 * N_TEXELS * TEXEL_M,) * 2, TEXEL_M, far_m=2 * WALL_M)
        self._scene = Scene(ground, [sphere((0.0, 0.0, NOWHERE), 1.0, LUMINANCE)], grey=LUMINANCE)
        self._last = round(config.trial_s / step_s)
        size = config.tremble_px * TEXEL_M / WALL_M
        self._trembles = np.clip(size * trembling(random, self._last + 1, step_s), -1.0, 1.0)
        self._alarmed_s, self._collided = inf, False
        self._ball_m = (inf, inf, inf)

    def move(self, forces: list[float]) -> None:
        if forces[0] >= ALARM and self._alarmed_s == inf:
            self._alarmed_s = self.time_s

    def read(self) -> list[float]:
        if self._index == 0:
            self._start()
        config = self.config
        since_s = self.time_s - self._alarmed_s - config.dodge_late_s
        moved_m, speed_m_s = dodged(since_s, config.dodge_m, config.dodge_m_s2)
        before_m, self._ball_m = self._ball_m, self._from_robot(moved_m)
        if self._index and self._trial.kind != "light":
            self._collided |= nearest_m(before_m, self._ball_m) <= self._trial.radius_m + BODY_M
        trembles = self._trembles[min(self._index, self._last)]
        return [moved_m, speed_m_s, *trembles.tolist()]

    def _start(self) -> None:
        """Settle what the trial is, now that it is known which disturbances act in it."""
        if self.loads.drought:
            self._trial = self._quiet
        trial = self._trial
        self._scene.bodies[0] = sphere((0.0, 0.0, NOWHERE), trial.radius_m, trial.luminance)

    def _from_robot(self, moved_m: float) -> tuple[float, float, float]:
        """Where the ball is from the robot."""
        (ahead, left, up), aside = self._trial.ball_m(self.time_s), self._trial.aside
        return ahead, left + moved_m * aside[0], up + moved_m * aside[1]

    def _angle_rad(self) -> tuple[float, float]:
        """The angle that the ball fills, and how fast it grows."""
        trial = self._trial
        if trial.kind == "light":
            return 0.0, 0.0
        forward, left, up = trial.velocity_m_s
        speed = self.truth[1]
        moves = forward, left + speed * trial.aside[0], up + speed * trial.aside[1]
        return angle_rad(self._ball_m, moves, trial.radius_m)

    def show(self) -> Shown:
        trial, loads, alarmed = self._trial, self.loads, self._alarmed_s < inf
        failed = self._collided or (alarmed and not trial.comes)
        theta_rad, theta_dot_rad_s = self._angle_rad()
        info = {
            "t_s": self.time_s,
            "target": float(trial.comes),
            "alarm": float(alarmed and not self._collided),
            "alarmed": float(alarmed),
            "collided": float(self._collided),
            "failed": float(failed),
            "kind": float(KINDS.index(trial.kind)),
            "contact_s": trial.contact_s if trial.comes else -1.0,
            "warning_s": trial.contact_s - self._alarmed_s if alarmed and trial.comes else 0.0,
            "theta_rad": theta_rad,
            "theta_dot_rad_s": theta_dot_rad_s,
            "contrast": loads.contrast,
            "thresholds": self._thresholds(),
            "disturbances": float(len(self._schedule.active)),
        }
        past = trial.comes and self._ball_m[0] < -trial.radius_m - BODY_M
        ended = self._collided or past or self._index >= self._last
        return self.sensed[:], self.paid(float(failed)), ended, info

    def _thresholds(self) -> float:
        """What the first event camera's thresholds are multiplied by."""
        scales = self.loads.threshold_scales
        return next((scales[each.name] for each in self._plant_spec.event_sensors if each.name in scales), 1.0)

    def render(self) -> NDArray[np.uint8] | None:
        """A picture (360, 480, 3): what the camera looks at, and beside it ball and robot from the side; None without a
        render mode. The robot is green when it has dodged a ball, and orange when it is hit or dodged for nothing.
        """
        if self.render_mode is None or self._index < 0:
            return None
        looks = View(self.scene(), self._trial, self._ball_m, self._trial.ball_m(self.time_s), self.truth[0])
        if self._alarmed_s == inf and not self._collided:
            return picture(looks, ROBOT)
        return picture(looks, HIT if self._collided or not self._trial.comes else SAFE)
