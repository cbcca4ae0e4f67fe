"""PD with nominal gravity: the arm without learning. Where the plant has an inner loop, its torque is 0."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from hilbench.controllers._arm import ArmModel, arm_model, command_nm, state, torque
from hilbench.controllers._law import around, law_program
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
        return around(law_program("pd", arm_model(plant, "pd"), plant, "torque"), plant, period_us)
