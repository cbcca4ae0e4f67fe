"""Basis functions with a preferred state each: where a learnt term is a map of the state.

States are scaled into the unit ball and lifted to the hemisphere above it, (x, sqrt(1 - |x|^2)). There a neuron whose
encoder is a unit vector is tuned to the state below it: <e, x> = 1 - |e - x|^2 / 2, a radial function. Its intercept
says how wide: it fires within a distance sqrt(2 - 2 intercept) of that state.
"""

from __future__ import annotations

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.controllers._feedback import Feedback
from hilbench.controllers._population import Positive
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.types import PlantSpec


class MapConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a learnt map depends on."""

    observations: tuple[str, ...] = ()
    """What the map is of; the plant's own choice when empty."""
    scale: tuple[Positive, ...] = ()
    """How far each goes from its centre to the map's edge; with `observations`."""
    centre: tuple[float, ...] = ()
    """The map's centre; 0 when empty, with `observations`."""


def chosen(config: MapConfig, feedback: Feedback, plant: PlantSpec, controller: str) -> Feedback:
    """The feedback with the state that the settings choose. Raises ScenarioError for names the plant does not have.

    Parameters
    ----------
    config : MapConfig
    feedback : Feedback
    plant : PlantSpec
    controller : str
        The controller's name, for the message.
    """
    names = config.observations
    if not names:
        return feedback
    for name in names:
        if name not in plant.obs_names:
            raise ScenarioError(f"controller {controller!r}: observations: {allowed_hint(name, plant.obs_names)}")
    centre = config.centre or (0.0,) * len(names)
    if not len(names) == len(config.scale) == len(centre):
        raise ScenarioError(
            f"controller {controller!r}: scale, centre: found {len(config.scale)}, {len(config.centre)} numbers;"
            f" allowed: {len(names)}, one for each of observations"
        )
    return msgspec.structs.replace(feedback, state=names, scale=config.scale, centre=centre)


def preferred_states(n: int, n_dimensions: int, random: np.random.Generator) -> NDArray:
    """States spread evenly over the unit ball, (n, n_dimensions).

    Parameters
    ----------
    n : int
    n_dimensions : int
    random : Generator
    """
    points = random.standard_normal((n, n_dimensions))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    return points * random.uniform(0, 1, (n, 1)) ** (1 / n_dimensions)


def lift(states: NDArray) -> NDArray:
    """States on the hemisphere, (..., n_dimensions + 1); those beyond the unit ball come to its edge."""
    square = np.sum(np.square(states), axis=-1, keepdims=True)
    inside = states / np.sqrt(np.maximum(square, 1))
    return np.concatenate([inside, np.sqrt(np.maximum(1 - square, 0))], axis=-1)
