"""Disturbances of where a plant's goal is."""

from __future__ import annotations

from math import pi
from typing import Annotated

from msgspec import Meta

from hilbench.envs.disturbances._base import Disturbance, Loads, Timing, Traits
from hilbench.errors import ScenarioError

Turn = Annotated[float, Meta(ge=-2 * pi, le=2 * pi)]


class GoalTurn(Disturbance):
    """Turns where the goal is about the middle of the plant's world: half a turn is the opposite side."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        turn_rad: Turn = pi
        """How far, to the left; half a turn when absent."""

    def fit(self, traits: Traits) -> None:
        if not traits.goal:
            raise ScenarioError(f"{self.where}: found a plant without a goal that moves; allowed: one that has it")

    def load(self, loads: Loads) -> None:
        loads.goal_turn_rad += self.level * self.config.turn_rad
