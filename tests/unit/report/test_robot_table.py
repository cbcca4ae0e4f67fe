"""The report of a run whose plant is a robot, over a way that loses frames."""

from __future__ import annotations

from pathlib import Path

import pytest
from robots import losing, serving

from hilbench.report import page
from hilbench.runs.run import run
from hilbench.scenario.files import resolve

SCENARIO = {
    "name": "pole", "summary": "a pole", "controller": "lqr", "controllers": {"lqr": {"kind": "lqr"}},
    "loop": {"mode": "realtime", "period_s": 0.005, "duration_s": 1.0, "echo_s": 0.0},
}  # fmt: skip


@pytest.mark.timeout(120)
def test_latency_both_ways_losses_and_what_no_run_repeats(tmp_path: Path) -> None:
    """Without an error: nothing says what it would be."""
    with serving(ahead_ns=10**15) as (address, _), losing(address, 0.2) as (lossy, _):
        plant = {"kind": "remote", "address": lossy, "lost_s": 30.0}
        assert run(resolve(SCENARIO | {"plant": plant}, "test"), tmp_path / "run").status == "done"
    report = page.gather([tmp_path / "run"])
    (row,) = report.robots
    assert row.clocks.startswith("± ")
    assert "0 %" not in row.lost.split(" / ")
    html = page.render(report)
    for said in ("To the robot and back", "no second run repeats these numbers", "SENSE lost on the way"):
        assert said in html
