"""How much learning a delay allows: runs suites/delay.toml and draws error and the largest stable rate by delay.

A learning rate counts as stable at a delay when, for every seed, the tip error 5 to 10 s after the load is at most a
quarter of what it is without learning. Leaves runs/delay/ with summary.json and delay.png.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec
from rich.console import Console
from rich.progress import Progress

from hilbench import evaluate as suites
from hilbench.cli import guard
from hilbench.errors import RecordError
from hilbench.report import charts, maps
from hilbench.report.data import Cell

ERROR = "error_rms[5-10 s after]"


def main() -> None:
    """Run the suite, print the largest stable rates, draw the chart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/delay"))
    folder = parser.parse_args().out
    suites.fresh_folder(folder)
    suite, console = suites.load_suite("delay"), Console()
    with Progress(*Progress.get_default_columns(), console=console) as bar:
        task = bar.add_task("delayed runs", total=len(suites.cells(suite, folder)))
        summary = suites.evaluate(suite, folder, lambda cell, status: bar.update(task, advance=1))
    for cell in summary["cells"]:
        for error in cell["failed"]:
            console.print(f"failed: {cell['label']} {cell['point']}: {error}", markup=False)
    _show(msgspec.convert(summary["cells"], list[Cell]), folder, console)


def _show(cells: list[Cell], folder: Path, console: Console) -> None:
    rows = maps.rows_of(cells, ERROR)
    if all(row["error"] is None for row in rows if row["rate"] == 0):
        raise RecordError(f"{folder}: no run without learning came to its end, so there is nothing to compare with")
    largest, top = maps.largest_stable(rows), max(row["rate"] for row in rows)
    for delay_ms, rate in largest.items():
        beyond = " or more (the largest tried)" if rate == top else ""
        console.print(f"{delay_ms:5g} ms: largest stable learning rate {rate:g}{beyond}")
    rows = [{**row, "error": row["error"] and row["error"] * 1e3} for row in rows]
    picture = maps.delay_map(rows, "tip error (mm)").properties(width=charts.WIDTH)
    picture &= maps.stable_line(largest).properties(width=charts.WIDTH)
    charts.save(picture, folder / "delay.png", "How much learning a delay allows")
    console.print(f"Wrote {folder}/summary.json and {folder}/delay.png")


if __name__ == "__main__":
    guard(main)
