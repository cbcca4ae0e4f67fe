"""How well a controller copes with the scenario's change: its performance, and what learning contributed.

The scenario's `[score.loss]` is taken over windows, from the change on for the horizon. Performance puts it on a scale:
P = clip((J_floor - J) / (J_floor - J_oracle), 0, 1), where J_floor and J_oracle are the mean losses after the change of
the run that does nothing about it and of the run that knows of it. There is one scale for the whole run, that of its
first change, so that before and after can be compared. A window after the run's end, or whose loss is no finite number,
has performance 0.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.metrics import Measure, Measures, _windows, metric
from hilbench.metrics._losses import Refused, unit
from hilbench.metrics._scale import Scale
from hilbench.metrics._windows import losses
from hilbench.record.data import RunData
from hilbench.scenario.score import Change

GATE = 0.1
"""A change that costs the frozen twin less performance than this is too small to adapt to."""
RECOVERED = 0.1
"""How far below its performance before the change a recovered run may stay."""
STAYS = 3
"""Windows for which it has to stay there."""


def judged(function: Any) -> Any:
    """Turn Refused into a Measure without a value; a scenario without a change has no answer."""

    @wraps(function)
    def answer(run: RunData, **references: RunData) -> Measures:
        if run.meta.scenario.score.change is None or not run.episodes:
            return {}
        try:
            return function(run, **references)
        except Refused as reason:
            return {"": Measure(None, 0, note=str(reason))}

    return answer


@metric("1", "higher", needs=("twin", "twin_unchanged", "floor", "oracle"), uses=("twin_2", "twin_2_unchanged"))
@judged
def adaptivity(
    run: RunData, twin: RunData, twin_unchanged: RunData, floor: RunData, oracle: RunData,
    twin_2: RunData | None = None, twin_2_unchanged: RunData | None = None,
) -> Measures:  # fmt: skip
    """The share of the performance that the change costs the frozen twin which the learner regains.

    A = sum(P_learner - P_twin) / sum(1 - P_twin) over the horizon: 1 performs as the oracle from the change on, 0 gains
    nothing, below 0 does harm. It has the form of Continual World's forward transfer (Wolczyk et al. 2021). Refused
    where the change did not hurt the twin: where the same twin without the change does not perform better by 0.1.
    `[return]` is the same for the end of the change.

    Parameters
    ----------
    run : RunData
        The learner's run.
    twin : RunData
        The same controller with learning stopped at the change.
    twin_unchanged : RunData
        That twin, where the change does not come.
    floor : RunData
        The run that does nothing about the change: performance 0.
    oracle : RunData
        The run that knows of the change: performance 1.
    twin_2, twin_2_unchanged : RunData, optional
        As `twin` and `twin_unchanged`, for the end of the change: learning stopped there, and the change stays.
    """
    scale, found = Scale(floor, oracle), {}
    pairs = {"": (twin, twin_unchanged), "return": (twin_2, twin_2_unchanged)}
    for change, (label, (frozen, unchanged)) in zip(_changes(run), pairs.items(), strict=False):
        if frozen is not None and unchanged is not None:
            found[label] = _regained(scale, change, run, frozen, unchanged)
    return found


def _regained(scale: Scale, change: Change, run: RunData, twin: RunData, unchanged: RunData) -> Measure:
    learner, frozen, spared = (scale.after(each, change) for each in (run, twin, unchanged))
    lost = float(spared.mean() - frozen.mean())
    if lost < GATE:
        text = f"the frozen twin performs {frozen.mean():.2f} with the change and {spared.mean():.2f} without"
        return Measure(None, 0, note=f"perturbation ineffective: {text}; that is not {GATE} apart")
    return Measure(float((learner - frozen).sum() / (1 - frozen).sum()), learner.size)


@metric("1", "higher", needs=("floor", "oracle"))
@judged
def performance(run: RunData, floor: RunData, oracle: RunData) -> Measures:
    """0 as the floor, 1 as the oracle: over the horizon, before the change, and over the horizon without clipping.

    Parameters
    ----------
    run : RunData
        The run.
    floor : RunData
        The run that does nothing about the change: performance 0.
    oracle : RunData
        The run that knows of the change: performance 1.
    """
    scale, change = Scale(floor, oracle), _changes(run)[0]
    after, before = scale.after(run, change), scale.before(run, change)
    found = {"": Measure(float(after.mean()), after.size), "before": Measure(float(before.mean()), before.size)}
    free = float(np.mean(scale.unclipped(run, _windows.horizon(run, change))))
    return found | ({"unclipped": Measure(free, after.size)} if np.isfinite(free) else {})


@metric("1", "lower", needs=("floor", "oracle"))
@judged
def performance_drop(run: RunData, floor: RunData, oracle: RunData) -> Measures:
    """Performance before the change, less the worst window after it.

    Parameters
    ----------
    run, floor, oracle : RunData
        As in `performance`.
    """
    scale, change = Scale(floor, oracle), _changes(run)[0]
    after = scale.after(run, change)
    return {"": Measure(float(scale.before(run, change).mean() - after.min()), after.size)}


@metric("", "lower", needs=("floor", "oracle"), over_seeds="mean")
@judged
def recovery_time(run: RunData, floor: RunData, oracle: RunData) -> Measures:
    """From the change until performance is back within 0.1 of before for three windows; at most the horizon.

    A run that does not recover counts with the horizon, so the mean over seeds is a restricted mean; read it with
    `recovery_censored`. In seconds, or in episodes where those are what windows are counted in. `[return]` is the same
    for the end of the change.

    Parameters
    ----------
    run, floor, oracle : RunData
        As in `performance`.
    """
    score, scale, found = run.meta.scenario.score, Scale(floor, oracle), {}
    width, unit = (score.window_episodes, "episodes") if score.window_episodes else (score.window_s, "s")
    for change, label in zip(_changes(run), ("", "return"), strict=False):
        recovered, after = _recovery(run, scale, change)
        found[label] = Measure((after.shape[1] if recovered is None else recovered) * width, after.size, unit)
    return found


@metric("1", "lower", needs=("floor", "oracle"), over_seeds="mean")
@judged
def recovery_censored(run: RunData, floor: RunData, oracle: RunData) -> Measures:
    """1 when the run had not recovered by the end of the horizon; over seeds, the share of such runs.

    Parameters
    ----------
    run, floor, oracle : RunData
        As in `performance`.
    """
    recovered, after = _recovery(run, Scale(floor, oracle), _changes(run)[0])
    return {"": Measure(float(recovered is None), after.size)}


@metric("1", "lower", needs=("floor", "oracle"))
@judged
def residual(run: RunData, floor: RunData, oracle: RunData) -> Measures:
    """What is missing at the end: performance before the change, less that of the horizon's last three windows.

    Parameters
    ----------
    run, floor, oracle : RunData
        As in `performance`.
    """
    scale, change = Scale(floor, oracle), _changes(run)[0]
    last = scale.after(run, change)[:, -STAYS:]
    return {"": Measure(float(scale.before(run, change).mean() - last.mean()), last.size)}


@metric("1", "higher", needs=("floor", "oracle"))
@judged
def retention(run: RunData, floor: RunData, oracle: RunData) -> Measures:
    """Where the change ends again: performance in the first three windows after that, less that before the change.

    Lopez-Paz and Ranzato (2017) call it backward transfer: below 0, what was known has been forgotten.

    Parameters
    ----------
    run, floor, oracle : RunData
        As in `performance`.
    """
    if len(_changes(run)) < 2:
        return {}
    scale, (first, back) = Scale(floor, oracle), _changes(run)
    again = scale.after(run, back)[:, :STAYS]
    return {"": Measure(float(again.mean() - scale.before(run, first).mean()), again.size)}


@metric("", "lower", needs=("oracle",))
@judged
def regret(run: RunData, oracle: RunData) -> Measures:
    """The sum over the horizon of the loss beyond the oracle's: times seconds, or episodes where windows count those.

    Parameters
    ----------
    run : RunData
        The run.
    oracle : RunData
        The run that knows of the change.
    """
    score = run.meta.scenario.score
    span = _windows.horizon(run, _changes(run)[0])
    width, per = (score.window_episodes, "episodes") if score.window_episodes else (score.window_s, "s")
    mine = losses(run, span)
    beyond = (mine - losses(oracle, span)).sum(axis=1).mean() * width
    if not np.isfinite(beyond):
        raise Refused("the run or its oracle ended, or its loss was no number, before the end of the horizon")
    return {"": Measure(float(beyond), mine.size, f"{unit(run)} {per}")}


def _changes(run: RunData) -> tuple[Change, ...]:
    return run.meta.scenario.changes


def _recovery(run: RunData, scale: Scale, change: Change) -> tuple[int | None, NDArray[np.float64]]:
    """The first window from which three in a row are good, None without; and performance. Episodes are averaged."""
    after = scale.after(run, change)
    good = after.mean(axis=0) >= scale.before(run, _changes(run)[0]).mean() - RECOVERED
    runs = np.convolve(good, np.ones(STAYS, int), "valid") == STAYS if good.size >= STAYS else np.zeros(0, bool)
    return (int(np.argmax(runs)) if runs.any() else None), after
