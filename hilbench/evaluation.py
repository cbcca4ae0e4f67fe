"""Suites: the same scenario under many controllers, settings and seeds, on a process pool; then one summary.

Cells on the virtual clock share the pool. Real-time cells run afterwards, one at a time and alone on the machine.
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import re
import shutil
import signal
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import scipy.stats
from msgspec import Meta, Struct

from hilbench import scenario as scenarios
from hilbench.errors import ScenarioError
from hilbench.metrics import measure
from hilbench.recorder import read_run
from hilbench.running import run
from hilbench.settings import settle

SUMMARY = "summary.json"
NO_RESULT = {"status": "interrupted", "error": "the suite was interrupted before this cell's end", "metrics": {}}


class Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a suite's table."""

    label: Annotated[str, Meta(pattern=r"^[A-Za-z0-9 ._-]+$", max_length=64)]
    """What tables, charts and run folders call it."""
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


Ended = Callable[[Cell, dict[str, Any]], None]
"""Is told a cell and its result."""


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
        found.append(Cell(row.label, scenario, point, seed, folder / re.sub(r"[^\w.=+-]", "_", "__".join(parts))))
    if len({cell.folder for cell in found}) < len(found):
        raise ScenarioError(f"{suite.name}: two rows have the same label; give each its own")
    return found


def evaluate(
    suite: Suite, folder: Path, progress: Callable[[Cell, str], None] | None = None, workers: int | None = None
) -> dict[str, Any]:
    """Run every cell of a suite, write `summary.json` into `folder` and return it.

    `progress` is told each cell as it ends, with its status. A cell that fails is reported in the summary, and the
    rest goes on. An interruption waits for the cells that are running and leaves the summary of what there is.
    Raises ScenarioError before anything runs, also when the folder holds a summary already.
    """
    todo = cells(suite, folder)
    if (folder / SUMMARY).exists():
        raise ScenarioError(f"{folder}: holds a {SUMMARY} already; give another folder or remove it")
    results: dict[Path, dict[str, Any]] = {}

    def ended(cell: Cell, result: dict[str, Any]) -> None:
        results[cell.folder] = result
        if progress is not None:
            progress(cell, result["status"])

    try:
        _run_on_pools([cell for cell in todo if cell.scenario.loop.mode != "realtime"], ended, workers)
        for cell in todo:
            if cell.scenario.loop.mode == "realtime":
                ended(cell, run_cell(cell))
    finally:
        summary = {"suite": suite.name, "cells": list(_summarise(todo, results))}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SUMMARY).write_text(json.dumps(summary, indent=2), "utf-8")
    return summary


def fresh_folder(folder: Path) -> None:
    """Make `folder` empty. An earlier result in it is removed, known by a `summary.json` with cells.

    Raises ScenarioError when the folder holds anything else, and leaves that alone.
    """
    folder = folder.resolve()
    if folder.is_dir() and any(folder.iterdir()):
        if not _holds_result(folder):
            raise ScenarioError(f"{folder}: found files but no {SUMMARY} of a suite, so it stays; give an empty folder")
        shutil.rmtree(folder)
    elif folder.exists() and not folder.is_dir():
        raise ScenarioError(f"{folder}: found a file, expected a folder")
    folder.mkdir(parents=True, exist_ok=True)


def run_cell(cell: Cell) -> dict[str, Any]:
    """Run one cell: its status, its metrics, and the error if it had one."""
    try:
        outcome = run(cell.scenario, cell.folder)
        return {"status": outcome.status, "error": outcome.fault, "metrics": measure(read_run(cell.folder))}
    except Exception as error:  # a plug-in may raise anything, and the other cells are to run all the same
        return _failed(error)


def _holds_result(folder: Path) -> bool:
    with suppress(OSError, ValueError):
        found = json.loads((folder / SUMMARY).read_text("utf-8"))
        return isinstance(found, dict) and isinstance(found.get("cells"), list)
    return False


def _failed(error: BaseException) -> dict[str, Any]:
    return {"status": "failed", "error": f"{type(error).__name__}: {error}", "metrics": {}}


def _run_on_pools(todo: list[Cell], ended: Ended, workers: int | None) -> None:
    """Run cells in parallel. A worker that dies takes its pool along; cells that had not begun go on in a new one."""
    while todo:
        lost = _run_on_pool(todo, ended, workers)
        begun = [cell for cell in lost if cell.folder.exists()] or lost
        for cell in begun:
            ended(cell, _failed(BrokenProcessPool("a worker process died while this cell ran or was about to")))
        todo = [cell for cell in lost if cell not in begun]


def _run_on_pool(todo: list[Cell], ended: Ended, workers: int | None) -> list[Cell]:
    """Run cells on one process pool; those without a result because it broke."""
    # Workers ignore Ctrl-C, which reaches the whole process group: this process decides what still runs.
    pool = ProcessPoolExecutor(
        workers or os.cpu_count(), multiprocessing.get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    )
    running, done = {}, set()
    try:
        with suppress(BrokenProcessPool):
            for cell in todo:
                running[pool.submit(run_cell, cell)] = cell
        for future in as_completed(running):
            cell, error = running[future], future.exception()
            if not isinstance(error, BrokenProcessPool):
                done.add(cell.folder)
                ended(cell, _failed(error) if error else future.result())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return [cell for cell in todo if cell.folder not in done]


def _summarise(todo: Iterable[Cell], results: Mapping[Path, dict[str, Any]]) -> Iterable[dict[str, Any]]:
    """One summary per row and point, over its seeds."""
    for (label, point), group in itertools.groupby(todo, attrgetter("label", "point")):
        same = list(group)
        scenario, found = same[0].scenario, [results.get(cell.folder, NO_RESULT) for cell in same]
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
            "failed": [
                f"seed {cell.seed}: {result['error']}"
                for cell, result in zip(same, found, strict=True)
                if result["error"]
            ],
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
