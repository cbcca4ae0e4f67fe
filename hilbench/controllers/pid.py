"""PID for the arm: the integral of the tracking error beside the PD and gravity term."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._arm import ArmModel, arm_model, command_nm, state, torque
from hilbench.controllers._law import around, law_program
from hilbench.types import BuiltController, Controller, Law, PlantSpec


class PIDLawConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Gain and bounds of the integral."""

    arm: ArmModel
    ki: float
    limit_nm: float
    period_s: float


class PIDLaw(Law):
    """Integral action with a clamp against wind-up; the integral is what it learns."""

    Config = PIDLawConfig
    learnt = ("integral_nm",)

    def reset(self, seed: int) -> None:
        self.integral_nm = (0.0, 0.0)

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        c, s = self.config, state(values)
        if learning:
            gain = c.ki * c.period_s
            grown = (
                self.integral_nm[0] + gain * (s.q_ref_1 - s.q_1),
                self.integral_nm[1] + gain * (s.q_ref_2 - s.q_2),
            )
            self.integral_nm = tuple(min(max(value, -c.limit_nm), c.limit_nm) for value in grown)
        command = command_nm(c.arm, s)
        return torque(command[0] + self.integral_nm[0], command[1] + self.integral_nm[1])


class PIDConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `pid`."""

    ki: Annotated[float, Meta(ge=0)] = 100.0
    """Integral gain in N m / (rad s)."""
    limit_nm: Annotated[float, Meta(gt=0)] = 60.0
    """Bound on the integral term."""


class PID(Controller):
    """PD, nominal gravity and an integral: the classical answer to a load."""

    Config = PIDConfig
    backend = "law"

    @staticmethod
    def build(config: PIDConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        arm = arm_model(plant, "pid")
        law: Any = PIDLawConfig(arm=arm, ki=config.ki, limit_nm=config.limit_nm, period_s=period_us * 1e-6)
        return around(law_program("pid", law, plant, "torque"), plant, period_us)
