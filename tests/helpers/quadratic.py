"""A plant whose cost is a known quadratic of the action, and a law that holds its settings as the action."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.coders.values import direct, whole
from hilbench.envs import Shown, SteppedConfig, SteppedPlant
from hilbench.envs.disturbances import Traits
from hilbench.types import BuiltController, Controller, Law, LawProgram, PlantSpec, Port, to_builtins

BEST = (0.3, -0.5)
"""The action with the lowest cost, at which it is OFFSET."""
OFFSET = 0.25
RAISES_ABOVE, FALLS_BELOW = 0.9, -0.9
"""First actions with which the law raises, and with which the plant ends the episode."""


class Bowl(SteppedPlant):
    """Its cost is OFFSET and the squared distance of the action from BEST."""

    traits = Traits(sensors=("x",), actuators=("first", "second"))
    obs_high = (1e3,)
    Config = SteppedConfig

    @property
    def own_spec(self) -> PlantSpec:
        return PlantSpec(
            obs_names=("x",), obs_units=("1",), action_names=("first", "second"), action_units=("1", "1"),
            action_low=(-1.0, -1.0), action_high=(1.0, 1.0), safe_action=(0.0, 0.0),
            physics_step_s=self.config.physics_step_s, info_units={"cost": "1"}, error="", parameters={},
        )  # fmt: skip

    def begin(self, random: np.random.Generator) -> None:
        self.forces = [0.0, 0.0]

    def move(self, forces: list[float]) -> None:
        self.forces = list(forces)

    def read(self) -> list[float]:
        return [0.0]

    def show(self) -> Shown:
        cost = OFFSET + sum((force - best) ** 2 for force, best in zip(self.forces, BEST, strict=True))
        return self.sensed, 0.0, self.forces[0] < FALLS_BELOW, {"cost": cost}


class HoldConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    first: float = 0.0
    second: float = 0.0
    hundredths: int = 0
    """Added to the first action, in hundredths of it."""


class HoldLaw(Law):
    """The settings as the action."""

    Config = HoldConfig

    def reset(self, seed: int) -> None:
        pass

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        c = self.config
        if c.first > RAISES_ABOVE:
            raise RuntimeError("too much")
        return np.array((c.first + c.hundredths / 100, c.second))


class Hold(Controller):
    Config = HoldConfig
    backend = "law"

    @staticmethod
    def build(config: Any, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        inputs, outputs = (Port("observation", 1, units=("1",)),), (Port("action", 2, units=("1", "1")),)
        program = LawProgram("quadratic:HoldLaw", to_builtins(config), inputs=inputs, outputs=outputs)
        return BuiltController(program, whole(plant, period_us), direct(outputs, plant, period_us))


class Swing(SteppedPlant):
    """Its cost is the square of what it shows: a swinging target, less the action. A sensor bias shifts the target."""

    traits = Traits(sensors=("e",), actuators=("u",))
    obs_high = (1e3,)
    Config = SteppedConfig

    @property
    def own_spec(self) -> PlantSpec:
        return PlantSpec(
            obs_names=("e",), obs_units=("1",), action_names=("u",), action_units=("1",),
            action_low=(-3.0,), action_high=(3.0,), safe_action=(0.0,),
            physics_step_s=self.config.physics_step_s, info_units={"cost": "1"}, error="", parameters={},
        )  # fmt: skip

    def begin(self, random: np.random.Generator) -> None:
        self.u, self.steps = 0.0, 0

    def move(self, forces: list[float]) -> None:
        self.u, self.steps = forces[0], self.steps + 1

    def read(self) -> list[float]:
        return [0.7 * np.cos(2 * np.pi * self.steps / 800) - self.u]

    def show(self) -> Shown:
        return self.sensed, 0.0, False, {"cost": float(self.sensed[0]) ** 2}


class ChaseConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    start: float = 0.0
    """The action before the change, or for ever at a rate of 0."""
    rate: float = 0.0
    """By which the action grows per error and tick."""
    told: float = 0.0
    """Added to the action from tick 40 on."""


class ChaseLaw(Law):
    """An integral of the error, which is what it learns."""

    Config = ChaseConfig
    learnt = ("action",)

    def reset(self, seed: int) -> None:
        self.action, self.ticks = self.config.start, 0

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        self.ticks += 1
        if learning:
            self.action += self.config.rate * values[0]
        return np.array((self.action + self.config.told * (self.ticks > 40),))


class Chase(Controller):
    Config = ChaseConfig
    backend = "law"

    @staticmethod
    def build(config: Any, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        inputs, outputs = (Port("observation", 1, units=("1",)),), (Port("action", 1, units=("1",)),)
        program = LawProgram("quadratic:ChaseLaw", to_builtins(config), inputs=inputs, outputs=outputs)
        return BuiltController(program, whole(plant, period_us), direct(outputs, plant, period_us))
