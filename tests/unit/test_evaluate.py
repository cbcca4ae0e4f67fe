"""Suites: which cells they have, what a summary says, and that one failed cell does not stop the rest."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hilbench import evaluate as suites
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


def test_a_failed_cell_is_reported_and_the_rest_goes_on(tmp_path: Path) -> None:
    (tmp_path / "LQR__pole_m=1.0__s10001").mkdir(parents=True)
    (tmp_path / "LQR__pole_m=1.0__s10001" / "run.json").write_text("{}")
    summary = suites.evaluate(suite(), tmp_path, workers=1)
    assert [len(cell["failed"]) for cell in summary["cells"]] == [1, 0, 0, 0]
    assert "holds a run already" in summary["cells"][0]["failed"][0]
    assert summary["cells"][0]["metrics"]["error_rms"]["n"] == 2
