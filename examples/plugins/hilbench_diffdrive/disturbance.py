"""A wheel that loses its grip now and then."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hilbench.envs.disturbances import Disturbance, Timing, Traits
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.seeding import stream


class WheelSlipConfig(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `wheel_slip`: when it acts, and how."""

    wheel: str = "left"
    """Which actuator it acts on."""
    share: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """Share of the command that is lost while the wheel slips."""
    probability: Annotated[float, Meta(gt=0, le=1)] = 0.2
    """How likely it is in a physics step that the wheel slips."""


class WheelSlip(Disturbance):
    """A wheel that slips at random: in such a physics step it follows only a share of its command."""

    Config = WheelSlipConfig

    def fit(self, traits: Traits) -> None:
        wheel = self.config.wheel
        if wheel not in traits.actuators:
            hint = allowed_hint(wheel, traits.actuators)
            raise ScenarioError(f"{self.where}.wheel: this plant has no actuator {wheel!r}; {hint}")
        self._index = traits.actuators.index(wheel)

    def reset(self, seed: int) -> None:
        self._random = stream(seed, f"slip.{self.where}")

    def actuate(self, forces: list[float]) -> None:
        if self._random.random() < self.config.probability:
            forces[self._index] *= 1.0 - self.level * self.config.share
