"""A small quadrotor that follows a path while a rotor gets weak, wind comes up or its battery sags."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import acos, cos, exp, hypot, pi, sin
from typing import Any, ClassVar

import numpy as np

from hilbench.envs._bullet import GRAVITY_M_S2, BulletConfig, BulletPlant
from hilbench.envs._hover import FRAME, LOOP, ROTORS, Vector, dot, rotation_of, thrusts_n, tilt_error, wrench
from hilbench.envs._picture import Mark, View
from hilbench.envs._stepped import Shown
from hilbench.envs.disturbances import Loads, Traits
from hilbench.types import PlantSpec

LAG_S = 0.02
HEIGHT_M = 1.5
SWING_M = (0.4, 0.4, 0.2)
SPEED_RAD_S = (0.9, 1.3, 0.7)
ASKED_LEAST_M_S2 = 2.0
"""The vertical acceleration, with gravity, below which the loop never asks: a rotor does not pull."""
FALLEN = 0.3
"""The cosine of the tilt below which it has fallen; so it has below LOWEST_M."""
LOWEST_M = 0.05

AXES = ("x", "y", "z")
ADDED = ("ax", "ay", "az", "roll", "pitch", "yaw")
ADDED_UNITS = (*("m/s^2",) * 3, *("rad/s^2",) * 3)
ADDED_MOST = (5.0, 5.0, 5.0, 100.0, 100.0, 100.0)
STATE = ("x", "y", "z", "qx", "qy", "qz", "qw", "vx", "vy", "vz", "roll_rate", "pitch_rate", "yaw_rate")
STATE_UNITS = (*("m",) * 3, *("1",) * 4, *("m/s",) * 3, *("rad/s",) * 3)
REFERENCE = ("x_ref", "y_ref", "z_ref", "vx_ref", "vy_ref", "vz_ref", "ax_ref", "ay_ref", "az_ref")
REFERENCE_UNITS = (*("m",) * 3, *("m/s",) * 3, *("m/s^2",) * 3)
TILT = ("tilt_x", "tilt_y", "tilt_z")
LOST = ("lost_x_m_s2", "lost_y_m_s2", "lost_z_m_s2", "lost_roll_rad_s2", "lost_pitch_rad_s2", "lost_yaw_rad_s2")


class QuadHover(BulletPlant):
    """A small quadrotor follows a path while a rotor gets weak, wind comes up or its battery sags.

    ## Description
    A Crazyflie 2.x: 27 g, rotors at (+-28, +-28) mm, thrust for 2.25 times its weight, motors with a lag of
    20 ms, no drag. It is to follow sines of 0.4, 0.4 and 0.2 m about 1.5 m of height, at 0.9, 1.3 and 0.7 rad/s,
    with its nose along x. With `inner_loop` the plant carries the geometric tracking control of Lee, Leok &
    McClamroch (2010), evaluated at each physics step, and the action is added to the accelerations that it asks for;
    without, the action is the rotors' thrusts. The usual disturbances are an `actuator_gain` of 0.8 for one rotor, or
    for all of them with a ramp, as a battery sags; a `push` along x and y, which is wind; and a `force_field`
    of wind over x. Its joints, for such forces, are the world's axes: `x`, `y` and `z`. `joint_friction` on them is
    linear drag.

    ## Action Space
    With `inner_loop` a `Box((6,), float32)` of accelerations, along the world's axes and about the body's, held over a
    control period.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 to 2 | ax, ay, az | m/s^2 | -5 | 5 |
    | 3 to 5 | roll, pitch, yaw | rad/s^2 | -100 | 100 |

    Without it `Box(0, 0.149, (4,), float32)`: what each motor is to give, which it follows with its lag.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 to 3 | front_right, rear_right, rear_left, front_left | N | 0 | 0.149 |

    ## Observation Space
    `Box((25,), float32)`. The first thirteen are as sensed: with bias and noise where a disturbance adds them. The
    tilt's error is between the sensed attitude and the one that the loop wants; without the loop, that which it would.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 to 2 | x, y, z | m | 1e4 |
    | 3 to 6 | qx, qy, qz, qw, the attitude's quaternion | 1 | 2 |
    | 7 to 9 | vx, vy, vz | m/s | 1e4 |
    | 10 to 12 | roll_rate, pitch_rate, yaw_rate, about the body's axes | rad/s | 1e4 |
    | 13 to 15 | x_ref, y_ref, z_ref | m | 10 |
    | 16 to 18 | vx_ref, vy_ref, vz_ref | m/s | 10 |
    | 19 to 21 | ax_ref, ay_ref, az_ref | m/s^2 | 10 |
    | 22 to 24 | tilt_x, tilt_y, tilt_z, the error of the attitude, about the body's axes | 1 | 2 |

    ## Rewards
    Minus the distance from the reference [m], at the end of the control period.

    ## Starting State
    On the reference, at its velocity, with roll and pitch uniform in +-0.1 rad; the sines' phases are drawn.

    ## Episode End
    Terminates where it has fallen: it is tilted by more than 72.5 degrees, or lower than 0.05 m. `gym.make` truncates
    after 60 000 steps, which is 60 s at the default control period.

    ## Arguments
    `gym.make("hilbench:hilbench/QuadHover-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `position_error_m`, true position to reference; `tilt_rad`, between
    the body's z and the vertical; `thrust_n`, what all rotors gave last; `weakest_motor`, what is left of the weakest
    one by `actuator_gain`; `lost_*_m_s2` along the world's axes and `lost_*_rad_s2` about the body's, what such motors
    and forces from outside take from what was asked of the motors last; `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(BulletConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        inner_loop: bool = True
        """Whether the plant flies itself along the reference, and an action is added to what it asks for."""

    env_id: ClassVar[str] = "hilbench/QuadHover-v0"
    max_episode_steps: ClassVar[int] = 60_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": (*STATE, *REFERENCE, *TILT),
        "obs_units": (*STATE_UNITS, *REFERENCE_UNITS, *("1",) * 3),
        "action_names": ADDED,
        "action_units": ADDED_UNITS,
    }
    traits = Traits(sensors=STATE, joints=AXES, actuators=ROTORS)
    obs_high = (*(1e4,) * 3, *(2.0,) * 4, *(1e4,) * 6, *(10.0,) * 9, *(2.0,) * 3)

    @property
    def own_spec(self) -> PlantSpec:
        """Names, limits and nominal constants; with `inner_loop` also the loop's gains."""
        inside = self.config.inner_loop
        hover_n = FRAME.mass_kg * GRAVITY_M_S2 / 4
        return PlantSpec(
            obs_names=self.metadata["obs_names"],
            obs_units=self.metadata["obs_units"],
            action_names=ADDED if inside else ROTORS,
            action_units=ADDED_UNITS if inside else ("N",) * 4,
            action_low=tuple(-most for most in ADDED_MOST) if inside else (0.0,) * 4,
            action_high=ADDED_MOST if inside else (FRAME.most_n,) * 4,
            safe_action=(0.0,) * 6 if inside else (hover_n,) * 4,
            physics_step_s=self.config.physics_step_s,
            info_units={
                "t_s": "s",
                "position_error_m": "m",
                "tilt_rad": "rad",
                "thrust_n": "N",
                "weakest_motor": "1",
                **dict(zip(LOST, ADDED_UNITS, strict=True)),
                "disturbances": "1",
            },
            error="position_error_m",
            parameters={
                "mass_kg": FRAME.mass_kg,
                **{f"inertia_{axis}_kg_m2": value for axis, value in zip(AXES, FRAME.inertia_kg_m2, strict=True)},
                "arm_m": FRAME.arm_m,
                "drag_m": FRAME.drag_m,
                "motor_lag_s": LAG_S,
                "height_m": HEIGHT_M,
                "gravity_m_s2": GRAVITY_M_S2,
                "inner_loop": float(inside),
                "position_per_s2": LOOP.position_per_s2,
                "velocity_per_s": LOOP.velocity_per_s,
                **{f"tilt_{axis}_per_s2": value for axis, value in zip(AXES, LOOP.tilt_per_s2, strict=True)},
                **{f"spin_{axis}_per_s": value for axis, value in zip(AXES, LOOP.spin_per_s, strict=True)},
            },
        )

    @property
    def view(self) -> View:
        """A camera that stands still beside the path and turns after the robot."""
        x, y, z = self.truth[:3]
        return View(eye_m=(0.4, -1.0, 1.8), target_m=(x, y, z - 0.03), fov_deg=24.0)

    def load(self) -> int:
        self._follow = 1 - exp(-self.config.physics_step_s / LAG_S)
        return self.load_urdf("quad_hover.urdf", fixed=False)

    def pose(self, random: np.random.Generator) -> Sequence[float]:
        self._phases = random.uniform(0.0, 2 * pi, 3).tolist()
        roll, pitch = random.uniform(-0.1, 0.1, 2).tolist()
        self._refer()
        facing = (
            sin(roll / 2) * cos(pitch / 2),
            cos(roll / 2) * sin(pitch / 2),
            -sin(roll / 2) * sin(pitch / 2),
            cos(roll / 2) * cos(pitch / 2),
        )
        self.place(self.body, [*self._reference[:3], *facing, *self._reference[3:6], 0.0, 0.0, 0.0])
        self._added: Sequence[float] = (0.0,) * 6
        self._asked_n = self._thrust_n = [FRAME.mass_kg * GRAVITY_M_S2 / 4] * 4
        return ()

    def joint_states(self) -> Sequence[Sequence[float]]:
        """Position and speed along the world's axes, which fields act on."""
        self._base = base = self.base()
        return list(zip(base[:3], base[7:10], strict=True))

    def bear(self, loads: Loads) -> None:
        """Damping is drag, which `move` reads."""

    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        self._refer()
        base = self._base
        spin: Any = base[10:]
        self._rotation = rotation = rotation_of(base[3:7])
        return [*base[:10], *(dot(axis, spin) for axis in rotation)]

    def _refer(self) -> None:
        """The reference at this instant: position, velocity and acceleration."""
        angles = [speed * self.time_s + phase for speed, phase in zip(SPEED_RAD_S, self._phases, strict=True)]
        sines = [swing * sin(angle) for swing, angle in zip(SWING_M, angles, strict=True)]
        cosines = [swing * cos(angle) for swing, angle in zip(SWING_M, angles, strict=True)]
        self._reference = (
            sines[0],
            sines[1],
            HEIGHT_M + sines[2],
            *(speed * value for speed, value in zip(SPEED_RAD_S, cosines, strict=True)),
            *(-speed * speed * value for speed, value in zip(SPEED_RAD_S, sines, strict=True)),
        )

    def drive(self, values: list[float]) -> list[float]:
        if self.config.inner_loop:
            self._added = values
            self._asked_n = self._fly(values)
        else:
            self._asked_n = values
        follow = self._follow
        self._thrust_n = [
            now + follow * (asked - now) for now, asked in zip(self._thrust_n, self._asked_n, strict=True)
        ]
        return self._thrust_n[:]

    def _wanted(self) -> Vector:
        """The thrust that the loop wants per mass, in m/s^2 along the world's axes."""
        state, reference, added, most = self.sensed, self._reference, self._added, LOOP.most_m_s2
        asked = []
        for axis in range(3):
            pull = LOOP.position_per_s2 * (reference[axis] - state[axis])
            pull += LOOP.velocity_per_s * (reference[3 + axis] - state[7 + axis])
            asked.append(min(max(pull, -most), most) + added[axis] + reference[6 + axis])
        return asked[0], asked[1], max(asked[2] + GRAVITY_M_S2, ASKED_LEAST_M_S2)

    def _fly(self, added: Sequence[float]) -> list[float]:
        """What the loop asks of the motors, with what is added to it."""
        rotation, wanted = rotation_of(self.sensed[3:7]), self._wanted()
        error = tilt_error(rotation, wanted)
        torque: Any = tuple(
            FRAME.inertia_kg_m2[axis]
            * (added[3 + axis] - LOOP.tilt_per_s2[axis] * error[axis] - LOOP.spin_per_s[axis] * self.sensed[10 + axis])
            for axis in range(3)
        )
        return thrusts_n(FRAME, FRAME.mass_kg * dot(wanted, rotation[2]), torque)

    def move(self, forces: list[float]) -> None:
        """Rotors push along the body's z and turn it; winds push its centre of mass along the world's axes."""
        lift, torque = wrench(FRAME, forces)
        force: Vector = (0.0, 0.0, lift)
        blown = self._blown()
        if blown is not None:
            x, y, z = (dot(axis, blown) for axis in self._rotation)
            force = (x, y, z + lift)
        self.world.wrench(self.body, force, torque)
        self._run_step([])

    def _blown(self) -> Vector | None:
        """What winds and drag do now, in N along the world's axes."""
        loads = self.loads
        if not loads.fields and not any(loads.damping):
            return None
        x, y, z = (
            field - drag * joint[1]
            for field, drag, joint in zip(self.field_forces(), loads.damping, self._joints, strict=True)
        )
        return x, y, z

    def show(self) -> Shown:
        truth, reference = self.truth, self._reference
        error_m = hypot(*(truth[axis] - reference[axis] for axis in range(3)))
        upright = self._rotation[2][2]
        info = {
            "t_s": self.time_s,
            "position_error_m": error_m,
            "tilt_rad": acos(min(max(upright, -1.0), 1.0)),
            "thrust_n": sum(self.forces),
            "weakest_motor": min(self.loads.gains),
            **dict(zip(LOST, self._lost(), strict=True)),
            "disturbances": float(len(self._schedule.active)),
        }
        tilt = tilt_error(rotation_of(self.sensed[3:7]), self._wanted())
        return [*self.sensed, *reference, *tilt], -error_m, upright < FALLEN or truth[2] < LOWEST_M, info

    def _lost(self) -> list[float]:
        """What weak motors and forces from outside take from what was asked of the motors, (6,) as `ADDED`."""
        missing = [(1 - gain) * asked for gain, asked in zip(self.loads.gains, self._asked_n, strict=True)]
        lift, torque = wrench(FRAME, missing)
        blown = self._blown() or (0.0, 0.0, 0.0)
        up = self._rotation[2]
        return [
            *((lift * up[axis] - blown[axis]) / FRAME.mass_kg for axis in range(3)),
            *(torque[axis] / FRAME.inertia_kg_m2[axis] for axis in range(3)),
        ]

    def marks(self) -> Sequence[Mark]:
        x, y, z = self._reference[:3]
        place = partial(Mark, (x, y, z), colour=(233, 84, 32))
        return place(5.0), place(10.0, ring_px=2.0)
