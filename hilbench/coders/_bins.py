"""Ranges cut into bins of equal width: what the encoders `bins` and `flip_flop` share."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.coders._names import spread
from hilbench.coders._scaled import RangeConfig, Scaled
from hilbench.types import PlantSpec, Values

Count = Annotated[int, Meta(ge=1, le=10_000)]


class BinnedConfig(RangeConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A range for each observation, and how many bins it is cut into."""

    n: Count | tuple[Count, ...]
    """How many bins of equal width an observation has, one number for all or one for each.

    The first and the last one are open at their outer end."""


class Binned:
    """The bin that each observation lies in, and where in it.

    Parameters
    ----------
    config : BinnedConfig
    plant : PlantSpec
        The plant that is observed.
    """

    def __init__(self, config: BinnedConfig, plant: PlantSpec) -> None:
        self._scaled = Scaled(config, plant)
        self._n = np.array(spread(config.n, self._scaled.size, "n"), np.int64)
        self.size = int(self._n.sum())
        self._first = np.cumsum(self._n) - self._n

    def __call__(self, obs: Values) -> tuple[NDArray, NDArray, NDArray]:
        """Of each observation: its bin's address, its bin counted from 0, and its place in it, from 0 to 1."""
        parts = self._scaled(obs) * self._n
        bins = np.minimum(parts.astype(np.int64), self._n - 1)
        return self._first + bins, bins, parts - bins
