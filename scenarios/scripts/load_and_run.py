"""A scenario by name, with some fields changed: run it, then print what its metrics say."""

from __future__ import annotations

import argparse
from pathlib import Path

import hilbench
from hilbench.cli import guard


def main() -> None:
    """Load, run, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/load_and_run"), help="folder for the run's record")
    folder = parser.parse_args().out

    # Any field of the scenario file can be overridden, and any of its controllers chosen.
    overrides = {
        "loop.duration_s": 2.0,
        "loop.mode": "delayed",
        "loop.delay": {"s": 0.005},
        "loop.deadline_s": 0.01,
        "plant.pole_m": 0.5,
    }
    scenario = hilbench.load("cartpole_ladder", overrides, controller="lqr")
    outcome = hilbench.run(scenario, folder)
    print(f"{scenario.name}, {scenario.controller}: {outcome.status}; record in {folder}")

    for name, found in hilbench.measure(hilbench.read_run(folder)).items():
        value = found.get("note", "") if found["value"] is None else f"{found['value']:.4g}"
        print(f"{name:24} {value:>10} {found['unit']:8} N = {found['n']}")


if __name__ == "__main__":
    guard(main)
