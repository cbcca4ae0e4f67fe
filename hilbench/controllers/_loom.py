"""What controllers that alarm of balls share: the event camera, and which part of its picture a ball comes from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.coders.sensor import Sensor, SensorConfig
from hilbench.errors import ScenarioError
from hilbench.types import PlantSpec

CELLS, FIELD, STRIDE = 16, 4, 2
"""Pooled pixels each way; those of a field's side, and from field to field."""
PER_SIDE = (CELLS - FIELD) // STRIDE + 1
"""Fields each way."""


class Eye(NamedTuple):
    """What a controller knows of the event camera."""

    pool: tuple[int, int]
    """Rows and columns of pixels that are pooled into a cell."""


def eye_of(plant: PlantSpec, controller: str) -> Eye:
    """The event camera of a plant that alarms.

    Raises ScenarioError for a plant with another action, other event sensors than one camera, or another number of
    pixels than can be pooled.

    Parameters
    ----------
    plant : PlantSpec
    controller : str
        Its name, for messages.
    """
    if plant.action_names != ("alarm",):
        raise ScenarioError(f"controller {controller!r} needs a plant with the action 'alarm', as loom_dvs")
    axes = [sensor.axes for sensor in plant.event_sensors]
    if axes != [("y", "x", "polarity")]:
        raise ScenarioError(f"controller {controller!r} needs one event sensor, a camera; found {axes}")
    n_y, n_x, _ = plant.event_sensors[0].shape
    if n_y % CELLS or n_x % CELLS:
        allowed = f"a camera whose rows and columns are multiples of {CELLS}"
        raise ScenarioError(f"controller {controller!r} needs {allowed}; found {n_y} x {n_x}")
    return Eye((n_y // CELLS, n_x // CELLS))


def pooled(eye: Eye, plant: PlantSpec, period_us: int) -> Sensor:
    """The encoder of the camera's events, without polarity, one address for each cell.

    Parameters
    ----------
    eye : Eye
    plant : PlantSpec
    period_us : int
        The control period, in microseconds.
    """
    return Sensor(SensorConfig(pool=eye.pool, polarity="merge"), plant, period_us)


def fields(border: int) -> NDArray[np.float64]:
    """Which cells each field has: squares of 4 x 4 that overlap by half, (n_fields, 256) of 0 and 1.

    Parameters
    ----------
    border : int
        How many fields at each side of the picture are left out.
    """
    kept = range(border, PER_SIDE - border)
    found = np.zeros((len(kept) ** 2, CELLS, CELLS))
    for n, (row, column) in enumerate((row, column) for row in kept for column in kept):
        found[n, STRIDE * row : STRIDE * row + FIELD, STRIDE * column : STRIDE * column + FIELD] = 1.0
    return found.reshape(len(found), -1)


def middle(border: int) -> NDArray[np.bool_]:
    """Which cells are in any of those fields, (256,).

    Parameters
    ----------
    border : int
        How many fields at each side of the picture are left out.
    """
    return fields(border).sum(axis=0) > 0
