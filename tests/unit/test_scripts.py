"""The demo's own judgement, on made-up summaries: whether its claim holds."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from rich.console import Console

SCRIPTS = Path(__file__).parents[2] / "scenarios" / "scripts"


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


demo = script("demo")


def cell(errors_m: list[float], failed: tuple[str, ...] = (), label: str = "PES", **point: float) -> dict:
    """A summary's cell: the same errors in every phase."""
    measure = {"iqm": errors_m[0] if errors_m else None, "values": errors_m, "n": len(errors_m)}
    metrics = {f"error_rms[{phase}]": measure for phase in demo.PHASES} if errors_m else {}
    return {"label": label, "point": point, "failed": list(failed), "seeds": [1, 2], "metrics": metrics}


GOOD = {"PD": [0.17, 0.2], "PES frozen": [0.13, 0.101], "PES": [0.01, 0.002]}


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({}, True),
        ({"PES": [0.011, 0.002]}, False),
        ({"PD": [0.2, 0.1]}, False),
        ({"PES frozen": []}, False),
        ({"PES": [0.01, float("nan")]}, False),
    ],
)
def test_the_demos_claim_holds_only_when_every_seed_bears_it_out(changes: dict, holds: bool) -> None:
    cells = [cell(errors, label=label) for label, errors in (GOOD | changes).items()]
    assert demo.judge(cells)["holds"] is holds
    cells[2]["failed"].append("seed 2: gone")
    assert demo.judge(cells)["holds"] is False


def test_the_demo_shows_a_cell_without_metrics_and_counts_the_seeds_that_have_one() -> None:
    console = Console(width=100, record=True, file=sys.stderr)
    console.print(demo.error_table([cell([0.004], label="PES"), cell([], label="PD")]))
    lines = [line.replace("│", " ").split() for line in console.export_text().splitlines()]
    assert ["PES", "4.0", "4.0", "4.0", "4.0", "1"] in lines
    assert ["PD", "-", "-", "-", "-", "0"] in lines
    assert demo.timing_line(cell([])) == "PES: too few replies to tell their timing"


def test_the_demos_timing_line_has_the_loops_own_lag_where_it_was_measured() -> None:
    names = ("round_trip[p50]", "round_trip[p99]", "misses", "longest_miss_run", "skipped", "faults")
    device = {"label": "device", "metrics": {name: {"iqm": 0.001} for name in names}}
    assert "loop lag" not in demo.timing_line(device)
    device["metrics"]["loop_lag[p99]"] = {"iqm": 0.0005}
    assert "p99 1.00 ms; loop lag p99 0.50 ms; 0 misses" in demo.timing_line(device)
