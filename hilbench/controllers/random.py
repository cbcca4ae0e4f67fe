"""Uniformly random actions: the lowest reference of every comparison."""

from __future__ import annotations

from msgspec import Struct
from numpy.typing import NDArray

from hilbench.coders.values import Whole, values_to_action
from hilbench.seeding import stream
from hilbench.types import BuiltController, Controller, Empty, Law, LawProgram, PlantSpec, Port, to_builtins


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
        program = LawProgram(
            "random",
            to_builtins(law),
            inputs=(Port("observation", len(plant.obs_names), units=plant.obs_units),),
            outputs=(Port("action", len(plant.action_names), units=plant.action_units),),
        )
        return BuiltController(program, Whole(), values_to_action)
