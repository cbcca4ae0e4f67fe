"""Disturbances of what actuators do."""

from __future__ import annotations

from hilbench.envs.disturbances._base import (
    Disturbance,
    Finite,
    Loads,
    Timing,
    Traits,
    change_over,
    require_actuators,
    reversed_places,
    spread,
)
from hilbench.errors import ScenarioError


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


class ActuatorSwap(Disturbance):
    """Gives each actuator what another one should do, after their limits, as where cables are interchanged."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        actuators: tuple[str, ...] = ()
        """Names, which change places with those in reverse order: of two, each with the other. All when empty."""

    def fit(self, traits: Traits) -> None:
        if len(traits.actuators) < 2:
            text = f"actuator_swap needs two actions that are numbers; found {len(traits.actuators)}"
            raise ScenarioError(f"{self.where}: {text}")
        self._pairs = reversed_places(self.config.actuators, traits.actuators, f"{self.where}.actuators")

    def actuate(self, forces: list[float]) -> None:
        change_over(forces, self._pairs, self.level)
