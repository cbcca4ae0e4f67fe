"""The logarithm of a concentration, as of an odour or of light, at places of a robot."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.envs.sensors._base import Carrier, Mount, Sensor
from hilbench.envs.sensors._pose import Pose, PosedConfig
from hilbench.errors import ScenarioError
from hilbench.seeding import Rows, stream

LEAST = 1e-12
"""What a lower concentration counts as, for it has no logarithm."""


class ConcentrationConfig(PosedConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the sensor `concentration`."""

    places_m: Annotated[tuple[tuple[float, float], ...], Meta(min_length=1)] = ((0.0, 0.05), (0.0, -0.05))
    """Where on the body its parts are: forwards and to the left."""
    sources: tuple[tuple[float, float, float], ...] = ()
    """Where sources are, x and y in m, and how strong each is; the plant's `field(x_m, y_m)` where there are none."""
    r0_m: Annotated[float, Meta(gt=0, le=1e3)] = 0.3
    """The distance at which a source's concentration is half of that at its place."""
    noise_std: Annotated[float, Meta(ge=0, le=100)] = 0.0
    """Standard deviation of white Gaussian noise of the logarithm, drawn anew for each place and sample."""


class Concentration(Sensor):
    """The natural logarithm of the concentration at each place: of given sources, or of the plant's own field."""

    Config = ConcentrationConfig

    def __init__(self, config: ConcentrationConfig, mount: Mount) -> None:
        super().__init__(config, mount)
        self._pose = Pose(config, mount)
        n = len(config.places_m)
        self._places_m = np.column_stack((np.array(config.places_m), np.zeros(n)))
        self._sources = np.array(config.sources).reshape(-1, 3)
        if (weak := np.flatnonzero(self._sources[:, 2] <= 0)).size:
            found = self._sources[weak[0], 2]
            raise ScenarioError(f"{mount.where}.sources: found a strength of {found:g}; allowed: more than 0")
        if not config.sources:
            self.needs = ("field",)
        self.channels, self.units = tuple(f"c_{i}" for i in range(n)), ("1",) * n
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._random = stream(seed, self.mount.where)
        self._noise = Rows(self._draw)

    def sample(self, plant: Carrier) -> list[float]:
        x_m, y_m, _ = self._pose.world(self._places_m, plant.truth).T
        field = self._of_sources if self.config.sources else plant.field  # type: ignore[attr-defined]  # in `needs`
        found = np.log(np.maximum(field(x_m, y_m), LEAST))
        if self.config.noise_std:
            found += self._noise.next()
        return found.tolist()

    def _of_sources(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """The sum of strength / (r + r0) over all sources, (n,)."""
        source_x_m, source_y_m, strength = self._sources.T[:, :, None]
        return (strength / (np.hypot(x_m - source_x_m, y_m - source_y_m) + self.config.r0_m)).sum(axis=0)

    def _draw(self, n: int) -> list[NDArray[np.float64]]:
        return list(self.config.noise_std * self._random.standard_normal((n, len(self._places_m))))
