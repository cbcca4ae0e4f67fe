"""A cart-pole whose cart follows a moving reference while friction, a hose or a sensor's bias comes."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, cos, pi, sin
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta, structs
from numpy.polynomial import Polynomial

from hilbench.envs._bullet import GRAVITY_M_S2
from hilbench.envs._picture import Mark, View
from hilbench.envs._stepped import Shown
from hilbench.envs.cartpole_ladder import CartpoleLadder
from hilbench.types import PlantSpec

SWINGS_M, SPEEDS_RAD_S = (0.4, 0.15), (1.5, 2.3)
FADE_S = 4.0

# From 0 to 1 with four derivatives that begin and end at 0: as many as the reference needs.
_RISE = Polynomial((0, 0, 0, 0, 0, 126, -420, 540, -315, 70))
_RISES = [(_RISE.deriv(n) if n else _RISE).convert().coef[::-1].tolist() for n in range(5)]


class CartpoleTrack(CartpoleLadder):
    """A cart-pole whose cart follows a moving reference while friction, a hose or a sensor's bias comes.

    ## Description
    A cart of 1 kg runs on a rail of +-2.4 m and carries a thin rod of 0.1 kg and 1 m on a hinge without friction. The
    point z = x + 2/3 pole_m theta is the flat output of the linearised cart-pole, z'' = g theta: whatever it does, cart
    and pole have one motion for it. It is to follow two sines, 0.4 m at 1.5 rad/s and 0.15 m at 2.3 rad/s, that fade in
    over the first 4 s. So theta_ref = z'' / g and x_ref = z - 2/3 pole_m theta_ref, which an upright pole can follow;
    their rates and accelerations are observed too. The usual disturbances are `joint_friction` on the slide,
    `sensor_bias` on theta, and a `hose` on the slide.

    ## Action Space
    `Box(-force_n, force_n, (1,), float32)`: the force on the cart, held over a control period.

    | Num | Action | Unit | Min | Max |
    |---|---|---|---|---|
    | 0 | force | N | -force_n | force_n |

    ## Observation Space
    `Box((10,), float32)`. The first four are as sensed: with bias and noise where a disturbance adds them.

    | Num | Observation | Unit | Bound |
    |---|---|---|---|
    | 0 | x, the cart's position | m | 5 |
    | 1 | xd | m/s | 1e4 |
    | 2 | theta, 0 upright, growing towards +x; it does not wrap | rad | 1e5 |
    | 3 | thetad | rad/s | 1e4 |
    | 4 | x_ref | m | 5 |
    | 5 | xd_ref | m/s | 10 |
    | 6 | theta_ref | rad | 1 |
    | 7 | thetad_ref | rad/s | 5 |
    | 8 | xdd_ref | m/s^2 | 20 |
    | 9 | thetadd_ref | rad/s^2 | 20 |

    ## Rewards
    Minus the absolute tracking error of the cart [m], at the end of the control period.

    ## Starting State
    Everything is 0 but the angle, which is uniform in +-0.05 rad. The sines' phases are uniform in [0, 2 pi).

    ## Episode End
    Terminates when |theta| > 0.6 rad or |x| > 2.35 m at any physics step. `gym.make` truncates after 60 000 steps,
    which is 60 s at the default control period.

    ## Arguments
    `gym.make("hilbench:hilbench/CartPoleTrack-v0", ...)`, which imports hilbench first, in workers too, takes
    `control_period_s`, `disturbances`, `render_mode`, and the fields of `Config`.

    `info` holds, at reset and every step: `t_s`; `x_error_m`, the true |x_ref - x|; `x_m` and `theta_rad`, the true
    state; `force_n`, what acted last; `work_j`, the integral of |force x speed|; `friction_n_s_m`, of the slide;
    `theta_bias_rad`, what theta is sensed too large by; `field_n`, the force of fields on the cart; `disturbances`, how
    many act.

    ## Version History
    * v0: first version.
    """

    class Config(CartpoleLadder.Config, frozen=True, kw_only=True, forbid_unknown_fields=True):
        force_n: Annotated[float, Meta(gt=0, le=1000)] = 10.0
        """Largest force on the cart, either way."""

    env_id: ClassVar[str] = "hilbench/CartPoleTrack-v0"
    max_episode_steps: ClassVar[int] = 60_000
    metadata: ClassVar[dict[str, Any]] = {
        "render_modes": ["rgb_array"],
        "render_fps": 1000,
        "obs_names": (
            "x", "xd", "theta", "thetad", "x_ref", "xd_ref", "theta_ref", "thetad_ref", "xdd_ref", "thetadd_ref",
        ),
        "obs_units": ("m", "m/s", "rad", "rad/s", "m", "m/s", "rad", "rad/s", "m/s^2", "rad/s^2"),
        "action_names": ("force",),
        "action_units": ("N",),
    }  # fmt: skip
    obs_high = (5.0, 1e4, 1e5, 1e4, 5.0, 10.0, 1.0, 5.0, 20.0, 20.0)
    view = View((0.0, -7.3, 0.7), (0.0, 0.0, 0.35), fov_deg=19.0, width=640, height=288)

    @property
    def own_spec(self) -> PlantSpec:
        """Names, limits and nominal constants: those of the ladder's plant."""
        return structs.replace(
            super().own_spec,
            info_units={
                "t_s": "s",
                "x_error_m": "m",
                "x_m": "m",
                "theta_rad": "rad",
                "force_n": "N",
                "work_j": "J",
                "friction_n_s_m": "N s/m",
                "theta_bias_rad": "rad",
                "field_n": "N",
                "disturbances": "1",
            },
            error="x_error_m",
        )

    def pose(self, random: np.random.Generator) -> Sequence[float]:
        self._phases = random.uniform(0.0, 2 * pi, len(SWINGS_M)).tolist()
        self._length_m = 2 / 3 * self.config.pole_m
        return super().pose(random)

    def read_joints(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        self._reference = self._refer(self.time_s)
        return super().read_joints(joints)

    def _refer(self, t_s: float) -> tuple[float, ...]:
        """x, x', theta, theta', x'' and theta'' of the reference, from the flat output's four derivatives."""
        z = _sines(t_s, self._phases)
        if t_s < FADE_S:
            z = _faded(z, t_s)
        length_m, (theta, thetad, thetadd) = self._length_m, [each / GRAVITY_M_S2 for each in z[2:]]
        return (
            z[0] - length_m * theta, z[1] - length_m * thetad, theta, thetad, z[2] - length_m * thetadd, thetadd,
        )  # fmt: skip

    def show(self) -> Shown:
        x_m, _, theta_rad, _ = self.truth
        error_m = abs(self._reference[0] - x_m)
        info = {
            "t_s": self.time_s,
            "x_error_m": error_m,
            "x_m": x_m,
            "theta_rad": theta_rad,
            "force_n": self.forces[0],
            "work_j": self.work_j,
            "friction_n_s_m": self.loads.damping[0],
            "theta_bias_rad": self.sensed[2] - theta_rad,
            "field_n": self.field_forces()[0],
            "disturbances": float(len(self._schedule.active)),
        }
        return [*self.sensed, *self._reference], -error_m, self._fallen, info

    def marks(self) -> Sequence[Mark]:
        return (Mark((self._reference[0], 0.0, -0.2), 5.0, (233, 84, 32)),)


def _sines(t_s: float, phases: Sequence[float]) -> list[float]:
    """The sum of the sines and its four derivatives, in m, m/s and so on."""
    found = [0.0] * 5
    for swing_m, speed, phase in zip(SWINGS_M, SPEEDS_RAD_S, phases, strict=True):
        up, along = swing_m * sin(speed * t_s + phase), swing_m * cos(speed * t_s + phase)
        square = speed * speed
        found[0] += up
        found[1] += speed * along
        found[2] -= square * up
        found[3] -= square * speed * along
        found[4] += square * square * up
    return found


def _faded(z: Sequence[float], t_s: float) -> list[float]:
    """A signal and its derivatives while it fades in (Leibniz' rule)."""
    rise = []
    for order, coefficients in enumerate(_RISES):
        value = 0.0
        for coefficient in coefficients:
            value = value * t_s / FADE_S + coefficient
        rise.append(value / FADE_S**order)
    return [sum(comb(n, k) * rise[k] * z[n - k] for k in range(n + 1)) for n in range(len(z))]
