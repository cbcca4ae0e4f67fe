"""PD with nominal gravity: the arm without learning. Where the plant has an inner loop, its torque is 0."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from hilbench.coders.values import Whole, values_to_action
from hilbench.controllers._arm import ArmModel, arm_law, arm_model, command_nm, state, torque
from hilbench.types import BuiltController, Controller, Empty, Law, PlantSpec


class PDLaw(Law):
    """The PD and gravity term where the plant has no inner loop, else zero."""

    Config = ArmModel

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        return torque(*command_nm(self.config, state(values)))


class PD(Controller):
    """PD and nominal gravity alone: the floor of the arm scenarios."""

    Config = Empty
    backend = "law"

    @staticmethod
    def build(config: Any, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        return BuiltController(arm_law("pd", arm_model(plant, "pd"), plant), Whole(), values_to_action)
