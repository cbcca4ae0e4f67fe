"""The population vector: the mean of the addresses' preferred values, weighted by their spikes.

Georgopoulos, Schwartz & Kettner (1986), "Neuronal population coding of movement direction"; here divided by the sum of
the weights, so that it lies within the preferred values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.coders._counts import SILENT, FilterTime, SpikeCounts
from hilbench.coders._groups import Groups, Levels, levels_of
from hilbench.types import Decoder, Events, PlantSpec, Port


class PopulationVectorConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the decoder `population_vector`."""

    tau_s: FilterTime = 0.0
    """Time constant of the filter of the rates, in s; 0 for the period's count alone."""
    preferred: Levels = ()
    """The preferred values of a continuous action's addresses, in its units: one list for all, or one each; spread
    evenly over the action's range when empty. A discrete action's addresses prefer one choice each."""


class PopulationVector(Decoder):
    """The mean of the addresses' preferred values, weighted by their spike rates; rounded for choices."""

    Config = PopulationVectorConfig

    def __init__(self, config: PopulationVectorConfig, port: Port, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, port, plant, period_us)
        preferred = levels_of(config.preferred, port, plant, "preferred")
        self._counts = SpikeCounts(port.size, config.tau_s, period_us)
        self._preferred, self._starts = np.concatenate(preferred), Groups([len(each) for each in preferred]).starts
        self._low, self._high = (np.array([end(each) for each in preferred]) for end in (min, max))
        self._discrete = np.array(plant.choices, bool)
        self._any_discrete = bool(self._discrete.any())
        self._safe, self._held = np.array(plant.safe_action), np.array(plant.safe_action)

    def reset(self, seed: int) -> None:
        self._counts.reset()
        self._held[:] = self._safe

    def decode(self, values: NDArray[np.floating[Any]], events: Events, action: NDArray[np.float64]) -> None:
        counts = self._counts.update(events)
        total = np.add.reduceat(counts, self._starts)
        heard = total >= SILENT
        np.divide(np.add.reduceat(counts * self._preferred, self._starts), total, out=action, where=heard)
        np.clip(action, self._low, self._high, out=action)  # rounding may lead out by the last bit
        if self._any_discrete:
            np.rint(action, out=action, where=self._discrete)
        np.copyto(action, self._held, where=~heard)
        self._held[:] = action
