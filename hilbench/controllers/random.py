"""Uniformly random actions: the lowest reference of every comparison."""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.controllers._law import around, law_program
from hilbench.seeding import stream
from hilbench.types import BuiltController, Controller, Empty, Law, PlantSpec


class RandomLawConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds of the action."""

    low: tuple[float, ...]
    high: tuple[float, ...]
    choices: tuple[int, ...] = ()
    """How many choices each action has from `low` on, 0 for a continuous one; empty when all are continuous."""

    def __post_init__(self) -> None:
        if self.choices and len(self.choices) != len(self.low):
            raise ValueError(f"choices: found {len(self.choices)} for {len(self.low)} actions")


class RandomLaw(Law):
    """Uniform noise between the bounds, new each tick; of choices each is as likely as another."""

    Config = RandomLawConfig

    def __init__(self, config: RandomLawConfig) -> None:
        super().__init__(config)
        self._n = np.array(config.choices, np.int64)
        self._free = self._n == 0

    def reset(self, seed: int) -> None:
        self._random = stream(seed, "controller")

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        drawn = self._random.uniform(self.config.low, self.config.high)
        if not self._n.size:
            return drawn
        return np.where(self._free, drawn, self.config.low + self._random.integers(0, self._n + self._free))


class Random(Controller):
    """Uniformly random actions within the plant's limits."""

    Config = Empty
    backend = "law"

    @staticmethod
    def build(config: Empty, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        law = RandomLawConfig(low=plant.action_low, high=plant.action_high, choices=plant.action_choices)
        return around(law_program("random", law, plant), plant, period_us)
