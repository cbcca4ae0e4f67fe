"""A robot with two wheels and an event camera that keeps its lane. It must not know who drives it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from math import cos, exp, expm1, pi, sin, sqrt
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs._picture import Mark, draw
from hilbench.envs._stepped import Shown
from hilbench.envs._track import Place, Track, wrapped
from hilbench.envs._wheels import WHEELED_NAMES, WHEELED_UNITS, WHEELS, WheeledConfig, WheeledPlant
from hilbench.envs.disturbances import Traits
from hilbench.envs.sensors import Ground, Scene
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.seeding import stream
from hilbench.types import PlantSpec

RADIUS_M = 2.0
TRACK = Track(
    [
        (5.0, 0.0), (pi * RADIUS_M, 1 / RADIUS_M), (5.0, 0.0), (pi * RADIUS_M, -1 / RADIUS_M), (5.0, 0.0),
        (pi * RADIUS_M, 1 / RADIUS_M), (10.0, 0.0), (pi * RADIUS_M / 2, 1 / RADIUS_M), (8.0, 0.0),
        (pi * RADIUS_M / 2, 1 / RADIUS_M), (5.0, 0.0),
    ]
)  # fmt: skip
LANE_M = -0.25
"""Where the middle of the lane is, to the left of the centreline."""
EDGE_M, LINE_M, DASH_M = 0.5, 0.05, 0.5
"""Where the outer lines are, how wide all lines are, and how long a dash and a gap are."""
ROAD, LINE = 0.2, 0.9
GRAIN, GRAIN_M = 0.1, 0.03
"""The road's texture: by how much its luminance varies, and from point to point."""
CORNER_M, SIZE_M, TEXEL_M = (-8.2, -1.2), (16.4, 14.4), 0.01
AHEAD_M, HIGH_M, PITCH_RAD = 0.05, 0.25, 0.61
"""How far the camera is before the axle and above the ground, and how far it looks down."""
TURN_RAD_S = 2.0
SWAY_S = 0.5
START = (0.03, 0.05)
"""How far from the middle of its lane it starts at most, in m, and how far askew, in rad."""
STAND_S, BACK_S = 1.0, 0.8
"""How long a robot that has left its lane stands, and when in that time it is put back."""
EYE = {"kind": "dvs", "width": 64, "height": 64, "rows": (16, 64), "fov_rad": 1.2217, "period_s": 0.002}
"""The event camera that it carries where nobody says what it carries."""
BLOCK = 1024
"""Noise is drawn for this many physics steps at once."""


@cache
def road() -> Ground:
    """The picture of the whole track. It is painted once, and every robot sees the same one."""
    n = 256
    grain = stream(0, "lane.road").uniform(-1.0, 1.0, (n, n))

    def shade(x_m: NDArray, y_m: NDArray) -> NDArray:
        along, left = TRACK.beside(x_m, y_m, EDGE_M + LINE_M)
        phase = along % (2 * DASH_M)
        dash = _cover(np.minimum(phase, DASH_M - phase)) + _cover(phase - 2 * DASH_M)
        away = np.abs(left)
        lines = np.maximum(_cover(LINE_M / 2 - np.abs(away - EDGE_M)), _cover(LINE_M / 2 - away) * dash)
        plain = ROAD * (1 + GRAIN * _between(grain, x_m / GRAIN_M, y_m / GRAIN_M))
        return plain + lines * (LINE - plain)

    return Ground.painted(shade, CORNER_M, SIZE_M, TEXEL_M, n=1)


class LaneDVS(WheeledPlant):
    """A robot with two wheels and an event camera before it that keeps its lane on a closed track.

    ## Description
    A round robot of 1.1 kg drives at 1 m/s on two wheels, 0.16 m apart, whose speeds follow commands with a lag of
    50 ms. It is to keep to the middle of the right-hand lane of a road of 63 m: straights of 5 to 10 m and half and
    quarter circles to either side. The road's centreline has a radius of 2 m there, and the lane's middle is 0.25 m to
    the right of it. Lines are 5 cm wide: solid ones at +-0.5 m, and dashes of 0.5 m with gaps of 0.5 m in the middle.
    The road's luminance is 0.2, with a texture of +-10 % on a grid of 3 cm, and that of lines 0.9. The picture is the
    same in every episode.

    A yaw rate disturbs the wheels all the time, an Ornstein-Uhlenbeck process of 0.3 rad/s and 0.5 s. Without it there
    is nothing in straights to learn from. A robot that is 0.25 m away from the middle of its lane has departed: it
    stops, is put back to the middle of the lane after 0.8 s, and drives on 0.2 s later.

    Its camera `front` is 0.05 m before the axle and 0.25 m above the ground, and looks down by 35 degrees. Unless
    `sensors` says otherwise, the event camera `eye` looks through it: 64 x 48 pixels, the lower three quarters of a
    square of 70 degrees, at 500 frames a second. `events()` gives what it told. The body's tilt, below 0.1 degrees,
    does not move it. The usual disturbances are an `actuator_gain` of 0.85 on one wheel, and a
    `camera_turn` of 8 degrees; `lighting` and `noise_events` test robustness.

    ## Action Space
    `Box(-2, 2, (1,), float32)`: how fast it is to turn, held over a control period. The wheels are asked for
    `speed_m_s` -+ turn x 0.08 m.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 | turn, to the left | rad/s | -2 | 2 |

    ## Observation Space
    `Box((6,), float32)`, as sensed: with bias and noise where a disturbance adds them. The first two are what no camera
    tells. They are for classical baselines; a network that is to see has the events of a `dvs` alone.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | offset, to the left of the lane's middle | m | 1e3 |
    | 1 | heading_error, to the left of the lane's direction | rad | 4 |
    | 2 | speed, forward | m/s | 1e2 |
    | 3 | turn_rate | rad/s | 1e3 |
    | 4 | left_wheel, speed of its rim | m/s | 1e2 |
    | 5 | right_wheel | m/s | 1e2 |

    ## Rewards
    Minus the distance to the middle of the lane [m], at the end of the control period; minus `departure_m` while it
    stands after a departure.

    ## Starting State
    At rest anywhere on the track, by the seed: within 3 cm of the lane's middle, and 0.05 rad of its direction. It is
    put back in the same way.

    ## Episode End
    Never terminates. `gym.make` truncates after 60 000 steps, which is 60 s at the default control period.

    ## Arguments
    `gym.make("hilbench:hilbench/LaneDVS-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `offset_error_m`, the distance to the lane's middle, or `departure_m`
    while it stands; `offset_m` and `heading_error_rad`, the true ones; `lane_error_m`, offset + 0.4 m x
    sin(heading error), and 0 while it stands: the signed error that teaches learners; `curvature_per_m` of the
    centreline; `gain_left` and `gain_right`, what disturbances make of the wheels' commands; `progress_m`, the way
    along the track; `departures`; `work_j`, the integral of |torque x wheel speed|; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(WheeledConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        max_speed_m_s: Annotated[float, Meta(gt=0, le=5)] = 2.0
        """Largest speed of a wheel's rim, either way."""
        speed_m_s: Annotated[float, Meta(gt=0, le=1.5)] = 1.0
        """How fast the middle between the wheels is to move."""
        departure_m: Annotated[float, Meta(gt=0, le=0.5)] = 0.25
        """From which distance to the middle of the lane on the robot has left it."""
        heading_weight_m: Annotated[float, Meta(ge=0, le=10)] = 0.4
        """How much the heading counts in the info `lane_error_m`."""
        sway_rad_s: Annotated[float, Meta(ge=0, le=10)] = 0.3
        """Standard deviation of the yaw rate that disturbs it, an Ornstein-Uhlenbeck process of 0.5 s."""

    env_id: ClassVar[str] = "hilbench/LaneDVS-v0"
    max_episode_steps: ClassVar[int] = 60_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": ("offset", "heading_error", *WHEELED_NAMES[3:]),
        "obs_units": ("m", "rad", *WHEELED_UNITS[3:]),
        "action_names": ("turn",),
        "action_units": ("rad/s",),
    }
    traits = Traits(
        sensors=(*WHEELED_NAMES, "offset", "heading_error"),
        joints=WHEELS,
        actuators=WHEELS,
        cameras=("front",),
        lit=True,
    )
    _scene: Scene | None = None
    obs_high = (1e3, 4.0, 1e2, 1e3, 1e2, 1e2)

    def __init__(self, *, sensors: Mapping[str, Any] | None = None, **arguments: Any) -> None:
        super().__init__(sensors={"eye": EYE} if sensors is None else sensors, **arguments)

    @property
    def own_spec(self) -> PlantSpec:
        config = self.config
        return PlantSpec(
            **self.named,
            action_low=(-TURN_RAD_S,),
            action_high=(TURN_RAD_S,),
            safe_action=(0.0,),
            physics_step_s=config.physics_step_s,
            info_units={
                "t_s": "s",
                "offset_error_m": "m",
                "offset_m": "m",
                "heading_error_rad": "rad",
                "lane_error_m": "m",
                "curvature_per_m": "1/m",
                "gain_left": "1",
                "gain_right": "1",
                "progress_m": "m",
                "departures": "1",
                "work_j": "J",
                "disturbances": "1",
            },
            error="offset_error_m",
            parameters=self.parameters | {"speed_m_s": config.speed_m_s, "lane_m": LANE_M},
        )

    def scene(self) -> Scene:
        """The road, under the light that there is now."""
        if self._scene is None:
            self._scene = Scene(road(), sky=ROAD, grey=ROAD)
        self._scene.brightness, self._scene.contrast = self.loads.brightness, self.loads.contrast
        return self._scene

    def camera(self, name: str) -> tuple[float, ...]:
        """Where the camera `front` is. Raises ScenarioError for another one."""
        if name != "front":
            raise ScenarioError(f"camera: found {name!r}; {allowed_hint(name, ('front',))}")
        x_m, y_m, heading_rad = self.truth[:3]
        yaw, pitch, roll = self.loads.turns.get(name, (0.0, 0.0, 0.0))
        x_m, y_m = x_m + AHEAD_M * cos(heading_rad), y_m + AHEAD_M * sin(heading_rad)
        return x_m, y_m, HIGH_M, heading_rad + yaw, PITCH_RAD + pitch, roll

    def pose(self, random: np.random.Generator) -> tuple[float, float]:
        step_s, sway = self.config.physics_step_s, self.config.sway_rad_s
        self._random = random
        self._draws: list[float] = []
        self._sway, self._stay = sway * float(random.standard_normal()), exp(-step_s / SWAY_S)
        self._kick = sway * sqrt(-expm1(-2 * step_s / SWAY_S))
        self._gains = [1.0, 1.0]
        self.departures, self.progress_m, self._standing = 0, 0.0, 0
        self._put(float(random.uniform(0.0, TRACK.length_m)))
        return 0.0, 0.0

    def _put(self, s_m: float) -> None:
        """Put the robot into its lane, at a distance on the way round, a little beside and askew."""
        left_m, turned_rad = (self._random.uniform(-1.0, 1.0, 2) * START).tolist()
        x_m, y_m, heading_rad = TRACK.pose(s_m, LANE_M + left_m)
        index, rest_m = TRACK.at(s_m)
        self._place = Place(index, rest_m, LANE_M + left_m)
        self.stand(x_m, y_m, heading_rad + turned_rad)

    def drive(self, values: list[float]) -> list[float]:
        if self._standing:
            return [0.0, 0.0]
        config = self.config
        speed, half = config.speed_m_s, 0.5 * config.track_m * values[0]
        self._asked = [speed - half, speed + half]
        return self._asked[:]

    def move(self, forces: list[float]) -> None:
        if self._standing:
            self._standing -= 1
            if self._standing == round((STAND_S - BACK_S) / self.config.physics_step_s):
                self._put(TRACK.distance(self._place))
        else:
            asked = self._asked
            self._gains = [forces[0] / asked[0], forces[1] / asked[1]]
            half = 0.5 * self.config.track_m * self._sway
            forces = [forces[0] - half, forces[1] + half]
        self._sway = self._stay * self._sway + self._kick * self._draw()
        super().move(forces)

    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        wheeled = super().read_joints(joints)
        before, place = self._place, TRACK.follow(self._place, wheeled[0], wheeled[1])
        self._place = place
        offset_m = place.left_m - LANE_M
        if not self._standing:
            self.progress_m += TRACK.between(before, place)
            if abs(offset_m) > self.config.departure_m:
                self.departures += 1
                self._standing = round(STAND_S / self.config.physics_step_s)
        return [*wheeled, offset_m, wrapped(wheeled[2] - TRACK.heading(place))]

    def _draw(self) -> float:
        if not self._draws:
            self._draws = self._random.standard_normal(BLOCK).tolist()
        return self._draws.pop()

    def show(self) -> Shown:
        config, offset_m, heading_rad = self.config, self.truth[7], self.truth[8]
        away = bool(self._standing)
        error_m = config.departure_m if away else abs(offset_m)
        info = {
            "t_s": self.time_s,
            "offset_error_m": error_m,
            "offset_m": offset_m,
            "heading_error_rad": heading_rad,
            "lane_error_m": 0.0 if away else offset_m + config.heading_weight_m * sin(heading_rad),
            "curvature_per_m": TRACK.segments[self._place.segment].curvature_per_m,
            "gain_left": self._gains[0],
            "gain_right": self._gains[1],
            "progress_m": self.progress_m,
            "departures": float(self.departures),
            "work_j": self.work_j,
            "disturbances": float(len(self._schedule.active)),
        }
        return [*self.sensed[7:], *self.sensed[3:7]], -error_m, False, info

    def render(self) -> NDArray[np.uint8] | None:
        """A picture (360, 480, 3) from above, of a centimetre a pixel, north up; None without a render mode."""
        if self.render_mode is None or self._index < 0:
            return None
        x_m, y_m, heading_rad = self.truth[:3]
        image, column, row = _from_above(x_m, y_m)
        radius_m, colour = self.config.body_radius_m, (233, 84, 32) if self._standing else (41, 107, 191)
        for ahead, share, shade in ((0.0, 1.0, colour), (0.7, 0.3, (250, 200, 60))):
            at = (
                column + ahead * radius_m * cos(heading_rad) / TEXEL_M,
                row - ahead * radius_m * sin(heading_rad) / TEXEL_M,
            )
            draw(image, Mark((x_m, y_m, 0.0), share * radius_m / TEXEL_M, shade), at)
        return np.rint(image).astype(np.uint8)


def _from_above(x_m: float, y_m: float, width: int = 480, height: int = 360) -> tuple[NDArray, float, float]:
    """The road around a place, (height, width, 3) float32, and the column and row of that place."""
    ground = road()
    _, n_y, n_x = ground.levels[0].tolist()
    picture = ground.texels[: n_y * n_x].reshape(n_y, n_x)
    column, row = (x_m - CORNER_M[0]) / TEXEL_M - 0.5, (y_m - CORNER_M[1]) / TEXEL_M - 0.5
    left = min(max(round(column) - width // 2, 0), n_x - width)
    low = min(max(round(row) - height // 2, 0), n_y - height)
    grey = 255 * np.sqrt(np.clip(picture[low : low + height, left : left + width], 0.0, 1.0))
    return np.repeat(grey[::-1, :, None], 3, axis=2), column - left, low + height - 1 - row


def _cover(inside_m: NDArray) -> NDArray:
    """Which share of a texel is painted whose middle is so far inside an edge."""
    return np.clip(inside_m / TEXEL_M + 0.5, 0.0, 1.0)


def _between(picture: NDArray, x: NDArray, y: NDArray) -> NDArray:
    """Bilinear interpolation of a picture that repeats."""
    n = len(picture)
    i, j = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    x, y, i, j = x - i, y - j, i % n, j % n
    right, above = (i + 1) % n, (j + 1) % n
    low = picture[j, i] + x * (picture[j, right] - picture[j, i])
    return low + y * (picture[above, i] + x * (picture[above, right] - picture[above, i]) - low)
