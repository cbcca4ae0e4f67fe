"""A sensor that gives the events of recordings, which its plant plays."""

from __future__ import annotations

from math import prod
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs.sensors._base import Mount, Sensor, SensorConfig
from hilbench.envs.sensors._playback import Playing
from hilbench.errors import ScenarioError
from hilbench.types import EVENT, Events

AXES = {1: ("channel",), 2: ("y", "x"), 3: ("y", "x", "polarity")}
"""What each dimension of a recording is, by how many it has."""


class RecordedConfig(SensorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the sensor `recorded`."""

    shape: Annotated[tuple[Annotated[int, Meta(ge=1, le=65_536)], ...], Meta(min_length=1, max_length=3)]
    """Of the recordings: [channels], [height, width], or [height, width, 2] with a polarity."""
    crop: Annotated[int, Meta(ge=0, le=65_536)] = 0
    """How many pixels or channels are left out along each border."""
    pool: Annotated[int, Meta(ge=1, le=65_536)] = 1
    """How many neighbours become one address along each axis but polarity."""


class Recorded(Sensor):
    """The events of a recording in the order and at the times that it has them; of a part of it, pooled."""

    Config = RecordedConfig
    needs = ("playback",)

    def __init__(self, config: RecordedConfig, mount: Mount) -> None:
        super().__init__(config, mount)
        self.axes = AXES[len(config.shape)]
        smallest = min(n for n, axis in zip(config.shape, self.axes, strict=True) if axis != "polarity")
        if 2 * config.crop >= smallest:
            found = f"found {config.crop} of {smallest}"
            raise ScenarioError(f"{mount.where}.crop: {found}; allowed: what leaves something between both borders")
        self.shape, self._addresses = pooled(config)

    def sample(self, plant: Any) -> Events:
        playing: Playing = plant
        found, now_us = playing.playback(), round(plant.time_s * 1e6)
        if found.shape != self.config.shape:
            text = f"found {list(self.config.shape)}; allowed: {list(found.shape)}, of what the plant plays"
            raise ScenarioError(f"{self.mount.where}.shape: {text}")
        start_us = now_us - self.mount.period_us
        first, last = np.searchsorted(found.t_us, (max(start_us, 0), now_us))
        address = self._addresses[found.address[first:last]]
        seen = address >= 0
        events = np.zeros(np.count_nonzero(seen), EVENT)
        events["t_us"], events["address"] = found.t_us[first:last][seen] - start_us, address[seen]
        return events


def pooled(config: RecordedConfig) -> tuple[tuple[int, ...], NDArray[np.int64]]:
    """The shape of what is left, and for each address of a recording the one that it becomes, -1 for none.

    Parameters
    ----------
    config : RecordedConfig
    """
    axes, crop, pool = AXES[len(config.shape)], config.crop, config.pool
    places = np.indices(config.shape).reshape(len(config.shape), -1)
    within, shape = np.ones(prod(config.shape), bool), []
    for k, (axis, n) in enumerate(zip(axes, config.shape, strict=True)):
        if axis == "polarity":
            shape.append(n)
            continue
        within &= (places[k] >= crop) & (places[k] < n - crop)
        places[k] = np.clip((places[k] - crop) // pool, 0, None)
        shape.append(-(-(n - 2 * crop) // pool))
    places[:, ~within] = 0
    return tuple(shape), np.where(within, np.ravel_multi_index(tuple(places), tuple(shape)), -1)
