"""Forces on joints: steady ones, and such that depend on where joints are and how fast they move."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from math import pi, sin, tanh
from typing import Annotated, Any

import numpy as np
from msgspec import Meta

from hilbench.envs.disturbances._base import (
    Disturbance,
    Finite,
    Loads,
    NotNegative,
    Timing,
    Traits,
    require_joints,
    spread,
)
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.seeding import stream

Positive = Annotated[float, Meta(gt=0, le=1e6)]


class Push(Disturbance):
    """Pushes joints by constant forces: a steady wind, something that leans on them."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        force: Finite | tuple[Finite, ...] | dict[str, Finite]
        """In N m on a hinge, N on a slide: one for all joints, a list, or a table by joint name."""
        either_way: bool = False
        """Whether each episode draws each force's sign."""

    def fit(self, traits: Traits) -> None:
        require_joints("push", traits, self.where)
        self._given = spread(self.config.force, traits.joints, 0.0, f"{self.where}.force")
        self._forces = self._given

    def reset(self, seed: int) -> None:
        if self.config.either_way:
            signs = stream(seed, f"push.{self.where}").choice((-1.0, 1.0), len(self._given))
            self._forces = tuple((signs * self._given).tolist())

    def load(self, loads: Loads) -> None:
        loads.fields.append(self._push)

    def _push(self, joints: Sequence[Sequence[Any]], forces: list[float]) -> None:
        for joint, force in enumerate(self._forces):
            forces[joint] += self.level * force


class FieldConfig(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings that every field has."""

    joint: str
    """The joint that it acts on, by its name."""


class _Field(Disturbance):
    """A force on one joint, of its position and speed."""

    Config = FieldConfig

    def fit(self, traits: Traits) -> None:
        where, joint = self.where, self.config.joint
        require_joints("a field", traits, where)
        if joint not in traits.joints:
            raise ScenarioError(f"{where}.joint: found {joint!r}; {allowed_hint(joint, traits.joints)}")
        self._joint = traits.joints.index(joint)

    def load(self, loads: Loads) -> None:
        loads.fields.append(self._push)

    def _push(self, joints: Sequence[Sequence[Any]], forces: list[float]) -> None:
        state = joints[self._joint]
        forces[self._joint] += self.level * self.force(state[0], state[1])

    @abstractmethod
    def force(self, position: float, speed: float) -> float:
        """The force on the joint at full size, in N m or N.

        Parameters
        ----------
        position : float
            In rad or m.
        speed : float
            In rad/s or m/s.
        """


class ForceField(_Field):
    """Pushes a joint by sines of its position, whose phases a seed draws: wind over an angle, cogging of a motor."""

    class Config(FieldConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        amplitude: tuple[NotNegative, ...]
        """Of each sine, in N m on a hinge, N on a slide."""
        wavelength: tuple[Positive, ...]
        """Of each sine, in rad or m."""
        phase_rad: tuple[Finite, ...] | None = None
        """Of each sine at position 0; drawn from [0, 2 pi) for each episode when absent."""

    def fit(self, traits: Traits) -> None:
        super().fit(traits)
        n = len(self.config.amplitude)
        for name in ("wavelength", "phase_rad"):
            given = getattr(self.config, name)
            if given is not None and len(given) != n:
                raise ScenarioError(f"{self.where}.{name}: found {len(given)} values, expected {n}, one per amplitude")
        self._draw(np.zeros(n))

    def reset(self, seed: int) -> None:
        self._draw(stream(seed, f"field.{self.where}").uniform(0, 2 * pi, len(self.config.amplitude)))

    def force(self, position: float, speed: float) -> float:
        return sum(size * sin(per * position + phase) for size, per, phase in self._sines)

    def _draw(self, phases: Any) -> None:
        config = self.config
        phases = phases.tolist() if config.phase_rad is None else config.phase_rad
        self._sines = [
            (size, 2 * pi / length, phase)
            for size, length, phase in zip(config.amplitude, config.wavelength, phases, strict=True)
        ]


class Hose(_Field):
    """Lets a joint drag a hose: a spring to where it is fixed, and dry friction in the part that lies on the ground."""

    class Config(FieldConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        stiffness: NotNegative = 0.0
        """Of the spring, in N m/rad or N/m."""
        rest: Finite = 0.0
        """Where the spring pulls to, in rad or m."""
        friction: NotNegative = 0.0
        """The dry friction, in N m or N."""
        friction_from: Finite = -1e6
        """The friction acts from this position on, in rad or m."""
        friction_to: Finite = 1e6
        """And up to this one."""
        slip_speed: Positive = 0.02
        """The speed at which friction has 76 % of its size (tanh 1), in rad/s or m/s."""

    def force(self, position: float, speed: float) -> float:
        config = self.config
        pull = config.stiffness * (config.rest - position)
        if config.friction_from <= position <= config.friction_to:
            pull -= config.friction * tanh(speed / config.slip_speed)
        return pull
