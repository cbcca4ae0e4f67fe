"""A robot on six legs that walks straight on while its legs go lame. It must not know who drives it."""

from __future__ import annotations

from collections.abc import Sequence
from math import asin, atan2, cos, hypot, pi, sin
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta

from hilbench.envs._bullet import BulletConfig, BulletPlant
from hilbench.envs._picture import Mark, View
from hilbench.envs._stepped import Shown
from hilbench.envs.disturbances import Traits
from hilbench.types import PlantSpec

LEGS = ("l1", "l2", "l3", "r1", "r2", "r3")
"""Left and right ones, from the front on."""
SIDE = (1.0, 1.0, 1.0, -1.0, -1.0, -1.0)
GROUP = (1.0, -1.0, 1.0, -1.0, 1.0, -1.0)
"""Legs of one sign stand while the others swing: an alternating tripod."""

GAIT_HZ = 1.0
SWING_RAD = 0.35
"""How far a hip swings either way, before corrections; and how far a knee lifts its foot."""
SWING_LEAST_RAD, SWING_MOST_RAD = -0.4, 1.0
ADDED_MOST_RAD = 0.7
SPEED_M_S = 0.153
LEVER_M = 0.5
"""By which a turn counts as a lack of speed on one side, in what legs are told."""
GAIN_RAD_S_M = 0.02
START_S = 0.5
SERVO_NM_RAD, SERVO_NM_S, SERVO_MOST_NM = 20.0, 0.2, 2.0
CONSTANTS = {
    "gait_hz": GAIT_HZ,
    "swing_rad": SWING_RAD,
    "speed_m_s": SPEED_M_S,
    "servo_nm_rad": SERVO_NM_RAD,
    "servo_nm_s": SERVO_NM_S,
    "servo_most_nm": SERVO_MOST_NM,
    "lever_m": LEVER_M,
    "gain_rad_s_m": GAIN_RAD_S_M,
}
BODY_M = 0.2
"""By which a turn counts in the error of its walk: about the distance of its feet from its middle."""
KNEE_RAD = 0.04
"""Of a standing leg. A straight leg would be high enough for a robot with a limp rear leg to tip over backwards."""
HEIGHT_M = 0.012 + 0.08 * cos(KNEE_RAD) - 0.09 * sin(KNEE_RAD)
TILTED_RAD = 1.0
"""The tilt beyond which it has fallen over."""

HIP_X_M, HIP_Y_M = (0.1, 0.0, -0.1) * 2, 0.06

JOINTS = tuple(f"{leg}_{joint}" for leg in LEGS for joint in ("hip", "knee"))
POSE = ("x", "y", "z", "roll", "pitch", "heading", "speed", "yaw_rate")
POSE_UNITS = ("m", "m", "m", "rad", "rad", "rad", "m/s", "rad/s")
TOUCH = tuple(f"touch_{leg}" for leg in LEGS)
LACK = tuple(f"lack_{leg}" for leg in LEGS)
PHASE = ("phase_cos", "phase_sin")
LEFT = tuple(f"left_{leg}" for leg in LEGS)


class HexapodDamage(BulletPlant):
    """A robot on six legs walks straight on while its legs go lame.

    ## Description
    A body of 1 kg on six legs of 0.1 kg, each with a hip about the vertical and a knee that lifts the foot. It walks by
    an alternating tripod at 1 Hz: a hip swings by 0.35 rad either way, and a knee lifts by 0.35 rad while its leg
    swings forwards. Servos of 20 N m/rad and 0.2 N m s/rad, of 2 N m at most, follow the gait at each physics step: by
    the angles as sensed, damped by the joints' true speeds. It
    is to walk at 0.153 m/s without a turn, which is what the nominal gait does. An action is added to how far each hip
    swings. With `inner_loop` so is a feedback: 0.02 rad per m/s that the side of a standing leg lacks, `lack_*` below.
    The usual disturbance is an `actuator_gain` of 0 for both motors of a leg, which then hangs limp.

    ## Action Space
    `Box(-0.7, 0.7, (6,), float32)`. The swings stay between -0.4 and 1 rad; below 0 a leg pushes backwards.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 to 2 | swing_l1, swing_l2, swing_l3, the left legs from the front | rad | -0.7 | 0.7 |
    | 3 to 5 | swing_r1, swing_r2, swing_r3 | rad | -0.7 | 0.7 |

    ## Observation Space
    `Box((34,), float32)`. The first 26 are as sensed: with bias and noise where a disturbance adds them. What a leg's
    side lacks is 0.153 m/s less the mean speed over the last cycle, with 0.5 m times the yaw rate added on the left and
    taken off on the right; it is 0 while the leg swings.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 to 2 | x, y, z | m | 1e4 |
    | 3 to 5 | roll, pitch, heading, which grows to the left and wraps | rad | 4 |
    | 6 | speed, along its heading | m/s | 1e4 |
    | 7 | yaw_rate | rad/s | 1e4 |
    | 8 to 19 | l1_hip, l1_knee, to r3_knee, the joints' angles | rad | 1e4 |
    | 20 to 25 | touch_l1 to touch_r3, 1 where the ground carries the foot | 1 | 1e4 |
    | 26, 27 | phase_cos, phase_sin, of the gait | 1 | 1 |
    | 28 to 33 | lack_l1 to lack_r3 | m/s | 1e4 |

    Foot contacts as events: a sensor `delta` with `entries = ["touch_l1"]`, or more of them, and `threshold = 1.0`
    tells when a foot lands and when it leaves the ground.

    ## Rewards
    Minus `walk_error_m_s`, at the end of the control period.

    ## Starting State
    At rest on its feet, along +x. The gait's phase is drawn, so that a change comes anywhere in a step, and the gait
    grows to its full size in 0.5 s. Means over a cycle take it that it has walked as asked for until then.

    ## Episode End
    Terminates where it has fallen over: it is tilted by more than 1 rad. `gym.make` truncates after 60 000 steps, which
    is 60 s at the default control period.

    ## Arguments
    `gym.make("hilbench:hilbench/HexapodDamage-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `walk_error_m_s`, the length of what its mean speed over the last
    second lacks of 0.153 m/s and 0.2 m times its mean yaw rate; `walk_m_s` and `turn_rad_s`, those means; `work_j`, the
    integral of |torque x joint speed|; `left_l1` to `left_r3`, what is left of the weaker motor of each leg;
    `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(BulletConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        physics_step_s: Annotated[float, Meta(ge=1e-5, le=0.001)] = 0.001
        """The fixed step of the physics: its servos swing at longer ones."""
        inner_loop: bool = True
        """Whether the plant adds its feedback to the action."""

    env_id: ClassVar[str] = "hilbench/HexapodDamage-v0"
    max_episode_steps: ClassVar[int] = 60_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": (*POSE, *JOINTS, *TOUCH, *PHASE, *LACK),
        "obs_units": (*POSE_UNITS, *("rad",) * 12, *("1",) * 8, *("m/s",) * 6),
        "action_names": tuple(f"swing_{leg}" for leg in LEGS),
        "action_units": ("rad",) * 6,
    }
    traits = Traits(sensors=(*POSE, *JOINTS, *TOUCH), joints=JOINTS, actuators=JOINTS)
    driven = tuple(range(len(JOINTS)))
    obs_high = (*(1e4,) * 3, *(4.0,) * 3, *(1e4,) * 20, 1.0, 1.0, *(1e4,) * 6)

    @property
    def own_spec(self) -> PlantSpec:
        """Names, limits, and the gait's and the feedback's constants."""
        return PlantSpec(
            **self.named,
            action_low=(-ADDED_MOST_RAD,) * 6,
            action_high=(ADDED_MOST_RAD,) * 6,
            safe_action=(0.0,) * 6,
            physics_step_s=self.config.physics_step_s,
            info_units={
                "t_s": "s",
                "walk_error_m_s": "m/s",
                "walk_m_s": "m/s",
                "turn_rad_s": "rad/s",
                "work_j": "J",
                **dict.fromkeys(LEFT, "1"),
                "disturbances": "1",
            },
            error="walk_error_m_s",
            parameters=CONSTANTS | {"inner_loop": float(self.config.inner_loop)},
        )

    @property
    def view(self) -> View:
        """A camera that goes along, from the left and behind."""
        x, y = self.truth[:2]
        return View(eye_m=(x - 0.5, y + 0.75, 0.55), target_m=(x + 0.05, y, 0.03), fov_deg=36.0, light=(-1.5, 2.0, 3.0))

    def load(self) -> int:
        self._ground = self.floor(1.0)
        return self.load_urdf("hexapod_damage.urdf", fixed=False)

    def pose(self, random: np.random.Generator) -> Sequence[float]:
        self._first_rad = float(random.uniform(0.0, 2 * pi))
        self.place(self.body, [0.0, 0.0, HEIGHT_M, 0.0, 0.0, 0.0, 1.0, *(0.0,) * 6])
        self._contacts = self.world.contacts(self.body, self._ground)
        step_s = self.config.physics_step_s
        n_steps = round(1 / (GAIT_HZ * step_s))
        self._along_m = self._turned_rad = self._heading = self._felt_m = 0.0
        # Where it was at each step of the last cycle, as if it had always walked: the way by the speed that is sensed,
        # and the true way along its heading, with its turn.
        self._felt_past = [SPEED_M_S * (step - n_steps + 1) * step_s for step in range(n_steps)]
        self._past = [(SPEED_M_S * (step - n_steps) * step_s, 0.0) for step in range(n_steps)]
        self._mean_m_s = SPEED_M_S
        return (0.0, KNEE_RAD) * 6

    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        x, y, z, qx, qy, qz, qw, vx, vy, _, _, _, yaw_rate = self.base()
        roll = atan2(2 * (qw * qx + qy * qz), 1 - 2 * (qx * qx + qy * qy))
        pitch = asin(min(max(2 * (qw * qy - qz * qx), -1.0), 1.0))
        heading = atan2(2 * (qw * qz + qx * qy), 1 - 2 * (qy * qy + qz * qz))
        speed = vx * cos(heading) + vy * sin(heading)
        phase = 2 * pi * GAIT_HZ * self.time_s + self._first_rad
        self._cos, self._sin = cos(phase), sin(phase)
        self._remember(speed, heading)
        carried = {contact[3] for contact in self._contacts() if contact[9] > 0}
        touches = [float(2 * leg + 1 in carried or self._index == 0) for leg in range(6)]
        return [x, y, z, roll, pitch, heading, speed, yaw_rate, *(joint[0] for joint in joints), *touches]

    def _remember(self, speed: float, heading: float) -> None:
        """The mean speed and yaw rate over the last cycle."""
        self._along_m += speed * self.config.physics_step_s
        self._turned_rad += (heading - self._heading + pi) % (2 * pi) - pi
        self._heading = heading
        index = self._index % len(self._past)
        along_m, turned_rad = self._past[index]
        self._past[index] = self._along_m, self._turned_rad
        self._walk_m_s = (self._along_m - along_m) * GAIT_HZ
        self._turn_rad_s = (self._turned_rad - turned_rad) * GAIT_HZ

    def drive(self, values: list[float]) -> list[float]:
        sensed, lack, gain = self.sensed, self._lacking(), GAIN_RAD_S_M if self.config.inner_loop else 0.0
        index = self._index % len(self._felt_past)
        self._felt_m += self.config.physics_step_s * sensed[6]
        self._mean_m_s = (self._felt_m - self._felt_past[index]) * GAIT_HZ
        self._felt_past[index] = self._felt_m
        size = min(1.0, self.time_s / START_S)
        torques = []
        for leg in range(6):
            swing = min(max(SWING_RAD + values[leg] + gain * lack[leg], SWING_LEAST_RAD), SWING_MOST_RAD)
            hip = -size * SIDE[leg] * swing * GROUP[leg] * self._cos
            knee = KNEE_RAD + size * SWING_RAD * max(0.0, -GROUP[leg] * self._sin)
            for joint, wanted in ((2 * leg, hip), (2 * leg + 1, knee)):
                torque = SERVO_NM_RAD * (wanted - sensed[8 + joint]) - SERVO_NM_S * self._joints[joint][1]
                torques.append(min(max(torque, -SERVO_MOST_NM), SERVO_MOST_NM))
        return torques

    def _lacking(self) -> list[float]:
        """What the side of each leg lacks in speed while the leg stands, in m/s."""
        slow, turn = SPEED_M_S - self._mean_m_s, LEVER_M * self.sensed[7]
        return [slow + SIDE[leg] * turn if GROUP[leg] * self._sin > 0 else 0.0 for leg in range(6)]

    def show(self) -> Shown:
        error = hypot(self._walk_m_s - SPEED_M_S, BODY_M * self._turn_rad_s)
        gains = self.loads.gains
        info = {
            "t_s": self.time_s,
            "walk_error_m_s": error,
            "walk_m_s": self._walk_m_s,
            "turn_rad_s": self._turn_rad_s,
            "work_j": self.work_j,
            **{name: min(gains[2 * leg], gains[2 * leg + 1]) for leg, name in enumerate(LEFT)},
            "disturbances": float(len(self._schedule.active)),
        }
        _, _, _, roll, pitch = self.truth[:5]
        obs = [*self.sensed, self._cos, self._sin, *self._lacking()]
        return obs, -error, cos(roll) * cos(pitch) < cos(TILTED_RAD), info

    def marks(self) -> Sequence[Mark]:
        """A ring around the hips of lame legs."""
        x, y, z, _, _, heading = self.truth[:6]
        c, s, gains = cos(heading), sin(heading), self.loads.gains
        lame = [leg for leg in range(6) if min(gains[2 * leg], gains[2 * leg + 1]) < 1]
        hips = [(HIP_X_M[leg], SIDE[leg] * HIP_Y_M) for leg in lame]
        return [Mark((x + c * a - s * b, y + s * a + c * b, z), 14.0, (233, 84, 32), ring_px=2.5) for a, b in hips]
