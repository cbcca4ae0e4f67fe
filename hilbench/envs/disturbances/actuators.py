"""Disturbances of what actuators do."""

from __future__ import annotations

from hilbench.envs.disturbances._base import Disturbance, Finite, Timing, Traits, require_actuators, spread
from hilbench.envs.disturbances._modes import Wrong


class ActuatorGain(Disturbance):
    """Multiplies what actuators do, after their limits: below 1 a weak motor, 0 a dead one."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        factor: Finite | tuple[Finite, ...] | dict[str, Finite]
        """One for all actuators, a list, or a table by actuator name; 1 changes nothing."""

    def fit(self, traits: Traits) -> None:
        require_actuators("actuator_gain", traits, self.where)
        factor = spread(self.config.factor, traits.actuators, 1.0, f"{self.where}.factor")
        self._wrong = Wrong(factor, (0.0,) * len(factor))

    def actuate(self, forces: list[float]) -> None:
        forces[:] = self._wrong(forces, self.level)
