"""Observations as parts of their range, and the settings that say which range: what encoders of numbers share."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.coders._names import columns_of, spread
from hilbench.errors import ScenarioError
from hilbench.types import PlantSpec, Values


class RangeConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which observations, and the range of each."""

    observations: tuple[str, ...] = ()
    """Which observations, in the order of the addresses; all when empty."""
    low: float | tuple[float, ...]
    """The range's lower end, in the observations' units: one for all, or one each. What is below counts as this."""
    high: float | tuple[float, ...]
    """Its upper end, likewise. What is above counts as this."""


class Scaled:
    """Chosen observations as parts of their range, each from 0 to 1; NaN is 0.

    Signed, each observation gives two parts: x / high, then x / low, where what is below 0 is 0.

    Parameters
    ----------
    config : RangeConfig
    plant : PlantSpec
        The plant that is observed.
    signed : bool
        Whether each observation gives a positive and a negative part.

    Raises ScenarioError when the settings do not fit the plant.
    """

    def __init__(self, config: RangeConfig, plant: PlantSpec, signed: bool = False) -> None:
        columns = np.array(columns_of(config.observations, plant.obs_names, "observations"), int)
        low, high = (
            np.array(spread(value, columns.size, field))
            for value, field in ((config.low, "low"), (config.high, "high"))
        )
        for i in np.flatnonzero(low >= high)[:1]:
            raise ScenarioError(f"high: found {high[i]:g}; allowed: more than low, {low[i]:g}")
        if signed:
            for i in np.flatnonzero((low >= 0) | (high <= 0))[:1]:
                raise ScenarioError(f"low, high: found {low[i]:g}, {high[i]:g}; allowed where signed: 0 between them")
            self._columns = np.repeat(columns, 2)
            self._shift: Any = 0.0
            self._factor = 1 / np.stack([high, low], axis=1).ravel()
        else:
            self._columns, self._shift, self._factor = columns, low, 1 / (high - low)
        self.size = int(self._columns.size)
        self.names = tuple(plant.obs_names[i] for i in columns)

    def __call__(self, obs: Values) -> NDArray[np.float64]:
        parts = (obs[self._columns] - self._shift) * self._factor
        np.fmax(parts, 0.0, out=parts)  # of NaN and 0 it takes 0
        return np.minimum(parts, 1.0, out=parts)
