"""The loss of a run in windows, in seconds of its episodes or in episodes, with lower values for better ones."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.metrics import _losses, live
from hilbench.metrics._losses import Part, Refused
from hilbench.record.data import RunData
from hilbench.scenario.losses import better
from hilbench.scenario.score import Change


class Span(NamedTuple):
    """Windows side by side."""

    at_s: float
    """Where the first one begins, in seconds after the start of each episode."""
    at_episode: int
    """Or with which episode, where windows are counted in episodes."""
    n: int
    """How many."""


def horizon(run: RunData, change: Change) -> Span:
    """The windows after a change that are judged. Raises Refused where the run is set to end before.

    Parameters
    ----------
    run : RunData
    change : Change
        One of its scenario's.
    """
    score = run.meta.scenario.score
    width = score.window_episodes
    n = score.horizon_episodes // width if width else round(score.horizon_s / score.window_s)
    return whole(run, Span(change.at_s, change.at_episode or 0, n))


def before(run: RunData, change: Change) -> Span:
    """The windows before a change. Raises Refused where there is no whole one.

    Parameters
    ----------
    run : RunData
    change : Change
        One of its scenario's.
    """
    score = run.meta.scenario.score
    if width := score.window_episodes:
        first = change.at_episode or 0
        if not (n := min(score.before_episodes, first) // width):
            raise Refused(f"the change comes with episode {first}: no whole window of {width} episodes before it")
        return Span(0.0, first - n * width, n)
    if not (n := int(min(score.before_s, change.at_s) / score.window_s + 1e-9)):
        raise Refused(f"the change comes at {change.at_s:g} s: no whole window of {score.window_s:g} s before it")
    return Span(change.at_s - n * score.window_s, 0, n)


def after_learning(run: RunData) -> Span:
    """The windows, one or more, that follow the last change's horizon, up to another horizon. Raises Refused.

    Parameters
    ----------
    run : RunData
        One in which learning ends with that horizon.
    """
    score, loop = run.meta.scenario.score, run.meta.scenario.loop
    end = horizon(run, run.meta.scenario.changes[-1])
    if width := score.window_episodes:
        first = end.at_episode + end.n * width
        left = (loop.episodes - first) // width
        span = Span(0.0, first, min(end.n, left))
    else:
        first_s = end.at_s + end.n * score.window_s
        span = Span(first_s, 0, min(end.n, int((loop.duration_s - first_s) / score.window_s + 1e-9)))
    if span.n < 1:
        raise Refused("the run ends with the horizon: no window is left with learning off")
    return span


def last_half(run: RunData, span: Span) -> Span:
    """The last half of windows that stand side by side, the larger one of an odd number.

    Parameters
    ----------
    run : RunData
    span : Span
    """
    score, first = run.meta.scenario.score, span.n // 2
    if width := score.window_episodes:
        return Span(span.at_s, span.at_episode + first * width, span.n - first)
    return Span(span.at_s + first * score.window_s, span.at_episode, span.n - first)


def whole(run: RunData, span: Span) -> Span:
    """The same windows. Raises Refused where the run is set to end before they do."""
    score, loop = run.meta.scenario.score, run.meta.scenario.loop
    if width := score.window_episodes:
        if loop.episodes < (end := span.at_episode + span.n * width):
            raise Refused(f"the run has {loop.episodes} episodes; the horizon ends with {end}")
    elif loop.duration_s < (end_s := span.at_s + span.n * score.window_s) - 1e-9:
        raise Refused(f"the run lasts {loop.duration_s:g} s; the horizon ends at {end_s:g} s")
    return span


def losses(run: RunData, span: Span) -> NDArray[np.float64]:
    """J (n_rows, n_windows), lower for better: a row for each episode, or one alone for windows of episodes.

    A window that the run did not live to the end of, or whose loss is no number, is infinite. Episodes that never
    began, because the run ended by a fault, have rows as well.

    Parameters
    ----------
    run : RunData
    span : Span
    """
    score = run.meta.scenario.score
    rows = _by_episode(run, span) if score.by_episode else _by_time(run, span)
    compute, sign = _losses.of(score.loss, run), 1.0 if better(score.loss) == "lower" else -1.0
    found = np.array([[np.inf if parts is None else sign * compute(parts) for parts in row] for row in rows])
    return np.where(np.isfinite(found), found, np.inf)


def _by_time(run: RunData, span: Span) -> Iterator[list[list[Part] | None]]:
    scenario = run.meta.scenario
    width_us = round(scenario.score.window_s * 1e6)
    ticks = round(width_us / (scenario.loop.period_s * 1e6))
    edges_us = round(span.at_s * 1e6) + width_us * np.arange(span.n + 1)
    for part in _whole_episodes(run):
        if part is None:
            yield [None] * span.n
            continue
        edges = np.searchsorted(part.columns["t_us"], edges_us).tolist()
        pieces = [part.cut(a, b) for a, b in pairwise(edges)]
        yield [[piece] if len(piece.columns["t_us"]) >= ticks else None for piece in pieces]


def _by_episode(run: RunData, span: Span) -> Iterator[list[list[Part] | None]]:
    found = list(_whole_episodes(run))
    width = run.meta.scenario.score.window_episodes
    assert width is not None, "windows are counted in episodes"
    row: list[list[Part] | None] = []
    for first in range(span.at_episode, span.at_episode + span.n * width, width):
        parts = [part for part in found[first : first + width] if part is not None and part.end is not None]
        row.append(parts if len(parts) == width else None)
    yield row


def _whole_episodes(run: RunData) -> Iterator[Part | None]:
    """The control periods of each episode; None for one that never began."""
    ends = {end.episode: end for end in run.meta.episode_ends}
    for number in range(max(len(run.episodes), run.meta.scenario.loop.episodes)):
        if number >= len(run.episodes):
            yield None
            continue
        episode, end = run.episodes[number], ends.get(number)
        n = int(live(episode).sum())  # the row with which the plant ended it is the last one
        columns: dict[str, Any] = {name: values[:n] for name, values in episode.items() if name.startswith("info.")}
        rewards = np.append(episode["reward"], np.nan if end is None else end.reward)
        columns |= {"t_us": episode["t_us"][:n], "reward": rewards[1 : n + 1]}
        yield Part(columns, None if end is None else end.info, n * run.meta.scenario.loop.period_s)
