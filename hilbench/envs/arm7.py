"""An arm of seven joints that follows a path while its payload changes. It must not know who drives it."""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, dist, pi, sin
from typing import Any, ClassVar

import numpy as np

from hilbench.envs._bullet import GRAVITY_M_S2, BulletConfig, BulletPlant
from hilbench.envs._engine import World
from hilbench.envs._picture import Mark, View
from hilbench.envs._stepped import Shown
from hilbench.envs.disturbances import Traits
from hilbench.types import PlantSpec

FILE = "arm7.urdf.template"
N_JOINTS = 7
FOOT_M = 0.15
LENGTH_M = (0.17, 0.17, 0.2, 0.2, 0.2, 0.2, 0.1)
TIP_KG = 0.05
KP = (100.0, 100.0, 60.0, 60.0, 20.0, 20.0, 4.0)
KD = (20.0, 20.0, 10.0, 8.0, 2.0, 2.0, 0.3)
LIMIT_NM = (150.0, 150.0, 100.0, 100.0, 60.0, 60.0, 20.0)
CENTRE_RAD = (0.0, 0.6, 0.0, 1.0, 0.0, 0.7, 0.0)
SWING_RAD = (0.4, 0.3, 0.4, 0.3, 0.4, 0.3, 0.4)
SLOWEST_RAD_S, FASTEST_RAD_S = 0.8, 1.6

NUMBERS = range(1, N_JOINTS + 1)


def _names(pattern: str) -> tuple[str, ...]:
    """A name for each joint, with its number from 1 on in place of the star."""
    return tuple(pattern.replace("*", str(number)) for number in NUMBERS)


LOAD = _names("load_*_nm")


class Arm7(BulletPlant):
    """An arm of seven joints follows a path of its joints while its payload changes.

    ## Description
    Seven links of 1.24 m and 14.5 kg in all stand on each other; their joints turn about z and y in turn, as in arms
    that work beside people. Each joint is to follow a sine, `q_ref = centre + swing sin(w t + phase)`, with a swing of
    0.3 or 0.4 rad and w drawn from 0.8 to 1.6 rad/s. With `inner_loop` the plant carries a PD controller and the
    inverse dynamics of the nominal arm, at the sensed angles with the reference's rates and accelerations, evaluated at
    each physics step, and the action is a torque on top of them; without, the action is the whole torque. The usual
    disturbances are a `payload` of 2 kg and a `force_field` over a joint's angle.

    ## Action Space
    `Box((7,), float32)`: torques, held over a control period. The sum that acts is limited to the same range.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0, 1 | torque_1, torque_2 | N m | -150 | 150 |
    | 2, 3 | torque_3, torque_4 | N m | -100 | 100 |
    | 4, 5 | torque_5, torque_6 | N m | -60 | 60 |
    | 6 | torque_7 | N m | -20 | 20 |

    ## Observation Space
    `Box((28,), float32)`. The first fourteen are as sensed: with bias and noise where a disturbance adds them. Angles
    do not wrap.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 to 6 | q_1 to q_7, from the foot to the tip | rad | 1e5 |
    | 7 to 13 | qd_1 to qd_7 | rad/s | 1e4 |
    | 14 to 20 | q_ref_1 to q_ref_7 | rad | 4 |
    | 21 to 27 | qd_ref_1 to qd_ref_7 | rad/s | 4 |

    ## Rewards
    Minus the distance between the tip and its target [m], at the end of the control period.

    ## Starting State
    On the reference, at rest; speeds and phases of the sines are drawn.

    ## Episode End
    Never terminates. `gym.make` truncates after 60 000 steps, which is 60 s at the default control period.

    ## Arguments
    `gym.make("hilbench:hilbench/Arm7-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `tip_error_m`, true tip to target; `work_j`, the integral of
    |torque x joint speed|; `payload_kg`, what the tip carries beyond its own mass; `load_1_nm` to `load_7_nm`, the
    torques that the payload needs at the true angles for the reference's rates and accelerations, less those of fields;
    `disturbances`, how many act.

    ## Version History
    * v0: first version.
    """

    class Config(BulletConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        inner_loop: bool = True
        """Whether the plant adds PD and the nominal arm's torque along the reference to the action."""

    env_id: ClassVar[str] = "hilbench/Arm7-v0"
    max_episode_steps: ClassVar[int] = 60_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": (*_names("q_*"), *_names("qd_*"), *_names("q_ref_*"), *_names("qd_ref_*")),
        "obs_units": (*("rad",) * 7, *("rad/s",) * 7, *("rad",) * 7, *("rad/s",) * 7),
        "action_names": _names("torque_*"),
        "action_units": ("N m",) * 7,
    }
    traits = Traits(
        sensors=(*_names("q_*"), *_names("qd_*")),
        joints=_names("joint_*"),
        actuators=_names("torque_*"),
        tip_link=N_JOINTS,
    )
    driven = tuple(range(N_JOINTS))
    obs_high = (*(1e5,) * 7, *(1e4,) * 7, *(4.0,) * 14)
    view = View(eye_m=(1.5, -2.6, 1.2), target_m=(0.2, 0.0, 0.5), fov_deg=32.0)

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._model: World | None = None
        """The nominal arm and one with 1 kg more: the engine's inverse dynamics know no other mass than the file's."""

    @property
    def own_spec(self) -> PlantSpec:
        """Names, limits, and the inner loop's gains; `swing_*_rad` and `centre_*_rad` are the reference's."""
        facts = {"kp_*": KP, "kd_*": KD, "centre_*_rad": CENTRE_RAD, "swing_*_rad": SWING_RAD, "length_*_m": LENGTH_M}
        return PlantSpec(
            **self.named,
            action_low=tuple(-limit for limit in LIMIT_NM),
            action_high=LIMIT_NM,
            safe_action=(0.0,) * N_JOINTS,
            physics_step_s=self.config.physics_step_s,
            info_units={
                "t_s": "s",
                "tip_error_m": "m",
                "work_j": "J",
                "payload_kg": "kg",
                **dict.fromkeys(LOAD, "N m"),
                "disturbances": "1",
            },
            error="tip_error_m",
            parameters={
                "tip_kg": TIP_KG,
                "gravity_m_s2": GRAVITY_M_S2,
                "fastest_rad_s": FASTEST_RAD_S,
                "inner_loop": float(self.config.inner_loop),
                **{name: value for key, row in facts.items() for name, value in zip(_names(key), row, strict=True)},
            },
        )

    def load(self) -> int:
        if self._model is None:
            self._model = World()
            self._model.begin(self.config.physics_step_s)
            bodies = (
                self.load_urdf("arm7.urdf.template", {"tip_kg": kg}, world=self._model) for kg in (TIP_KG, 1 + TIP_KG)
            )
            self._nominal_nm, self._loaded_nm = map(self._model.inverse_dynamics, bodies)
        return self.load_urdf(FILE, {"tip_kg": TIP_KG})

    def pose(self, random: np.random.Generator) -> Sequence[float]:
        self._speeds_rad_s = random.uniform(SLOWEST_RAD_S, FASTEST_RAD_S, N_JOINTS).tolist()
        self._phases = random.uniform(0.0, 2 * pi, N_JOINTS).tolist()
        self._refer()
        return self._q_ref

    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        self._refer()
        return [*(joint[0] for joint in joints), *(joint[1] for joint in joints)]

    def _refer(self) -> None:
        """The reference at this instant: angles, rates and accelerations."""
        t, speeds = self.time_s, self._speeds_rad_s
        angles = [speed * t + phase for speed, phase in zip(speeds, self._phases, strict=True)]
        sines = [swing * sin(angle) for swing, angle in zip(SWING_RAD, angles, strict=True)]
        cosines = [swing * cos(angle) for swing, angle in zip(SWING_RAD, angles, strict=True)]
        self._q_ref = [centre + sine for centre, sine in zip(CENTRE_RAD, sines, strict=True)]
        self._qd_ref = [speed * cosine for speed, cosine in zip(speeds, cosines, strict=True)]
        self._qdd_ref = [-speed * speed * sine for speed, sine in zip(speeds, sines, strict=True)]

    def drive(self, values: list[float]) -> list[float]:
        torques = values
        if self.config.inner_loop:
            q, qd = self.sensed[:N_JOINTS], self.sensed[N_JOINTS:]
            nominal = self._nominal_nm(q, self._qd_ref, self._qdd_ref)
            torques = [
                added + own + kp * (q_ref - angle) + kd * (qd_ref - rate)
                for added, own, kp, kd, q_ref, angle, qd_ref, rate in zip(
                    values, nominal, KP, KD, self._q_ref, q, self._qd_ref, qd, strict=True
                )
            ]
        return [min(max(torque, -limit), limit) for torque, limit in zip(torques, LIMIT_NM, strict=True)]

    def _load_nm(self) -> list[float]:
        """What the payload needs along the reference, less what fields do: what an oracle is told."""
        payload_kg, fields = self.loads.tip_kg, self.field_forces()
        if not payload_kg:
            return [-field for field in fields]
        motion = self.truth[:N_JOINTS], self._qd_ref, self._qdd_ref
        # A point mass at the tip: the torque grows with it in proportion.
        heavy, light = self._loaded_nm(*motion), self._nominal_nm(*motion)
        return [payload_kg * (more - own) - field for more, own, field in zip(heavy, light, fields, strict=True)]

    def show(self) -> Shown:
        error_m = dist(tip(self.truth[:N_JOINTS]), tip(self._q_ref))
        info = {
            "t_s": self.time_s,
            "tip_error_m": error_m,
            "work_j": self.work_j,
            "payload_kg": self.loads.tip_kg,
            **dict(zip(LOAD, self._load_nm(), strict=True)),
            "disturbances": float(len(self._schedule.active)),
        }
        return [*self.sensed, *self._q_ref, *self._qd_ref], -error_m, False, info

    def marks(self) -> Sequence[Mark]:
        wanted, load_px = tip(self._q_ref), 10.0 * self.loads.tip_kg ** (1 / 3)
        return (
            Mark(tip(self.truth[:N_JOINTS]), load_px, (70, 74, 84)),
            Mark(wanted, 5.0, (233, 84, 32)),
            Mark(wanted, 10.0, (233, 84, 32), ring_px=2.0),
        )

    def close(self) -> None:
        """Release both physics clients; may be called twice."""
        if self._model is not None:
            self._model.close()
            self._model = None
        super().close()


def tip(angles_rad: Sequence[float]) -> tuple[float, float, float]:
    """Where the tip is, in m from the middle of the foot's base.

    Parameters
    ----------
    angles_rad : (7,) float
    """
    x, y, z = 0.0, 0.0, LENGTH_M[-1]
    # From the tip to the foot: a turn about y, the link below it, a turn about z, the link below that.
    for number in range(N_JOINTS - 1, -1, -1):
        c, s = cos(angles_rad[number]), sin(angles_rad[number])
        x, y, z = (c * x + s * z, y, c * z - s * x) if number % 2 else (c * x - s * y, s * x + c * y, z)
        z += LENGTH_M[number - 1] if number else FOOT_M
    return x, y, z
