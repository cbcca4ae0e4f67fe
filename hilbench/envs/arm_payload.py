"""A two-link vertical arm that follows a moving target while its payload changes. It must not know who drives it."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, pi, sin
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta

from hilbench.envs._bullet import GRAVITY_M_S2, BulletConfig, BulletPlant
from hilbench.envs._picture import Mark, View
from hilbench.envs._stepped import Shown
from hilbench.envs.disturbances import Traits
from hilbench.types import PlantSpec

LENGTH_M = 0.4
MASS_1_KG, MASS_2_KG, TIP_KG = 1.5, 1.0, 0.05
TIP_INERTIA_KG_M2 = 1e-4
LIMIT_NM = 60.0
CENTRE_1_RAD, CENTRE_2_RAD, SWING_RAD = 0.4, 0.6, 0.5
SPEED_1_RAD_S, SPEED_2_RAD_S = 1.5, 2.1

# Static torque of the links and the nominal tip [N m]: at the elbow _G2 cos(q1 + q2), at the shoulder _G1 cos q1 more.
_G1 = GRAVITY_M_S2 * LENGTH_M * (MASS_1_KG / 2 + MASS_2_KG + TIP_KG)
_G2 = GRAVITY_M_S2 * LENGTH_M * (MASS_2_KG / 2 + TIP_KG)

Gain = Annotated[float, Meta(ge=0, le=1000)]


class ArmPayload(BulletPlant):
    """A two-link arm in a vertical plane that follows a moving tip target while its payload changes.

    ## Description
    Two rods of 0.4 m (1.5 kg and 1.0 kg) hang on a shoulder and an elbow, with a tip of 0.05 kg. Each joint is to
    follow a sine, `q_ref = centre + 0.5 sin(w t + phase)` with w = 1.5 and 2.1 rad/s. With `inner_loop` the plant
    carries a PD controller with nominal gravity compensation, evaluated at each physics step, and the action is a
    torque on top of it; without, the action is the whole torque. The usual disturbances are a `payload` of 1.5 kg and
    a `force_field` over a joint's angle, as a worn gear makes it.

    ## Action Space
    `Box(-60, 60, (2,), float32)`: torques, held over a control period. The sum that acts is limited to the same range.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 | torque_1, shoulder | N m | -60 | 60 |
    | 1 | torque_2, elbow | N m | -60 | 60 |

    ## Observation Space
    `Box((8,), float32)`, as sensed: with bias and noise where a disturbance adds them. Angles do not wrap.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | q_1, angle of the upper arm above the horizontal | rad | 1e5 |
    | 1 | q_2, angle of the forearm against the upper arm | rad | 1e5 |
    | 2 | qd_1 | rad/s | 1e4 |
    | 3 | qd_2 | rad/s | 1e4 |
    | 4 | q_ref_1 | rad | 2 |
    | 5 | q_ref_2 | rad | 2 |
    | 6 | qd_ref_1 | rad/s | 2 |
    | 7 | qd_ref_2 | rad/s | 2 |

    ## Rewards
    Minus the distance between the tip and its target [m], at the end of the control period.

    ## Starting State
    q = (0.4, 0.6) rad at rest; the phases of the reference are uniform in [0, 2 pi).

    ## Episode End
    Never terminates. `gym.make` truncates after 60 000 steps, which is 60 s at the default control period.

    ## Arguments
    `gym.make("hilbench:hilbench/ArmPayload-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `tip_error_m`, true tip to target; `torque_1_nm` and `torque_2_nm`,
    what acted last; `work_j`, the integral of |torque x joint speed|; `payload_kg`, what the tip carries beyond its own
    mass; `field_1_nm` and `field_2_nm`, the torques of fields at the true angles and rates; `disturbances`, how many
    act.

    ## Version History
    * v0: first version.
    """

    class Config(BulletConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        inner_loop: bool = True
        """Whether the plant adds PD and nominal gravity torque to the action."""
        kp_1: Gain = 60.0
        """Stiffness of the inner loop at the shoulder, N m/rad."""
        kp_2: Gain = 30.0
        """Stiffness of the inner loop at the elbow, N m/rad."""
        kd_1: Gain = 8.0
        """Damping of the inner loop at the shoulder, N m s/rad."""
        kd_2: Gain = 4.0
        """Damping of the inner loop at the elbow, N m s/rad."""

    env_id: ClassVar[str] = "hilbench/ArmPayload-v0"
    max_episode_steps: ClassVar[int] = 60_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": ("q_1", "q_2", "qd_1", "qd_2", "q_ref_1", "q_ref_2", "qd_ref_1", "qd_ref_2"),
        "obs_units": ("rad", "rad", "rad/s", "rad/s", "rad", "rad", "rad/s", "rad/s"),
        "action_names": ("torque_1", "torque_2"),
        "action_units": ("N m", "N m"),
    }
    traits = Traits(
        sensors=("q_1", "q_2", "qd_1", "qd_2"),
        joints=("shoulder", "elbow"),
        actuators=("torque_1", "torque_2"),
        tip_link=2,
    )
    driven = (0, 1)
    obs_high = (1e5, 1e5, 1e4, 1e4, 2.0, 2.0, 2.0, 2.0)
    view = View(eye_m=(0.0, -4.0, 0.3), target_m=(0.0, 0.0, -0.06), fov_deg=28.0)

    @property
    def own_spec(self) -> PlantSpec:
        """Names, limits and nominal constants.

        `centre_*_m` is a link's joint to its centre of mass, `inertia_*_kg_m2` its inertia about that joint's axis
        (m L^2 / 3 for a slender rod), and the tip is a point of `tip_kg` with `tip_inertia_kg_m2` of its own.
        """
        config = self.config
        return PlantSpec(
            **self.named,
            action_low=(-LIMIT_NM, -LIMIT_NM),
            action_high=(LIMIT_NM, LIMIT_NM),
            safe_action=(0.0, 0.0),
            physics_step_s=config.physics_step_s,
            info_units={
                "t_s": "s",
                "tip_error_m": "m",
                "torque_1_nm": "N m",
                "torque_2_nm": "N m",
                "work_j": "J",
                "payload_kg": "kg",
                "field_1_nm": "N m",
                "field_2_nm": "N m",
                "disturbances": "1",
            },
            error="tip_error_m",
            parameters={
                "length_1_m": LENGTH_M,
                "length_2_m": LENGTH_M,
                "mass_1_kg": MASS_1_KG,
                "mass_2_kg": MASS_2_KG,
                "centre_1_m": LENGTH_M / 2,
                "centre_2_m": LENGTH_M / 2,
                "inertia_1_kg_m2": MASS_1_KG * LENGTH_M**2 / 3,
                "inertia_2_kg_m2": MASS_2_KG * LENGTH_M**2 / 3,
                "tip_kg": TIP_KG,
                "tip_inertia_kg_m2": TIP_INERTIA_KG_M2,
                "gravity_m_s2": GRAVITY_M_S2,
                "kp_1": config.kp_1,
                "kp_2": config.kp_2,
                "kd_1": config.kd_1,
                "kd_2": config.kd_2,
                "inner_loop": float(config.inner_loop),
                "q_centre_1_rad": CENTRE_1_RAD,
                "q_centre_2_rad": CENTRE_2_RAD,
            },
        )

    def load(self) -> int:
        return self.load_urdf("arm_payload.urdf")

    def pose(self, random: np.random.Generator) -> Sequence[float]:
        self._phase_1, self._phase_2 = random.uniform(0.0, 2 * pi, 2).tolist()
        return CENTRE_1_RAD, CENTRE_2_RAD

    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        angle_1 = SPEED_1_RAD_S * self.time_s + self._phase_1
        angle_2 = SPEED_2_RAD_S * self.time_s + self._phase_2
        self._reference = (
            CENTRE_1_RAD + SWING_RAD * sin(angle_1),
            CENTRE_2_RAD + SWING_RAD * sin(angle_2),
            SWING_RAD * SPEED_1_RAD_S * cos(angle_1),
            SWING_RAD * SPEED_2_RAD_S * cos(angle_2),
        )
        shoulder, elbow = joints
        return [shoulder[0], elbow[0], shoulder[1], elbow[1]]

    def drive(self, values: list[float]) -> list[float]:
        torque_1, torque_2 = values
        config = self.config
        if config.inner_loop:
            q_1, q_2, qd_1, qd_2 = self.sensed
            ref_1, ref_2, refd_1, refd_2 = self._reference
            elbow_nm = _G2 * cos(q_1 + q_2)
            torque_1 += config.kp_1 * (ref_1 - q_1) + config.kd_1 * (refd_1 - qd_1) + _G1 * cos(q_1) + elbow_nm
            torque_2 += config.kp_2 * (ref_2 - q_2) + config.kd_2 * (refd_2 - qd_2) + elbow_nm
        return [min(max(torque_1, -LIMIT_NM), LIMIT_NM), min(max(torque_2, -LIMIT_NM), LIMIT_NM)]

    def show(self) -> Shown:
        q_1, q_2, _, _ = self.truth
        ref_1, ref_2, _, _ = self._reference
        (x, z), (x_ref, z_ref) = _tip(q_1, q_2), _tip(ref_1, ref_2)
        error_m = hypot(x - x_ref, z - z_ref)
        field_1_nm, field_2_nm = self.field_forces()
        info = {
            "t_s": self.time_s,
            "tip_error_m": error_m,
            "torque_1_nm": self.forces[0],
            "torque_2_nm": self.forces[1],
            "work_j": self.work_j,
            "payload_kg": self.loads.tip_kg,
            "field_1_nm": field_1_nm,
            "field_2_nm": field_2_nm,
            "disturbances": float(len(self._schedule.active)),
        }
        return [*self.sensed, *self._reference], -error_m, False, info

    def marks(self) -> Sequence[Mark]:
        x, z = _tip(self.truth[0], self.truth[1])
        x_ref, z_ref = _tip(self._reference[0], self._reference[1])
        load_px = 12.0 * self.loads.tip_kg ** (1 / 3)
        return (
            Mark((x, 0.0, z), load_px, (70, 74, 84)),
            Mark((x_ref, 0.0, z_ref), 5.0, (233, 84, 32)),
            Mark((x_ref, 0.0, z_ref), 10.0, (233, 84, 32), ring_px=2.0),
        )


def _tip(q_1: float, q_2: float) -> tuple[float, float]:
    """The tip's x and z [m]."""
    return LENGTH_M * (cos(q_1) + cos(q_1 + q_2)), LENGTH_M * (sin(q_1) + sin(q_1 + q_2))
