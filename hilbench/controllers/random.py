"""Uniformly random actions: the lowest reference of every comparison."""

from __future__ import annotations

from msgspec import Struct
from numpy.typing import NDArray

from hilbench.controllers._law import around, law_program
from hilbench.seeding import stream
from hilbench.types import BuiltController, Controller, Empty, Law, PlantSpec


class RandomLawConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the action."""

    low: tuple[float, ...]
    high: tuple[float, ...]


class RandomLaw(Law):
    """Uniform noise between the bounds, new each tick."""

    Config = RandomLawConfig

    def reset(self, seed: int) -> None:
        self._random = stream(seed, "controller")

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        return self._random.uniform(self.config.low, self.config.high)


class Random(Controller):
    """Uniformly random actions within the plant's limits."""

    Config = Empty
    backend = "law"

    @staticmethod
    def build(config: Empty, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        law = RandomLawConfig(low=plant.action_low, high=plant.action_high)
        return around(law_program("random", law, plant), plant, period_us)
