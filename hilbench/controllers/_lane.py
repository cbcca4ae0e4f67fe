"""What the controllers of the lane share: the pooled events, the spikes that those give, and the lane's infos."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from hilbench.coders.sensor import Sensor, SensorConfig
from hilbench.errors import ScenarioError
from hilbench.nal import Network
from hilbench.types import PlantSpec

ROWS, COLUMNS = 4, 8
"""A camera's pixels are pooled into so many fields."""


def check_lane(plant: PlantSpec, infos: Sequence[str], controller: str) -> None:
    """Raise ScenarioError for a plant without these infos.

    Parameters
    ----------
    plant : PlantSpec
    infos : sequence of str
    controller : str
        Its name, for the message.
    """
    for name in infos:
        if name not in plant.info_units:
            raise ScenarioError(f"controller {controller!r} needs a lane; this plant states no info {name!r}")


def pool_of(plant: PlantSpec, controller: str, rows: int, columns: int) -> tuple[int, int]:
    """How many rows and columns of pixels a field has. Raises ScenarioError for a plant without one camera of events.

    Parameters
    ----------
    plant : PlantSpec
    controller : str
        Its name, for the message.
    rows, columns : int
        How many fields there are.
    """
    shapes = [sensor.shape for sensor in plant.event_sensors if sensor.axes == ("y", "x", "polarity")]
    if len(shapes) != 1:
        raise ScenarioError(f"controller {controller!r} needs one event camera; this plant has {len(shapes)}")
    ((n_y, n_x, _),) = shapes
    return -(-n_y // rows), -(-n_x // columns)


def fields(plant: PlantSpec, controller: str, period_us: int, polarity: Literal["keep", "merge"]) -> Sensor:
    """The encoder of a camera's events, pooled into fields.

    Parameters
    ----------
    plant : PlantSpec
    controller : str
        Its name, for messages.
    period_us : int
        The control period.
    polarity : str
        `keep` has two addresses for each field, OFF and ON; `merge` has one.
    """
    return Sensor(SensorConfig(pool=pool_of(plant, controller, ROWS, COLUMNS), polarity=polarity), plant, period_us)


def add_fields(net: Network, n: int, events: float, rest_s: float) -> str:
    """Add the port `fields` and a neuron for each address, which spikes once for so many events. Returns its name.

    Parameters
    ----------
    net : Network
    n : int
        How many addresses.
    events : float
    rest_s : float
        For how long a neuron rests after a spike: events in that time are lost, so that a fast turn, in which there are
        many times as many, does not drown what came before.
    """
    net.input("fields", n, kind="events", units=("1",) * n)
    cells = net.add(
        "cells", "if", n, synapse="delta", v_threshold=events, threshold_test=">=",
        refractory_s=rest_s,
    )  # fmt: skip
    net.connect("fields", cells, np.eye(n), name="pooled")
    return cells
