"""Slotine-Li adaptive control of the arm: it learns the inertial parameters while it tracks.

Slotine & Li (1987), "On the adaptive control of robot manipulators", Int. J. Robotics Research 6(3): 49-59:
torque = Y(q, qd, qd_r, qdd_r) a - K_D s,  da/dt = -Gamma Y^T s,  s = qd - qd_r,  qd_r = qd_ref + Lambda (q_ref - q).
With Lambda = kp / kd the term -K_D s is the PD command of the inner loop, so this law adds Y a alone. The plant's
gravity term covers the nominal load; `a` holds three inertial parameters (nominal at the start) and the two gravity
moments in excess of nominal (zero at the start).

With `knows_change` the law is given payload and fields, which no controller on a robot knows. It adds what a point mass
at the tip changes of `a`, and takes off the fields' torques. It is then the oracle that learners are compared with.
"""

from __future__ import annotations

from math import cos, sin
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._arm import ArmModel, State, arm_model, command_nm, state
from hilbench.controllers._law import around, law_program, told
from hilbench.types import BuiltController, Controller, Law, PlantSpec

TOLD = ("payload_kg", "field_1_nm", "field_2_nm")
"""The info keys that say what has changed."""


class AdaptiveConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `adaptive`."""

    inertia_rate: Annotated[float, Meta(ge=0)] = 0.2
    """Gamma of the three inertial parameters (kg m2)."""
    gravity_rate: Annotated[float, Meta(ge=0)] = 200.0
    """Gamma of the two gravity moments (N m)."""
    knows_change: bool = False
    """Whether it is given the payload and the fields from the plant's info as soon as they change."""


class AdaptiveLawConfig(AdaptiveConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings, the nominal arm and the control period."""

    arm: ArmModel
    period_s: float


class AdaptiveLaw(Law):
    """The regressor term of Slotine-Li; its parameters are what it learns."""

    Config = AdaptiveLawConfig
    learnt = ("parameters",)

    def reset(self, seed: int) -> None:
        arm = self.config.arm
        coupling = (arm.mass_2_kg * arm.centre_2_m + arm.tip_kg * arm.length_2_m) * arm.length_1_m
        outer = arm.inertia_2_kg_m2 + arm.tip_kg * arm.length_2_m**2 + arm.tip_inertia_kg_m2
        base = arm.inertia_1_kg_m2 + (arm.mass_2_kg + arm.tip_kg) * arm.length_1_m**2 + outer
        self.parameters = np.array((base, coupling, outer, 0.0, 0.0))
        self._rates = np.array([self.config.inertia_rate] * 3 + [self.config.gravity_rate] * 2)
        self._per_kg = payload_parameters(arm)
        self._before: tuple[float, float] | None = None

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        c, s = self.config, state(values)
        lambda_1, lambda_2 = c.arm.kp_1 / c.arm.kd_1, c.arm.kp_2 / c.arm.kd_2
        rate_1 = s.qd_ref_1 + lambda_1 * (s.q_ref_1 - s.q_1)
        rate_2 = s.qd_ref_2 + lambda_2 * (s.q_ref_2 - s.q_2)
        y = regressor(s, (rate_1, rate_2), self._reference_acceleration(s, lambda_1, lambda_2))
        if learning:
            sliding = np.array((s.qd_1 - rate_1, s.qd_2 - rate_2))
            self.parameters -= c.period_s * self._rates * (y.T @ sliding)
        commanded = y @ self.parameters + command_nm(c.arm, s)
        if c.knows_change:
            commanded += y @ (modulators[0] * self._per_kg) - modulators[1:]
        return commanded

    def _reference_acceleration(self, s: State, lambda_1: float, lambda_2: float) -> tuple[float, float]:
        """qdd_r, with the reference's own acceleration from its rate at the last two ticks."""
        before = self._before or (s.qd_ref_1, s.qd_ref_2)
        self._before = (s.qd_ref_1, s.qd_ref_2)
        period_s = self.config.period_s
        return (
            (s.qd_ref_1 - before[0]) / period_s + lambda_1 * (s.qd_ref_1 - s.qd_1),
            (s.qd_ref_2 - before[1]) / period_s + lambda_2 * (s.qd_ref_2 - s.qd_2),
        )


def payload_parameters(arm: ArmModel) -> NDArray:
    """What one kilogram at the tip adds to `a`, (5,)."""
    l1, l2, g = arm.length_1_m, arm.length_2_m, arm.gravity_m_s2
    return np.array((l1**2 + l2**2, l1 * l2, l2**2, g * l1, g * l2))


def regressor(s: State, rate: tuple[float, float], acceleration: tuple[float, float]) -> NDArray:
    """Y (2, 5): torque = Y a for a = (base inertia, coupling, outer inertia, inner and outer gravity moment).

    Parameters
    ----------
    s : State
        Joint angles (rad) and rates (rad/s).
    rate : (float, float)
        qd_r of both joints, in rad/s.
    acceleration : (float, float)
        qdd_r of both joints, in rad/s^2.
    """
    c2, s2, c1, c12 = cos(s.q_2), sin(s.q_2), cos(s.q_1), cos(s.q_1 + s.q_2)
    (r1, r2), (a1, a2) = rate, acceleration
    coupling_1 = c2 * (2 * a1 + a2) - s2 * (s.qd_2 * r1 + (s.qd_1 + s.qd_2) * r2)
    coupling_2 = c2 * a1 + s2 * s.qd_1 * r1
    return np.array(((a1, coupling_1, a2, c1, c12), (0.0, coupling_2, a1 + a2, 0.0, c12)))


class Adaptive(Controller):
    """Slotine-Li adaptive control: the strongest classical learner for the arm."""

    Config = AdaptiveConfig
    backend = "law"

    @staticmethod
    def build(config: AdaptiveConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        law: Any = AdaptiveLawConfig(
            inertia_rate=config.inertia_rate,
            gravity_rate=config.gravity_rate,
            knows_change=config.knows_change,
            arm=arm_model(plant, "adaptive"),
            period_s=period_us * 1e-6,
        )
        if not config.knows_change:
            return around(law_program("adaptive", law, plant, "torque"), plant, period_us)
        ports, tell = told(TOLD, plant)
        return around(law_program("adaptive", law, plant, "torque", modulators=ports), plant, period_us, tell)
