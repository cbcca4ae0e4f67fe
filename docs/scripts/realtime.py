"""Writes the table of docs/realtime.md from an evaluation of the suite scenarios/suites/realtime.toml: `make realtime`.

python docs/scripts/realtime.py [runs/realtime]
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

from marked import write_table

from hilbench.record.reader import read_run
from hilbench.report import words
from hilbench.report.data import own_label
from hilbench.report.tables import NULL
from hilbench.studies.schema import Cell, Metric, read_summary

PAGE = Path(__file__).parents[1] / "realtime.md"
LATE = ("latency[p50]", "latency[p99]", "link_round_trip[p50]", "compute[p50]")
HEADINGS = (
    *("scenario", "rate", "cell", "ticks", "misses"),
    *("latency p50", "p99", "link p50", "compute p50", "margin", "loihi1, modelled"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/realtime"))
    write_table(PAGE, "realtime", table(parser.parse_args().folder))


def table(folder: Path) -> Iterator[str]:
    """A row for each cell of the evaluation in a folder, below where it was made."""
    summary = read_summary(folder)
    made = summary.provenance
    assert made is not None, "an evaluation that has ended says where it was made"
    host, seeds = made.host, words.listed(str(seed) for seed in summary.cells[0].seeds)
    yield f"By `make realtime` on {made.started_at[:10]}, {host.cpu_model}, {host.n_cpus} processors, seed {seeds};"
    yield f"load average {os.getloadavg()[1]:.2g} over the five minutes before this table was written."
    yield ""
    yield f"| {' | '.join(HEADINGS)} |"
    yield "|" + " --- |" * len(HEADINGS)
    order = list(dict.fromkeys(cell.scenario for cell in summary.cells))
    for cell in sorted(summary.cells, key=lambda cell: order.index(cell.scenario)):
        yield f"| {' | '.join(_row(cell, folder))} |"


def _row(cell: Cell, folder: Path) -> Iterator[str]:
    run = read_run(folder / (cell.run_folders[0] or ""), ("seq",))
    n = sum(len(episode["seq"]) for episode in run.episodes)
    missed, margin = cell.metrics.get("misses", Metric()).value, cell.metrics.get("latency_margin", Metric()).value
    energy = cell.metrics.get("energy_modelled[loihi1]", Metric())
    yield cell.scenario
    yield f"{1 / run.meta.scenario.loop.period_s:g} Hz"
    yield own_label(cell)
    yield str(n)
    yield "" if missed is None else f"{100 * missed / n:.2g} %"
    for name in LATE:
        found = cell.metrics.get(name, Metric()).value
        yield "" if found is None else words.quantity(found, "s")
    yield "" if margin is None or cell.backend == NULL else f"{margin:.2g}"
    yield "" if energy.value is None else words.quantity(energy.value, "J")


if __name__ == "__main__":
    main()
