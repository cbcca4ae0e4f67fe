"""Decides which disturbances act at a physics step. It must not know what a disturbance does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hilbench.envs._tables import configured
from hilbench.envs.disturbances import Disturbance, Loads, Span, Timing, Traits
from hilbench.errors import ScenarioError
from hilbench.types import Events

NEVER = 2**62


class Schedule:
    """All disturbances of one plant: which of them act at a physics step, and how strongly.

    Times are rounded to whole physics steps, so that no sum of floats drifts past them.

    Parameters
    ----------
    tables : dict of dict
        By name {"kind": ..., and that kind's fields}.
    traits : Traits
        What of the plant a disturbance can reach.
    step_s : float
        The physics step, in seconds.

    Raises ScenarioError when a table is wrong or a disturbance does not fit the plant.
    """

    def __init__(self, tables: Mapping[str, Any], traits: Traits, step_s: float) -> None:
        self._traits, self._step_us = traits, round(step_s * 1e6)
        found = configured("disturbances", tables)
        traits = traits._replace(step_s=step_s)
        self._all = [_window(name, each, traits, step_s) for name, each in found.items()]
        self._windows: list[_Window] = []  # of the present episode
        self.active: list[Disturbance] = []
        self.wake = 0
        """The step at which `at` must be asked again; until then nothing changes."""

    def reset(self, seed: int, episode: int = 0) -> None:
        """Start an episode at step 0.

        Parameters
        ----------
        seed : int
            Feeds the disturbances' randomness.
        episode : int
            Its number, for those that begin or end with one.
        """
        for window in self._all:
            window.disturbance.reset(seed)
        self._windows = [window for window in self._all if episode in window.episodes]
        self._telling = [each for each in self._windows if type(each.disturbance).tell is not Disturbance.tell]
        self.active = []
        self.wake = 0

    def at(self, step: int) -> Loads:
        """Set who is active from `step` on, and how strongly; return the physical changes that hold then."""
        self.active = []
        self.wake = NEVER
        loads = Loads.none(self._traits)
        for window in self._windows:
            self.wake = min(self.wake, window.wake(step))
            if window.start <= step < window.stop:
                window.disturbance.level = window.level(step)
                window.disturbance.load(loads)
                self.active.append(window.disturbance)
        return loads

    def tell(self, events: Events, first_us: int, start_us: int, period_us: int) -> Events:
        """The events of a window, after the disturbances that act in it.

        Parameters
        ----------
        events : (n,) EVENT
            In order of `t_us`, which counts from the window's start.
        first_us : int
            The first `t_us` that was not read before.
        start_us : int
            When the window starts, in plant time; below 0 within the first period.
        period_us : int
            Its length.
        """
        for window in self._telling:
            if (span := window.span(self._step_us, first_us, start_us, period_us)) is not None:
                events = window.disturbance.tell(events, span)
        return events


@dataclass(frozen=True, slots=True)
class _Window:
    """One disturbance and its times in physics steps: [start, stop), full size from `full` on."""

    disturbance: Disturbance
    start: int
    full: int
    stop: int
    episodes: range
    """Those in which it acts."""

    def level(self, step: int) -> float:
        return (step - self.start) / (self.full - self.start) if step < self.full else 1.0

    def span(self, step_us: int, first_us: int, start_us: int, period_us: int) -> Span | None:
        """The part of a window of events in which it acts; None where it does not."""
        begin_us = max(self.start * step_us - start_us, first_us, -start_us)
        end_us = min(self.stop * step_us - start_us, period_us)
        if begin_us >= end_us:
            return None
        if self.full == self.start:
            return Span(begin_us, end_us, period_us=period_us, start_us=start_us)
        per_us = 1 / ((self.full - self.start) * step_us)
        return Span(begin_us, end_us, (start_us - self.start * step_us) * per_us, per_us, period_us, start_us)

    def wake(self, step: int) -> int:
        if step < self.start:
            return self.start
        if step >= self.stop:
            return NEVER
        return step + 1 if step < self.full else self.stop


def _window(name: str, found: tuple[Any, Timing], traits: Traits, step_s: float) -> _Window:
    (cls, config), where = found, f"disturbances.{name}"
    start = round(config.at_s / step_s)
    stop = NEVER if config.until_s is None else round(config.until_s / step_s)
    if stop <= start:
        raise ScenarioError(f"{where}.until_s: found {config.until_s} s, expected later than at_s = {config.at_s} s")
    last = NEVER if config.until_episode is None else config.until_episode
    if last <= config.at_episode:
        raise ScenarioError(
            f"{where}.until_episode: found {config.until_episode}, expected more than at_episode = {config.at_episode}"
        )
    full = start + round(config.ramp_s / step_s)
    return _Window(cls(config, traits, where), start, full, stop, range(config.at_episode, last))
