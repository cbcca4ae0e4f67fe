"""Disturbances of a plant's ears: their microphones, and where they are."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hilbench.envs.disturbances._base import Disturbance, Loads, Timing, Traits
from hilbench.errors import ScenarioError, allowed_hint


class EarChange(Disturbance):
    """Makes an ear's microphone louder, quieter or late."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        ear: str = ""
        """Which of the plant's ears; all of them when empty."""
        gain_db: Annotated[float, Meta(ge=-200, le=200)] = 0.0
        """By how much it is louder."""
        delay_s: Annotated[float, Meta(ge=0, le=1)] = 0.0
        """By how much it is late."""

    def fit(self, traits: Traits) -> None:
        _require_ears(traits, self.where)
        wanted = self.config.ear
        if wanted and wanted not in traits.ears:
            raise ScenarioError(f"{self.where}.ear: found {wanted!r}; {allowed_hint(wanted, traits.ears)}")
        self._ears = (wanted,) if wanted else traits.ears

    def load(self, loads: Loads) -> None:
        for ear in self._ears if self.level else ():
            gain, delay_s = loads.ears.get(ear, (1.0, 0.0))
            grown = 10 ** (self.level * self.config.gain_db / 20)
            loads.ears[ear] = gain * grown, delay_s + self.level * self.config.delay_s


class EarsMoved(Disturbance):
    """Moves ears away from the middle between them or towards it, or lets each hear what another one should."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        scale: Annotated[float, Meta(gt=0, le=100)] = 1.0
        """What their distance is multiplied by."""
        swapped: bool = False
        """Whether the first one hears at the last one's place, and so on; while it ramps up, not yet."""

    def fit(self, traits: Traits) -> None:
        _require_ears(traits, self.where)

    def load(self, loads: Loads) -> None:
        loads.ears_scale *= 1.0 + self.level * (self.config.scale - 1.0)
        if self.config.swapped and self.level >= 1.0:
            loads.ears_swapped = not loads.ears_swapped


def _require_ears(traits: Traits, where: str) -> None:
    if not traits.ears:
        raise ScenarioError(f"{where}: found a plant without ears; allowed: one that has some")
