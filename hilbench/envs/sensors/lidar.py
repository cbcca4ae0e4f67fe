"""A scanner that measures ranges by rays, with noise that grows with the range, and lost echoes."""

from __future__ import annotations

from math import pi
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs.sensors._base import Carrier, Mount, Sensor
from hilbench.envs.sensors._pose import Fan, RayConfig
from hilbench.errors import ScenarioError
from hilbench.seeding import Rows, stream


class LidarConfig(RayConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the sensor `lidar`."""

    n_rays: Annotated[int, Meta(ge=1, le=10_000)] = 18
    """How many rays there are, evenly over the field of view, the first one to the right."""
    fov_rad: Annotated[float, Meta(ge=0, le=2 * pi)] = 170 / 180 * pi
    """The angle from the first ray to the last; of a full circle the last one stands a spacing before the first."""
    min_m: Annotated[float, Meta(ge=0, le=1e4)] = 0.0
    """Where rays begin; nothing nearer is seen, as the robot itself."""
    max_m: Annotated[float, Meta(gt=0, le=1e4)] = 2.5
    """Where they end, which is what a ray shows that meets nothing."""
    noise_share: Annotated[float, Meta(ge=0, le=1)] = 0.0
    """Standard deviation of white Gaussian noise, drawn anew for each ray and sample, as a share of the range."""
    dropout: Annotated[float, Meta(ge=0, lt=1)] = 0.0
    """The chance of each echo to be lost; the ray shows `max_m` then."""


class Lidar(Sensor):
    """Ranges along rays in a plane of the body: `ray_0` to the right, the last one to the left."""

    Config = LidarConfig
    needs = ("rays",)

    def __init__(self, config: LidarConfig, mount: Mount) -> None:
        super().__init__(config, mount)
        if config.min_m >= config.max_m:
            found = f"{config.min_m:g} and {config.max_m:g}"
            raise ScenarioError(f"{mount.where}.min_m, max_m: found {found}; allowed: the lower first")
        n, half = config.n_rays, config.fov_rad / 2
        angles = np.linspace(-half, half, n, endpoint=config.fov_rad < 2 * pi - 1e-9) if n > 1 else np.zeros(1)
        self._fan = Fan(config, mount, angles, config.min_m, config.max_m)
        self.channels, self.units = tuple(f"ray_{i}" for i in range(n)), ("m",) * n
        self.low, self.high = [config.min_m] * n, [config.max_m] * n
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._random = stream(seed, self.mount.where)
        self._factors, self._lost = Rows(self._draw_factors), Rows(self._draw_lost)

    def sample(self, plant: Carrier) -> list[float]:
        config = self.config
        ranges_m, met = self._fan(plant)
        if config.noise_share:
            noisy_m = np.clip(ranges_m * self._factors.next(), config.min_m, config.max_m)
            ranges_m = np.where(met, noisy_m, ranges_m)
        if config.dropout:
            ranges_m[self._lost.next()] = config.max_m
        return ranges_m.tolist()

    def _draw_factors(self, n: int) -> list[NDArray[np.float64]]:
        return list(1.0 + self.config.noise_share * self._random.standard_normal((n, self.config.n_rays)))

    def _draw_lost(self, n: int) -> list[NDArray[np.bool_]]:
        return list(self._random.random((n, self.config.n_rays)) < self.config.dropout)
