"""The base of all plants: a Gymnasium env that can advance its physics without observing. No physics engine here."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from msgspec import Struct
from numpy.typing import ArrayLike, NDArray

from hilbench.envs._registry import register
from hilbench.errors import MissingExtra
from hilbench.types import PlantSpec

try:
    import gymnasium
except ImportError as error:
    raise MissingExtra("Gymnasium", "sim") from error

register()  # in the command `hilbench` the package has not


class Plant(gymnasium.Env, ABC):
    """A robot and its sensors. `step` is `advance` over one control period, then `observe`."""

    Config: ClassVar[type[Struct]]
    """What a scenario's `[plant]` table may hold, besides `kind`."""
    control_steps: int
    """Physics steps per control period."""
    next_episode: int = 0
    """Number of the episode that the next `reset` starts, for what changes by episode. A run sets it, or it counts."""

    @property
    @abstractmethod
    def plant_spec(self) -> PlantSpec:
        """What a controller may know before the plant runs."""

    @abstractmethod
    def advance(self, n_steps: int, action: ArrayLike) -> None:
        """Run physics steps with one action.

        Parameters
        ----------
        n_steps : int
            How many, each of `plant_spec.physics_step_s`.
        action : (n_actions,) float
            Held over all of them, in the plant's units; values beyond the limits are clipped.
        """

    @abstractmethod
    def observe(self) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, float]]:
        """Gymnasium's five-tuple for the present instant. Asking twice gives the same answer."""

    @abstractmethod
    def state(self) -> NDArray[np.float64]:
        """The exact physical state, (n_state,), for bit-for-bit comparison."""

    def step(self, action: ArrayLike) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """One control period."""
        self.advance(self.control_steps, action)
        return self.observe()


def command(action: ArrayLike, low: Sequence[float], high: Sequence[float]) -> list[float]:
    """An action as a list of its own, clipped. Raises ValueError for another size, and for what is not finite.

    Parameters
    ----------
    action : (n_actions,) float
    low, high : (n_actions,) float
        The plant's limits.
    """
    values: list[float]
    if type(action) is list or type(action) is tuple:
        values = list(action)
    else:
        values = np.asarray(action, float).ravel().tolist()
    if len(values) != len(low):
        raise ValueError(f"action: found {len(values)} values, expected {len(low)}")
    for index, value in enumerate(values):
        if not low[index] <= value <= high[index]:
            if not math.isfinite(value):
                raise ValueError(f"action: found {value} at {index}, expected a finite number")
            values[index] = min(max(value, low[index]), high[index])
    return values
