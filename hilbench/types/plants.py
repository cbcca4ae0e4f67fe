"""What the loop, the agent and the record ask of a plant: its PlantSpec and six calls. No engine, no Gymnasium."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.types.ticks import Events, Values

Observation = tuple[Values, float, bool, bool, Mapping[str, float]]
"""Gymnasium's five-tuple: observation (n_obs,) float32, reward, terminated, truncated, info."""


class PlantSpec(Struct, frozen=True):
    """What a controller may know of a plant before it runs: names, units, limits and nominal parameters."""

    obs_names: tuple[str, ...]
    obs_units: tuple[str, ...]
    action_names: tuple[str, ...]
    action_units: tuple[str, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    safe_action: tuple[float, ...]
    physics_step_s: float
    info_units: dict[str, str]
    error: str
    """The info key that holds the tracking error."""
    parameters: dict[str, float]
    """Nominal constants with units in their names, as a designer would know them. Never a disturbance."""


class Plant(Protocol):
    """A robot and its sensors, as a run drives it. Plants of hilbench derive from `envs._plant.Plant`, a Gymnasium env.

    One whose sensors give spike events is a SensingPlant.
    """

    @property
    def plant_spec(self) -> PlantSpec:
        """What a controller may know before the plant runs."""

    def reset(self, *, seed: int) -> Any:
        """Start an episode; `seed` feeds all of the plant's randomness. What it returns is not used."""

    def observe(self) -> Observation:
        """What the sensors show at the present instant. Asking twice gives the same answer."""

    def advance(self, n_steps: int, action: Sequence[float]) -> None:
        """Run some physics steps with one action.

        Parameters
        ----------
        n_steps : int
            How many, each of `plant_spec.physics_step_s`.
        action : (n_actions,) float
            Held all the while, in the units of `plant_spec.action_units`.
        """

    def state(self) -> NDArray[np.float64]:
        """The exact physical state, (n_state,), for bit-for-bit comparison."""

    def close(self) -> None:
        """Release everything; may be called twice."""


class SensingPlant(Plant, Protocol):
    """A plant with event sensors."""

    def events(self) -> Events:
        """The events since the last call: reading empties the sensors."""
