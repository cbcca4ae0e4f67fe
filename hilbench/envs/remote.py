"""A real robot as a plant, over UDP, TCP or a serial line. It must not know who drives it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import gymnasium
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import ArrayLike, NDArray

from hilbench.envs._plant import Plant, command
from hilbench.errors import RobotError, ScenarioError, allowed_hint
from hilbench.robot import frames
from hilbench.robot.clocks import AGE, READ, STAMPS
from hilbench.robot.description import Description
from hilbench.robot.frames import NONE, Flag
from hilbench.robot.session import Robot, Taken, stopped
from hilbench.robot.transport import ADDRESSES
from hilbench.settings import to_config, whole_steps
from hilbench.types import EVENT, NO_EVENTS, Events, EventSensor, PlantSpec, RobotReport

Seconds = Annotated[float, Meta(gt=0, le=1e6)]
INFO = {**dict.fromkeys((READ, *STAMPS, AGE), "s"), "sense_seq": "1", "watchdog": "1"}
ERROR = re.compile(r"obs:(.+)")


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the robot is, what it must be, and how old its word may get."""

    address: Annotated[str, Meta(pattern=r"^(udp|stream|serial)://.+", description=ADDRESSES)]
    """Where it is: udp://HOST:PORT, stream://HOST:PORT (TCP), or serial:///dev/ttyACM0?baud=115200."""
    physics_step_s: Annotated[float, Meta(ge=1e-5, le=60)] | None = None
    """How often an action may reach it; once a control period when absent."""
    obs: tuple[str, ...] = ()
    """The observation that the robot must have, by name and in order; any when empty."""
    actions: tuple[str, ...] = ()
    """The actions that it must have; any when empty."""
    error: str = ""
    """`obs:NAME`: the tracking error is how far that value is from 0. None when empty."""
    parameters: dict[str, float] = {}
    """Nominal constants that controllers read, in place of those that the robot states, or beside them."""
    stale_s: Seconds = 0.1
    """Without a SENSE for so long the safe action acts."""
    lost_s: Seconds = 1.0
    """Without one for so long the run ends, and the robot is told to stop."""
    timeout_s: Seconds = 2.0
    """How long the robot may take to answer."""
    ready_s: Seconds = 60.0
    """How long it may take to be ready for an episode, as when somebody puts it in its place."""
    release_estop: bool = False
    """Whether the beginning of an episode releases an emergency stop. Look at the robot first."""


class Remote(Plant):
    """A real robot that speaks docs/robots.md: it moves by itself, waits for nobody, and does nothing twice.

    `advance` sends the action and returns; `observe` shows the newest SENSE at that moment, and shows the same until
    the next `advance`. Whoever calls `step` keeps time. Raises RobotError when the robot does not answer, is of another
    shape than the settings say, or stops.

    Parameters
    ----------
    render_mode : None
        A robot cannot be drawn.
    control_period_s : float
        Length of one `step` in seconds, a whole number of physics steps.
    disturbances : dict
        Empty: a robot cannot be disturbed from here.
    settings
        The fields of `Config`.
    """

    Config = Config
    realtime_only: ClassVar[bool] = True

    def __init__(
        self,
        *,
        render_mode: str | None = None,
        control_period_s: float = 0.01,
        disturbances: Mapping[str, Any] | None = None,
        **settings: Any,
    ) -> None:
        self.config: Any = to_config(Config, settings, "plant")
        if render_mode is not None:
            raise ScenarioError(f"render_mode: found {render_mode!r}; allowed: none, for a robot cannot be drawn")
        if disturbances:
            raise ScenarioError(
                f"disturbances: found {next(iter(disturbances))!r}; a plant of kind 'remote' takes none:"
                " disturb the robot itself"
            )
        if not self.config.stale_s < self.config.lost_s:
            raise ScenarioError(
                f"plant.stale_s: found {self.config.stale_s:g} s; allowed: less than plant.lost_s,"
                f" {self.config.lost_s:g} s"
            )
        step_s = self.config.physics_step_s or control_period_s
        self.control_steps = whole_steps(control_period_s, step_s, "control_period_s")
        self._stale_ns, self._lost_ns = round(self.config.stale_s * 1e9), round(self.config.lost_s * 1e9)
        self._robot = Robot(self.config.address, self.config.timeout_s)
        try:
            self._made(step_s, control_period_s)
        except BaseException:
            self._robot.close()
            raise

    def _made(self, step_s: float, period_s: float) -> None:
        """What follows from the robot's description."""
        robot, config = self._robot.description, self.config
        for field, found in (("obs", robot.obs), ("actions", robot.actions)):
            names = tuple(each.name for each in found)
            if (wanted := getattr(config, field)) and wanted != names:
                raise ScenarioError(
                    f"plant.{field}: found {', '.join(wanted)}; the robot {robot.name!r} at {config.address} has"
                    f" {', '.join(names)}"
                )
        self._error_index, error, unit = _error_of(config.error, robot)
        self._spec = _spec_of(robot, step_s, {error: unit} if error else {}, config.parameters)
        self._period_us = round(period_s * 1e6)
        self._safe = frames.encoded(self._spec.safe_action)
        self._sent, self._unsent_steps = b"", 0
        self._seen: Taken | None = None
        self._age_ns, self._started = 0, False
        n_obs = len(robot.obs)
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (n_obs,), np.float32)
        self.action_space = _action_space(self._spec)
        if robot.sensors:
            self.events = self._events  # a plant without event sensors has none

    @property
    def plant_spec(self) -> PlantSpec:
        """What the robot stated in HELLO, and what the settings add."""
        return self._spec

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, float]]:
        """Have the robot begin an episode, and wait until it is ready.

        Parameters
        ----------
        seed : int, optional
            For a robot that draws anything.
        options : dict, optional
            Not used.
        """
        super().reset(seed=seed)
        self._robot.reset(seed or 0, self.config.release_estop, round(self.config.ready_s * 1e9))
        self._seen, self._sent, self._started = None, b"", True
        obs, _, _, _, info = self.observe()
        return obs, info

    def advance(self, n_steps: int, action: ArrayLike) -> None:
        """Send an action, if it is another one or a control period old, and take in what has come, without waiting.

        Parameters
        ----------
        n_steps : int
            Physics steps; how long they take is the clock's affair.
        action : (n_actions,) float
            Held by the robot until the next one; values beyond the limits are clipped.
        """
        self._send(frames.encoded(command(action, self._spec.action_low, self._spec.action_high)), n_steps)
        self._seen = None
        self._robot.take()

    def _send(self, values: bytes, n_steps: int) -> None:
        self._unsent_steps += n_steps
        if values != self._sent or self._unsent_steps >= self.control_steps:
            self._robot.act(values, safe=values == self._safe)
            self._sent, self._unsent_steps = values, 0

    def blind(self) -> bool:
        """Whether the newest SENSE is so old that the safe action is to act."""
        return self._robot.age_ns() > self._stale_ns

    def observe(self) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, float]]:
        """Gymnasium's five-tuple for the newest SENSE. Raises RobotError for a robot that is silent, or has stopped."""
        if self._seen is None:
            self._robot.take()
            self._age_ns = self._robot.age_ns()
            self._seen = self._checked(self._newest)
        sense = self._seen.sense
        ends = bool(sense.flags & Flag.TERMINATED), bool(sense.flags & Flag.TRUNCATED)
        return sense.obs.astype(np.float32), sense.reward, *ends, self._info(self._seen)

    @property
    def _newest(self) -> Taken | None:
        """The newest SENSE of an episode: a robot may tell of itself before there is one."""
        return self._robot.newest if self._started else None

    def _checked(self, newest: Taken | None) -> Taken:
        """The newest SENSE, of a robot that is there and moves."""
        where = f"{self.config.address}: the robot {self._robot.description.name!r}"
        if newest is None:
            raise gymnasium.error.ResetNeeded("observe() before reset()")
        if self._age_ns > self._lost_ns:
            self._robot.stop()
            raise RobotError(f"{where} has been silent for more than {self.config.lost_s:g} s; it was told to stop")
        if why := stopped(newest.sense):
            raise RobotError(f"{where} moves no more: {why}")
        return newest

    def _info(self, seen: Taken) -> dict[str, float]:
        sense, here, there = seen.sense, self._robot.origin_ns, self._robot.robot_origin_ns
        acted = sense.act_seq != NONE and seen.act_sent_ns
        found = {
            READ: (sense.t_ns - there) * 1e-9,
            "sense_sent_s": (sense.sent_ns - there) * 1e-9,
            "sense_arrived_s": (seen.arrived_ns - here) * 1e-9,
            "act_sent_s": (seen.act_sent_ns - here) * 1e-9 if acted else -1.0,
            "act_taken_s": (sense.act_ns - there) * 1e-9 if acted else -1.0,
            AGE: self._age_ns * 1e-9,
            "sense_seq": float(sense.seq),
            "watchdog": float(bool(sense.flags & Flag.WATCHDOG)),
        }
        if self._spec.error:
            found[self._spec.error] = abs(float(sense.obs[self._error_index]))
        return found

    def _events(self) -> Events:
        """The events of every SENSE since the last call, within the control period that ends with the newest one."""
        eventful = self._robot.eventful
        if self._seen is None or not eventful:
            return NO_EVENTS
        found, period_us = [], self._robot.description.period_us
        while eventful:
            sense = eventful.popleft()
            ago_us = (self._seen.sense.t_ns - sense.t_ns) // 1000 + period_us - sense.events["t_us"].astype(np.int64)
            moved = sense.events.copy()
            moved["t_us"] = np.clip(self._period_us - ago_us, 0, self._period_us - 1)
            found.append(moved)
        whole = np.concatenate(found).astype(EVENT)
        return whole[np.argsort(whole["t_us"], kind="stable")]

    def state(self) -> NDArray[np.float64]:
        """The observation, (n_obs,): nobody knows more of a robot."""
        newest = self._seen or self._newest
        if newest is None:
            raise gymnasium.error.ResetNeeded("state() before reset()")
        return newest.sense.obs.astype(np.float64)

    def rest(self) -> RobotReport:
        """The run has ended: put the robot into its safe action, and say what became of frames, for the record."""
        try:
            self._robot.act(self._safe, safe=True)
            self._robot.take()
        except RobotError:
            pass  # the run's fault says so already
        robot = self._robot.description
        return RobotReport(
            name=robot.name,
            address=self.config.address,
            same_clock=self._robot.same_clock,
            period_s=robot.period_us / 1e6,
            watchdog_s=robot.watchdog_us / 1e6,
            **self._robot.tally(),
        )

    def close(self) -> None:
        """End the session, which leaves the robot in its safe action; may be called twice."""
        self._robot.close()


def _spec_of(robot: Description, step_s: float, error: dict[str, str], parameters: dict[str, float]) -> PlantSpec:
    return PlantSpec(
        obs_names=tuple(each.name for each in robot.obs),
        obs_units=tuple(each.unit for each in robot.obs),
        action_names=tuple(each.name for each in robot.actions),
        action_units=tuple(each.unit for each in robot.actions),
        action_low=tuple(each.low for each in robot.actions),
        action_high=tuple(each.high for each in robot.actions),
        safe_action=tuple(each.safe for each in robot.actions),
        physics_step_s=step_s,
        info_units=INFO | error,
        error=next(iter(error), ""),
        parameters={**robot.parameters, **parameters},
        action_choices=tuple(each.choices for each in robot.actions) if any(a.choices for a in robot.actions) else (),
        event_sensors=tuple(EventSensor(each.name, each.shape, each.axes) for each in robot.sensors),
        state_meaning="observation",
        nondeterministic=True,
    )


def _error_of(error: str, robot: Description) -> tuple[int, str, str]:
    """Which value of the observation the error is, what its info is called, and its unit. Raises ScenarioError."""
    if not error:
        return 0, "", ""
    names = [each.name for each in robot.obs]
    found = ERROR.fullmatch(error)
    if found is None or found[1] not in names:
        hint = allowed_hint(error, [f"obs:{name}" for name in names])
        raise ScenarioError(f"plant.error: found {error!r}; {hint}")
    index = names.index(found[1])
    unit = robot.obs[index].unit
    return index, f"{found[1]}_error_{re.sub(r'[^A-Za-z0-9]+', '_', unit.replace('/', '_per_'))}", unit


def _action_space(plant_spec: PlantSpec) -> gymnasium.Space:
    """A Box, or as many discrete choices as the robot has. Raises ScenarioError for a robot that mixes them."""
    choices = plant_spec.choices
    if not any(choices):
        low, high = (np.array(each, np.float32) for each in (plant_spec.action_low, plant_spec.action_high))
        return gymnasium.spaces.Box(low, high, dtype=np.float32)
    if not all(choices):
        raise ScenarioError("plant: found a robot with continuous and discrete actions; allowed: all of one kind")
    start = np.array(plant_spec.action_low, np.int64)
    if len(choices) == 1:
        return gymnasium.spaces.Discrete(choices[0], start=int(start[0]))
    return gymnasium.spaces.MultiDiscrete(choices, start=start)
