"""A T-maze: a cue says in which arm the reward is, which comes late. It must not know who walks in it."""

from __future__ import annotations

from functools import lru_cache
from math import cos
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs._picture import Mark, draw
from hilbench.envs._stepped import Shown, SteppedConfig, SteppedPlant
from hilbench.envs.disturbances import Loads, Traits
from hilbench.errors import ScenarioError
from hilbench.types import PlantSpec

STATE = ("x", "y", "cue_left", "cue_right", "choosing")
UNITS = ("m", "m", "1", "1", "1")
STEM_M, ARM_M, SPEED_M_S = 0.6, 0.4, 0.2
START_SPREAD_M = 0.05
WIDTH, HEIGHT, PX_PER_M = 480, 400, 420.0
JUNCTION_PX = 240, 110
WALL, FLOOR, FEEDER = (206, 210, 214), (246, 246, 242), (150, 150, 146)
CUE, FULL, WALKER = (233, 84, 32), (250, 200, 60), (41, 107, 191)
FEEDER_PX = 16.0
Range = tuple[Annotated[float, Meta(ge=0, le=1e3)], Annotated[float, Meta(ge=0, le=1e3)]]
"""The shortest and the longest time, in s."""


class TMaze(SteppedPlant):
    """A walker in a T-maze turns by a cue, and is rewarded seconds later.

    ## Description
    Kinematic: the walker is a point that is carried up the stem, and at the junction chooses an arm by its velocity.
    An episode is a trial. A cue, left or right by the seed, is on for `cue_s`; after a delay that is drawn from
    `delay_s` the walker is at the junction, and for `choose_s` its action moves it to the left or to the right. It
    has chosen an arm if it then is farther than `enter_m` from the middle. After a time that is drawn from
    `reward_delay_s` comes the reward: 1 in the arm on the cue's side, -1 in the other one and for who is in none. With
    `cue_stays` the cue is on until the choice is over, so that no memory is needed. The usual disturbance is
    `goal_turn`: beyond a quarter turn the reward is in the arm opposite to the cue.

    ## Action Space
    `Box(-0.2, 0.2, (1,), float32)`: the wanted velocity at the junction, held over a control period.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 | velocity_x, to the right | m/s | -0.2 | 0.2 |

    ## Observation Space
    `Box((5,), float32)`, as sensed: with bias and noise where a disturbance adds them. The origin is the junction.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | x, to the right | m | 1 |
    | 1 | y, up the stem | m | 1 |
    | 2 | cue_left, 1 while the cue on the left is on | 1 | 1 |
    | 3 | cue_right | 1 | 1 |
    | 4 | choosing, 1 while the action moves it | 1 | 1 |

    ## Rewards
    1 or -1 in the last control period of a trial, else 0.

    ## Starting State
    In the lowest 5 cm of the stem; either cue is as likely as the other.

    ## Episode End
    Terminates when the reward comes. `gym.make` truncates after 60 000 steps, which is 60 s at the default control
    period.

    ## Arguments
    `gym.make("hilbench:hilbench/TMaze-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `cue`, -1 for the left one and 1 for the right one; `rewarded`, the
    rewarded arm, likewise; `chosen`, the arm that was chosen, 0 before the choice is over and for none; `correct`, 1
    once the rewarded arm was chosen; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(SteppedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        cue_s: Annotated[float, Meta(gt=0, le=1e3)] = 0.5
        """How long the cue is on before the delay."""
        delay_s: Range = (0.0, 0.0)
        """From the cue to the junction, the shortest and the longest time."""
        choose_s: Annotated[float, Meta(gt=0, le=1e3)] = 0.5
        """How long the choice takes."""
        enter_m: Annotated[float, Meta(ge=0, le=0.4)] = 0.05
        """How far from the middle an arm begins."""
        reward_delay_s: Range = (1.0, 5.0)
        """From the choice to the reward, the shortest and the longest time."""
        cue_stays: bool = True
        """Whether the cue is on until the choice is over."""

    env_id: ClassVar[str] = "hilbench/TMaze-v0"
    max_episode_steps: ClassVar[int] = 60_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": STATE,
        "obs_units": UNITS,
        "action_names": ("velocity_x",),
        "action_units": ("m/s",),
    }
    traits = Traits(sensors=STATE, actuators=("velocity_x",), goal=True)
    obs_high = (1.0,) * 5

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        for name in ("delay_s", "reward_delay_s"):
            low_s, high_s = getattr(self.config, name)
            if low_s > high_s:
                raise ScenarioError(f"plant.{name}: found {low_s:g} and {high_s:g}; allowed: the shorter time first")
        step_s = self.config.physics_step_s
        for name in ("cue_s", "choose_s"):
            if (found_s := getattr(self.config, name)) < step_s:
                raise ScenarioError(f"plant.{name}: found {found_s:g}; allowed: a physics step, {step_s:g} s, or more")

    @property
    def own_spec(self) -> PlantSpec:
        config = self.config
        return PlantSpec(
            **self.named,
            action_low=(-SPEED_M_S,),
            action_high=(SPEED_M_S,),
            safe_action=(0.0,),
            physics_step_s=config.physics_step_s,
            info_units={"t_s": "s", "cue": "1", "rewarded": "1", "chosen": "1", "correct": "1", "disturbances": "1"},
            error="",
            parameters={"speed_m_s": SPEED_M_S, "choose_s": config.choose_s, "enter_m": config.enter_m},
        )

    def begin(self, random: np.random.Generator) -> None:
        config, step_s = self.config, self.config.physics_step_s
        self._cue = -1 if random.random() < 0.5 else 1
        times_s = (
            config.cue_s, random.uniform(*config.delay_s), config.choose_s, random.uniform(*config.reward_delay_s),
        )  # fmt: skip
        # The physics steps at which the cue ends, the choice begins, it is over, and the reward comes.
        self._ends = np.cumsum([round(each / step_s) for each in times_s]).tolist()
        self._start_m = -STEM_M + float(random.uniform(0, START_SPREAD_M))
        self._x, self._chosen = 0.0, 0

    def bear(self, loads: Loads) -> None:
        self._rewarded = self._cue if cos(loads.goal_turn_rad) >= 0 else -self._cue

    def move(self, forces: list[float]) -> None:
        step_s, (_, junction, over, _) = self.config.physics_step_s, self._ends
        if junction <= self._index < over:
            x = self._x + step_s * min(max(forces[0], -SPEED_M_S), SPEED_M_S)
            self._x = min(max(x, -ARM_M), ARM_M)
        elif self._index >= over and self._chosen:  # carried to the end of the arm
            away_m = min(abs(self._x) + step_s * SPEED_M_S, ARM_M)
            self._x = self._chosen * away_m

    def read(self) -> list[float]:
        index, (cued, junction, over, _) = self._index, self._ends
        if index == over:
            enter_m = self.config.enter_m
            self._chosen = (self._x > enter_m) - (self._x < -enter_m)
        cue = self._cue if index < (over if self.config.cue_stays else cued) else 0
        y = self._start_m * max(0.0, 1.0 - index / junction)
        return [self._x, y, float(cue < 0), float(cue > 0), float(junction <= index < over)]

    def show(self) -> Shown:
        correct, ended = self._chosen == self._rewarded, self._index >= self._ends[-1]
        info = {
            "t_s": self.time_s,
            "cue": float(self._cue),
            "rewarded": float(self._rewarded),
            "chosen": float(self._chosen),
            "correct": float(correct),
            "disturbances": float(len(self._schedule.active)),
        }
        return self.sensed[:], (1.0 if correct else -1.0) if ended else 0.0, ended, info

    def render(self) -> NDArray[np.uint8] | None:
        """A picture (400, 480, 3) from above: maze, feeders, cue and walker; None without a mode."""
        if self.render_mode is None or self._index < 0:
            return None
        image = _maze().copy()
        x, y, left, right, _ = self.truth
        marks = [((side * 0.09, -0.5 * STEM_M), 7.0, CUE) for side, on in ((-1, left), (1, right)) if on]
        if self._index >= self._ends[-1]:
            marks.append(((self._rewarded * ARM_M, 0.0), FEEDER_PX - 3, FULL))
        for place, radius_px, colour in [*marks, ((x, y), 8.0, WALKER)]:
            draw(image, Mark((0.0, 0.0, 0.0), radius_px, colour), _pixel(*place))
        return np.rint(image).astype(np.uint8)


def _pixel(x_m: float, y_m: float) -> tuple[float, float]:
    """Column and row of a place."""
    return JUNCTION_PX[0] + PX_PER_M * x_m, JUNCTION_PX[1] - PX_PER_M * y_m


@lru_cache(maxsize=1)
def _maze() -> NDArray[np.float32]:
    """The empty maze."""
    image = np.empty((HEIGHT, WIDTH, 3), np.float32)
    image[:] = WALL
    half_m = 0.05
    for left_m, right_m, low_m, high_m in (
        (-half_m, half_m, -STEM_M - half_m, half_m),
        (-ARM_M - half_m, ARM_M + half_m, -half_m, half_m),
    ):
        (left, top), (right, bottom) = _pixel(left_m, high_m), _pixel(right_m, low_m)
        image[round(top) : round(bottom), round(left) : round(right)] = FLOOR
    for side in (-1, 1):
        draw(image, Mark((0.0, 0.0, 0.0), FEEDER_PX, FEEDER, 3.0), _pixel(side * ARM_M, 0.0))
    return image
