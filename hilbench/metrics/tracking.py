"""How well the plant did: its tracking error by phase, and how long it lasted."""

from __future__ import annotations

import numpy as np

from hilbench.metrics import Measure, Measures, column, count, live, metric
from hilbench.record.data import RunData


@metric("", "lower")
def error_rms(run: RunData) -> Measures:
    """Root mean square of the plant's tracking error, over the whole run and in each phase; none without an error."""
    name = run.meta.plant_spec.error
    if not name:
        return {}
    unit = run.meta.plant_spec.info_units[name]
    error, t_us = column(run, f"info.{name}"), column(run, "t_us")
    spans = {"": (0.0, 1e9), **run.meta.scenario.phases}
    found = {}
    for label, (start_s, end_s) in spans.items():
        inside = error[(t_us >= round(start_s * 1e6)) & (t_us < round(end_s * 1e6))]
        if inside.size:
            found[label] = Measure(float(np.sqrt(np.mean(inside**2))), inside.size, unit)
    return found


@metric("s", "higher")
def survival(run: RunData) -> Measures:
    """Mean time until the plant ended an episode by itself; one that it did not end counts as far as it went."""
    period_s = run.meta.scenario.loop.period_s
    lasted = [live(e).sum() * period_s for e in run.episodes]
    return {"": Measure(float(np.mean(lasted)), len(lasted))} if lasted else {}


@metric("1", "higher")
def return_(run: RunData) -> Measures:
    """Mean over episodes of the sum of the rewards of all their actions, as stable-baselines3 counts it.

    A row's reward is that of the action before it: the first row's belongs to none, and the last action's is in the
    episode's end. Episodes without an end, by a fault or an interruption, are left out.
    """
    found = []
    for end in run.meta.episode_ends:
        episode = run.episodes[end.episode]
        acted = ~(episode["terminated"] | episode["truncated"])[1:]
        found.append(episode["reward"][1:][acted].sum() + end.reward)
    return {"": Measure(float(np.mean(found)), len(found))} if found else {}


@metric("ticks", "lower")
def actions_clipped(run: RunData) -> Measures:
    """Replies whose action lay outside the plant's limits."""
    return count(column(run, "clipped").sum(), column(run, "answered").sum())


@metric("ticks", "lower")
def actions_not_finite(run: RunData) -> Measures:
    """Replies whose action was not a number; the safe action acted instead."""
    return count(column(run, "not_finite").sum(), column(run, "answered").sum())
