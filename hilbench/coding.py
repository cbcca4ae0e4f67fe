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
        self._columns = np.array([plant.obs_names.index(name) for name in names])
        self._centre = np.broadcast_to(np.asarray(centre, float), len(names))
        self._factor = 1 / np.broadcast_to(np.asarray(scale, float), len(names))

    def reset(self) -> None:
        """Nothing is kept between ticks."""

    def encode(self, obs: NDArray, values: NDArray) -> NDArray:
        values[:] = (obs[self._columns] - self._centre) * self._factor
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
