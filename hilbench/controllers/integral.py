"""The integral of the feedback beside the feedback: PID where the feedback is PD, and what a learner must beat.

Under the rule d/dt d_i = gain a_i u_fb / mean(a^2), a learner that always sees the same state grows exactly as this
integral does: at one `gain_per_s` it is the learner without its map.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._feedback import Feedback, FeedbackConfig, Rows, Terms, feedback_of
from hilbench.controllers._law import around, law_program
from hilbench.controllers._offset import Offset, OffsetConfig, OffsetTerms, offset_of
from hilbench.types import BuiltController, Controller, Law, PlantSpec


class IntegralConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `integral`."""

    gains: FeedbackConfig = FeedbackConfig()
    """Of the feedback."""
    gain_per_s: Annotated[float, Meta(ge=0)] = 2.0
    """How fast the integral grows per feedback."""
    offset: OffsetConfig = OffsetConfig()
    """A second integral, of a sensor's offset."""


class IntegralLawConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The feedback, and what its integral grows by in a control period."""

    feedback: Feedback
    integrand: Rows
    """The growth is integrand @ observation."""
    step: float = 0.0
    """What it grows by per feedback that an offset adds."""
    offset: OffsetTerms = OffsetTerms()


def integrand(feedback: Feedback, gain_per_s: float, period_us: int) -> Rows:
    """What an integral grows by in a control period, per observation.

    Parameters
    ----------
    feedback : Feedback
    gain_per_s : float
    period_us : int
        The control period, in microseconds.
    """
    return tuple(map(tuple, np.multiply(feedback.feedback, gain_per_s * period_us * 1e-6).tolist()))


class IntegralLaw(Law):
    """Feedback and its integral, which stays within the plant's limits and is what it learns, as is an offset."""

    Config: ClassVar[type[IntegralLawConfig]] = IntegralLawConfig
    learnt = ("integral", "offset")

    def reset(self, seed: int) -> None:
        c = self.config
        self._terms, self._limit, self._integrand = Terms(c.feedback), np.array(c.feedback.limit), np.array(c.integrand)
        self._offset = Offset(c.offset, c.feedback)
        self.integral, self.offset = np.zeros(self._limit.size), np.zeros(self._offset.n)

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        added = self._offset.added(self.offset)
        if learning:
            grown = self.integral + self._integrand @ values[: self._terms.size] + self.config.step * added
            self.integral = np.clip(grown, -self._limit, self._limit)
            self.offset = self.offset - self.config.offset.step * self._offset.see(values)
        return np.clip(self._terms.command(values) + added + self.integral, -self._limit, self._limit)


class Integral(Controller):
    """Feedback, feed-forward and the integral of the feedback: PID on the beam and the arm."""

    Config = IntegralConfig
    backend = "law"

    @staticmethod
    def build(config: IntegralConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        feedback = feedback_of(config.gains, plant, "integral")
        law: Any = IntegralLawConfig(
            feedback=feedback,
            integrand=integrand(feedback, config.gain_per_s, period_us),
            step=config.gain_per_s * period_us * 1e-6,
            offset=offset_of(config.offset, feedback, period_us, "integral"),
        )
        return around(law_program("integral", law, plant), plant, period_us)
