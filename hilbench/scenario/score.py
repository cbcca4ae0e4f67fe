"""A scenario's `[score]` table: what its runs are judged by, and with which runs they are compared."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, NamedTuple

from msgspec import Meta, Struct

from hilbench.errors import ScenarioError, allowed_hint
from hilbench.scenario.loop import LoopConfig, Positive
from hilbench.scenario.losses import F1, KINDS, OF_EPISODES, Detection, Loss, Rms
from hilbench.settings import to_config, whole_steps

Count = Annotated[int, Meta(ge=1, le=1_000_000)]


class ScoreConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What runs are judged by. A scenario without a change has no adaptivity.

    Times count in seconds of an episode, or, with `window_episodes`, in episodes of the run: then each trial of a task
    is an episode, and learning goes on from one to the next with `loop.carry = "weights"`.
    """

    loss: Loss = Rms()
    """What is computed of each window: the RMS of the plant's error when absent."""
    change: str | None = None
    """The disturbance whose start is the change: a learner's twin is frozen there. Where it ends again within the run,
    that is a second change."""
    floor: str | None = None
    """The controller that does nothing about the change: performance 0."""
    oracle: str | None = None
    """The controller that is told of the change: performance 1."""
    untold: str | None = None
    """The classical controller that is not told, and is printed beside every learner."""
    before_s: Positive = 5.0
    """The time before the change in which performance is taken as normal."""
    horizon_s: Positive = 10.0
    """The time after the change that is judged."""
    window_s: Positive = 1.0
    """Width of the windows of which the loss is taken."""
    window_episodes: Count | None = None
    """Width of the windows in episodes; windows are counted in seconds when absent."""
    before_episodes: Count = 10
    """As `before_s`, with `window_episodes`."""
    horizon_episodes: Count = 20
    """As `horizon_s`, with `window_episodes`."""
    controls: bool = True
    """Whether a learner's controls run too: the pair without the change, the blind run, and learning off afterwards."""
    tolerance: Positive | None = None
    """Largest tracking error, in the plant's unit, of a decision that counts as correct."""
    critical_delay_s: dict[str, Positive] = {}
    """By controller, the shortest delay of its replies at which it is known to fail."""

    @property
    def by_episode(self) -> bool:
        """Whether windows are counted in episodes."""
        return self.window_episodes is not None


class Change(NamedTuple):
    """An instant at which something changes."""

    at_s: float
    """In seconds after the start of an episode; 0 where `at_episode` says it."""
    at_episode: int | None
    """From which episode on; None where it comes in every one."""
    ends: bool = False
    """Whether the disturbance ends there, instead of starting."""


def changes(score: ScoreConfig, disturbances: Mapping[str, Mapping[str, Any]], loop: LoopConfig) -> tuple[Change, ...]:
    """The instants at which the scored disturbance starts and, within the run, ends again; empty without one.

    Parameters
    ----------
    score : ScoreConfig
    disturbances : mapping
        The scenario's tables, by name.
    loop : LoopConfig
        How long the run is.
    """
    if score.change is None:
        return ()
    table = disturbances[score.change]
    if score.by_episode:
        start, stop = table.get("at_episode", 0), table.get("until_episode")
        found = [Change(0.0, start)]
        return (*found, Change(0.0, stop, True)) if stop is not None and stop < loop.episodes else tuple(found)
    start_s, stop_s = table.get("at_s", 0.0), table.get("until_s")
    if stop_s is None or stop_s >= loop.duration_s - 1e-9:
        return (Change(start_s, None),)
    return Change(start_s, None), Change(stop_s, None, True)


def to_score(table: Any, where: str) -> ScoreConfig:
    """A table as a ScoreConfig. Raises ScenarioError.

    Parameters
    ----------
    table : dict
        What the file says.
    where : str
        Its place in the file, for messages.
    """
    loss = table.get("loss") if isinstance(table, Mapping) else None
    if isinstance(loss, Mapping) and (kind := loss.get("kind")) not in KINDS:
        raise ScenarioError(f"{where}.loss.kind: found {kind!r}; {allowed_hint(str(kind), KINDS)}")
    return to_config(ScoreConfig, table, where)


def check_score(
    score: ScoreConfig,
    disturbances: Mapping[str, Mapping[str, Any]],
    controllers: Collection[str],
    loop: LoopConfig,
    where: str,
) -> None:
    """Raise ScenarioError for a name that the scenario does not have, and for windows that do not divide.

    Parameters
    ----------
    score : ScoreConfig
        What is checked.
    disturbances : mapping
        The scenario's tables, by name.
    controllers : collection of str
        The names that the scenario has.
    loop : LoopConfig
    where : str
        The table's place in the file, for messages.
    """
    named = {role: getattr(score, role) for role in ("floor", "oracle", "untold")}
    named |= {f"critical_delay_s.{name}": name for name in score.critical_delay_s}
    for field, name in named.items():
        if name is not None and name not in controllers:
            raise ScenarioError(f"{where}.{field}: found {name!r}; {allowed_hint(name, controllers)}")
    if score.change is None:
        return
    if score.change not in disturbances:
        raise ScenarioError(f"{where}.change: found {score.change!r}; {allowed_hint(score.change, disturbances)}")
    _check_windows(score, loop, where)
    if score.by_episode and "at_episode" not in disturbances[score.change]:
        raise ScenarioError(
            f"{where}.window_episodes: windows of episodes need a change between two of them;"
            f" give disturbances.{score.change} an at_episode"
        )


def _check_windows(score: ScoreConfig, loop: LoopConfig, where: str) -> None:
    if score.window_episodes is None:
        if isinstance(score.loss, OF_EPISODES) or (isinstance(score.loss, Detection | F1) and not score.loss.decided):
            kind = type(score.loss).__name__.lower()
            raise ScenarioError(f"{where}.loss: {kind!r} is known at the end of an episode alone; give window_episodes")
        whole_steps(score.window_s, loop.period_s, f"{where}.window_s", "control periods")
        whole_steps(score.horizon_s, score.window_s, f"{where}.horizon_s", "windows")
        return
    width = score.window_episodes
    for field in ("before_episodes", "horizon_episodes"):
        if (found := getattr(score, field)) % width:
            allowed = f"a multiple of window_episodes, which is {width}"
            raise ScenarioError(f"{where}.{field}: found {found}; allowed: {allowed}")
