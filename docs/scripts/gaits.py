"""Prints the swings that `told` of scenario hexapod_damage begins with: what an integral has come to with each change.

    python docs/scripts/gaits.py

It is the mean of its last 10 s of 60 s, on tuning seed 0, for each grid of the suite hexapod_damage.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from hilbench import read_run
from hilbench.runs.run import run
from hilbench.scenario.files import load
from hilbench.scenario.resolved import Scenario
from hilbench.studies.suite import cells, load_suite

LAST_S = 10.0


def main() -> None:
    for cell in cells(load_suite("hexapod_damage")):
        if cell.scenario.controller == "integral":
            tried = {**cell.overrides, "controller": "integral", "loop.seed": 0}
            print(cell.label, swings(load("hexapod_damage", tried)))


def swings(scenario: Scenario) -> list[float]:
    """What is added to each leg's swing at the end of a run, in rad.

    Parameters
    ----------
    scenario : Scenario
        With the controller `integral`.
    """
    with tempfile.TemporaryDirectory(prefix="hilbench-") as folder:
        run(scenario, Path(folder) / "run")
        added = read_run(Path(folder) / "run").episodes[0]["values_out"]
    last = added[-round(LAST_S / scenario.loop.period_s) :]
    return [round(float(value), 2) for value in last.mean(axis=0)]


if __name__ == "__main__":
    main()
