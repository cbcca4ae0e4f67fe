"""Disturbances of who speaks."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hilbench.envs.disturbances._base import Disturbance, Loads, Timing, Traits
from hilbench.errors import ScenarioError

Factor = Annotated[float, Meta(ge=0.1, le=10)]


class SpeakerChanged(Disturbance):
    """Lets somebody else speak: with another tract, at another pitch, and faster or slower."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        tract: Factor = 1.0
        """What formants are multiplied by; above 1 for a shorter tract."""
        pitch: Factor = 1.0
        """What the pitch is multiplied by."""
        stretch: Factor = 1.0
        """What a word's length is multiplied by."""

    def fit(self, traits: Traits) -> None:
        if not traits.speaks:
            raise ScenarioError(f"{self.where}: found a plant in which nobody speaks; allowed: one as words")

    def load(self, loads: Loads) -> None:
        c, (tract, pitch, stretch) = self.config, loads.voice
        loads.voice = tract * c.tract**self.level, pitch * c.pitch**self.level, stretch * c.stretch**self.level
