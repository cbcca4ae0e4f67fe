"""An Agent: coders, a Program and a link. The loop uses its parts, encode to decode; anyone else calls `act`."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import HilbenchError, LinkError, ScenarioError, stays_here
from hilbench.types import (
    NO_EVENTS,
    BuiltController,
    Carry,
    Events,
    Link,
    LoadReport,
    PlantSpec,
    Probes,
    Tick,
    Values,
    size_of,
)

PERIOD_TOLERANCE_S = 0.5e-6
"""Periods are whole microseconds."""
FEW = 64
Action = NDArray[Any] | np.int64
"""What `act` gives: float32 numbers, or the whole numbers of choices."""


class Agent:
    """A controller at work on some link.

    `act` is for plain Gymnasium loops: it waits for the reply to its own tick. `predict` has the signature that
    stable-baselines3's evaluation expects.
    """

    def __init__(
        self, control: BuiltController, link: Link, period_us: int, probes: Probes, plant_spec: PlantSpec
    ) -> None:
        self.control, self.link, self.period_us, self._plant_spec = control, link, period_us, plant_spec
        self._shape = (len(plant_spec.obs_names),)
        self._t_s: float | None = None  # the plant's time at the last `act`
        self.safe_action = np.array(plant_spec.safe_action)
        self._limits = np.array(plant_spec.action_low), np.array(plant_spec.action_high)
        self._discrete = bool(plant_spec.action_choices) and all(plant_spec.action_choices)
        self.action = self.safe_action.copy()  # (n_actions,) float64: what the newest decoded reply says
        program = control.program
        self._values, self._modulators = (
            np.zeros(size_of(ports, "values"), np.float32)[:] for ports in (program.inputs, program.modulators)
        )
        self.tick = Tick(values=self._values, modulators=self._modulators)
        self._probes, self._seq = probes, 0
        self.load()

    def load(self) -> None:
        """Give the device the program, also once more when it has come back."""
        self.report: LoadReport = self.link.load(self.control.program, self.period_us, self._probes)

    def reset(self, seed: int = 0, carry: Carry = "none", catch_up: int = 0) -> None:
        """Start an episode.

        Parameters
        ----------
        seed : int
            Seed of the program's own randomness.
        carry : {"none", "weights", "all"}
            What survives in the controller: nothing, learnt weights, or all states too.
        catch_up : int
            Periods of a gap between ticks through which the device advances its network.
        """
        self.control.encoder.reset(seed)
        self.control.decoder.reset(seed)
        self.action[:] = self.safe_action
        self._seq, self._t_s = 0, None
        self.link.reset(seed, carry, catch_up)

    def encode(
        self, seq: int, t_ns: int, obs: Values, reward: float, info: Mapping[str, float], learning: bool,
        events: Events | None = None,
    ) -> Tick:  # fmt: skip
        """One observation as a Tick, which holds until the next call.

        Parameters
        ----------
        seq : int
            Number of the tick in its episode.
        t_ns : int
            When it is due after the episode's start, in nanoseconds.
        obs : (n_obs,) float32
            What the plant shows.
        reward : float
            The plant's reward for the last period.
        info : dict of float
            The plant's info, for learning signals.
        learning : bool
            Whether the controller may learn in this tick.
        events : (n,) EVENT, optional
            What the plant's event sensors told; the encoder decides what of it the program gets.
        """
        tick, control = self.tick, self.control
        tick.seq, tick.t_ns, tick.learning = seq, t_ns, learning
        tick.values, tick.modulators = self._values, self._modulators
        sensed = NO_EVENTS if events is None else events
        tick.events = control.encoder.encode(obs, sensed, tick.values)
        if control.modulate is not None:
            control.modulate(obs, sensed, reward, info, tick.modulators)
        return tick

    def act(
        self, obs: Values, reward: float = 0.0, info: Mapping[str, float] | None = None, events: Events | None = None
    ) -> Action:
        """The action for this observation, as the plant's `step` takes it.

        (n_actions,) float32; of a plant whose actions are choices (n_actions,) int64, and a single int64 of one alone.

        Raises ScenarioError, and sends nothing, for an observation of another size than the plant's, for one or a
        reward that is not finite, and where `info["t_s"]`, if there is one, has not gone on by the control period;
        LinkError when no reply comes in time, and HilbenchError for an action that is not finite.

        Parameters
        ----------
        obs : (n_obs,) array
            What the plant shows.
        reward : float
            The plant's reward for the last period.
        info : dict of float, optional
            The plant's info, for learning signals; `t_s` in it is the plant's time in seconds.
        events : (n,) EVENT, optional
            What the plant's event sensors told.
        """
        info, obs = info or {}, np.atleast_1d(obs)
        self._check(obs, reward, info.get("t_s"))
        seq, self._seq = self._seq, self._seq + 1
        self.link.send(self.encode(seq, seq * self.period_us * 1000, obs, reward, info, True, events))
        while (reply := self.link.receive(round(self.link.config.timeout_s * 1e9))) is not None:
            if reply.seq == seq:
                self.control.decoder.decode(reply.values, reply.events, self.action)
                if not _finite(self.action):
                    raise HilbenchError(f"tick {seq}: the controller's action is {self.action.tolist()}, not finite")
                return self._as_step_takes_it()
        raise LinkError(f"no reply to tick {seq} within {self.link.config.timeout_s} s")

    def _as_step_takes_it(self) -> Action:
        if not self._discrete:
            return self.action.astype(np.float32)
        chosen = np.clip(np.rint(self.action), *self._limits).astype(np.int64)
        return chosen if chosen.size > 1 else np.int64(chosen[0])

    def _check(self, obs: Values, reward: float, t_s: float | None) -> None:
        """Raise ScenarioError for what the plant that this agent was built for would not say now."""
        if obs.shape != self._shape:
            names = ", ".join(self._plant_spec.obs_names)
            raise ScenarioError(f"act: found an observation of shape {obs.shape}; allowed: {self._shape}, {names}")
        if obs.dtype.kind not in "biuf" or not isinstance(reward, Real):
            raise ScenarioError(f"act: found {obs.tolist()} with reward {reward!r}; allowed: finite numbers")
        if not _finite(obs) or not isfinite(reward):
            raise ScenarioError(f"act: found {obs.tolist()} with reward {reward}; allowed: finite numbers")
        if t_s is not None:
            period_s, last_s = self.period_us * 1e-6, self._t_s
            if last_s is not None and abs(t_s - last_s - period_s) > PERIOD_TOLERANCE_S:
                raise ScenarioError(
                    f"act: info['t_s'] went from {last_s:g} to {t_s:g} s since the last act; allowed: a control period"
                    f" of {period_s:g} s: give the env control_period_s={period_s:g}, or the scenario's loop.period_s"
                    " another value; before a new episode, call reset()"
                )
            self._t_s = t_s

    def predict(
        self, observation: Values, state: Any = None, episode_start: NDArray[np.bool_] | None = None,
        deterministic: bool = True,
    ) -> tuple[NDArray[Any], None]:  # fmt: skip
        """The action for one observation, as a policy of stable-baselines3 gives it; an episode start resets.

        Parameters
        ----------
        observation : (n_obs,) or (1, n_obs) float32
            What the plant shows.
        state
            Not used: the device keeps the state.
        episode_start : (1,) bool, optional
            Whether an episode starts with this observation.
        deterministic : bool
            Not used.
        """
        if episode_start is not None and np.any(episode_start):
            self.reset()
        action = self.act(np.reshape(observation, -1))
        return np.reshape(action, (*np.shape(observation)[:-1], *action.shape)), None

    def close(self) -> None:
        """Release the link; may be called twice."""
        self.link.close()

    __reduce__ = stays_here

    def __enter__(self) -> Agent:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def _finite(values: NDArray[Any]) -> bool:
    """Whether all are finite. Of a few numbers Python's own sum tells it in a tenth of the time that NumPy takes."""
    return (values.size <= FEW and isfinite(sum(values.tolist()))) or bool(np.isfinite(values).all())
