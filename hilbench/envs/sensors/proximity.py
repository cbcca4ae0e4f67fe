"""A skirt of short rays around a robot: how near something is on its left and on its right."""

from __future__ import annotations

from math import pi
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs.sensors._base import Carrier, Mount, Sensor
from hilbench.envs.sensors._pose import Fan, RayConfig
from hilbench.seeding import Rows, stream


class ProximityConfig(RayConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the sensor `proximity`."""

    radius_m: Annotated[float, Meta(ge=0, le=100)] = 0.0
    """How far from the sensor's place the skirt is: where rays begin."""
    reach_m: Annotated[float, Meta(gt=0, le=100)] = 0.1
    """How far beyond the skirt it sees."""
    fov_rad: Annotated[float, Meta(gt=0, le=2 * pi)] = pi
    """The angle that both sides cover together, half of it to the left and half to the right of straight ahead."""
    n_rays: Annotated[int, Meta(ge=1, le=5000)] = 8
    """How many rays each side has, in the middles of as many equal angles."""
    normalised: bool = False
    """Whether it shows nearness, from 0 for nothing within reach to 1 at the skirt, in place of the distance."""
    noise_std: Annotated[float, Meta(ge=0, le=100)] = 0.0
    """Standard deviation of white Gaussian noise of the distance, drawn anew for each sample; the limits hold."""


class Proximity(Sensor):
    """The least distance from the skirt to something on the left and on the right, or how near that is."""

    Config = ProximityConfig
    needs = ("rays",)
    channels = ("left", "right")

    def __init__(self, config: ProximityConfig, mount: Mount) -> None:
        super().__init__(config, mount)
        side = (np.arange(config.n_rays) + 0.5) * (config.fov_rad / 2 / config.n_rays)
        angles = np.concatenate((side, -side))
        self._fan = Fan(config, mount, angles, config.radius_m, config.radius_m + config.reach_m)
        self.units = ("1" if config.normalised else "m",) * 2
        self.low, self.high = (0.0, 0.0), (1.0 if config.normalised else config.reach_m,) * 2
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._random = stream(seed, self.mount.where)
        self._noise = Rows(self._draw)

    def sample(self, plant: Carrier) -> list[float]:
        config = self.config
        near_m = self._fan(plant)[0].reshape(2, -1).min(axis=1) - config.radius_m
        if config.noise_std:
            near_m = near_m + self._noise.next()
        near_m = np.clip(near_m, 0.0, config.reach_m)
        return (1.0 - near_m / config.reach_m if config.normalised else near_m).tolist()

    def _draw(self, n: int) -> list[NDArray[np.float64]]:
        return list(self.config.noise_std * self._random.standard_normal((n, 2)))
