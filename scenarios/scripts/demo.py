"""`make demo`: who carries the load, in lockstep over five seeds, and PES on a separate device in real time.

Leaves runs/demo/ with a record of every run, summary.json and demo.png.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hilbench import evaluate as suites
from hilbench.recorder import read_run
from hilbench.report import charts

PHASES = ("before", "0-2 s after", "2-5 s after", "5-10 s after")


def main() -> None:
    """Run both halves, print the table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    folder = parser.parse_args().out
    console, start_s = Console(), time.monotonic()
    if folder.exists():
        shutil.rmtree(folder)  # the last demo's; a run never writes into another run's folder
    cells = _evaluate("demo", folder / "lockstep", console)
    console.print("PES on a ZeroMQ device at 1 kHz in real time: 30 s, drawn when it is over ...")
    cells += _evaluate("demo_realtime", folder / "realtime", None)
    (folder / "summary.json").write_text(json.dumps({"cells": cells}, indent=2), "utf-8")
    console.print(_error_table(cells), _timing_line(cells[-1]))
    _draw(cells, folder)
    console.print(f"Wrote {folder}/summary.json and {folder}/demo.png ({time.monotonic() - start_s:.0f} s).")


def _evaluate(name: str, folder: Path, console: Console | None) -> list[dict]:
    """A suite's cells, with each run's folder from runs/demo on."""
    folder.mkdir(parents=True)
    suite = suites.load_suite(name)
    if console is None:
        summary = suites.evaluate(suite, folder)
    else:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("lockstep runs", total=len(suites.cells(suite, folder)))
            summary = suites.evaluate(
                suite, folder, lambda cell, status: bar.update(task, advance=1, description=f"{cell.label} {status}")
            )
    for cell in summary["cells"]:
        cell["runs"] = [f"{folder.name}/{run}" for run in cell["runs"]]
    return summary["cells"]


def _error_table(cells: list[dict]) -> Table:
    table = Table(title="Tip error, RMS in mm: interquartile mean over seeds", title_justify="left")
    table.add_column("controller")
    for phase in PHASES:
        table.add_column(phase, justify="right")
    table.add_column("seeds", justify="right")
    for cell in cells:
        errors = [cell["metrics"][f"error_rms[{phase}]"]["iqm"] * 1e3 for phase in PHASES]
        table.add_row(cell["label"], *(f"{error:.1f}" for error in errors), str(len(cell["seeds"])))
    return table


def _timing_line(cell: dict) -> str:
    def value(name: str) -> float:
        return cell["metrics"][name]["iqm"]

    return (
        f"{cell['label']}: round trip p50 {value('round_trip[p50]') * 1e3:.2f} ms,"
        f" p99 {value('round_trip[p99]') * 1e3:.2f} ms; {value('misses'):.0f} misses,"
        f" longest run {value('longest_miss_run'):.0f}; {value('skipped'):.0f} ticks skipped;"
        f" {value('faults'):.0f} faults"
    )


def _draw(cells: list[dict], folder: Path) -> None:
    runs = {cell["label"]: [read_run(folder / run) for run in cell["runs"]] for cell in cells}
    device = runs[cells[-1]["label"]][0]
    picture = charts.error_over_time(runs) & charts.latency_distribution(device)
    charts.save(picture, folder / "demo.png", "A 2-link arm gets a load to carry while its controller runs")


if __name__ == "__main__":
    main()
