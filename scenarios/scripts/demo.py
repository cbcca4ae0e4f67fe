"""`make demo`: who carries the load, in lockstep over five seeds, and PES on a separate device in real time.

Leaves runs/demo/ with a record of every run, summary.json and demo.png. Exits with 1 when the claim does not hold.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from hilbench import evaluate as suites
from hilbench.cli import guard
from hilbench.errors import RecordError
from hilbench.recorder import read_run
from hilbench.report import charts, curves, latency
from hilbench.types import RunData

PHASES = ("before", "0-2 s after", "2-5 s after", "5-10 s after")
CLAIM = "5 to 10 s after the load, on every seed: PD and PES frozen miss by more than 100 mm, PES by 10 mm or less"


def main() -> int:
    """Run both halves, print the table, draw the picture, judge the claim."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    folder = parser.parse_args().out
    console, start_s = Console(), time.monotonic()
    suites.fresh_folder(folder)
    _write(folder, {"cells": []})  # so that the next demo knows this folder even when this one is interrupted
    cells = _evaluate("demo", folder / "lockstep", console)
    console.print("PES on a ZeroMQ device at 1 kHz in real time: 30 s, drawn when it is over ...")
    cells += _evaluate("demo_realtime", folder / "realtime", None)
    claim = judge(cells)
    _write(folder, {"cells": cells, "claim": claim})
    console.print(error_table(cells), timing_line(cells[-1]))
    for cell in cells:
        for error in cell["failed"]:
            console.print(f"failed: {cell['label']}: {error}", markup=False)
    written = ["summary.json", *(["demo.png"] if _draw(cells, folder) else [])]
    console.print(f"Wrote {' and '.join(f'{folder}/{name}' for name in written)} ({time.monotonic() - start_s:.0f} s).")
    console.print(f"{'PASS' if claim['holds'] else 'FAIL'}: {CLAIM}.")
    return 0 if claim["holds"] else 1


def judge(cells: list[dict]) -> dict:
    """Whether the claim holds, and each row's errors behind it in m. A seed without a result is a seed against it."""
    by_label = {cell["label"]: cell for cell in cells}
    found = {label: _errors_m(by_label.get(label)) for label in ("PD", "PES frozen", "PES")}  # one empty list: FAIL
    far, near = found["PD"] + found["PES frozen"], found["PES"]
    holds = all(found.values()) and all(error > 0.1 for error in far) and all(error <= 0.01 for error in near)
    return {"text": CLAIM, "holds": holds, "errors_m": found}


def error_table(cells: list[dict]) -> Table:
    """The tip error by phase; a dash where no seed gave one, and the number of seeds that did."""
    table = Table(title="Tip error, RMS in mm: interquartile mean over seeds", title_justify="left")
    table.add_column("controller")
    for phase in (*PHASES, "seeds"):
        table.add_column(phase, justify="right")
    for cell in cells:
        found = [cell["metrics"].get(f"error_rms[{phase}]") for phase in PHASES]
        errors = [f"{each['iqm'] * 1e3:.1f}" if each else "-" for each in found]
        table.add_row(cell["label"], *errors, str(found[-1]["n"] if found[-1] else 0))
    return table


def timing_line(cell: dict) -> str:
    """What the device's timing was, in one line."""
    values = {name: each["iqm"] for name, each in cell["metrics"].items()}
    if "round_trip[p99]" not in values:
        return f"{cell['label']}: too few replies to tell their timing"
    lag = f" loop lag p99 {values['loop_lag[p99]'] * 1e3:.2f} ms;" if "loop_lag[p99]" in values else ""
    return (
        f"{cell['label']}: round trip p50 {values['round_trip[p50]'] * 1e3:.2f} ms,"
        f" p99 {values['round_trip[p99]'] * 1e3:.2f} ms;{lag} {values['misses']:.0f} misses,"
        f" longest run {values['longest_miss_run']:.0f}; {values['skipped']:.0f} ticks skipped;"
        f" {values['faults']:.0f} faults"
    )


def _evaluate(name: str, folder: Path, console: Console | None) -> list[dict]:
    """A suite's cells, with each run's folder from runs/demo on."""
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


def _errors_m(cell: dict | None) -> list[float]:
    """The last phase's error of every seed; none when a seed failed."""
    if cell is None or cell["failed"]:
        return []
    return cell["metrics"].get(f"error_rms[{PHASES[-1]}]", {}).get("values", [])


def _draw(cells: list[dict], folder: Path) -> bool:
    """Draw the runs that came to their end; False when there is none."""
    runs = {cell["label"]: found for cell in cells if (found := _whole_runs(cell, folder))}
    if not runs:
        return False
    some = zip(charts.COLOURS, runs.items(), strict=False)
    series = [curves.Series(label, curves.RAN, colour, curves.curve(same)) for colour, (label, same) in some]
    picture = curves.chart(series, next(iter(runs.values()))[0].meta).properties(width=charts.WIDTH)
    if cells[-1]["label"] in runs and "round_trip[p50]" in cells[-1]["metrics"]:
        picture &= latency.chart(runs[cells[-1]["label"]]).properties(width=charts.WIDTH)
        picture = picture.resolve_scale(color="independent", shape="independent")
    charts.save(picture, folder / "demo.png", "A 2-link arm gets a load to carry while its controller runs")
    return True


def _whole_runs(cell: dict, folder: Path) -> list[RunData]:
    found = []
    for name in cell["runs"]:
        try:
            run = read_run(folder / name)
        except RecordError:  # failed before it began; the summary says why
            continue
        if run.meta["status"] == "done":
            found.append(run)
    return found


def _write(folder: Path, summary: dict) -> None:
    (folder / "summary.json").write_text(json.dumps(summary, indent=2), "utf-8")


if __name__ == "__main__":
    guard(main)
