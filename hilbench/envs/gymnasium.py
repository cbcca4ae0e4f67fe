"""Any environment of Gymnasium as a plant. It must not know any one of them.

An environment moves in steps of its own and tells nothing between them, so a step of it is a physics step. Where it
states how long that is, the scenario's rates must agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from numbers import Real
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilbench.envs import _spaces
from hilbench.envs._environments import REWARD_ERROR, GymnasiumConfig, is_mujoco, made, modules_of, own_step_s, spec_of
from hilbench.envs._plant import Plant, command
from hilbench.envs._rack import Rack
from hilbench.envs._schedule import Schedule
from hilbench.envs.disturbances import Traits
from hilbench.errors import PluginFault, ScenarioError, allowed_hint
from hilbench.settings import to_config, whole_steps
from hilbench.types import PlantSpec

SAME_S = 0.5e-6
"""Periods are whole microseconds, so two times are one when they differ by less than half of it."""
NAMED = ("obs_names", "obs_units", "action_names", "action_units")
DEFAULT_PERIOD_S = 0.02
"""The control period of an environment that states no step, where nobody says another."""


class Gymnasium(Plant):
    """Any environment of Gymnasium, by its id.

    A step of the environment is a physics step. Several in a control period have one action, and their rewards are
    added. Once an episode has ended, the environment stands still.

    Parameters
    ----------
    env : gymnasium.Env, optional
        An environment that is there already, in place of the one that `id` names. `close` leaves it open.
    render_mode : str, optional
        As `gymnasium.make` takes it.
    control_period_s : float, optional
        Length of one `step` in seconds; the environment's own step when absent, and 0.02 s where it states none.
    disturbances : dict of dict, optional
        By name {"kind": ..., and that kind's fields}.
    sensors : dict of dict, optional
        What it carries, by name {"kind": ..., and that kind's fields}. Its observations are its named state.
    settings
        The fields of `Config`.

    Raises ScenarioError when a setting, a disturbance or the period is wrong, or a space is no row of numbers.
    """

    Config = GymnasiumConfig

    def __init__(
        self, *, env: gymnasium.Env | None = None, render_mode: str | None = None,
        control_period_s: float | None = None, disturbances: Mapping[str, Any] | None = None,
        sensors: Mapping[str, Any] | None = None, **settings: Any,
    ) -> None:  # fmt: skip
        self.config: GymnasiumConfig = to_config(GymnasiumConfig, settings, "plant")
        if not (env is None or isinstance(env, gymnasium.Env)):
            raise ScenarioError(f"plant: found a {type(env).__name__}; allowed: a gymnasium.Env")
        self._closes = env is None
        self.env = env = made(self.config, render_mode) if env is None else env
        self.render_mode, self.name = env.render_mode, self.config.id or type(env.unwrapped).__name__
        self.disturbances, self.sensors = deepcopy(dict(disturbances or {})), deepcopy(dict(sensors or {}))
        try:
            self._actions = _spaces.actions(env.action_space)
            own_space = _spaces.observations(env.observation_space)
            self.action_space = self._actions.space
            own = spec_of(self.config, env, self._actions, own_space.shape[0], self._rates(control_period_s))
            self._step_us = round(own.physics_step_s * 1e6)
            self._rack = Rack(self.sensors, self, own, own.obs_names, self._step_us * self.control_steps)
            self.observation_space = self._rack.beside(own_space.low, own_space.high)
            self._plant_spec = self._rack.extended(own)
            self._schedule = Schedule(self.disturbances, self._traits(), own.physics_step_s)
        except BaseException:
            self.close()
            raise
        if self._rack.event_sensors:
            self.events = lambda: self._rack.events(self._index, self._schedule)
        facts = {name: getattr(self.plant_spec, name) for name in NAMED}
        self.metadata = {**env.metadata, **facts}
        self._data = getattr(env.unwrapped, "data", None) if is_mujoco(env) else None
        self._sensed: NDArray[np.float32] | None = None

    @property
    def plant_spec(self) -> PlantSpec:
        """Names, units and limits; no nominal constants, for an environment states none."""
        return self._plant_spec

    @property
    def truth(self) -> list[float]:
        """The environment's observation as it is, which its sensors measure."""
        return self._truth.tolist()

    @staticmethod
    def modules(config: GymnasiumConfig) -> tuple[str, ...]:
        """The modules of the environment that an id names, for what decides a run's numbers."""
        return modules_of(config.id)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, float]]:
        """Start an episode.

        Parameters
        ----------
        seed : int, optional
            Decides all that is drawn in the episode; without it Gymnasium's generator does.
        options : dict, optional
            What the environment's own `reset` gets.
        """
        super().reset(seed=seed)
        episode = int(self.np_random.integers(2**31)) if seed is None else seed
        obs, info = self.env.reset(seed=episode, options=options)
        number, self.next_episode = self.next_episode, self.next_episode + 1
        self._schedule.reset(episode, number)
        self._rack.reset(episode)
        self._index, self._reward, self._ended = 0, 0.0, (False, False)
        self._take(obs, info, at_reset=True)
        self._arrive()
        seen = self.observe()
        return seen[0], seen[4]

    def advance(self, n_steps: int, action: ArrayLike) -> None:
        """Run steps of the environment with one action.

        Raises ValueError when the action is not finite, and gymnasium's ResetNeeded before the first `reset`.
        """
        if self._sensed is None:
            raise gymnasium.error.ResetNeeded("reset() this plant before it is advanced")
        values = command(action, self.plant_spec.action_low, self.plant_spec.action_high)
        if self._actions.choices:
            values = [float(round(value)) for value in values]
        for _ in range(n_steps):
            if self._index % self.control_steps == 0:
                self._reward = 0.0
            if True not in self._ended:
                self._step(values)
            self._index += 1
            self._arrive()

    def observe(self) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, float]]:
        """Gymnasium's five-tuple for the present instant; the observation is as sensed, float32."""
        if self._sensed is None:
            raise gymnasium.error.ResetNeeded("reset() this plant before it is observed")
        own = {"t_s": self.time_s, "disturbances": float(len(self._schedule.active))}
        return self._sensed.copy(), self._reward, *self._ended, own | self._told

    def state(self) -> NDArray[np.float64]:
        """MuJoCo's qpos and qvel where the environment has them, else the true observation and the reward."""
        if self._data is not None:
            return np.concatenate((self._data.qpos.ravel(), self._data.qvel.ravel()))
        return np.append(self._truth, self._reward)

    def render(self) -> Any:
        """What the environment draws."""
        return self.env.render()

    def close(self) -> None:
        """Release the environment, unless it was given; may be called twice."""
        if self._closes:
            self._closes = False
            self.env.close()
        super().close()

    def _step(self, values: list[float]) -> None:
        """One step of the environment."""
        if active := self._schedule.active:
            values = values[:]
            for disturbance in active:
                disturbance.actuate(values)
        obs, reward, terminated, truncated, info = self.env.step(self._actions.to_env(values))
        self._reward += float(reward)
        self._ended = bool(terminated), bool(truncated)
        self._take(obs, info)

    def _take(self, obs: Any, info: Mapping[str, Any], at_reset: bool = False) -> None:
        """Take in what the environment says; the arrays stay its own."""
        self._truth = np.array(obs, np.float64).ravel()
        self._told = {key: self._number(key, info, at_reset) for key in self.config.info}
        kind, _, name = self.config.error.partition(":")
        if kind == "reward":
            self._told[REWARD_ERROR] = 0.0  # the step's own is added up in `_arrive`
        elif kind == "obs":
            self._told[name] = float(self._truth[self.plant_spec.obs_names.index(name)])
        elif kind == "info":
            if at_reset and name not in info:
                raise PluginFault(
                    f"plant.error: reset() gives no info {name!r}, and the first tick is recorded before a step;"
                    f" {allowed_hint(name, info)}"
                )
            self._told[name] = self._number(name, info, at_reset)

    def _arrive(self) -> None:
        """Take in the instant that was reached: which disturbances act from now on, and what is sensed."""
        self.time_s = self._index * self._step_us / 1e6
        schedule = self._schedule
        if self._index >= schedule.wake:
            schedule.at(self._index)
        if self.config.error == "reward":
            self._told[REWARD_ERROR] = -self._reward if self._reward else 0.0
        if self._index >= self._rack.wake:
            self._rack.sample(self._index, self)
        if not schedule.active and not self._rack.values:
            self._sensed = self._truth.astype(np.float32)
            return
        sensed = self.truth + self._rack.values
        for disturbance in schedule.active:
            disturbance.sense(sensed)
        self._sensed = np.array(sensed, np.float32)

    def _number(self, key: str, info: Mapping[str, Any], at_reset: bool) -> float:
        """An info as a float. Raises PluginFault where it is missing after a step, or is no number."""
        if key not in info:
            if at_reset:
                return float("nan")
            raise PluginFault(f"plant.info: {self.name} gives no {key!r} after a step; {allowed_hint(key, info)}")
        value = info[key]
        if isinstance(value, Real | np.bool_):
            return float(value)
        if np.size(value) == 1 and np.asarray(value).dtype.kind in "biuf":
            return float(np.asarray(value).item())
        found = f"a {type(value).__name__}" + (f" of shape {np.shape(value)}" if np.shape(value) else "")
        raise PluginFault(f"plant.info: {self.name} gives {found} as {key!r}; allowed: a number")

    def _traits(self) -> Traits:
        """Choices have no strength, so no disturbance of an actuator fits them."""
        actuators = () if self._actions.choices else self.plant_spec.action_names
        spec = self.plant_spec
        return Traits(sensors=spec.obs_names, actuators=actuators, event_sensors=spec.event_sensors)

    def _rates(self, control_period_s: float | None) -> float:
        """The physics step. Raises ScenarioError where the environment states another one."""
        own_s = own_step_s(self.env)
        period_s = (own_s or DEFAULT_PERIOD_S) if control_period_s is None else control_period_s
        step_s = self.config.physics_step_s or period_s
        if own_s is not None and abs(step_s - own_s) > SAME_S:
            field = "plant.physics_step_s" if self.config.physics_step_s else "loop.period_s"
            raise ScenarioError(
                f"{field}: found {step_s:g} s, and {self.name} steps by {own_s:g} s; allowed: loop.period_s ="
                f" {own_s:g}, or a multiple of it with plant.physics_step_s = {own_s:g}"
            )
        whole_steps(step_s, 1e-6, "plant.physics_step_s", "microseconds")
        self.control_steps = whole_steps(period_s, step_s, "control_period_s")
        return step_s
