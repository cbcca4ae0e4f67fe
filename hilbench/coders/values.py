"""Coders between observations and ticks. They run beside the loop, hold no weights and never learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hilbench.types import NO_EVENTS, PlantSpec, Reply


class Scaled:
    """Values are chosen observation entries, centred and scaled; no events."""

    def __init__(
        self, plant: PlantSpec, names: Sequence[str], centre: Sequence[float] | float = 0.0,
        scale: Sequence[float] | float = 1.0,
    ) -> None:  # fmt: skip
        columns = [plant.obs_names.index(name) for name in names]
        in_order = columns == list(range(len(columns)))
        self._columns = slice(len(columns)) if in_order else np.array(columns)
        self._factor = (1 / np.broadcast_to(np.asarray(scale, float), len(names))).astype(np.float32)
        self._shift = (np.asarray(centre, float) * self._factor).astype(np.float32)
        self._shifted = bool(self._shift.any())

    def reset(self) -> None:
        """Nothing is kept between ticks."""

    def encode(self, obs: NDArray, values: NDArray) -> NDArray:
        np.multiply(obs[self._columns], self._factor, out=values)
        if self._shifted:
            np.subtract(values, self._shift, out=values)
        return NO_EVENTS


class Whole:
    """Values are the observation as it is; no events."""

    def reset(self) -> None:
        """Nothing is kept between ticks."""

    def encode(self, obs: NDArray, values: NDArray) -> NDArray:
        values[:] = obs
        return NO_EVENTS


def values_to_action(reply: Reply, action: NDArray) -> None:
    """The reply's values are the action."""
    action[:] = reply.values
