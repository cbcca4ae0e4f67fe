"""The claim that hilbench opens with: PES carries a load that PD and its own frozen twin do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from hilbench.metrics import measure
from hilbench.record.reader import read_run
from hilbench.runs.run import run
from hilbench.scenario.files import load

LOAD_S, END_S = 4.0, 9.0
SETTINGS = {
    "loop.duration_s": END_S,
    "loop.seed": 10_000,
    "disturbances.load.at_s": LOAD_S,
    "phases": {"settled": [LOAD_S + 3, END_S]},
}


@pytest.mark.parametrize(
    ("controller", "overrides", "low_m", "high_m"),
    [
        ("pd", {}, 0.1, 1.0),
        ("pes", {"loop.freeze_at_s": LOAD_S}, 0.1, 1.0),
        ("pes", {}, 0.0, 0.02),
        ("adaptive", {}, 0.0, 0.01),
    ],
    ids=["pd", "frozen", "pes", "adaptive"],
)
def test_only_what_learns_carries_the_load(
    controller: str, overrides: dict, low_m: float, high_m: float, tmp_path: Path
) -> None:
    run(load("arm_payload", SETTINGS | overrides, controller), tmp_path / "run")
    error = measure(read_run(tmp_path / "run"))["error_rms[settled]"]["value"]
    assert low_m <= error <= high_m
