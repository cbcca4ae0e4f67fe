"""Disturbances of electrodes on the skin."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from hilbench.envs.disturbances._base import Disturbance, Finite, Loads, Timing, Traits
from hilbench.errors import ScenarioError

Gain = Annotated[float, Meta(gt=0, le=1e3)]


class ElectrodesMoved(Disturbance):
    """Turns a ring of electrodes around its limb, and changes how well each of them feels."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        turn_rad: Finite = 0.0
        """How far the ring is turned."""
        gains: tuple[Gain, ...] = ()
        """What each electrode's signal is multiplied by; none where empty."""

    def fit(self, traits: Traits) -> None:
        n = traits.n_electrodes
        if not n:
            raise ScenarioError(f"{self.where}: found a plant without electrodes; allowed: one that has some")
        if self.config.gains and len(self.config.gains) != n:
            raise ScenarioError(f"{self.where}.gains: found {len(self.config.gains)} numbers; allowed: {n}, or none")

    def load(self, loads: Loads) -> None:
        loads.electrodes_turn_rad += self.level * self.config.turn_rad
        if self.config.gains and self.level:
            before = loads.electrode_gains or [1.0] * len(self.config.gains)
            loads.electrode_gains = [
                gain * own**self.level for gain, own in zip(before, self.config.gains, strict=True)
            ]
