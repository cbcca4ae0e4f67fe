"""A suite as a dict: two controllers over seeds and pole lengths, and a table of interquartile means and intervals."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

import hilbench
from hilbench.cli import guard

SUITE = {
    "name": "poles",
    "summary": "LQR and its spiking copy on a long and a short pole.",
    "scenarios": ["cartpole_ladder"],
    "controllers": ["lqr", "lif_lqr"],
    "seeds": [10000, 10001, 10002],
    "set": {"loop.duration_s": 0.5},
    "axes": {"plant.pole_m": [1.0, 0.25]},
}
METRIC = "error_rms"


def main() -> None:
    """Evaluate, then print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/evaluate_a_suite"), help="folder for runs and summary")
    summary = hilbench.evaluate(SUITE, parser.parse_args().out)

    table = Table(title=f"{METRIC}: interquartile mean over seeds, 95 % interval", title_justify="left")
    for heading in ("controller", "pole [m]", "IQM", "from", "to", "unit", "seeds"):
        table.add_column(heading)
    for cell in summary.cells:
        found = cell.metrics[METRIC]
        numbers = [f"{number:.3g}" for number in (cell.point["plant.pole_m"], found.iqm, *found.ci95)]
        table.add_row(cell.controller, *numbers, found.unit, str(found.n))
    Console().print(table)


# Suites run in processes of their own, which import this file: without this line each would start them again.
if __name__ == "__main__":
    guard(main)
