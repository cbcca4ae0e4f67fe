"""The addresses of one event sensor, pooled: what the encoders of a sensor's events share."""

from __future__ import annotations

from math import prod
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders._names import columns_of, spread
from hilbench.errors import ScenarioError
from hilbench.types import EventSensor, PlantSpec

Factor = Annotated[int, Meta(ge=1, le=65_536)]
POLARITY = {"off": 0, "on": 1}


class PoolConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which event sensor, and how its addresses are pooled."""

    sensor: str = ""
    """Which of the plant's event sensors; its only one when empty."""
    pool: Factor | tuple[Factor, ...] = 1
    """How many neighbours become one along each axis but polarity: one factor for all, or one each. A last block may be
    smaller."""
    polarity: Literal["keep", "merge", "on", "off"] = "keep"
    """Whether ON and OFF stay apart, become one address, or only the events of one of them are taken."""


class Pooled:
    """Where each address of the plant's event sensors goes: `table` by address, `size` for an event that is not taken.

    Parameters
    ----------
    config : PoolConfig
    plant : PlantSpec

    Raises ScenarioError when the settings do not fit the plant's sensors.
    """

    def __init__(self, config: PoolConfig, plant: PlantSpec) -> None:
        sensors = plant.event_sensors
        names = [sensor.name for sensor in sensors]
        if not sensors or (not config.sensor and len(sensors) > 1):
            allowed = f"one of {', '.join(names)}" if names else "a plant with event sensors; this one has none"
            raise ScenarioError(f"sensor: found {config.sensor!r}; allowed: {allowed}")
        (index, *_) = columns_of((config.sensor,) if config.sensor else (), names, "sensor")
        own, self.shape = _own_table(sensors[index], config)
        self.size = prod(self.shape)
        self.table = np.full(sum(sensor.size for sensor in sensors), self.size, np.uint32)
        first = sum(sensor.size for sensor in sensors[:index])
        self.table[first : first + own.size] = own
        self.takes_all = bool((self.table < self.size).all())
        self.changes_none = self.takes_all and bool((self.table == np.arange(self.table.size)).all())


def _own_table(sensor: EventSensor, config: PoolConfig) -> tuple[NDArray, tuple[int, ...]]:
    """The pooled address of each of the sensor's addresses, and the shape that those count, in C order."""
    polar = sensor.axes.index("polarity") if "polarity" in sensor.axes else None
    if polar is None and config.polarity != "keep":
        raise ScenarioError(f"polarity: found {config.polarity!r}, but {sensor.name!r} has none; allowed: keep")
    pooled = [axis for axis in range(len(sensor.shape)) if axis != polar]
    factors = np.ones(len(sensor.shape), int)
    factors[pooled] = spread(config.pool, len(pooled), "pool")
    places = np.indices(sensor.shape).reshape(len(sensor.shape), -1)
    shape = [-(-n // int(factor)) for n, factor in zip(sensor.shape, factors, strict=True)]
    taken = np.ones(places.shape[1], bool)
    if config.polarity in POLARITY:
        taken = places[polar] == POLARITY[config.polarity]
    if polar is not None and config.polarity != "keep":
        factors[polar], shape[polar] = sensor.shape[polar], 1
    table = np.ravel_multi_index(tuple(places // factors[:, None]), shape)
    return np.where(taken, table, prod(shape)), tuple(shape)
