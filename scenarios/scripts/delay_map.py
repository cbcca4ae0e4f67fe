"""How much learning a delay allows: runs suites/delay.toml and draws error and the largest stable rate by delay.

A learning rate counts as stable at a delay when, for every seed, the tip error 5 to 10 s after the load is at most a
quarter of what it is without learning. Leaves runs/delay/ with summary.json and delay.png.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from hilbench import evaluation as suites
from hilbench.cli import guard
from hilbench.errors import RecordError
from hilbench.report import charts

ERROR = "error_rms[5-10 s after]"
SHARE = 0.25


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
    _show(rows_of(summary), folder, console)


def _show(rows: list[dict], folder: Path, console: Console) -> None:
    floor = next((row["error_mm"] for row in rows if row["rate"] == 0 and row["error_mm"] is not None), None)
    if floor is None:
        raise RecordError(f"{folder}: no run without learning came to its end, so there is nothing to compare with")
    largest, top = largest_stable(rows), max(row["rate"] for row in rows)
    for delay_ms, rate in largest.items():
        beyond = " or more (the largest tried)" if rate == top else ""
        console.print(f"{delay_ms:5g} ms: largest stable learning rate {rate:g}{beyond}")
    charts.save(charts.delay_map(rows, largest, floor), folder / "delay.png", "How much learning a delay allows")
    console.print(f"Wrote {folder}/summary.json and {folder}/delay.png")


def rows_of(summary: dict) -> list[dict]:
    """One row per delay and learning rate, with whether it is stable.

    A seed that failed, with learning or without, makes it not stable; `error_mm` is None where no seed gave one.
    """
    cells = [(*cell["point"].values(), cell) for cell in summary["cells"]]
    idle = {delay_s: _errors(cell) for delay_s, rate, cell in cells if rate == 0}
    return [
        {
            "delay_ms": delay_s * 1e3,
            "rate": rate,
            "error_mm": cell["metrics"][ERROR]["iqm"] * 1e3 if ERROR in cell["metrics"] else None,
            "stable": _stable(_errors(cell), idle[delay_s]),
        }
        for delay_s, rate, cell in cells
    ]


def largest_stable(rows: list[dict]) -> dict[float, float]:
    """At each delay the largest learning rate up to which every rate tried is stable; 0 where the smallest is not."""
    found: dict[float, float] = {}
    broken = set()
    for row in sorted(rows, key=lambda row: row["rate"]):
        delay_ms = row["delay_ms"]
        found.setdefault(delay_ms, 0.0)
        if row["rate"] > 0 and not row["stable"]:
            broken.add(delay_ms)
        elif delay_ms not in broken:
            found[delay_ms] = row["rate"]
    return dict(sorted(found.items()))


def _errors(cell: dict) -> list[float] | None:
    """The error of every seed in order; None when one failed."""
    return None if cell["failed"] or ERROR not in cell["metrics"] else cell["metrics"][ERROR]["values"]


def _stable(errors: list[float] | None, without: list[float] | None) -> bool:
    return bool(errors and without) and all(a <= SHARE * b for a, b in zip(errors, without, strict=True))


if __name__ == "__main__":
    guard(main)
