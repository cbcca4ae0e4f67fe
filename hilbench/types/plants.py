"""What the loop, the agent and the record ask of a plant: its PlantSpec and six calls. No engine, no Gymnasium."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, ClassVar, Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.types.ticks import Events, Values

Observation = tuple[Values, float, bool, bool, Mapping[str, float]]
"""Gymnasium's five-tuple: observation (n_obs,) float32, reward, terminated, truncated, info."""


class EventSensor(Struct, frozen=True):
    """An event sensor as its readers know it: a pixel array, an ear, a row of contacts."""

    name: str
    shape: tuple[int, ...]
    """Its addresses count an array of this shape in C order: (y, x, polarity) for a camera, (channel,) for an ear."""
    axes: tuple[str, ...]
    """What each dimension is: "y", "x", "polarity" with 0 for OFF and 1 for ON, "channel"."""

    @property
    def size(self) -> int:
        """How many addresses it has."""
        return prod(self.shape)


class PlantSpec(Struct, frozen=True):
    """What a controller may know of a plant before it runs: names, units, limits and nominal parameters."""

    obs_names: tuple[str, ...]
    obs_units: tuple[str, ...]
    action_names: tuple[str, ...]
    action_units: tuple[str, ...]
    action_low: tuple[float, ...]
    action_high: tuple[float, ...]
    safe_action: tuple[float, ...]
    physics_step_s: float
    info_units: dict[str, str]
    error: str
    """The info key that holds the tracking error; empty for a plant that has none."""
    parameters: dict[str, float]
    """Nominal constants with units in their names, as a designer would know them. Never a disturbance."""
    action_choices: tuple[int, ...] = ()
    """How many choices each action has, 0 for a continuous one; empty when all are continuous.

    A choice is a whole number from `action_low` to `action_high`."""
    event_sensors: tuple[EventSensor, ...] = ()
    """Its event sensors. Their addresses lie side by side in this order."""
    state_meaning: str = "exact physical state"
    """What `Plant.state` returns, as a record states it."""
    nondeterministic: bool = False
    """Whether the same seed and actions may lead elsewhere, as with a robot: no run of it can be replayed."""

    @property
    def choices(self) -> tuple[int, ...]:
        """`action_choices` with a 0 for each action of a plant that states none."""
        return self.action_choices or (0,) * len(self.action_names)


class Plant(Protocol):
    """A robot and its sensors, as a run drives it. Plants of hilbench derive from `envs.Plant`, a Gymnasium env.

    One whose sensors give spike events is a SensingPlant.
    """

    @property
    def plant_spec(self) -> PlantSpec:
        """What a controller may know before the plant runs."""

    def reset(self, *, seed: int) -> Any:
        """Start an episode; `seed` feeds all of the plant's randomness. What it returns is not used."""

    def observe(self) -> Observation:
        """What the sensors show at the present instant. Asking twice gives the same answer."""

    def advance(self, n_steps: int, action: Sequence[float]) -> None:
        """Run some physics steps with one action.

        Parameters
        ----------
        n_steps : int
            How many, each of `plant_spec.physics_step_s`.
        action : (n_actions,) float
            Held all the while, in the units of `plant_spec.action_units`.
        """

    def state(self) -> NDArray[np.float64]:
        """The exact physical state, (n_state,), for bit-for-bit comparison."""

    def close(self) -> None:
        """Release everything; may be called twice."""


class RobotReport(Struct, frozen=True, kw_only=True):
    """What a record keeps of a robot and its wire."""

    name: str
    address: str
    same_clock: bool = False
    """Whether its stamps and the loop's own may be subtracted."""
    period_s: float
    """Between two observations that it sends."""
    watchdog_s: float
    """Without an action for so long it takes the safe one by itself."""
    senses_received: int = 0
    """SENSE frames, each newer than the one before."""
    senses_lost: int = 0
    """On the way to the loop, by the numbers that frames carry."""
    senses_outdated: int = 0
    """Those that came after a newer one."""
    acts_sent: int = 0
    acts_unsent: int = 0
    """ACT frames for which the wire had no room."""
    acts_lost: int | None = None
    """On the way to the robot; None where it acknowledged none. So is the next one."""
    acts_refused: int | None = None
    """Those that came and that the robot did not accept."""
    broken_frames: int = 0
    """Frames from the robot whose bytes were wrong."""


class LivePlant(Plant, Protocol):
    """A plant that moves by itself, as a robot does: its class states `realtime_only`, and no run of it waits."""

    realtime_only: ClassVar[bool]

    def blind(self) -> bool:
        """Whether what it shows is too old to act on. The safe action acts then; asked before each physics step."""

    def rest(self) -> RobotReport:
        """The run has ended: take the safe action, and say what `run.json` is to keep of the robot and its wire."""


class SensingPlant(Plant, Protocol):
    """A plant with event sensors, which its `plant_spec.event_sensors` names."""

    def events(self) -> Events:
        """The events since the last call, (n,) EVENT in order of `t_us`: reading empties the sensors.

        The window is (t - T, t] for the present instant t and the control period T. An event at its end has
        `t_us` = T - 1 us. Before the first period there are none.
        """
