"""Place cells: spikes that say where a body is."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.coders import columns_of, disc_grid
from hilbench.envs.sensors._base import Carrier, Mount, Sensor, SensorConfig
from hilbench.errors import ScenarioError
from hilbench.seeding import stream
from hilbench.types import EVENT, NO_EVENTS, Events

MOST_CELLS = 10_000
Metres = Annotated[float, Meta(gt=0, le=1e3)]


class PlaceCellsConfig(SensorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the sensor `place_cells`."""

    position: tuple[str, str] = ("x", "y")
    """Names of the body's x and y in the plant's named state, in m."""
    radius_m: Metres = 0.6
    """How far from the origin there are cells."""
    spacing_m: Metres = 0.1
    """The distance between neighbours in the square grid of their preferred places; one is at the origin."""
    sigma_m: Metres = 0.1
    """Width of a place field: the standard deviation of its Gaussian."""
    peak_hz: Annotated[float, Meta(gt=0, le=1e4)] = 100.0
    """The rate at the preferred place."""
    gate: str | None = None
    """A named state: cells are silent while it is 0 or less. Without one they are never silent."""


class PlaceCells(Sensor):
    """Poisson spikes of cells that each prefer a place: peak_hz exp(-|p - place|^2 / (2 sigma_m^2))."""

    Config = PlaceCellsConfig
    axes = ("channel",)

    def __init__(self, config: PlaceCellsConfig, mount: Mount) -> None:
        super().__init__(config, mount)
        self._columns = columns_of(config.position, mount.names, f"{mount.where}.position")
        gate = () if config.gate is None else (config.gate,)
        self._gates = columns_of(gate, mount.names, f"{mount.where}.gate") if gate else []
        if 3.2 * (config.radius_m / config.spacing_m) ** 2 > MOST_CELLS:
            allowed = f"a grid of at most {MOST_CELLS} cells"
            raise ScenarioError(f"{mount.where}.spacing_m: found {config.spacing_m:g} m; allowed: {allowed}")
        self.places_m = disc_grid(config.radius_m, config.spacing_m)
        """Where each cell fires most, (n_cells, 2)."""
        self.shape = (len(self.places_m),)
        self._falls = -0.5 / config.sigma_m**2
        self._peak = config.peak_hz * mount.period_us * 1e-6  # spikes from sample to sample
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._random = stream(seed, self.mount.where)
        self._begun = False

    def rates_hz(self, x_m: float, y_m: float) -> NDArray[np.float64]:
        """How fast each cell fires where the body is, (n_cells,).

        Parameters
        ----------
        x_m, y_m : float
        """
        return self.config.peak_hz * self._shares(x_m, y_m)

    def sample(self, plant: Carrier) -> Events:
        """The spikes since the sample before, at the rates of where the body is now."""
        begun, self._begun = self._begun, True
        if not begun or (self._gates and plant.truth[self._gates[0]] <= 0):
            return NO_EVENTS
        x, y = self._columns
        counts = self._random.poisson(self._peak * self._shares(plant.truth[x], plant.truth[y]))
        n = int(counts.sum())
        found = np.empty(n, EVENT)
        found["address"] = np.repeat(np.arange(counts.size), counts)
        found["t_us"] = self._random.integers(0, self.mount.period_us, n)
        return found[np.argsort(found["t_us"], kind="stable")]

    def _shares(self, x_m: float, y_m: float) -> NDArray[np.float64]:
        away_m = self.places_m - (x_m, y_m)
        return np.exp(self._falls * (away_m * away_m).sum(axis=1))
