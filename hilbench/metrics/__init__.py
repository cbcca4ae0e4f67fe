"""Metrics: numbers computed from a run, each with a unit and a direction. They read RunData and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.errors import PluginError, said
from hilbench.types import RunData

Better = Literal["lower", "higher", "neither"]
Origin = Literal["measured", "modelled", "unavailable"]
MODES = ("lockstep", "delayed", "realtime", "replay")


class Measure(NamedTuple):
    """A metric's value over `n` samples. A value of None is refused or unavailable, and `note` says why."""

    value: float | None
    n: int
    unit: str | None = None
    """Where it depends on the run."""
    interval: tuple[float, float] | None = None
    """Lowest and highest value that the model's constants allow."""
    origin: Origin | None = None
    """Where a cost comes from; numbers of two origins are never compared."""
    note: str = ""


Measures = dict[str, Measure]
"""What a metric answers: Measures by label, "" where there is one alone; empty when the run cannot have it."""


def metric(
    unit: str,
    better: Better,
    *,
    modes: tuple[str, ...] = MODES,
    needs: tuple[str, ...] = (),
    wall: bool = False,
    over_seeds: Literal["iqm", "mean"] = "iqm",
) -> Callable:
    """Declare a metric: a function from a run to Measures.

    `modes` are those in which it means something. A metric that `needs` other runs ("twin", "floor", "oracle") gets
    them as keyword arguments and is left out where one is missing. `wall` marks what the wall clock says, which no
    second run repeats. `over_seeds` is what stands for all seeds of a cell: the interquartile mean, or the mean where
    trimming would hide what counts.
    """

    def declare(function: Callable[..., Measures]) -> Callable[..., Measures]:
        function.unit, function.better, function.modes = unit, better, modes
        function.needs, function.wall, function.over_seeds = needs, wall, over_seeds
        return function

    return declare


def measure(
    run: RunData, references: Mapping[str, RunData] | None = None, wall: bool = True
) -> dict[str, dict[str, Any]]:
    """Every metric that this run has: NAME or NAME[LABEL] -> value, unit, better, n, and what else a Measure says.

    `references` are the runs to compare with, by role. Without `wall` what the wall clock says is left out. One that
    raises, or cannot be loaded, has no value, and what it raised is its note.
    """
    found, others = {}, references or {}
    for name in sorted(plugins.all_of("metrics")):
        try:
            found |= _answers(name, run, others, wall)
        except Exception as error:  # each stands alone, whoever wrote it
            found[name] = {"value": None, "unit": "", "better": "neither", "n": 0, "note": _cause(error)}
    return found


def _answers(name: str, run: RunData, others: Mapping[str, RunData], wall: bool) -> dict[str, dict[str, Any]]:
    """One metric's answers by NAME or NAME[LABEL]; none where the run cannot have it."""
    function = plugins.get("metrics", name)
    if run.mode not in function.modes or not set(function.needs) <= set(others) or function.wall > wall:
        return {}
    answers = function(run, **{role: others[role] for role in function.needs})
    return {f"{name}[{label}]" if label else name: _described(answer, function) for label, answer in answers.items()}


def _described(answer: Measure, function: Any) -> dict[str, Any]:
    value = answer.value.item() if isinstance(answer.value, np.generic) else answer.value
    if not (value is None or isinstance(value, int | float)):
        raise TypeError(f"a Measure's value is a number or None, found {value!r}")
    whole = {"value": value, "unit": answer.unit or function.unit, "better": function.better, "n": int(answer.n)}
    more = {"interval": answer.interval and list(answer.interval), "origin": answer.origin, "note": answer.note}
    return whole | {key: value for key, value in more.items() if value}


def _cause(error: Exception) -> str:
    return str(error) if isinstance(error, PluginError) else f"this metric raised {said(error)}"


def count(found: float, n: int) -> Measures:
    """So many of `n`, as a metric's answer; no answer where there was nothing to count."""
    return {"": Measure(int(found), int(n))} if n else {}


def column(run: RunData, name: str) -> NDArray:
    """A column over all episodes, end to end; empty when no episode has it."""
    return np.concatenate([episode[name] for episode in run.episodes if name in episode] or [np.empty(0)])


def live(episode: Mapping[str, NDArray]) -> NDArray:
    """(n,) bool: which rows are control periods. The row of the observation with which the plant ended is none."""
    return ~(episode["terminated"] | episode["truncated"])


def n_periods(run: RunData) -> int:
    """How many control periods the plant lived through, over all episodes."""
    return sum(int(live(episode).sum()) for episode in run.episodes)
