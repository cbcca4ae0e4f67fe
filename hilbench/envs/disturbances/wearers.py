"""Disturbances of who wears a sensor."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hilbench.envs.disturbances._base import Disturbance, Loads, Timing, Traits
from hilbench.errors import ScenarioError


class WearerChanged(Disturbance):
    """Lets others wear a watch: samples that begin while it acts are theirs."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        subjects: Annotated[tuple[Annotated[int, Meta(ge=1)], ...], Meta(min_length=1)]
        """Who, by the numbers that the recordings give them."""

    def fit(self, traits: Traits) -> None:
        n, subjects = traits.n_wearers, self.config.subjects
        if not n:
            raise ScenarioError(f"{self.where}: found a plant that nobody wears; allowed: one that is worn, as wrist")
        if max(subjects) > n:
            raise ScenarioError(f"{self.where}.subjects: found {max(subjects)}; allowed: whole numbers from 1 to {n}")

    def load(self, loads: Loads) -> None:
        if self.level:
            loads.wearers = self.config.subjects
