"""Which part of a run a clip shows."""

from __future__ import annotations

from typing import NamedTuple

from hilbench.errors import ScenarioError
from hilbench.record.meta import RunMeta

BEFORE_S, AFTER_S = 3.0, 7.0
"""How much of the time around the change a clip shows unless it is told."""


class Span(NamedTuple):
    """Part of an episode."""

    episode: int
    from_s: float
    to_s: float


def span_of(meta: RunMeta, episode: int | None = None, from_s: float | None = None, to_s: float | None = None) -> Span:
    """The part that was asked for: by default around the first change, or from the start. Raises ScenarioError.

    Parameters
    ----------
    meta : RunMeta
        The run's.
    episode : int, optional
        Number of the episode; the one with which the change comes, or 0.
    from_s, to_s : float, optional
        In seconds after its start.
    """
    scenario = meta.scenario
    change = next(iter(scenario.changes), None)
    usual = min(change.at_episode or 0 if change else 0, meta.n_episodes - 1)  # a run may end before its change
    number = usual if episode is None else episode
    if not 0 <= number < meta.n_episodes:
        raise ScenarioError(f"--episode: found {number}; allowed: 0 to {meta.n_episodes - 1}")
    at_s = min(change.at_s, scenario.loop.duration_s) if change and change.at_episode is None else BEFORE_S
    begin_s = max(0.0, at_s - BEFORE_S) if from_s is None else from_s
    end_s = begin_s + BEFORE_S + AFTER_S if to_s is None else to_s
    longest_s = scenario.loop.duration_s
    if not 0 <= begin_s < min(end_s, longest_s):
        raise ScenarioError(
            f"--from-s, --to-s: found {begin_s:g} and {end_s:g}; allowed: 0 to {longest_s:g}, the earlier first"
        )
    return Span(number, begin_s, min(end_s, longest_s))
