"""LQI for the cart-pole that follows a reference: the LQR of its state and of the integral of the cart's error."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta, Struct

from hilbench.controllers._feedback import FeedbackConfig, feedback_of, rows_of
from hilbench.controllers._law import around, law_program
from hilbench.controllers.integral import IntegralLawConfig
from hilbench.controllers.lqr import holding_gain, linear_cart_pole
from hilbench.errors import ScenarioError
from hilbench.types import BuiltController, Controller, PlantSpec

STATE = ("x", "xd", "theta", "thetad")


class LQIConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `lqi`."""

    gains: FeedbackConfig = FeedbackConfig()
    """Costs of the state and of the force."""
    integral_cost: Annotated[float, Meta(gt=0)] = 1.0
    """Cost of the integral of the cart's error, per (m s)^2."""


class LQI(Controller):
    """The optimal linear law with an integral of the cart's error: what an LQR does about friction and bias."""

    Config = LQIConfig
    backend = "law"

    @staticmethod
    def build(config: LQIConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        feedback = feedback_of(config.gains, plant, "lqi")
        if "thetadd_ref" not in plant.obs_names:
            raise ScenarioError("controller 'lqi' needs a cart-pole with a reference")
        a, b = np.zeros((5, 5)), np.zeros((5, 1))
        a[:4, :4], b[:4] = linear_cart_pole(plant, "lqi")
        a[4, 0] = 1.0
        costs = np.diag([*config.gains.state_cost, config.integral_cost])
        found = holding_gain(a, b, costs, [[config.gains.force_cost]])
        if found is None:
            raise ScenarioError("controller 'lqi' needs costs for which a gain holds the cart-pole; raise state_cost")
        *state, integral = found[0].tolist()
        row = dict(zip(STATE, np.negative(state).tolist(), strict=True))
        row |= {f"{name}_ref": -k for name, k in row.items()}
        growth = integral * period_us * 1e-6
        law: Any = IntegralLawConfig(
            feedback=msgspec.structs.replace(feedback, feedback=rows_of(plant, row)),
            integrand=rows_of(plant, {"x": -growth, "x_ref": growth}),
        )
        return around(law_program("integral", law, plant), plant, period_us)
