"""Writes the tables of docs/besns.md from an evaluation of the suite scenarios/suites/besns.toml, in any of its forms.

hilbench evaluate besns --quick
python docs/scripts/besns.py [runs/besns-0-quick]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from marked import write_table

from hilbench.report import words
from hilbench.studies.schema import Cell, Metric, Summary, read_summary

PAGE = Path(__file__).parents[1] / "besns.md"
ROLES = ("twin", "untold", "oracle")
HEADINGS = (
    *("track", "scenario", "learner", "J frozen", "untold", "told", "learner", "A", "controls"),
    *("spikes a tick", "spikes a right decision", "loihi1, modelled, a tick", "realtime factor"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path("runs/besns-0-quick"))
    write_table(PAGE, "besns", table(parser.parse_args().folder))


def table(folder: Path) -> Iterator[str]:
    """A row for each cell of the evaluation in a folder, below where it was made."""
    summary = read_summary(folder)
    made = summary.provenance
    assert made is not None, "an evaluation that has ended says where it was made"
    option = summary.suite.removeprefix("besns-0").replace("-", " --", 1)
    seeds = words.listed(str(seed) for seed in summary.cells[0].seeds)
    where = f"{made.host.cpu_model}, commit {made.commit}, seed {seeds}"
    yield f"By `hilbench evaluate besns{option}` on {made.started_at[:10]}, {where}."
    yield ""
    yield f"| {' | '.join(HEADINGS)} |"
    yield "|" + " --- |" * len(HEADINGS)
    for cell in summary.cells:
        yield f"| {' | '.join(_row(cell, summary))} |"


def _row(cell: Cell, summary: Summary) -> Iterator[str]:
    yield from (
        cell.track,
        f"[{cell.scenario}](scenarios/{cell.scenario.replace('-', '_')}.md)",
        f"`{cell.controller}`",
    )
    for other in (*(_reference(cell, role, summary) for role in ROLES), cell):
        yield _number(other, "horizon_loss")
    found = cell.metrics.get("adaptivity", Metric())
    yield "" if found.value is None else f"{found.value:.2f}" + ("" if found.ci95 is None else _interval(found.ci95))
    yield "failed" if cell.controls else "passed"
    yield _number(cell, "spikes", "1")
    yield _number(cell, "spikes[right decision]")
    yield _number(cell, "energy_modelled[loihi1]")
    factor = summary.realtime_factors.get(cell.run_folders[0] or "")
    yield "" if factor is None else f"{factor:.3g}"


def _reference(cell: Cell, role: str, summary: Summary) -> Cell | None:
    """What a cell is compared with in a role; None where it has none."""
    folders = cell.reference_folders.get(role)
    return next((each for each in summary.references if each.role == role and each.run_folders == folders), None)


def _number(cell: Cell | None, name: str, unit: str | None = None) -> str:
    found = Metric() if cell is None else cell.metrics.get(name, Metric())
    return "" if found.value is None else words.quantity(found.value, unit or found.unit)


def _interval(bounds: tuple[float, float]) -> str:
    return f" [{bounds[0]:.2f}, {bounds[1]:.2f}]"


if __name__ == "__main__":
    main()
