"""A pool with a hidden platform that is to be found again, trial after trial. It must not know who swims in it."""

from __future__ import annotations

from functools import lru_cache
from math import cos, hypot, pi, sin
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs._picture import Mark, draw
from hilbench.envs._stepped import Shown, SteppedConfig, SteppedPlant
from hilbench.envs.disturbances import Loads, Traits
from hilbench.seeding import stream
from hilbench.types import PlantSpec

STATE, UNITS = ("x", "y", "searching", "on_platform"), ("m", "m", "1", "1")
MOVES = ("velocity_x", "velocity_y")
KNOWN = ("pool_m", "platform_radius_m", "speed_m_s", "pause_s")
"""The settings that a controller may know."""
N_STARTS = 4
START_SHARE, START_SPREAD_RAD = 0.9, 0.1
"""How far from the middle starts are, as a share of the pool's radius, and how far beside their place at most."""
WIDTH, HEIGHT, PX_PER_M = 480, 400, 360.0
WATER, LAND, TRAIL = (196, 216, 228), (238, 238, 234), (120, 150, 175)


class Watermaze(SteppedPlant):
    """A swimmer finds a hidden platform in a round pool, and is to find it faster from trial to trial.

    ## Description
    Morris (1984), "Developments of a water-maze procedure for studying spatial learning in the rat", in a kinematic
    form: the swimmer is a point whose velocity is the action. It has no inertia, no heading and no body. Its velocity
    is limited to `speed_m_s`; the wall of the pool stops what of it leads outwards. An episode is a trial: it searches
    for at most `search_s`, then rests for `pause_s`, on the platform or where it was taken out. The platform cannot be
    seen; the middle of it is `platform_m` from the pool's, in the direction `platform_rad`. The usual disturbance is
    `goal_turn`, which moves it to the opposite side.

    ## Action Space
    `Box(-0.2, 0.2, (2,), float32)`: the wanted velocity, held over a control period. Above `speed_m_s` it is shortened.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 | velocity_x, to the east | m/s | -speed_m_s | speed_m_s |
    | 1 | velocity_y, to the north | m/s | -speed_m_s | speed_m_s |

    ## Observation Space
    `Box((4,), float32)`, as sensed: with bias and noise where a disturbance adds them. The origin is the pool's middle.
    A sensor `place_cells` with `gate = "searching"` tells the place in spikes, and is silent in the pause.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | x, to the east | m | 10 |
    | 1 | y, to the north | m | 10 |
    | 2 | searching, 1 until the platform is found or the time is up, then 0 | 1 | 1 |
    | 3 | on_platform, 1 once it is found | 1 | 1 |

    ## Rewards
    1 in the control period in which the platform is found, else 0.

    ## Starting State
    Near the rim in the east, north, west or south: at 0.9 of the pool's radius, and up to 0.1 rad beside. Of each four
    seeds in a row from a multiple of four on, every one has another of these places, in an order that is drawn.

    ## Episode End
    Terminates at the end of the pause. `gym.make` truncates after 61 000 steps, which is 61 s at the default control
    period.

    ## Arguments
    `gym.make("hilbench:hilbench/Watermaze-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `distance_m`, to the middle of the platform; `found`, 1 when it is;
    `latency_s`, how long it has searched; `shortest_s`, how long the straight way to the platform's rim takes, and the
    pause; `goal_x_m` and `goal_y_m`, the platform's middle; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(SteppedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        pool_m: Annotated[float, Meta(ge=0.05, le=5)] = 0.5
        """Radius of the pool."""
        platform_m: Annotated[float, Meta(ge=0, le=5)] = 0.28
        """How far the platform's middle is from the pool's."""
        platform_rad: Annotated[float, Meta(ge=-2 * pi, le=2 * pi)] = pi / 4
        """In which direction it is, from the east to the left; in the north-east when absent."""
        platform_radius_m: Annotated[float, Meta(gt=0, le=1)] = 0.06
        speed_m_s: Annotated[float, Meta(gt=0, le=5)] = 0.2
        """The fastest that it swims."""
        search_s: Annotated[float, Meta(gt=0, le=1e4)] = 60.0
        """After this time it is taken out."""
        pause_s: Annotated[float, Meta(ge=0, le=1e3)] = 1.0
        """How long a trial goes on after that, or after the platform was found."""

    env_id: ClassVar[str] = "hilbench/Watermaze-v0"
    max_episode_steps: ClassVar[int] = 61_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": STATE,
        "obs_units": UNITS,
        "action_names": MOVES,
        "action_units": ("m/s", "m/s"),
    }
    traits = Traits(sensors=STATE, actuators=MOVES, goal=True)
    obs_high = (10.0, 10.0, 1.0, 1.0)

    @property
    def own_spec(self) -> PlantSpec:
        config = self.config
        most = (config.speed_m_s,) * 2
        return PlantSpec(
            **self.named,
            action_low=tuple(-each for each in most),
            action_high=most,
            safe_action=(0.0, 0.0),
            physics_step_s=config.physics_step_s,
            info_units={
                "t_s": "s",
                "distance_m": "m",
                "found": "1",
                "latency_s": "s",
                "shortest_s": "s",
                "goal_x_m": "m",
                "goal_y_m": "m",
                "disturbances": "1",
            },
            error="distance_m",
            parameters={name: getattr(config, name) for name in KNOWN},
        )

    def begin(self, random: np.random.Generator) -> None:
        config = self.config
        block, place = divmod(self.episode_seed, N_STARTS)
        order = stream(block, "watermaze.starts").permutation(N_STARTS)
        angle_rad = order[place] * 2 * pi / N_STARTS + random.uniform(-START_SPREAD_RAD, START_SPREAD_RAD)
        away_m = START_SHARE * config.pool_m
        self._place = self._start = away_m * cos(angle_rad), away_m * sin(angle_rad)
        self._found, self._over = False, -1  # the physics step at which the search was over; -1 while it is not
        self._trail = [self._place]

    def bear(self, loads: Loads) -> None:
        angle_rad = self.config.platform_rad + loads.goal_turn_rad
        self._goal = self.config.platform_m * cos(angle_rad), self.config.platform_m * sin(angle_rad)

    def move(self, forces: list[float]) -> None:
        if self._over >= 0:
            return
        config, (x, y) = self.config, self._place
        step_s, pool_m = config.physics_step_s, config.pool_m
        speed_m_s = hypot(*forces)
        share = step_s if speed_m_s <= config.speed_m_s else step_s * config.speed_m_s / speed_m_s
        x, y = x + share * forces[0], y + share * forces[1]
        away_m = hypot(x, y)
        if away_m > pool_m:
            x, y = x * pool_m / away_m, y * pool_m / away_m
        self._place = x, y
        if self.render_mode is not None:
            self._trail.append(self._place)

    def read(self) -> list[float]:
        x, y = self._place
        if self._over < 0:
            self._found = hypot(x - self._goal[0], y - self._goal[1]) < self.config.platform_radius_m
            if self._found or self.time_s > self.config.search_s - 1e-9:
                self._over = self._index
        return [x, y, float(self._over < 0), float(self._found)]

    def show(self) -> Shown:
        config, (goal_x_m, goal_y_m), over = self.config, self._goal, self._over
        step_s = config.physics_step_s
        straight_m = hypot(self._start[0] - goal_x_m, self._start[1] - goal_y_m) - config.platform_radius_m
        info = {
            "t_s": self.time_s,
            "distance_m": hypot(self._place[0] - goal_x_m, self._place[1] - goal_y_m),
            "found": float(self._found),
            "latency_s": self.time_s if over < 0 else over * step_s,
            "shortest_s": max(straight_m, 0.0) / config.speed_m_s + config.pause_s,
            "goal_x_m": goal_x_m,
            "goal_y_m": goal_y_m,
            "disturbances": float(len(self._schedule.active)),
        }
        reward = float(self._found and self._index - over < self.control_steps)
        ended = over >= 0 and (self._index - over) * step_s > config.pause_s - 1e-9
        return self.sensed[:], reward, ended, info

    def render(self) -> NDArray[np.uint8] | None:
        """A picture (400, 480, 3) from above, north up: the pool, its platform, the way so far; None without a mode."""
        if self.render_mode is None or self._index < 0:
            return None
        config = self.config
        image = _pool(config.pool_m).copy()
        columns, rows = _pixels(np.array(self._trail), config.pool_m).T
        image[np.rint(rows).astype(int), np.rint(columns).astype(int)] = TRAIL
        lit = (250, 200, 60) if self._found else (255, 255, 255)
        scale = PX_PER_M * 0.5 / config.pool_m
        for place, radius_px, colour, ring_px in (
            (self._goal, config.platform_radius_m * scale, lit, 0.0),
            (self._goal, config.platform_radius_m * scale, (90, 110, 130), 1.5),
            (self._place, 6.0, (41, 107, 191), 0.0),
        ):
            at = _pixels(np.array([place]), config.pool_m)[0]
            draw(image, Mark((0.0, 0.0, 0.0), radius_px, colour, ring_px), (at[0], at[1]))
        return np.rint(image).astype(np.uint8)


def _pixels(places_m: NDArray[np.float64], pool_m: float) -> NDArray[np.float64]:
    """Columns and rows of places, (n, 2)."""
    scale = PX_PER_M * 0.5 / pool_m
    return np.array([WIDTH / 2, HEIGHT / 2]) + places_m * (scale, -scale)


@lru_cache(maxsize=4)
def _pool(pool_m: float) -> NDArray[np.float32]:
    """The empty pool."""
    image = np.empty((HEIGHT, WIDTH, 3), np.float32)
    image[:] = LAND
    radius_px = PX_PER_M * 0.5
    for radius, colour, ring in ((radius_px, WATER, 0.0), (radius_px + 4, (150, 150, 146), 4.0)):
        draw(image, Mark((0.0, 0.0, 0.0), radius, colour, ring), (WIDTH / 2, HEIGHT / 2))
    return image
