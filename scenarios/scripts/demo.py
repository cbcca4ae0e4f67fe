"""`make demo`: runs suites/demo.toml, draws its report and judges what the README claims.

Leaves runs/demo/ with a record of every run, summary.json, report.html and clip.gif. A second call runs what is
missing. Exits with 1 when a claim does not hold. With --table it runs nothing and prints the README's table from that
summary.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import Console

from hilbench.cli import guard
from hilbench.cli.studies import describe_failures, print_summary, progress
from hilbench.clips.clip import draw
from hilbench.clips.frames import Look
from hilbench.errors import RecordError
from hilbench.report.page import write
from hilbench.studies.evaluation import evaluate
from hilbench.studies.schema import Cell, Summary, read_summary

SETTLED = "error_rms[5-10 s after]"
PHASES = ("before", "0-2 s after", "2-5 s after", "5-10 s after")
VIRTUAL, DEVICE_TRAITS = {"mode": "lockstep"}, {"mode": "realtime", "link": "zmq"}
ROWS = (
    ("PD", "pd", VIRTUAL), ("PID", "pid", VIRTUAL), ("adaptive", "adaptive", VIRTUAL), ("PES", "pes", VIRTUAL),
    ("PES on a device", "pes", DEVICE_TRAITS),
)  # fmt: skip
"""Of the README's table: what it calls a cell, whose controller it is, and where that ran."""
CLIP = Look(320, 240, fps=10, speed=1)
"""Ten seconds around the load, of PES on the first seed."""
DEVICE = ("latency[p50]", "misses", "link_round_trip[p50]")


def main() -> int:
    """Run, draw, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/demo"))
    parser.add_argument("--table", action="store_true", help="print the README's table of a summary, and run nothing")
    given = parser.parse_args()
    folder = given.out
    if given.table:
        print(*table(_read(folder)), sep="\n")
        return 0
    console, start_s = Console(), time.monotonic()
    console.print("Runs on the virtual clock, then two of 30 s in real time: those show no progress while they run.")
    with progress("demo", quiet=False) as step:
        summary = evaluate("demo", folder, step)
    write([folder], folder / "report.html")
    pes = _pes(summary)
    if pes and pes.run_folders[0]:
        draw(folder / pes.run_folders[0], folder / "clip.gif", CLIP)
    print_summary(summary, folder)
    for cell in summary.cells + summary.references:
        for failure in describe_failures(cell):
            console.print(f"failed: {failure}", markup=False)
    verdicts = list(judge(summary))
    for text, holds in verdicts:
        console.print(f"{'PASS' if holds else 'FAIL'}: {text}", markup=False, highlight=False)
    console.print(f"Wrote {folder}/report.html and {folder}/clip.gif ({time.monotonic() - start_s:.0f} s).")
    return 0 if all(holds for _, holds in verdicts) else 1


def judge(summary: Summary) -> Iterator[tuple[str, bool]]:
    """Each claim, and whether it holds. A seed without a result is a seed against it."""
    pd, frozen, pes = (_values(found, SETTLED) for found in (_cell(summary, "pd"), _twin(summary), _pes(summary)))
    holds = bool(pd and frozen and pes) and min(pd + frozen) > 0.1 and max(pes) <= 0.01
    yield (
        "5 to 10 s after the load, on every seed, PD and frozen PES miss by over 100 mm, PES by 10 or less",
        holds,
    )
    learnt, integral = _scored(_pes(summary)), _values(_cell(summary, "pid"), "adaptivity")
    holds = bool(learnt and integral) and min(learnt) >= 0.9 and max(integral) < min(learnt)
    yield "PES wins back at least 0.9 of what the load costs its frozen twin, on every scored seed, and PID less", holds
    device = _cell(summary, "pes", **DEVICE_TRAITS)
    yield (
        "PES on a ZeroMQ device in real time has its latency, misses and link round trip",
        bool(device and not device.failures and all(name in device.metrics for name in DEVICE)),
    )


def table(summary: Summary) -> Iterator[str]:
    """The README's table, line by line: interquartile means over the seeds, tip errors in mm."""
    columns = ("controller", "adaptivity [95 %]", "controls", *PHASES, f"frozen, {PHASES[-1]}")
    yield _row(columns)
    yield "|" + "---|" * len(columns)
    for title, controller, traits in ROWS:
        cell = _cell(summary, controller, **traits)
        frozen = _mm(_cell(summary, controller, "references", role="twin", **traits), PHASES[-1])
        yield _row((title, _adaptivity(cell), _controls(cell), *(_mm(cell, phase) for phase in PHASES), frozen))


def _read(folder: Path) -> Summary:
    """Raises RecordError where there is no summary to read."""
    try:
        return read_summary(folder)
    except RecordError as error:
        raise RecordError(f"{error}; `make demo` leaves one in runs/demo") from None


def _row(columns: Iterable[str]) -> str:
    return f"| {' | '.join(columns)} |"


def _mm(cell: Cell | None, phase: str) -> str:
    found = cell.metrics.get(f"error_rms[{phase}]") if cell else None
    return "-" if found is None or found.iqm is None else f"{found.iqm * 1000:.1f}"


def _adaptivity(cell: Cell | None) -> str:
    found = cell.metrics.get("adaptivity") if cell else None
    if found is None or found.iqm is None:
        return "-"
    bounds = " [{:.3f}, {:.3f}]".format(*found.ci95) if found.ci95 else ""
    few = f", {found.n} of {len(cell.seeds)} seeds" if cell and found.n < len(cell.seeds) else ""
    return f"{found.iqm:.3f}{bounds}{few}"


def _controls(cell: Cell | None) -> str:
    if cell is None or cell.controls is None:
        return "-"
    return "failed" if cell.controls else "passed"


def _pes(summary: Summary) -> Cell | None:
    return _cell(summary, "pes", mode="lockstep")


def _twin(summary: Summary) -> Cell | None:
    return _cell(summary, "pes", "references", mode="lockstep", role="twin")


def _cell(summary: Summary, controller: str, where: str = "cells", **traits: str) -> Cell | None:
    wanted = {"controller": controller, **traits}
    cells = getattr(summary, where)
    return next((c for c in cells if all(getattr(c, name) == value for name, value in wanted.items())), None)


def _scored(cell: Cell | None) -> list[float]:
    """The adaptivity of every seed that has one: the gate may refuse one seed, where freezing alone did the harm."""
    found = cell.metrics.get("adaptivity") if cell and not cell.failures else None
    known = [value for value in found.values if value is not None] if found else []
    return known if cell and len(known) >= len(cell.seeds) - 1 else []


def _values(cell: Cell | None, metric: str) -> list[float]:
    """A metric of every seed; none when a seed failed or has no number."""
    found = cell.metrics.get(metric) if cell and not cell.failures else None
    known = [value for value in found.values if value is not None] if found else []
    return known if cell and len(known) == len(cell.seeds) else []


if __name__ == "__main__":
    guard(main)
