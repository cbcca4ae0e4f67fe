"""Timed changes of a plant, its sensors or its actuators. They must not know PyBullet, nor any one plant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from msgspec import Meta, Struct

from hilbench import plugins
from hilbench.errors import HilbenchError, ScenarioError, allowed_hint
from hilbench.seeding import stream

Seconds = Annotated[float, Meta(ge=0, le=1e6)]
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
Finite = Annotated[float, Meta(ge=-1e6, le=1e6)]

_NOISE_ROWS = 256


class Traits(NamedTuple):
    """The parts of a plant that a disturbance can change."""

    sensors: tuple[str, ...]
    """Names of the observations that are measured, in the order of the sensed values."""
    joints: tuple[str, ...]
    actuators: tuple[str, ...]
    tip_link: int | None = None
    """The link whose mass a payload adds to."""


@dataclass(slots=True)
class Loads:
    """The sum of all physical changes that hold at one instant."""

    tip_kg: float
    damping: list[float]
    """One per joint, N m s/rad or N s/m."""


class Timing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a disturbance acts."""

    at_s: Seconds = 0.0
    """When it starts, in plant time."""
    until_s: Seconds | None = None
    """When it ends at once; None means never."""
    ramp_s: Seconds = 0.0
    """How long it takes from nothing to its full size."""


class Disturbance(ABC):
    """A change of the plant with a start, an end and a ramp; `level` runs from 0 to 1.

    Parameters
    ----------
    config : Config
        The settings, of this class's Config.
    traits : Traits
        What of the plant a disturbance can reach.
    where : str
        The place in the scenario, for messages.

    Raises ScenarioError when the plant lacks what the disturbance acts on.
    """

    Config: ClassVar[type[Timing]]

    def __init__(self, config: Any, traits: Traits, where: str) -> None:
        self.config = config
        self.where = where
        self.level = 0.0
        self.fit(traits)

    @abstractmethod
    def fit(self, traits: Traits) -> None:
        """Work out, once, what the settings mean for this plant."""

    def reset(self, seed: int) -> None:
        """Start an episode: make randomness new."""

    def load(self, loads: Loads) -> None:
        """Add the physical change at the present level."""

    def sense(self, values: list[float]) -> None:
        """Change the sensed values in place; called once per physics step."""

    def actuate(self, forces: list[float]) -> None:
        """Change the forces in place before they act; called once per physics step."""


class Payload(Disturbance):
    """Adds a point mass to the plant's tip link."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        mass_kg: Annotated[float, Meta(gt=0, le=1000)]
        """What is added to the tip."""

    def fit(self, traits: Traits) -> None:
        if traits.tip_link is None:
            raise ScenarioError(f"{self.where}: payload needs a plant with a tip link; {_plants_with_a_tip()}")

    def load(self, loads: Loads) -> None:
        loads.tip_kg += self.level * self.config.mass_kg


class JointFriction(Disturbance):
    """Adds viscous friction to joints."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        damping: NotNegative | tuple[NotNegative, ...] | dict[str, NotNegative]
        """N m s/rad on a hinge, N s/m on a slide: one for all joints, a list, or a table by joint name."""

    def fit(self, traits: Traits) -> None:
        if not traits.joints:
            raise ScenarioError(
                f"{self.where}: joint_friction needs a plant that names its joints; this one names none"
            )
        self._damping = _spread(self.config.damping, traits.joints, 0.0, f"{self.where}.damping")

    def load(self, loads: Loads) -> None:
        for joint, damping in enumerate(self._damping):
            loads.damping[joint] += self.level * damping


class SensorBias(Disturbance):
    """Adds a constant to sensed values."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        bias: tuple[Finite, ...] | dict[str, Finite]
        """In the sensor's own unit: a list, or a table by observation name."""

    def fit(self, traits: Traits) -> None:
        self._bias = _spread(self.config.bias, traits.sensors, 0.0, f"{self.where}.bias")

    def sense(self, values: list[float]) -> None:
        for index, bias in enumerate(self._bias):
            values[index] += self.level * bias


class SensorNoise(Disturbance):
    """Adds white Gaussian noise to sensed values, drawn anew at each physics step."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        std: tuple[NotNegative, ...] | dict[str, NotNegative]
        """Standard deviation in the sensor's own unit: a list, or a table by observation name."""

    def fit(self, traits: Traits) -> None:
        self._std = np.array(_spread(self.config.std, traits.sensors, 0.0, f"{self.where}.std"))

    def reset(self, seed: int) -> None:
        # One stream per disturbance: a second noise, or another window of the first, shifts no draw of this one.
        self._random = stream(seed, f"sensor.{self.where}")
        self._rows: list[list[float]] = []

    def sense(self, values: list[float]) -> None:
        if not self._rows:
            self._rows = (self._random.standard_normal((_NOISE_ROWS, self._std.size)) * self._std).tolist()
        for index, noise in enumerate(self._rows.pop()):
            values[index] += self.level * noise


class ActuatorGain(Disturbance):
    """Multiplies what actuators do, after their limits: below 1 a weak motor, 0 a dead one."""

    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        factor: Finite | tuple[Finite, ...] | dict[str, Finite]
        """One for all actuators, a list, or a table by actuator name; 1 changes nothing."""

    def fit(self, traits: Traits) -> None:
        if not traits.actuators:
            text = "actuator_gain needs actions that are numbers; this plant's are choices, without a strength"
            raise ScenarioError(f"{self.where}: {text}")
        self._factor = _spread(self.config.factor, traits.actuators, 1.0, f"{self.where}.factor")

    def actuate(self, forces: list[float]) -> None:
        for index, factor in enumerate(self._factor):
            forces[index] *= 1.0 + self.level * (factor - 1.0)


def _spread(given: Any, names: Sequence[str], absent: float, where: str) -> tuple[float, ...]:
    """One number per name, from a number for all, a list in order, or a table by name."""
    if isinstance(given, Mapping):
        for name in given:
            if name not in names:
                raise ScenarioError(f"{where}.{name}: this plant has no such name; {allowed_hint(name, names)}")
        return tuple(given.get(name, absent) for name in names)
    if not isinstance(given, tuple):
        return (given,) * len(names)
    if len(given) != len(names):
        raise ScenarioError(f"{where}: found {len(given)} values, expected {len(names)}: {', '.join(names)}")
    return given


def _plants_with_a_tip() -> str:
    # Plants are imported only for this message, so that listing them imports nothing.
    fits = []
    for name, plugin in plugins.all_of("envs").items():
        with suppress(HilbenchError):  # one that does not load fits none
            traits = getattr(plugin.load(), "traits", None)
            fits += [name] if traits and traits.tip_link else []
    return f"it fits: {', '.join(fits) or 'none'}"
