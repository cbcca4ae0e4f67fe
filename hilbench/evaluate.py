"""Suites: the same scenario under many controllers, settings and seeds, on a process pool; then one summary.

Cells on the virtual clock share the pool. Real-time cells run afterwards, one at a time and alone on the machine.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import scipy.stats
from msgspec import Meta, Struct

from hilbench import scenario as scenarios
from hilbench.errors import HilbenchError, ScenarioError
from hilbench.metrics import measure
from hilbench.recorder import read_run
from hilbench.running import run
from hilbench.settings import settle


class Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a suite's table."""

    label: str
    """What tables and charts call it."""
    controller: str
    """Which of the scenario's controllers runs."""
    set: dict[str, Any] = {}
    """Overrides for this row, as SECTION.FIELD."""


class Suite(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A suite file."""

    name: str
    summary: str
    scenario: str
    """The scenario that every cell runs."""
    seeds: Annotated[list[Annotated[int, Meta(ge=0)]], Meta(min_length=1)]
    """One run per seed and cell."""
    rows: Annotated[list[Row], Meta(min_length=1)]
    set: dict[str, Any] = {}
    """Overrides for every cell."""
    axes: dict[str, Annotated[list[Any], Meta(min_length=1)]] = {}
    """Overrides that are varied: every combination of their values is a cell."""


@dataclass(frozen=True)
class Cell:
    """One run of a suite: a row, a point on the axes, a seed."""

    label: str
    scenario: scenarios.Scenario
    point: tuple[tuple[str, Any], ...]
    seed: int
    folder: Path


def load_suite(name: str | Path) -> Suite:
    """The suite of that name or path. Raises ScenarioError."""
    path = scenarios.find(name, "suites")
    return settle(Suite, scenarios.read_toml(path), f"{path}: suite")


def cells(suite: Suite, folder: Path) -> list[Cell]:
    """Every run of a suite, validated before the first one starts. Raises ScenarioError."""
    found = []
    points = [tuple(zip(suite.axes, values, strict=True)) for values in itertools.product(*suite.axes.values())]
    for row, point, seed in itertools.product(suite.rows, points, suite.seeds):
        overrides = {**suite.set, **row.set, **dict(point), "loop.seed": seed}
        scenario = scenarios.load(suite.scenario, overrides, row.controller)
        parts = [row.label, *(f"{key.rpartition('.')[2]}={value}" for key, value in point), f"s{seed}"]
        found.append(Cell(row.label, scenario, point, seed, folder / "__".join(parts).replace(" ", "_")))
    if len({cell.folder for cell in found}) < len(found):
        raise ScenarioError(f"{suite.name}: two rows have the same label; give each its own")
    return found


def evaluate(
    suite: Suite, folder: Path, progress: Callable[[Cell, str], None] | None = None, workers: int | None = None
) -> dict[str, Any]:
    """Run every cell of a suite, write `summary.json` into `folder` and return it.

    `progress` is told each cell as it ends, with its status. A cell that fails is reported in the summary, and the
    rest goes on. Raises ScenarioError before anything runs.
    """
    todo = cells(suite, folder)
    virtual = [cell for cell in todo if cell.scenario.loop.mode != "realtime"]
    results: dict[Path, dict[str, Any]] = {}

    def ended(cell: Cell, result: dict[str, Any]) -> None:
        results[cell.folder] = result
        if progress is not None:
            progress(cell, result["status"])

    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers or os.cpu_count(), mp_context=spawn) as pool:
        running = {pool.submit(run_cell, cell): cell for cell in virtual}
        for future in as_completed(running):
            ended(running[future], future.result())
    for cell in todo:
        if cell.scenario.loop.mode == "realtime":
            ended(cell, run_cell(cell))
    summary = {"suite": suite.name, "cells": list(_summarise(todo, results))}
    (folder / "summary.json").write_text(json.dumps(summary, indent=2), "utf-8")
    return summary


def run_cell(cell: Cell) -> dict[str, Any]:
    """Run one cell: its status, its metrics, and the error if it had one."""
    try:
        outcome = run(cell.scenario, cell.folder)
        return {"status": outcome.status, "error": outcome.fault, "metrics": measure(read_run(cell.folder))}
    except HilbenchError as error:
        return {"status": "failed", "error": str(error), "metrics": {}}


def _summarise(todo: Iterable[Cell], results: Mapping[Path, dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """One summary per row and point, over its seeds."""
    key = lambda cell: (cell.label, cell.point)  # noqa: E731 - sorting and grouping share it
    for (label, point), group in itertools.groupby(todo, key):
        same = list(group)
        scenario, found = same[0].scenario, [results[cell.folder] for cell in same]
        names = dict.fromkeys(name for result in found for name in result["metrics"])
        yield {
            "label": label,
            "scenario": scenario.name,
            "controller": scenario.controller,
            "backend": scenario.chosen.backend.kind,
            "link": scenario.link.kind,
            "mode": scenario.loop.mode,
            "point": dict(point),
            "seeds": [cell.seed for cell in same],
            "runs": [str(cell.folder.name) for cell in same],
            "failed": [result["error"] for result in found if result["error"]],
            "metrics": {
                name: _over_seeds([result["metrics"][name] for result in found if name in result["metrics"]])
                for name in names
            },
        }


def _over_seeds(measures: list[dict[str, Any]]) -> dict[str, Any]:
    """Interquartile mean over seeds with a 95 % percentile-bootstrap interval (none for fewer than 3 seeds)."""
    values = np.array([m["value"] for m in measures], float)
    interval = None
    if values.size >= 3:
        resampled = scipy.stats.bootstrap(
            (values,), _iqm, n_resamples=2000, method="percentile", random_state=np.random.default_rng(0)
        )
        interval = [float(bound) for bound in resampled.confidence_interval]
    return {
        "iqm": float(_iqm(values)),
        "ci95": interval,
        "n": int(values.size),
        "unit": measures[0]["unit"],
        "better": measures[0]["better"],
        "values": values.tolist(),
    }


def _iqm(values: np.ndarray, axis: int = -1) -> Any:
    return scipy.stats.trim_mean(values, 0.25, axis=axis)
