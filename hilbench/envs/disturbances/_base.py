"""What all disturbances are: timed changes. They must not know PyBullet, nor any one plant."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, NamedTuple

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.errors import ScenarioError, allowed_hint
from hilbench.types import Events, EventSensor

Seconds = Annotated[float, Meta(ge=0, le=1e6)]
"""A time or a duration, in s."""
NotNegative = Annotated[float, Meta(ge=0, le=1e6)]
"""A number that is 0 or more."""
Finite = Annotated[float, Meta(ge=-1e6, le=1e6)]
"""A number of either sign."""


class Traits(NamedTuple):
    """The parts of a plant that a disturbance can change."""

    sensors: tuple[str, ...]
    """Names of the measured values, in the order of the sensed values: the plant's own, then SENSOR.CHANNEL."""
    joints: tuple[str, ...] = ()
    actuators: tuple[str, ...] = ()
    tip_link: int | None = None
    """The link whose mass a payload adds to."""
    event_sensors: tuple[EventSensor, ...] = ()
    """Its event sensors, whose addresses lie side by side in this order."""
    step_s: float = 0.001
    """The physics step: values are sensed, and actuators act, once in each."""
    cameras: tuple[str, ...] = ()
    """Names of its cameras, which may be turned on their mounts."""
    lit: bool = False
    """Whether it has a scene, whose light may change."""
    goal: bool = False
    """Whether it has a goal, whose place may change."""
    ears: tuple[str, ...] = ()
    """Names of its ears, which may be moved, louder or late."""
    n_electrodes: int = 0
    """How many electrodes it has, which may be moved."""
    speaks: bool = False
    """Whether somebody speaks, in whose place another one may."""
    waves: tuple[str, ...] = ()
    """Names of the waves of a beat that its lead shows, which may change."""
    n_wearers: int = 0
    """Of how many people there are recordings, some of whom wear it, and others may."""
    trials: bool = False
    """Whether it has trials with and without a target, and may have none with one."""


JointForce = Callable[[Sequence[Sequence[Any]], list[float]], None]
"""Adds forces on joints, (n_joints,) N m or N, that depend on their (position, speed, ...), (n_joints,) rad or m."""


@dataclass(slots=True)
class Loads:
    """The sum of all physical changes that hold at one instant."""

    tip_kg: float
    damping: list[float]
    """One per joint, N m s/rad or N s/m."""
    gains: list[float] = field(default_factory=list)
    """What is left of each actuator: 1 where nothing is lost."""
    fields: list[JointForce] = field(default_factory=list)
    """Forces that depend on where the joints are and how fast they move; asked in each physics step."""
    turns: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """By camera, how far it is turned on its mount: yaw, pitch and roll in rad. Others are as they were mounted."""
    brightness: float = 1.0
    """What the light of the scene is multiplied by."""
    contrast: float = 1.0
    """What differences of luminance from the scene's grey are multiplied by."""
    goal_turn_rad: float = 0.0
    """How far the goal is turned about the middle of the plant's world, to the left."""
    ears: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By ear, what its microphone's pressure is multiplied by, and how late it is in s. Others are as they were."""
    ears_scale: float = 1.0
    """What the distance between ears is multiplied by."""
    ears_swapped: bool = False
    """Whether ears hear at each other's places."""
    electrodes_turn_rad: float = 0.0
    """How far a ring of electrodes is turned."""
    electrode_gains: list[float] = field(default_factory=list)
    """What each electrode's signal is multiplied by; none is changed where empty."""
    voice: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """What a speaker's formants, pitch and lengths of words are multiplied by."""
    wave_gains: list[float] = field(default_factory=list)
    """What each wave of a beat is multiplied by; none is changed where empty."""
    interval_scale: float = 1.0
    """What the time from beat to beat is multiplied by."""
    lead_noise_scale: float = 1.0
    """What the noise of a lead is multiplied by."""
    wearers: tuple[int, ...] = ()
    """Who wears a sensor, from 1 on; where empty, those of the plant's settings."""
    threshold_scales: dict[str, float] = field(default_factory=dict)
    """By event camera, what its thresholds are multiplied by. Others are as they were."""
    drought: bool = False
    """Whether no trial has a target."""

    @classmethod
    def none(cls, traits: Traits) -> Loads:
        """No change of a plant."""
        return cls(0.0, [0.0] * len(traits.joints), [1.0] * len(traits.actuators))

    def joint_forces(self, joints: Sequence[Sequence[Any]]) -> list[float]:
        """What the fields do to the joints now, (n_joints,) in N m or N.

        Parameters
        ----------
        joints : (n_joints,) sequence of (position, speed, ...)
            In rad or m.
        """
        forces = [0.0] * len(self.damping)
        for push in self.fields:
            push(joints, forces)
        return forces


class Span(NamedTuple):
    """The part of a window of events in which a disturbance acts, and how strongly there."""

    begin_us: int
    """The first `t_us` in it, counted from the window's start, as the events' own."""
    end_us: int
    """The first `t_us` after it."""
    level: float = 1.0
    """The level at the window's start; it may be below 0, for the ramp begins later then."""
    per_us: float = 0.0
    """By how much the level grows in a microsecond, up to 1."""
    period_us: int = 0
    """The whole window."""
    start_us: int = 0
    """When the window starts, in plant time; below 0 within the first period."""

    def levels(self, events: Events) -> NDArray[np.float64]:
        """The level at each event, from 0 to 1; 0 where the disturbance does not act, (n,)."""
        t_us = events["t_us"].astype(np.int64)
        acts = (t_us >= self.begin_us) & (t_us < self.end_us)
        return np.clip(self.level + self.per_us * t_us, 0.0, 1.0) * acts


class Timing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a disturbance acts."""

    at_s: Seconds = 0.0
    """When it starts, in plant time."""
    until_s: Seconds | None = None
    """When it ends at once; None means never."""
    ramp_s: Seconds = 0.0
    """How long it takes from nothing to its full size."""
    at_episode: Annotated[int, Meta(ge=0)] = 0
    """From which episode on it acts, at these times of each."""
    until_episode: Annotated[int, Meta(ge=1)] | None = None
    """From which episode on it acts no more; None means never."""


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

    def tell(self, events: Events, span: Span) -> Events:
        """The events of a window as this disturbance leaves them, in order of `t_us`; called once per reading.

        Parameters
        ----------
        events : (n,) EVENT
            Of all the plant's event sensors, in order of `t_us`. They may be somebody else's too: never written over.
        span : Span
            When in the window the disturbance acts. `level` says nothing here.
        """
        return events


def spread(given: Any, names: Sequence[str], absent: float, where: str) -> tuple[float, ...]:
    """One number per name, from a number for all, a list in order, or a table by name.

    Parameters
    ----------
    given : float, tuple of float or dict of float
        What the scenario says.
    names : (n,) sequence of str
    absent : float
        For a name that a table leaves out.
    where : str
        The place in the scenario, for messages.
    """
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


def require_joints(what: str, traits: Traits, where: str) -> None:
    """Raise ScenarioError for a plant that names no joints.

    Parameters
    ----------
    what : str
        What needs them.
    traits : Traits
    where : str
        The place in the scenario, for messages.
    """
    if not traits.joints:
        raise ScenarioError(f"{where}: {what} needs a plant that names its joints; this one names none")


def require_actuators(kind: str, traits: Traits, where: str) -> None:
    """Raise ScenarioError for a plant whose actions have no strength.

    Parameters
    ----------
    kind : str
        The disturbance that needs it.
    traits : Traits
    where : str
        The place in the scenario, for messages.
    """
    if not traits.actuators:
        text = f"{kind} needs actions that are numbers; this plant's are choices, without a strength"
        raise ScenarioError(f"{where}: {text}")
