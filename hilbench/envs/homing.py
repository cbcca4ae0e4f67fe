"""A robot that is to find home by what it felt of its own way. It must not know who drives it. Kinematic: no engine."""

from __future__ import annotations

from math import cos, exp, hypot, pi, sin, sqrt
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs._picture import Mark, draw
from hilbench.envs._stepped import Shown, SteppedConfig, SteppedPlant
from hilbench.envs.disturbances import Traits
from hilbench.seeding import Rows
from hilbench.types import PlantSpec

ODOMETRY = ("gyro", "odometer", "sky_cos", "sky_sin")
"""What it senses of its own way."""
ACTIONS = ("turn", "speed")
TURN_RAD_S, SPEED_M_S = 2.0, 0.3
"""The largest turn rate, either way, and the largest speed."""
REST_S, LOOK_S, TO_AND_FRO_S, LOOK_RAD_S = 1.0, 24.0, 12.0, 1.2
"""How long it rests, how long it then looks around, how long it turns to one side and back, and how fast at most."""
MEAN_M_S, STD_M_S, SLOWEST_M_S, PACE_S = 0.2, 0.05, 0.05, 5.0
"""The speed on the way out: its mean, its standard deviation, what it never falls below, and its time constant."""
WINDING_RAD_S, BEND_S = 0.4, 1.5
"""The turn rate on the way out: its standard deviation and its time constant."""
SLIP_S = 1.0
"""Time constant of the relative errors of gyro and odometer."""
FLOOR_RAD_S, FLOOR_M_S = 0.1, 0.04
"""The turn rate and the speed of which they have the same error all the time, white."""
STANDS_M_S = 0.02
"""Below this commanded speed it stands, which says: here is home."""
PIXEL_M, SIZE_PX = 0.04, (360, 480)
"""Of the picture: length of a pixel's side, and rows and columns."""
EDGE_SHADE = 0.1
"""How much darker its upper and lower edges are."""
PAPER, GRID, OUT, BACK, HOME, BODY = (
    (244, 242, 236), (224, 221, 212), (122, 150, 190), (233, 120, 50), (60, 140, 80), (41, 107, 191),
)  # fmt: skip


class Homing(SteppedPlant):
    """A robot that was led away by a winding path, and is to go home by path integration.

    ## Description
    An episode is a trip. The robot rests at home for 1 s and looks around for 24 s, as ants do before they leave: it
    turns on the spot by 4.6 rad to one side and back, twice, at 1.2 rad/s x sin(2 pi t / 12 s). Then it is driven out
    for `outbound_s`: the turn rate is an Ornstein-Uhlenbeck process of 0.4 rad/s and 1.5 s, the speed one of
    0.2 +- 0.05 m/s and 5 s, never below 0.05 m/s. Actions wait. From then on they drive it, and where it stands still
    it says: here is home. The trip ends there, and its error is the distance to home in % of the length of the way out.

    It is kinematic: a point with a heading that turns and drives exactly as it is told, without mass, wheels or walls.
    What is hard is to know where home is, which nothing shows. A gyro gives the turn rate and an odometer the speed,
    means over the last physics step, each with a relative error that is an Ornstein-Uhlenbeck process of
    `odometry_noise` and 1 s, and with white noise of that share of 0.1 rad/s and of 0.04 m/s. The sky gives the heading
    like a compass, with white noise, for `sky_s` from the start on, which is until it sets out; then clouds hide it. A
    heading that is off by a rad at the end of the way out leads anywhere.

    The usual disturbance is a `sensor_fault` with a `gain` of the `gyro`. A gain of the `odometer` alone does no harm:
    the way out and the way back are wrong by the same factor, so home stays where it is.

    ## Action Space
    `Box([-2, 0], [2, 0.3], (2,), float32)`, held over a control period. Both wait on the way out.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 | turn, to the left | rad/s | -2 | 2 |
    | 1 | speed, forwards; below 0.02 on the way back it says that it is home | m/s | 0 | 0.3 |

    ## Observation Space
    `Box((4,), float32)`, as sensed: with what disturbances make of it.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | gyro, the turn rate | rad/s | 100 |
    | 1 | odometer, the speed | m/s | 100 |
    | 2 | sky_cos, the cosine of the heading; 0 under clouds | 1 | 2 |
    | 3 | sky_sin, its sine; 0 under clouds | 1 | 2 |

    ## Rewards
    By how much the distance to home, in % of the way out, has become less; negative where it grows. So an episode's
    return is minus its error, or minus what that is where the episode is cut off.

    ## Starting State
    At home, which is the origin, at rest, looking anywhere. The seed draws the way out, and to which side it looks
    around first.

    ## Episode End
    Terminates where it says that it is home, or `return_s` after the end of the way out. `gym.make` truncates after
    300 000 steps, which is 300 s at the default control period.

    ## Arguments
    `gym.make("hilbench:hilbench/Homing-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `home_error_percent`, the distance to home in % of the way out, which
    is 0 before it sets out; `distance_m` to home; `path_m`, how long the way out is so far; `returning`; `home`, 1 once
    it has said that it is home; `heading_rad`, the true one, which grows beyond pi; `gyro_rad_s` and `odometer_m_s`,
    before disturbances; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(SteppedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        outbound_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0
        """How long it is driven out."""
        return_s: Annotated[float, Meta(gt=0, le=3600)] = 60.0
        """The longest way back."""
        odometry_noise: Annotated[float, Meta(ge=0, le=1)] = 0.05
        """Standard deviation of the relative errors of gyro and odometer."""
        sky_s: Annotated[float, Meta(ge=0, le=3600)] = 25.0
        """How long the sky is seen."""
        sky_noise_rad: Annotated[float, Meta(ge=0, le=10)] = 0.05
        """Standard deviation of the heading that the sky shows, drawn anew at each physics step."""

    env_id: ClassVar[str] = "hilbench/Homing-v0"
    max_episode_steps: ClassVar[int] = 300_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": ODOMETRY,
        "obs_units": ("rad/s", "m/s", "1", "1"),
        "action_names": ACTIONS,
        "action_units": ("rad/s", "m/s"),
    }
    traits = Traits(sensors=("x", "y", "heading", "speed", "turn_rate", *ODOMETRY), actuators=ACTIONS)
    obs_high = (100.0, 100.0, 2.0, 2.0)

    @property
    def own_spec(self) -> PlantSpec:
        """Names, limits and the constants of a trip."""
        config = self.config
        names = ("outbound_s", "return_s", "odometry_noise", "sky_s", "sky_noise_rad")
        return PlantSpec(
            **self.named,
            action_low=(-TURN_RAD_S, 0.0),
            action_high=(TURN_RAD_S, SPEED_M_S),
            safe_action=(0.0, 0.0),
            physics_step_s=config.physics_step_s,
            info_units={
                "t_s": "s",
                "home_error_percent": "%",
                "distance_m": "m",
                "path_m": "m",
                "returning": "1",
                "home": "1",
                "heading_rad": "rad",
                "gyro_rad_s": "rad/s",
                "odometer_m_s": "m/s",
                "disturbances": "1",
            },
            error="distance_m",
            parameters={name: getattr(config, name) for name in names},
        )

    def begin(self, random: np.random.Generator) -> None:
        step_s = self.config.physics_step_s
        self._looks, self._leaves = round(REST_S / step_s), round((REST_S + LOOK_S) / step_s)
        self._returns = self._leaves + round(self.config.outbound_s / step_s)
        self._ends = self._returns + round(self.config.return_s / step_s)
        self._hides = round(self.config.sky_s / step_s)
        self._draws = Rows(lambda n: random.standard_normal((n, 7)).tolist())
        self._wanders = tuple(
            _Wandering(std, tau_s, step_s, float(random.standard_normal()))
            for std, tau_s in (
                (WINDING_RAD_S, BEND_S),
                (STD_M_S, PACE_S),
                (self.config.odometry_noise, SLIP_S),
                (self.config.odometry_noise, SLIP_S),
            )
        )
        self._winding, self._pace, self._gyro_off, self._odometer_off = self._wanders
        self._x_m = self._y_m = self._speed_m_s = self._turn_rad_s = self._path_m = 0.0
        self._heading_rad = float(random.uniform(-pi, pi))
        self._first_side = 1.0 if random.random() < 0.5 else -1.0
        self._drawn = self._draws.next()
        self._home = False
        self._trail: list[tuple[float, float, bool]] = []

    def drive(self, values: list[float]) -> list[float]:
        if self._index >= self._returns:
            return values[:]
        if self._index < self._leaves:
            looked_s = max(0, self._index - self._looks) * self.config.physics_step_s
            return [self._first_side * LOOK_RAD_S * sin(2 * pi * looked_s / TO_AND_FRO_S), 0.0]
        turn_rad_s = min(max(self._winding.value, -TURN_RAD_S), TURN_RAD_S)
        return [turn_rad_s, min(max(MEAN_M_S + self._pace.value, SLOWEST_M_S), SPEED_M_S)]

    def move(self, forces: list[float]) -> None:
        """One step along an arc, whose chord is taken for it."""
        turn_rad_s, speed_m_s = forces
        step_s, self._drawn = self.config.physics_step_s, self._draws.next()
        if self._index >= self._returns and speed_m_s < STANDS_M_S:
            self._home = True
        if self._home:
            turn_rad_s = speed_m_s = 0.0
        middle_rad = self._heading_rad + 0.5 * step_s * turn_rad_s
        self._x_m += step_s * speed_m_s * cos(middle_rad)
        self._y_m += step_s * speed_m_s * sin(middle_rad)
        self._heading_rad += step_s * turn_rad_s
        self._speed_m_s, self._turn_rad_s = speed_m_s, turn_rad_s
        if self._index < self._returns:
            self._path_m += step_s * speed_m_s
        for wander, drawn in zip(self._wanders, self._drawn, strict=False):  # the last three are for `read`
            wander.step(drawn)
        if self.render_mode is not None:
            self._trail.append((self._x_m, self._y_m, self._index >= self._returns))

    def read(self) -> list[float]:
        speed_m_s, turn_rad_s = self._speed_m_s, self._turn_rad_s
        sky_cos = sky_sin = 0.0
        if self._index < self._hides:
            seen_rad = self._heading_rad + self.config.sky_noise_rad * self._drawn[4]
            sky_cos, sky_sin = cos(seen_rad), sin(seen_rad)
        noise = self.config.odometry_noise
        gyro = turn_rad_s * (1 + self._gyro_off.value) + noise * FLOOR_RAD_S * self._drawn[5]
        odometer = speed_m_s * (1 + self._odometer_off.value) + noise * FLOOR_M_S * self._drawn[6]
        own = (self._x_m, self._y_m, self._heading_rad, speed_m_s, turn_rad_s)
        return [*own, gyro, odometer, sky_cos, sky_sin]

    def show(self) -> Shown:
        distance_m = hypot(self._x_m, self._y_m)
        error_percent = 100 * distance_m / self._path_m if self._path_m else 0.0
        ended = self._home or self._index >= self._ends
        info = {
            "t_s": self.time_s,
            "home_error_percent": error_percent,
            "distance_m": distance_m,
            "path_m": self._path_m,
            "returning": float(self._index >= self._returns),
            "home": float(self._home),
            "heading_rad": self._heading_rad,
            "gyro_rad_s": self.truth[5],
            "odometer_m_s": self.truth[6],
            "disturbances": float(len(self._schedule.active)),
        }
        return self.sensed[5:], self.paid(error_percent), ended, info

    def render(self) -> NDArray[np.uint8] | None:
        """A picture (360, 480, 3) from above, 4 cm a pixel, north up, home in its middle; None without a render mode.

        The grid has squares of 1 m. The way out is blue, the way back orange, and home a green ring of 0.5 m.
        """
        if self.render_mode is None or self._index < 0:
            return None
        image = np.full((*SIZE_PX, 3), PAPER, np.float32)
        image *= 1 - EDGE_SHADE * np.linspace(-1, 1, SIZE_PX[0])[:, None, None] ** 2
        metre = round(1 / PIXEL_M)
        image[SIZE_PX[0] // 2 % metre :: metre] = image[:, SIZE_PX[1] // 2 % metre :: metre] = GRID
        draw(image, Mark((0.0, 0.0, 0.0), 0.5 / PIXEL_M, HOME, ring_px=2.0), _pixel(0.0, 0.0))
        _draw_trail(image, self._trail)
        ahead = _pixel(self._x_m + 0.25 * cos(self._heading_rad), self._y_m + 0.25 * sin(self._heading_rad))
        draw(image, Mark((0.0, 0.0, 0.0), 6.0, BODY), _pixel(self._x_m, self._y_m))
        draw(image, Mark((0.0, 0.0, 0.0), 3.0, (250, 200, 60)), ahead)
        return np.rint(image).astype(np.uint8)


class _Wandering:
    """An Ornstein-Uhlenbeck process of mean 0, stationary from its start on."""

    def __init__(self, std: float, tau_s: float, step_s: float, first: float) -> None:
        self._keep = exp(-step_s / tau_s)
        self._kick = std * sqrt(1 - self._keep**2)
        self.value = std * first

    def step(self, drawn: float) -> None:
        self.value = self._keep * self.value + self._kick * drawn


def _pixel(x_m: Any, y_m: Any) -> tuple[Any, Any]:
    """Column and row of a point, or of many."""
    return SIZE_PX[1] / 2 + x_m / PIXEL_M, SIZE_PX[0] / 2 - y_m / PIXEL_M


def _draw_trail(image: NDArray[np.float32], trail: list[tuple[float, float, bool]]) -> None:
    """Mark where the robot was, two pixels wide: x and y in m, and whether it was on its way back."""
    x_m, y_m, back = np.array(trail).reshape(-1, 3).T
    columns, rows = (np.rint(each).astype(int) for each in _pixel(x_m, y_m))
    inside = (columns >= 0) & (columns < SIZE_PX[1] - 1) & (rows >= 0) & (rows < SIZE_PX[0] - 1)
    for which, colour in ((back == 0, OUT), (back == 1, BACK)):
        for right in (0, 1):
            for down in (0, 1):
                image[rows[inside & which] + down, columns[inside & which] + right] = colour
