"""Metrics: numbers computed from a run, each with a unit and a direction. They read RunData and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.types import RunData

Better = Literal["lower", "higher", "neither"]


class Measure(NamedTuple):
    """A metric's value over `n` samples; `unit` where it depends on the run."""

    value: float
    n: int
    unit: str | None = None


def metric(unit: str, better: Better) -> Callable:
    """Declare a metric: a function from a run to Measures by label ("" where there is one alone)."""

    def declare(function: Callable[[RunData], dict[str, Measure]]) -> Callable[[RunData], dict[str, Measure]]:
        function.unit, function.better = unit, better
        return function

    return declare


def measure(run: RunData) -> dict[str, dict[str, Any]]:
    """Every metric that this run has: NAME or NAME[LABEL] -> value, unit, better, n."""
    found = {}
    for name in sorted(plugins.all_of("metrics")):
        function = plugins.get("metrics", name)
        for label, (value, n, unit) in function(run).items():
            key = f"{name}[{label}]" if label else name
            found[key] = {"value": value, "unit": unit or function.unit, "better": function.better, "n": n}
    return found


def count(found: float, n: int) -> dict[str, Measure]:
    """So many of `n`, as a metric's answer; no answer where there was nothing to count."""
    return {"": Measure(int(found), int(n))} if n else {}


def column(run: RunData, name: str) -> NDArray:
    """A column over all episodes, end to end; empty when no episode has it."""
    return np.concatenate([episode[name] for episode in run.episodes if name in episode] or [np.empty(0)])
