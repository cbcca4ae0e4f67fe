"""An offset of a sensor that no action matches: learnt from an error of its own, and taken off the feedback.

On the cart-pole a biased angle leaves the feedback that teaches near 0, for the pole is held upright about the wrong
angle, and the cart stands beside its reference. So the cart's error, low-passed, teaches the offset.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._feedback import Feedback
from hilbench.errors import ScenarioError


class OffsetConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the offset of the cart-pole's angle is learnt."""

    gain: Annotated[float, Meta(ge=0)] = 0.0
    """How fast it grows per error of the cart, mean over the map, in rad / (m s); 0: not at all."""
    tau_s: Annotated[float, Meta(gt=0)] = 0.05
    """Low-pass of that error."""


class OffsetTerms(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same as numbers: of one offset, or empty."""

    rows: tuple[tuple[float, ...], ...] = ()
    """Its error is rows @ observation."""
    correction: tuple[tuple[float, ...], ...] = ()
    """What the feedback of each action gains by a unit of it."""
    follow: float = 1.0
    """How far the low-passed error moves towards the error in a control period."""
    step: float = 0.0
    """What it grows by in a control period, per error."""


def offset_of(config: OffsetConfig, feedback: Feedback, period_us: int, controller: str) -> OffsetTerms:
    """The offset that is learnt beside a feedback. Raises ScenarioError where the feedback shows none.

    Parameters
    ----------
    config : OffsetConfig
    feedback : Feedback
    period_us : int
        The control period, in microseconds.
    controller : str
        The controller's name, for the message.
    """
    if not config.gain:
        return OffsetTerms()
    if not feedback.unmatched:
        raise ScenarioError(f"controller {controller!r}: offset.gain needs a cart-pole with a reference")
    return OffsetTerms(
        rows=(feedback.unmatched,),
        correction=tuple((gained,) for gained in feedback.correction),
        follow=1 - float(np.exp(-period_us * 1e-6 / config.tau_s)),
        step=config.gain * period_us * 1e-6,
    )


class Offset:
    """The low-passed error of an offset, and what is added to the feedback by it. Empty arrays where there is none.

    Parameters
    ----------
    terms : OffsetTerms
    feedback : Feedback
    """

    def __init__(self, terms: OffsetTerms, feedback: Feedback) -> None:
        self.n = len(terms.rows)
        """How many offsets are learnt, 0 or 1."""
        self._n_read = len(feedback.feedback[0])
        self._rows = np.array(terms.rows).reshape(self.n, self._n_read)
        self._correction = np.array(terms.correction).reshape(len(feedback.limit), self.n)
        self._follow, self._nothing = terms.follow, np.zeros(len(feedback.limit))
        self.reset()

    def reset(self) -> None:
        """No error so far."""
        self.error = np.zeros(self.n)
        """Low-passed, (n,). The offset grows against it."""

    def added(self, offset: NDArray) -> NDArray:
        """What the feedback gains, (n_actions,), when an offset (n,) is taken off its sensor."""
        return self._correction @ offset if self.n else self._nothing

    def see(self, values: NDArray) -> NDArray:
        """Follow the error of an observation: the low-passed error, (n,)."""
        if self.n:
            self.error += self._follow * (self._rows @ values[: self._n_read] - self.error)
        return self.error
