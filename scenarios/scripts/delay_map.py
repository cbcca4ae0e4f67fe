"""How much learning a delay allows: runs suites/delay.toml and draws error and the largest stable rate by delay.

A learning rate counts as stable at a delay when, for every seed, the tip error 5 to 10 s after the load is at most a
quarter of what it is without learning. Leaves runs/delay/ with summary.json and delay.png.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from hilbench import evaluate as suites
from hilbench.report import charts

ERROR = "error_rms[5-10 s after]"
SHARE = 0.25


def main() -> None:
    """Run the suite, print the largest stable rates, draw the chart."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/delay"))
    folder = parser.parse_args().out
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    suite, console = suites.load_suite("delay"), Console()
    with Progress(*Progress.get_default_columns(), console=console) as bar:
        task = bar.add_task("delayed runs", total=len(suites.cells(suite, folder)))
        summary = suites.evaluate(suite, folder, lambda cell, status: bar.update(task, advance=1))
    rows = rows_of(summary)
    top = max(row["rate"] for row in rows)
    for delay_ms, rate in largest_stable(rows).items():
        beyond = " or more (the largest tried)" if rate == top else ""
        console.print(f"{delay_ms:5g} ms: largest stable learning rate {rate:g}{beyond}")
    floor = next(row["error_mm"] for row in rows if row["rate"] == 0)
    charts.save(charts.delay_map(rows, floor), folder / "delay.png", "How much learning a delay allows")
    console.print(f"Wrote {folder}/summary.json and {folder}/delay.png")


def rows_of(summary: dict) -> list[dict]:
    """One row per delay and learning rate, with whether it is stable."""
    cells = [(*cell["point"].values(), cell["metrics"]) for cell in summary["cells"]]
    idle = {delay_s: metrics for delay_s, rate, metrics in cells if rate == 0}
    return [
        {
            "delay_ms": delay_s * 1e3,
            "rate": rate,
            "error_mm": metrics[ERROR]["iqm"] * 1e3,
            "stable": all(
                error <= SHARE * without
                for error, without in zip(metrics[ERROR]["values"], idle[delay_s][ERROR]["values"], strict=True)
            ),
        }
        for delay_s, rate, metrics in cells
    ]


def largest_stable(rows: list[dict]) -> dict[float, float]:
    """The largest stable learning rate at each delay, 0 where none is."""
    found: dict[float, float] = {}
    for row in rows:
        found[row["delay_ms"]] = max(found.get(row["delay_ms"], 0.0), row["rate"] if row["stable"] else 0.0)
    return found


if __name__ == "__main__":
    main()
