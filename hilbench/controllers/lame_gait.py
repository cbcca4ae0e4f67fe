"""A hexapod's gait that is told which of its legs is lame: swings found beforehand, and an integral that goes on."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._feedback import FeedbackConfig, feedback_of
from hilbench.controllers._law import around, law_program, told
from hilbench.controllers.integral import IntegralLaw, IntegralLawConfig, integrand
from hilbench.errors import ScenarioError
from hilbench.types import BuiltController, Controller, PlantSpec

Added = Annotated[float, Meta(ge=-0.7, le=0.7)]


class LameGaitConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `lame_gait`."""

    lame: Literal["l1", "l2", "l3", "r1", "r2", "r3"] = "l3"
    """The leg for which the swings were found: the one that the scenario makes limp."""
    swings: tuple[Added, Added, Added, Added, Added, Added] = (0.0,) * 6
    """In rad, what is added to the swings of l1 to l3 and r1 to r3 once that leg is limp; a share where it is weak."""
    gain_per_s: Annotated[float, Meta(ge=0)] = 2.0
    """How fast the integral grows per feedback, as that of `integral`."""


class LameGaitLawConfig(IntegralLawConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An integral's, and the swings."""

    swings: tuple[float, ...]


class LameGaitLaw(IntegralLaw):
    """The integral, and what is right for what is left of the lame leg."""

    Config = LameGaitLawConfig

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        known = min(max(1.0 - modulators[0], 0.0), 1.0) * np.array(self.config.swings)
        wanted = super().step(values, modulators, learning) + known
        self.integral = np.clip(self.integral, -self._limit - known, self._limit - known)
        return np.clip(wanted, -self._limit, self._limit)


class LameGait(Controller):
    """Told of a hexapod's lame leg: it begins with swings that were found beforehand. The oracle."""

    Config = LameGaitConfig
    backend = "law"

    @staticmethod
    def build(config: LameGaitConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        key = f"left_{config.lame}"
        if key not in plant.info_units:
            raise ScenarioError(
                f"controller 'lame_gait' needs a hexapod, whose info states {key}; this plant's does not"
            )
        feedback = feedback_of(FeedbackConfig(), plant, "lame_gait")
        ports, tell = told((key,), plant)
        rows = integrand(feedback, config.gain_per_s, period_us)
        law: Any = LameGaitLawConfig(feedback=feedback, integrand=rows, swings=config.swings)
        return around(law_program("lame_gait", law, plant, modulators=ports), plant, period_us, tell)
