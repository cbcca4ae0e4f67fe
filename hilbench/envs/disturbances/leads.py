"""Disturbances of a lead of the heart."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hilbench.envs.disturbances._base import Disturbance, Finite, Loads, Timing, Traits, spread
from hilbench.errors import ScenarioError

Scale = Annotated[float, Meta(gt=0, le=100)]


class LeadChanged(Disturbance):
    """Puts another patient under a lead, or the lead elsewhere: waves of other sizes, another rate, other noise."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        gains: Finite | tuple[Finite, ...] | dict[str, Finite] = 1.0
        """What each wave is multiplied by; a table leaves waves as they are that it does not name."""
        interval_scale: Scale = 1.0
        """What the time from beat to beat is multiplied by."""
        noise_scale: Scale = 1.0
        """What the lead's noise is multiplied by."""

    def fit(self, traits: Traits) -> None:
        if not traits.waves:
            raise ScenarioError(f"{self.where}: found a plant without a lead; allowed: one that has one, as ecg")
        self._gains = spread(self.config.gains, traits.waves, 1.0, f"{self.where}.gains")

    def load(self, loads: Loads) -> None:
        level, config = self.level, self.config
        if not level:
            return
        before = loads.wave_gains or [1.0] * len(self._gains)
        loads.wave_gains = [gain * (1 + level * (own - 1)) for gain, own in zip(before, self._gains, strict=True)]
        loads.interval_scale *= config.interval_scale**level
        loads.lead_noise_scale *= config.noise_scale**level
