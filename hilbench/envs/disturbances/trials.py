"""Disturbances of what trials hold."""

from __future__ import annotations

from hilbench.envs.disturbances._base import Disturbance, Loads, Timing, Traits
from hilbench.errors import ScenarioError


class Drought(Disturbance):
    """Trials in which there is nothing to detect, one after the other. It reaches trials that begin while it acts."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Settings of the disturbance `drought`."""

    def fit(self, traits: Traits) -> None:
        if not traits.trials:
            raise ScenarioError(f"{self.where}: found a plant without targets; allowed: one whose trials have some")

    def load(self, loads: Loads) -> None:
        loads.drought |= self.level > 0
