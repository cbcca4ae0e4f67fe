"""Disturbances of whose recordings are played."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hilbench.envs.disturbances._base import Disturbance, Loads, Timing, Traits
from hilbench.errors import ScenarioError


class SourceChanged(Disturbance):
    """Plays recordings of other people, or from elsewhere, from the next sample on."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        sources: Annotated[tuple[str | int, ...], Meta(min_length=1)]
        """Whose: names of sources that the plant knows."""

    def fit(self, traits: Traits) -> None:
        if not traits.recorded:
            raise ScenarioError(f"{self.where}: found a plant that plays no recordings; allowed: one that does, as shd")

    def load(self, loads: Loads) -> None:
        if self.level:
            loads.sources = tuple(map(str, self.config.sources))
