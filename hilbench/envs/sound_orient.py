"""A head that is to turn to where a burst of noise came from. It must not know who turns it, nor what its ears are."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, degrees, hypot, log10, pi, radians, sin
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta

from hilbench.envs._bullet import BulletConfig, BulletPlant
from hilbench.envs._picture import Mark, View
from hilbench.envs._stepped import Shown
from hilbench.envs.disturbances import Traits
from hilbench.envs.sensors import Ear, Room, Sounds, band_noise
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.types import PlantSpec

STATE = ("head", "head_rate", "waiting", "seen", "offset", "second")
UNITS = ("rad", "rad/s", "1", "1", "rad", "1")
EARS = ("left", "right")
WIDEST_RAD, GAZE_RAD = radians(70), 1.6
"""How far to either side a source may be, and how far the head can be told to turn."""
START_RAD = 0.1
"""How far to either side of +x the head may look at first."""
NEAREST_M, FARTHEST_M = 1.0, 4.0
LOUDER_DB = 6.0
"""How much louder or quieter than `level_pa` a source may be at the head."""
SEEN_RAD, SEEN_SHARE, SEEN_S, SEEN_STD_RAD = radians(45), 0.5, 0.05, 0.005
"""How near the middle of its view the head sees a source, in which share of trials, for how long and how exactly."""
SOUND_HZ, LOW_HZ, HIGH_HZ, RAMP_S = 16_000, 100.0, 3000.0, 0.005
"""The waves' rate, the noise's band, and how long a burst takes to rise and to fall."""
INERTIA_KG_M2, SERVO_PER_S, SPEED_RAD_S, LIMIT_NM = 0.003, 40.0, radians(300), 2.0
"""Of the head; how fast its servo is, how fast the angle moves that it follows, and its largest torque."""
ROOM_M, ROOM_CORNER_M, REFLECTION = (10.0, 9.0, 3.0), (-4.5, -4.5, -1.2), 0.7
DRAWN_M = 0.42
"""How far from the head a source is drawn, wherever it is."""


class SoundOrient(BulletPlant):
    """A head with two ears turns to where a burst of noise came from.

    ## Description
    An episode is a trial. A source stands up to 70 degrees to the left or the right, 1 to 4 m away, and gives a burst
    of noise of 100 to 3000 Hz for `burst_s`, which has left it before the head turns: one has to know where it was. At
    `wait_s` the head takes the action of that instant for where it is to turn, and a servo turns it there, at up to
    300 degrees/s. After `turn_s` the trial is judged by the angle that is left between gaze and source.

    Then come two signals to learn from. In half of the trials, and if no more than 45 degrees are left, the head sees
    the source for 0.05 s, and `offset` is the angle that is left, off by a number that the trial draws, 0.005 rad in
    standard deviation. And in all of them the source gives a second burst, of other noise, which ears hear from where
    the head now looks.

    Ears are microphones at both sides, `ears_m` apart, in the open or in a room of 10 m x 9 m x 3 m whose walls throw
    back 0.7 of the pressure, up to `room_order` times. They are nothing to observe: a scenario gives the plant the
    sensor `cochlea`. The usual disturbances are `ear_change`, a microphone that is late or quiet, and `ears_moved`.

    ## Action Space
    `Box(-1.6, 1.6, (1,), float32)`: the angle to turn to. Only that at `wait_s` counts.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 | gaze, to the left of where it looks at first | rad | -1.6 | 1.6 |

    ## Observation Space
    `Box((6,), float32)`, as sensed: with bias and noise where a disturbance adds them.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | head, its angle, to the left of +x | rad | 1e3 |
    | 1 | head_rate | rad/s | 1e3 |
    | 2 | waiting, 1 until it turns | 1 | 1 |
    | 3 | seen, 1 while the source is seen | 1 | 1 |
    | 4 | offset, the angle from gaze to source while it is seen, else 0 | rad | 4 |
    | 5 | second, 1 from the second burst on | 1 | 1 |

    ## Rewards
    By how many degrees the angle to the source has become less, and at first minus all of it; 0 once it is judged. So
    an episode's return is minus the angle that was left, or that is left where the episode is cut off.

    ## Starting State
    The head is at rest and looks along +x within 0.1 rad. The seed draws that, where the source is, how loud, the
    noise of both bursts, and whether it will be seen.

    ## Episode End
    Terminates 0.05 s after the second burst. `gym.make` truncates after 60 000 steps, which is 60 s at the default
    control period.

    ## Arguments
    `gym.make("hilbench:hilbench/SoundOrient-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `sensors`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `azimuth_rad` of the source, to the left of where it looks at first;
    `left_rad`, the angle from gaze to source now; `error_deg`, its size; `missed_deg`, that at the instant of
    judgement, 0 before; `judged`, 1 from then on; `ears_m`, how far apart the ears are now; `late_s`, by how much the
    right one is later than the left one; `swapped`, 1 while each hears at the other's place; `louder_db`, by how
    much the right one is louder than the left one, without walls; `torque_nm`; `work_j`; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(BulletConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        burst_s: Annotated[float, Meta(ge=0.02, le=10)] = 0.15
        """How long a burst is."""
        wait_s: Annotated[float, Meta(ge=0.02, le=100)] = 0.2
        """When it turns."""
        turn_s: Annotated[float, Meta(ge=0.1, le=100)] = 0.45
        """How long it has for that."""
        ears_m: Annotated[float, Meta(gt=0, le=10)] = 0.2
        """Distance between the ears."""
        level_pa: Annotated[float, Meta(gt=0, le=1e3)] = 0.02
        """Root mean square of a burst's pressure at the head, 60 dB; each trial's is up to 6 dB more or less."""
        room_order: Annotated[int, Meta(ge=0, le=6)] = 0
        """Off how many walls sound is thrown at most; 0 is the open air."""

    env_id: ClassVar[str] = "hilbench/SoundOrient-v0"
    max_episode_steps: ClassVar[int] = 60_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": STATE,
        "obs_units": UNITS,
        "action_names": ("gaze",),
        "action_units": ("rad",),
    }
    traits = Traits(sensors=STATE, joints=("neck",), actuators=("neck",), ears=EARS)
    driven = (0,)
    obs_high = (1e3, 1e3, 1.0, 1.0, 4.0, 1.0)
    view = View(eye_m=(-0.35, 0.0, 1.9), target_m=(0.12, 0.0, 0.0), fov_deg=36.0)

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        config = self.config
        if config.burst_s >= config.wait_s:
            allowed = f"less than plant.wait_s, {config.wait_s:g}: it is over before the head turns"
            raise ScenarioError(f"plant.burst_s: found {config.burst_s:g}; allowed: {allowed}")

    @property
    def own_spec(self) -> PlantSpec:
        """Names, limits and the constants of a trial."""
        config = self.config
        return PlantSpec(
            **self.named,
            action_low=(-GAZE_RAD,),
            action_high=(GAZE_RAD,),
            safe_action=(0.0,),
            physics_step_s=config.physics_step_s,
            info_units={
                "t_s": "s",
                "azimuth_rad": "rad",
                "left_rad": "rad",
                "error_deg": "deg",
                "missed_deg": "deg",
                "judged": "1",
                "ears_m": "m",
                "late_s": "s",
                "swapped": "1",
                "louder_db": "dB",
                "torque_nm": "N m",
                "work_j": "J",
                "disturbances": "1",
            },
            error="error_deg",
            parameters={name: getattr(config, name) for name in ("burst_s", "wait_s", "turn_s", "ears_m", "level_pa")},
        )

    def load(self) -> int:
        return self.load_urdf("sound_orient.urdf")

    def pose(self, random: np.random.Generator) -> Sequence[float]:
        config, step_s = self.config, self.config.physics_step_s
        times_s = config.wait_s, config.turn_s, config.burst_s + SEEN_S
        # The physics steps at which it turns, is judged and the second burst begins, and the trial is over.
        self._turns, self._judged, self._ends = np.cumsum([round(each / step_s) for each in times_s]).tolist()
        self._sees = self._judged + round(SEEN_S / step_s)
        self._first_rad = float(random.uniform(-START_RAD, START_RAD))
        self._azimuth_rad = float(random.uniform(-WIDEST_RAD, WIDEST_RAD))
        place_rad = self._first_rad + self._azimuth_rad
        away_m = float(random.uniform(NEAREST_M, FARTHEST_M))
        level_pa = config.level_pa * 10 ** (random.uniform(-LOUDER_DB, LOUDER_DB) / 20) * away_m
        n = round(config.burst_s * SOUND_HZ)
        bursts = [band_noise(random, n, SOUND_HZ, LOW_HZ, HIGH_HZ, level_pa, RAMP_S) for _ in range(2)]
        room = Room(ROOM_M, REFLECTION, config.room_order, ROOM_CORNER_M) if config.room_order else None
        self._sounds = Sounds(bursts, SOUND_HZ, room)
        self._sounds.places_m[:] = away_m * cos(place_rad), away_m * sin(place_rad), 0.0
        self._sounds.starts_s[1] = self._judged * step_s
        self._may_see = random.random() < SEEN_SHARE
        self._glance_rad = SEEN_STD_RAD * float(random.standard_normal())
        self._target_rad = self._wanted_rad = self._first_rad
        self._missed_deg = 0.0
        return (self._first_rad,)

    def drive(self, values: list[float]) -> list[float]:
        if self._index == self._turns:
            self._target_rad = self._first_rad + values[0]
        most_rad = SPEED_RAD_S * self.config.physics_step_s
        gap_rad = self._target_rad - self._wanted_rad
        self._wanted_rad += min(max(gap_rad, -most_rad), most_rad)
        stiffness, damping = INERTIA_KG_M2 * SERVO_PER_S**2, 2 * INERTIA_KG_M2 * SERVO_PER_S
        torque_nm = stiffness * (self._wanted_rad - self.truth[0]) - damping * self.truth[1]
        return [min(max(torque_nm, -LIMIT_NM), LIMIT_NM)]

    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        ((head_rad, rate_rad_s, *_),) = joints
        index = self._index
        self._left_rad = (self._first_rad + self._azimuth_rad - head_rad + pi) % (2 * pi) - pi
        if index == self._judged:
            self._missed_deg = abs(degrees(self._left_rad))
        seen = self._may_see and self._judged <= index < self._sees and abs(self._left_rad) < SEEN_RAD
        offset_rad = self._left_rad + self._glance_rad if seen else 0.0
        return [head_rad, rate_rad_s, float(index < self._turns), float(seen), offset_rad, float(index >= self._judged)]

    def sounds(self) -> Sounds:
        """What there is to be heard: both bursts."""
        return self._sounds

    def ear(self, name: str) -> Ear:
        """Where an ear is, and how loud and late its microphone. Raises ScenarioError for another name than EARS."""
        if name not in EARS:
            raise ScenarioError(f"found no ear {name!r}; {allowed_hint(name, EARS)}")
        side = 1.0 if (name == "left") != self.loads.ears_swapped else -1.0
        head_rad, half_m = self.truth[0], 0.5 * self.config.ears_m * self.loads.ears_scale
        out_x, out_y = -side * sin(head_rad), side * cos(head_rad)
        gain, delay_s = self.loads.ears.get(name, (1.0, 0.0))
        return Ear(half_m * out_x, half_m * out_y, 0.0, out_x, out_y, 0.0, gain, delay_s)

    def show(self) -> Shown:
        loads, ended = self.loads, self._index >= self._ends
        delays_s = [loads.ears.get(name, (1.0, 0.0))[1] for name in EARS]
        info = {
            "t_s": self.time_s,
            "azimuth_rad": self._azimuth_rad,
            "left_rad": self._left_rad,
            "error_deg": abs(degrees(self._left_rad)),
            "missed_deg": self._missed_deg,
            "judged": float(self._index >= self._judged),
            "ears_m": self.config.ears_m * loads.ears_scale,
            "late_s": delays_s[1] - delays_s[0],
            "swapped": float(loads.ears_swapped),
            "louder_db": self._louder_db(),
            "torque_nm": self.forces[0],
            "work_j": self.work_j,
            "disturbances": float(len(self._schedule.active)),
        }
        error_deg = self._missed_deg if info["judged"] else info["error_deg"]
        return self.sensed[:], self.paid(error_deg), ended, info

    def _louder_db(self) -> float:
        """By how much the right ear's microphone is louder than the left one's, without walls."""
        x_m, y_m, _ = self._sounds.places_m[0].tolist()
        left, right = (self.ear(name) for name in EARS)
        return 20 * log10(right.gain * hypot(x_m - left.x_m, y_m - left.y_m)) - 20 * log10(
            left.gain * hypot(x_m - right.x_m, y_m - right.y_m)
        )

    def marks(self) -> Sequence[Mark]:
        """Where the source is, loud while it sounds; and where the head looks."""
        index, step_s = self._index, self.config.physics_step_s
        n = round(self.config.burst_s / step_s)
        sounds = index < n or self._judged <= index < self._judged + n
        place, gaze = (
            (DRAWN_M * cos(angle), DRAWN_M * sin(angle), 0.0)
            for angle in (self.truth[0] + self._left_rad, self.truth[0])
        )
        loud = (Mark(place, 22.0, (233, 84, 32), ring_px=2.5), Mark(place, 15.0, (233, 84, 32), ring_px=2.5))
        return (Mark(gaze, 6.0, (41, 107, 191)), Mark(place, 9.0, (233, 84, 32)), *(loud if sounds else ()))
