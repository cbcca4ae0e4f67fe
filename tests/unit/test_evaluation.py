"""Suites: which cells they have, what a summary says, and that failed cells and Ctrl-C leave a summary of the rest."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from hilbench import evaluation as suites
from hilbench import scenario as scenarios
from hilbench.errors import ScenarioError
from hilbench.settings import settle

SMALL = {
    "name": "small",
    "summary": "two rows",
    "scenario": "cartpole_ladder",
    "seeds": [10000, 10001, 10002],
    "set": {"loop.duration_s": 0.05},
    "rows": [
        {"label": "LQR", "controller": "lqr"},
        {"label": "noise", "controller": "random", "set": {"loop.duration_s": 0.02}},
    ],
    "axes": {"plant.pole_m": [1.0, 0.5]},
}


def suite(**changes: object) -> suites.Suite:
    return settle(suites.Suite, SMALL | changes, "suite")


@pytest.mark.parametrize("name", scenarios.names("suites"))
def test_shipped_suites_have_only_valid_cells(name: str, tmp_path: Path) -> None:
    found = suites.load_suite(name)
    assert suites.cells(found, tmp_path)
    assert min(found.seeds) >= 10_000, "seeds below 10 000 are for tuning"


def test_cells_are_rows_times_points_times_seeds(tmp_path: Path) -> None:
    cells = suites.cells(suite(), tmp_path)
    assert len(cells) == 2 * 2 * 3
    assert {cell.scenario.plant.config.pole_m for cell in cells} == {1.0, 0.5}
    assert {c.scenario.loop.duration_s for c in cells if c.label == "noise"} == {0.02}
    assert [c.scenario.loop.seed for c in cells[:3]] == SMALL["seeds"]


def test_a_mistake_anywhere_stops_the_suite_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="did you mean 'pole_m'"):
        suites.evaluate(suite(axes={"plant.pole": [1.0]}), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ScenarioError, match="same label"):
        suites.cells(suite(rows=[{"label": "a", "controller": "lqr"}] * 2), tmp_path)


def test_the_summary_holds_every_seed_and_the_same_whatever_the_pool(tmp_path: Path) -> None:
    seen = []
    one = suites.evaluate(suite(), tmp_path / "one", lambda cell, status: seen.append((cell.label, status)), workers=1)
    two = suites.evaluate(suite(), tmp_path / "two", workers=2)
    assert len(seen) == 12
    assert {status for _, status in seen} == {"done"}
    assert json.loads((tmp_path / "one" / "summary.json").read_text()) == one
    for a, b in zip(one["cells"], two["cells"], strict=True):
        error = a["metrics"]["error_rms"]
        assert error == b["metrics"]["error_rms"]
        assert error["n"] == 3
        assert error["unit"] == "rad"
        assert error["iqm"] == pytest.approx(np.mean(error["values"]))  # of three, none is trimmed
        assert error["ci95"][0] <= error["iqm"] <= error["ci95"][1]


def test_a_label_is_safe_as_a_folder() -> None:
    with pytest.raises(ScenarioError, match="label"):
        suite(rows=[{"label": "../../up", "controller": "lqr"}])
    found = suites.cells(suite(axes={"link.kind": ["inprocess"]}), Path("runs"))
    assert {cell.folder.parent for cell in found} == {Path("runs")}


def test_a_folder_with_a_summary_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_text("{}")
    with pytest.raises(ScenarioError, match="holds a summary"):
        suites.evaluate(suite(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]


REAL_RUN_CELL = suites.run_cell


def worker(cell: suites.Cell) -> dict:
    """Stands in for `run_cell` in worker processes: seed 10001 of LQR fails in the way its pole length says."""
    if (cell.label, cell.seed) != ("LQR", 10001):
        return REAL_RUN_CELL(cell)
    if cell.scenario.plant.config.pole_m == 1.0:
        cell.folder.mkdir(parents=True)
        os._exit(3)
    raise ZeroDivisionError("no such luck")


def test_cells_that_raise_or_kill_their_worker_are_reported_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suites, "run_cell", worker)
    summary = suites.evaluate(suite(), tmp_path, workers=1)
    died, raised, *others = (cell["failed"] for cell in summary["cells"])
    assert [len(died), len(raised), others] == [1, 1, [[], []]]
    assert died[0].startswith("seed 10001: BrokenProcessPool: ")
    assert raised == ["seed 10001: ZeroDivisionError: no such luck"]
    assert [cell["metrics"]["error_rms"]["n"] for cell in summary["cells"]] == [2, 2, 3, 3]
    assert json.loads((tmp_path / "summary.json").read_text()) == summary


def test_any_exception_of_a_run_is_its_cells_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*_: object) -> None:
        raise KeyError("torque")

    monkeypatch.setattr(suites, "run", run)
    result = suites.run_cell(suites.cells(suite(), tmp_path)[0])
    assert result == {"status": "failed", "error": "KeyError: 'torque'", "metrics": {}}


def test_an_interruption_cancels_what_waits_and_leaves_the_summary(tmp_path: Path) -> None:
    def interrupt(cell: suites.Cell, status: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    many = suite(seeds=list(range(10_000, 10_010)))
    with pytest.raises(KeyboardInterrupt):
        suites.evaluate(many, tmp_path, interrupt, workers=1)
    cells = json.loads((tmp_path / "summary.json").read_text())["cells"]
    assert sum("interrupted" in error for cell in cells for error in cell["failed"]) == 39
    assert len(list(tmp_path.glob("*/run.json"))) < 10, "the queue was cancelled"


def test_a_fresh_folder_is_empty_and_only_an_earlier_result_gives_way(tmp_path: Path) -> None:
    ours, foreign = tmp_path / "new" / "ours", tmp_path / "foreign"
    suites.fresh_folder(ours)
    suites.fresh_folder(ours)
    (ours / "summary.json").write_text('{"cells": []}')
    (ours / "old").mkdir()
    suites.fresh_folder(ours)
    assert list(ours.iterdir()) == []
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")
    for text in (None, "[]", "not JSON", '{"suite": "x"}'):
        if text is not None:
            (foreign / "summary.json").write_text(text)
        with pytest.raises(ScenarioError, match="stays"):
            suites.fresh_folder(foreign)
        assert (foreign / "thesis.txt").read_text() == "years of work"
    with pytest.raises(ScenarioError, match="found a file"):
        suites.fresh_folder(foreign / "thesis.txt")
