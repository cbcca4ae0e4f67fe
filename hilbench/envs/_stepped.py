"""A plant that is moved by physics steps, with disturbances and sensors: what a new plant derives from.

No physics engine here: a plant in plain Python is one, and `_bullet.py` makes one of PyBullet.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from copy import deepcopy
from typing import Annotated, Any, ClassVar

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import ArrayLike, NDArray

from hilbench.envs._plant import Plant, command, gymnasium
from hilbench.envs._rack import Rack
from hilbench.envs._schedule import Schedule
from hilbench.envs.disturbances import Loads, Traits
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.seeding import stream
from hilbench.settings import to_config, whole_steps
from hilbench.types import Events, PlantSpec

NAMED = ("obs_names", "obs_units", "action_names", "action_units")
"""What a plant's `metadata` says as its spec does."""
Shown = tuple[list[float], float, bool, dict[str, float]]
"""What `show` gives: the observation, the reward, whether the episode has ended, and the infos."""


class SteppedConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings that every stepped plant has."""

    physics_step_s: Annotated[float, Meta(ge=1e-5, le=0.02)] = 0.001
    """The fixed step of the physics, a whole number of microseconds."""


def _made_anew(kind: type[SteppedPlant], arguments: dict[str, Any], spec: Any) -> SteppedPlant:
    """A plant of the same arguments, as it leaves `gymnasium.make`, before its first reset."""
    plant = kind(**arguments)
    plant.spec = spec
    return plant


class SteppedPlant(Plant):
    """A plant of fixed physics steps.

    A plant states `traits` and `obs_high`, and fills in `own_spec`, `begin`, `move`, `read` and `show`; `drive` where
    its own controllers stand between command and actuators, and `bear` where its joints or its tip take loads. The
    rest is here: seeds, limits, disturbances, sensors, observation and action space.

    Parameters
    ----------
    render_mode : None or "rgb_array"
        Whether `render` gives pictures.
    control_period_s : float
        Length of one `step` in seconds, a whole number of physics steps.
    disturbances : dict of dict, optional
        By name {"kind": ..., and that kind's fields}.
    sensors : dict of dict, optional
        What it carries besides its own, by name {"kind": ..., and that kind's fields}.
    settings
        The fields of `Config`.

    With event sensors it also has `events()`, as `types.SensingPlant` says. Raises ScenarioError when a setting, a
    disturbance, a sensor or the period is wrong. A plant that is pickled or copied is made anew from its arguments, and
    has to be reset.
    """

    Config: ClassVar[type[SteppedConfig]] = SteppedConfig
    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}
    """Gymnasium's. Each plant adds its `render_fps`, and the names and units of its spec."""
    traits: ClassVar[Traits]
    """What disturbances can reach. `traits.sensors` is the named state, in the order of `read`."""
    obs_high: ClassVar[tuple[float, ...]]
    """Bounds of the plant's own observations, both ways."""
    time_s: float
    """The present instant, since the episode's start."""
    truth: list[float]
    """The true named state at that instant."""
    sensed: list[float]
    """The same as measured: with what disturbances add."""
    forces: list[float]
    """What the actuators did in the last physics step."""
    loads: Loads
    """The physical changes that hold now."""
    episode_seed: int
    """Of the episode: what is drawn in it comes from streams of this seed."""
    _index = -1
    """Physics steps since the start of the episode; -1 before the first `reset`."""

    def __init__(
        self,
        *,
        render_mode: str | None = None,
        control_period_s: float = 0.001,
        disturbances: Mapping[str, Any] | None = None,
        sensors: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            allowed = allowed_hint(str(render_mode), self.metadata["render_modes"])
            raise ScenarioError(f"render_mode: found {render_mode!r}; {allowed}")
        # Few attributes on purpose: CPython looks them up more slowly once an instance has more than 30.
        self.config: Any = to_config(self.Config, settings, "plant")
        kept: dict[str, Any] = {"render_mode": render_mode, "control_period_s": control_period_s}
        kept |= {"disturbances": disturbances, "sensors": sensors}
        self._arguments = deepcopy(kept | settings)  # its caller may write over its dicts, and a copy starts from these
        step_s = self.config.physics_step_s
        self._step_us = whole_steps(step_s, 1e-6, "plant.physics_step_s", "microseconds")
        self.control_steps = whole_steps(control_period_s, step_s, "control_period_s")
        self.render_mode = render_mode
        own = self.own_spec
        period_us = self.control_steps * self._step_us
        self._rack = Rack({} if sensors is None else sensors, self, own, self.traits.sensors, period_us)
        self._plant_spec = self._rack.extended(own)
        reach = self.traits._replace(
            sensors=(*self.traits.sensors, *self._rack.names), event_sensors=self._plant_spec.event_sensors
        )
        self._schedule = Schedule({} if disturbances is None else disturbances, reach, step_s)
        if self._rack.event_sensors:
            self.events = self._events
        self._state_spaces(1 / control_period_s)

    def _state_spaces(self, rate_hz: float) -> None:
        """Gymnasium's spaces and metadata, from the spec."""
        plant_spec = self._plant_spec
        facts = {"render_fps": max(1, round(rate_hz))} | {name: getattr(plant_spec, name) for name in NAMED}
        self.metadata = {**self.metadata, **facts}  # type: ignore[misc]  # Gymnasium reads it of each plant
        self._limits = low, high = plant_spec.action_low, plant_spec.action_high
        self.action_space = gymnasium.spaces.Box(
            np.array(low, np.float32), np.array(high, np.float32), dtype=np.float32
        )
        self.observation_space = self._rack.beside(-np.array(self.obs_high), np.array(self.obs_high))

    @property
    def named(self) -> dict[str, Any]:
        """The part of a PlantSpec that its `metadata` states: names and units of observations and actions."""
        return {name: type(self).metadata[name] for name in NAMED}

    def __reduce__(self) -> tuple:
        return _made_anew, (type(self), self._arguments, self.spec)

    @property
    @abstractmethod
    def own_spec(self) -> PlantSpec:
        """What a controller may know of the plant, without the sensors that a scenario adds."""

    @abstractmethod
    def begin(self, random: np.random.Generator) -> None:
        """Start an episode; all that is drawn in it comes from `random`."""

    @abstractmethod
    def move(self, forces: list[float]) -> None:
        """Run one physics step from `time_s` on.

        Parameters
        ----------
        forces : (n_actuators,) list of float
            What the actuators do, in the order of `traits.actuators`.
        """

    @abstractmethod
    def read(self) -> list[float]:
        """The true named state at `time_s`, in the order of `traits.sensors`, in a list of its own."""

    @abstractmethod
    def show(self) -> Shown:
        """The plant's own observation, its reward, whether it has ended the episode, and its infos.

        Asking twice at one instant gives the same answer. What it observes of its state is in `sensed`.
        """

    def drive(self, values: list[float]) -> list[float]:
        """What the actuators do in this physics step, within their limits, in a list of its own.

        Parameters
        ----------
        values : (n_actions,) list of float
            The action, within the plant's limits.
        """
        return values[:]

    def bear(self, loads: Loads) -> None:
        """Make physical changes hold from now on: for plants with `traits.joints` or `traits.tip_link`."""

    @property
    def disturbances(self) -> Mapping[str, Any]:
        """What it was made with."""
        return self._arguments["disturbances"] or {}

    @property
    def sensors(self) -> Mapping[str, Any]:
        """What it was made with."""
        return self._arguments["sensors"] or {}

    @property
    def plant_spec(self) -> PlantSpec:
        """What a controller may know of the plant: its own spec, and the sensors that it carries."""
        return self._plant_spec

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, float]]:
        """Start an episode.

        Parameters
        ----------
        seed : int, optional
            Decides all that is drawn in the episode; without it Gymnasium's generator does.
        options : dict, optional
            `episode`, a whole number: which episode it is, for disturbances that begin or end with one. It is the one
            after the last when absent.
        """
        super().reset(seed=seed)
        episode = int(self.np_random.integers(2**63)) if seed is None else seed
        number = (options or {}).get("episode", self.next_episode)
        self.next_episode = number + 1
        self._index, self.time_s = 0, 0.0
        self.forces = [0.0] * len(self.traits.actuators)
        self.episode_seed = episode
        self._paid = (0, 0.0, 0.0)  # the instant of `paid`, and the errors before and at it
        self.begin(stream(episode, "plant"))
        self._schedule.reset(episode, number)
        self._rack.reset(episode)
        self._arrive()
        obs, _, _, _, info = self.observe()
        return obs, info

    def advance(self, n_steps: int, action: ArrayLike) -> None:
        """Run physics steps with one action.

        Raises ValueError when the action is not finite, and gymnasium's ResetNeeded before the first `reset`.
        """
        if self._index < 0:
            raise gymnasium.error.ResetNeeded("reset() this plant before it is advanced")
        values = command(action, *self._limits)
        for _ in range(n_steps):
            self.forces = forces = self.drive(values)
            for disturbance in self._schedule.active:
                disturbance.actuate(forces)
            self.move(forces)
            self._index += 1
            self._arrive()

    def observe(self) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, float]]:
        """Gymnasium's five-tuple for the present instant; the observation is as sensed."""
        own, reward, ended, info = self.show()
        return np.array([*own, *self._measured] if self._measured else own, np.float32), reward, ended, False, info

    def state(self) -> NDArray[np.float64]:
        """The true named state."""
        return np.array(self.truth)

    def paid(self, error: float) -> float:
        """A reward, in `show`, by how much an error fell in this period; it counts as 0 at an episode's start.

        So an episode returns minus the error that it ends with, wherever it is cut off.

        Parameters
        ----------
        error : float
            The present one.
        """
        index, before, last = self._paid
        if index != self._index:
            before, last = last, error
            self._paid = self._index, before, last
        return before - last

    def close(self) -> None:
        """Release everything; may be called twice, and `reset` starts anew."""
        self._index = -1
        super().close()

    def _arrive(self) -> None:
        """Take in the instant that the physics has reached: what acts from now on, what is true, what is sensed."""
        # A division, so that step 7 is at 0.007 and not at 7 * 0.001.
        self.time_s = self._index * self._step_us / 1e6
        schedule, rack, index = self._schedule, self._rack, self._index
        if index >= schedule.wake:
            self.loads = schedule.at(index)
            self.bear(self.loads)
            rack.bear(self.loads)
        self.truth = truth = self.read()
        if index >= rack.wake:
            rack.sample(index, self)
        if schedule.active:
            self._disturb(truth + rack.values)
        else:
            self.sensed, self._measured = truth[:], rack.values

    def _disturb(self, values: list[float]) -> None:
        for disturbance in self._schedule.active:
            disturbance.sense(values)
        n = len(self.truth)
        self.sensed, self._measured = values[:n], values[n:]

    def _events(self) -> Events:
        """The events of the control period up to now that were not read yet, as `types.SensingPlant` says."""
        return self._rack.events(self._index, self._schedule)
