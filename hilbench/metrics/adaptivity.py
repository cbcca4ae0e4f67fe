"""How well a controller copes with the scenario's change: its performance, and what learning contributed.

Errors are RMS values over windows of `score.window_s`, from the change on for `score.horizon_s`. Performance puts them
on a scale: P = clip((J_floor - J) / (J_floor - J_oracle), 0, 1), where J_floor and J_oracle are the mean window errors
after the change of the run that does nothing about it and of the run that knows of it. There is one scale for the whole
run, so that before and after can be compared. A window after the run's end, or whose error is not finite, has
performance 0.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.metrics import Measure, Measures, live, metric
from hilbench.record.data import RunData

GATE = 0.1
"""A change that costs the frozen twin less performance than this is too small to adapt to."""
RECOVERED = 0.1
"""How far below its performance before the change a recovered run may stay."""
STAYS = 3
"""Windows for which it has to stay there."""


class Refused(Exception):
    """A score that would mean nothing; the message says why."""


def judged(function: Any) -> Any:
    """Turn Refused into a Measure without a value; a scenario without a change has no answer."""

    @wraps(function)
    def answer(run: RunData, **references: RunData) -> Measures:
        if run.meta.scenario.score.change is None or not run.episodes:
            return {}
        if not run.meta.plant_spec.error:
            return {"": Measure(None, 0, note="the plant has no error, so nothing says how well it follows")}
        try:
            return function(run, **references)
        except Refused as reason:
            return {"": Measure(None, 0, note=str(reason))}

    return answer


@metric("1", "higher", needs=("twin", "floor", "oracle"))
@judged
def adaptivity(run: RunData, twin: RunData, floor: RunData, oracle: RunData) -> Measures:
    """The share of the performance that the change costs the frozen twin which the learner regains.

    A = sum(P_learner - P_twin) / sum(1 - P_twin) over the horizon: 1 performs as the oracle from the change on, 0 gains
    nothing, below 0 does harm. It has the form of Continual World's forward transfer (Wolczyk et al. 2021). Refused
    where the change did not hurt the twin.

    Parameters
    ----------
    run : RunData
        The learner's run.
    twin : RunData
        The same controller with learning stopped at the change.
    floor : RunData
        The run that does nothing about the change: performance 0.
    oracle : RunData
        The run that knows of the change: performance 1.
    """
    learner, frozen = (_performance(each, floor, oracle) for each in (run, twin))
    lost = float(np.mean(_before(run, floor, oracle)) - frozen.mean())
    if lost < GATE:
        raise Refused(f"perturbation ineffective: it costs the frozen twin {lost:.2f} of its performance, not {GATE}")
    return {"": Measure(float((learner - frozen).sum() / (1 - frozen).sum()), learner.size)}


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
    after, before = _performance(run, floor, oracle), _before(run, floor, oracle)
    found = {"": Measure(float(after.mean()), after.size), "before": Measure(float(before.mean()), before.size)}
    free = float(np.mean(_scaled(_after(run), floor, oracle)))
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
    after = _performance(run, floor, oracle)
    return {"": Measure(float(_before(run, floor, oracle).mean() - after.min()), after.size)}


@metric("s", "lower", needs=("floor", "oracle"), over_seeds="mean")
@judged
def recovery_time(run: RunData, floor: RunData, oracle: RunData) -> Measures:
    """From the change until performance is back within 0.1 of before for three windows; at most the horizon.

    A run that does not recover counts with the horizon, so the mean over seeds is a restricted mean; read it with
    `recovery_censored`.

    Parameters
    ----------
    run, floor, oracle : RunData
        As in `performance`.
    """
    recovered, after = _recovery(run, floor, oracle)
    windows = after.shape[1] if recovered is None else recovered
    return {"": Measure(windows * run.meta.scenario.score.window_s, after.size)}


@metric("1", "lower", needs=("floor", "oracle"), over_seeds="mean")
@judged
def recovery_censored(run: RunData, floor: RunData, oracle: RunData) -> Measures:
    """1 when the run had not recovered by the end of the horizon; over seeds, the share of such runs.

    Parameters
    ----------
    run, floor, oracle : RunData
        As in `performance`.
    """
    recovered, after = _recovery(run, floor, oracle)
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
    last = _performance(run, floor, oracle)[:, -STAYS:]
    return {"": Measure(float(_before(run, floor, oracle).mean() - last.mean()), last.size)}


@metric("", "lower", needs=("oracle",))
@judged
def regret(run: RunData, oracle: RunData) -> Measures:
    """The integral over the horizon of the error beyond the oracle's.

    Parameters
    ----------
    run : RunData
        The run.
    oracle : RunData
        The run that knows of the change.
    """
    beyond = (_after(run) - _after(oracle)).sum(axis=1).mean() * run.meta.scenario.score.window_s
    if not np.isfinite(beyond):
        raise Refused("the run or its oracle ended, or its error was no number, before the end of the horizon")
    unit = run.meta.plant_spec.info_units[run.meta.plant_spec.error]
    return {"": Measure(float(beyond), _after(run).size, f"{unit} s")}


def _recovery(run: RunData, floor: RunData, oracle: RunData) -> tuple[int | None, NDArray]:
    """The first window from which three in a row are good, None without; and performance. Episodes are averaged."""
    after = _performance(run, floor, oracle)
    good = after.mean(axis=0) >= _before(run, floor, oracle).mean() - RECOVERED
    runs = np.convolve(good, np.ones(STAYS, int), "valid") == STAYS if good.size >= STAYS else np.zeros(0, bool)
    return (int(np.argmax(runs)) if runs.any() else None), after


def _performance(run: RunData, floor: RunData, oracle: RunData) -> NDArray:
    """P (episodes, windows) after the change."""
    return np.clip(_scaled(_after(run), floor, oracle), 0.0, 1.0)


def _before(run: RunData, floor: RunData, oracle: RunData) -> NDArray:
    """P (episodes, windows) before the change, on the same scale."""
    score = run.meta.scenario.score
    n = int(min(score.before_s, _change_s(run)) / score.window_s + 1e-9)
    if not n:
        raise Refused(f"the change comes at {_change_s(run):g} s: no whole window of {score.window_s:g} s before it")
    return np.clip(_scaled(_errors(run, _change_s(run) - n * score.window_s, n), floor, oracle), 0.0, 1.0)


def _scaled(errors: NDArray, floor: RunData, oracle: RunData) -> NDArray:
    zero, one = float(_after(floor).mean()), float(_after(oracle).mean())
    if not (np.isfinite(zero) and zero > one):
        raise Refused(f"no scale: the floor's error after the change is {zero:.3g}, the oracle's {one:.3g}")
    return (zero - errors) / (zero - one)


def _after(run: RunData) -> NDArray:
    """J (episodes, windows) over the horizon."""
    score, loop = run.meta.scenario.score, run.meta.scenario.loop
    end_s = _change_s(run) + score.horizon_s
    if loop.duration_s < end_s - 1e-9:
        raise Refused(f"the run lasts {loop.duration_s:g} s; the horizon ends at {end_s:g} s")
    return _errors(run, _change_s(run), round(score.horizon_s / score.window_s))


def _change_s(run: RunData) -> float:
    change_s = run.meta.scenario.change_s
    assert change_s is not None, "a scenario without a change is not judged"
    return change_s


def _errors(run: RunData, start_s: float, n: int) -> NDArray:
    """RMS (episodes, n) of the tracking error in windows; infinite where a window is not whole or holds no number.

    Episodes that never began, because the run ended by a fault, have rows as well.
    """
    loop = run.meta.scenario.loop
    window_us = round(run.meta.scenario.score.window_s * 1e6)
    ticks = round(window_us / (loop.period_s * 1e6))
    found = np.full((max(len(run.episodes), loop.episodes), n), np.inf)
    for row, episode in zip(found, run.episodes, strict=False):
        window = (episode["t_us"] - round(start_s * 1e6)) // window_us
        inside = (window >= 0) & (window < n) & live(episode)
        error = episode[f"info.{run.meta.plant_spec.error}"][inside]
        sums, counts = (np.bincount(window[inside], weights, n) for weights in (error**2, None))
        whole = (counts >= ticks) & np.isfinite(sums)
        row[whole] = np.sqrt(sums[whole] / counts[whole])
    return found
