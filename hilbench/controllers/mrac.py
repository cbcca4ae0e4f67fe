"""Model-reference adaptive control about a known reference: it learns the factors of regressors that it is given.

u = u_ff + u_fb + W Y(x), d/dt W = rate u_fb Y: the direction -B'P e of Lyapunov's method, for an LQR (Narendra &
Annaswamy, "Stable Adaptive Systems", 1989). What no regressor describes it cannot learn.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._feedback import Feedback, FeedbackConfig, Rows, Terms, feedback_of, rows_of
from hilbench.controllers._law import around, law_program
from hilbench.errors import ScenarioError
from hilbench.types import BuiltController, Controller, Law, PlantSpec

LINEAR: dict[str, tuple[dict[str, float], ...]] = {
    "qdd_ref": ({"qdd_ref": 0.05}, {"qd": 0.1}),
    "thetadd_ref": ({"xd": 1.0}, {"x": 1.0}, {"theta": 3.0}, {"thetad": 1.0}, {"xdd_ref": 0.3}),
}
"""By an observation that only the beam or only the cart-pole has: regressors that are linear in observations."""


class MRACConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `mrac`."""

    gains: FeedbackConfig = FeedbackConfig()
    """Of the feedback."""
    rate: Annotated[float, Meta(ge=0)] = 5.0
    """How fast the factors follow the feedback, per s."""


class MRACLawConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The feedback and the regressors."""

    feedback: Feedback
    linear: Rows
    """Regressors that are linear in the observation."""
    angle: int | None
    """The observation whose cosine and sine are regressors too."""
    step: float
    """How far the factors move in a control period."""


class MRACLaw(Law):
    """Feedback and factors of regressors; the factors are what it learns."""

    Config = MRACLawConfig
    learnt = ("factors",)

    def reset(self, seed: int) -> None:
        config = self.config
        self._terms, self._limit = Terms(config.feedback), np.array(config.feedback.limit)
        self._linear = np.array(config.linear)
        n = len(config.linear) + 1 + 2 * (config.angle is not None)
        self.factors = np.zeros((self._limit.size, n))

    def regressors(self, values: NDArray) -> NDArray:
        """Y of an observation: the linear ones, 1 and, with an angle, its cosine and sine."""
        found = np.empty(self.factors.shape[1])
        n = len(self._linear)
        found[:n], found[n] = self._linear @ values[: self._terms.size], 1.0
        if self.config.angle is not None:
            angle = values[self.config.angle]
            found[n + 1], found[n + 2] = np.cos(angle), np.sin(angle)
        return found

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        y = self.regressors(values)
        if learning:
            self.factors += np.outer(self.config.step * self._terms.feedback(values), y)
        return np.clip(self._terms.command(values) + self.factors @ y, -self._limit, self._limit)


class MRAC(Controller):
    """Model-reference adaptive control: the classical learner beside feedback about a reference."""

    Config = MRACConfig
    backend = "law"

    @staticmethod
    def build(config: MRACConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        feedback = feedback_of(config.gains, plant, "mrac")
        names = plant.obs_names
        linear = next((rows for name, rows in LINEAR.items() if name in names), None)
        if linear is None:
            raise ScenarioError("controller 'mrac' needs a beam or a cart-pole; for an arm there is 'adaptive'")
        law: Any = MRACLawConfig(
            feedback=feedback,
            linear=rows_of(plant, *linear),
            angle=names.index("q") if "q" in names else None,
            step=config.rate * period_us * 1e-6,
        )
        return around(law_program("mrac", law, plant), plant, period_us)
