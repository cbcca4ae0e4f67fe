"""Disturbances of what actuators do."""

from __future__ import annotations

from hilbench.envs.disturbances._base import (
    Disturbance,
    Finite,
    Loads,
    Timing,
    Traits,
    require_actuators,
    spread,
)


class ActuatorGain(Disturbance):
    """Multiplies what actuators do, after their limits: below 1 a weak motor, 0 a dead one."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        factor: Finite | tuple[Finite, ...] | dict[str, Finite]
        """One for all actuators, a list, or a table by actuator name; 1 changes nothing."""

    def fit(self, traits: Traits) -> None:
        require_actuators("actuator_gain", traits, self.where)
        self._factor = spread(self.config.factor, traits.actuators, 1.0, f"{self.where}.factor")

    def load(self, loads: Loads) -> None:
        for index, factor in enumerate(self._factor):
            loads.gains[index] *= 1.0 + self.level * (factor - 1.0)

    def actuate(self, forces: list[float]) -> None:
        for index, factor in enumerate(self._factor):
            forces[index] *= 1.0 + self.level * (factor - 1.0)
