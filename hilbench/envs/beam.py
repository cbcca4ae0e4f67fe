"""A beam with two propellers that follows set-points while its load, its motors or the wind change."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, exp, sin
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta

from hilbench.envs._bullet import GRAVITY_M_S2, BulletConfig, BulletPlant
from hilbench.envs._picture import Mark, View
from hilbench.envs._stepped import Shown
from hilbench.envs.disturbances import Loads, Traits
from hilbench.settings import whole_steps
from hilbench.types import PlantSpec

INERTIA_KG_M2, DAMPING_N_M_S = 0.009, 0.01
TIP_M, TIP_KG = 0.2, 0.0001
LIMIT_NM, LAG_S = 0.6, 0.02
SWING_RAD = 0.8


class Beam(BulletPlant):
    """A beam with two propellers that follows set-points while its load, its motors or the wind change.

    ## Description
    A beam is hinged at its centre of mass: 0.009 kg m2 about the hinge, which rubs with 0.01 N m s/rad. Two propellers
    turn it; the difference of their thrusts is the torque that is commanded, within +-0.6 N m, and their motors follow
    with a lag of 20 ms. A set-point, uniform in +-0.8 rad, is drawn every `hold_s`. The beam is to follow a reference
    model of it, critically damped with two time constants of `filter_s` / 2, which it can follow: its angle, rate and
    acceleration are observed. The usual disturbances are a `payload` of 80 g at the tip, 0.2 m from the hinge, an
    `actuator_gain` of 0.6, and a `force_field` of wind over the angle.

    ## Action Space
    `Box(-0.6, 0.6, (1,), float32)`: the torque that the motors follow, held over a control period.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 | torque | N m | -0.6 | 0.6 |

    ## Observation Space
    `Box((5,), float32)`. The first two are as sensed: with bias and noise where a disturbance adds them.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | q, angle above the horizontal; it does not wrap | rad | 1e5 |
    | 1 | qd | rad/s | 1e4 |
    | 2 | q_ref | rad | 2 |
    | 3 | qd_ref | rad/s | 100 |
    | 4 | qdd_ref | rad/s^2 | 1e4 |

    ## Rewards
    Minus the absolute tracking error [rad], at the end of the control period.

    ## Starting State
    The beam and its reference are at 0 and at rest; the first set-point is drawn.

    ## Episode End
    Never terminates. `gym.make` truncates after 60 000 steps, which is 60 s at the default control period.

    ## Arguments
    `gym.make("hilbench:hilbench/Beam-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `angle_error_rad`, the true |q_ref - q|; `torque_nm`, what acted last;
    `work_j`, the integral of |torque x rate|; `payload_kg`, what the tip carries beyond its own mass; `motor_gain`,
    what is left of the motors' torque; `field_nm`, the torque of fields at the true angle and rate; `disturbances`, how
    many act.

    ## Version History
    * v0: first version.
    """

    class Config(BulletConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        hold_s: Annotated[float, Meta(ge=0.1, le=1000)] = 2.0
        """How long a set-point holds, a whole number of physics steps."""
        filter_s: Annotated[float, Meta(ge=0.05, le=100)] = 0.6
        """The reference model's two time constants together."""

    env_id: ClassVar[str] = "hilbench/Beam-v0"
    max_episode_steps: ClassVar[int] = 60_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": ("q", "qd", "q_ref", "qd_ref", "qdd_ref"),
        "obs_units": ("rad", "rad/s", "rad", "rad/s", "rad/s^2"),
        "action_names": ("torque",),
        "action_units": ("N m",),
    }
    traits = Traits(sensors=("q", "qd"), joints=("hinge",), actuators=("torque",), tip_link=1)
    driven = (0,)
    obs_high = (1e5, 1e4, 2.0, 100.0, 1e4)
    view = View(eye_m=(0.0, -2.2, 0.1), target_m=(0.0, 0.0, -0.03), fov_deg=22.0)

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        config, step_s = self.config, self.config.physics_step_s
        self._hold_steps = whole_steps(config.hold_s, step_s, "plant.hold_s", "physics steps")
        self._pole_hz = 2 / config.filter_s
        self._decay, self._follow = exp(-self._pole_hz * step_s), 1 - exp(-step_s / LAG_S)

    @property
    def own_spec(self) -> PlantSpec:
        """Names, limits and nominal constants; `inertia_kg_m2` is about the hinge, without the tip."""
        return PlantSpec(
            **self.named,
            action_low=(-LIMIT_NM,),
            action_high=(LIMIT_NM,),
            safe_action=(0.0,),
            physics_step_s=self.config.physics_step_s,
            info_units={
                "t_s": "s",
                "angle_error_rad": "rad",
                "torque_nm": "N m",
                "work_j": "J",
                "payload_kg": "kg",
                "motor_gain": "1",
                "field_nm": "N m",
                "disturbances": "1",
            },
            error="angle_error_rad",
            parameters={
                "inertia_kg_m2": INERTIA_KG_M2,
                "damping_n_m_s": DAMPING_N_M_S,
                "tip_m": TIP_M,
                "tip_kg": TIP_KG,
                "motor_lag_s": LAG_S,
                "gravity_m_s2": GRAVITY_M_S2,
            },
        )

    def load(self) -> int:
        return self.load_urdf("beam.urdf")

    def pose(self, random: np.random.Generator) -> Sequence[float]:
        self._random, self._motor_nm = random, 0.0
        self._gap, self._rate, self._target = 0.0, 0.0, 0.0
        self._reference = (0.0, 0.0, 0.0)
        return (0.0,)

    def bear(self, loads: Loads) -> None:
        loads.damping[0] += DAMPING_N_M_S
        super().bear(loads)

    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        self._refer()
        ((angle, rate, *_),) = joints
        return [angle, rate]

    def _refer(self) -> None:
        """The reference at this instant, of the critically damped model's exact step."""
        pole, index = self._pole_hz, self._index
        if index:
            slope = (self._rate + pole * self._gap) * self._decay
            self._gap = self._gap * self._decay + slope * self.config.physics_step_s
            self._rate = slope - pole * self._gap
        if index % self._hold_steps == 0:
            target = self._random.uniform(-SWING_RAD, SWING_RAD)
            self._gap += self._target - target
            self._target = target
        acceleration = -pole * (pole * self._gap + 2 * self._rate)
        self._reference = (self._target + self._gap, self._rate, acceleration)

    def drive(self, values: list[float]) -> list[float]:
        self._motor_nm += self._follow * (values[0] - self._motor_nm)
        return [self._motor_nm]

    def show(self) -> Shown:
        error_rad = abs(self._reference[0] - self.truth[0])
        info = {
            "t_s": self.time_s,
            "angle_error_rad": error_rad,
            "torque_nm": self.forces[0],
            "work_j": self.work_j,
            "payload_kg": self.loads.tip_kg,
            "motor_gain": self.loads.gains[0],
            "field_nm": self.field_forces()[0],
            "disturbances": float(len(self._schedule.active)),
        }
        return [*self.sensed, *self._reference], -error_rad, False, info

    def marks(self) -> Sequence[Mark]:
        angle, reference = self.truth[0], self._reference[0]
        load_px = 14.0 * self.loads.tip_kg ** (1 / 3)
        tip, wanted = ((TIP_M * cos(q), 0.0, TIP_M * sin(q)) for q in (angle, reference))
        return (
            Mark(tip, load_px, (70, 74, 84)),
            Mark(wanted, 5.0, (233, 84, 32)),
            Mark(wanted, 10.0, (233, 84, 32), ring_px=2.0),
        )
