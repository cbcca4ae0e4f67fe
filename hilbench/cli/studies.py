"""`hilbench evaluate`."""

from __future__ import annotations

import shlex
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hilbench.cli._shared import complain, print_json
from hilbench.errors import printable

if TYPE_CHECKING:
    from hilbench.studies.evaluation import Progress
    from hilbench.studies.schema import Cell, Summary

COLUMNS = {
    "adaptivity": "adaptivity",
    "adaptivity[return]": "of return",
    "retained": "retained",
    "loss[before]": "loss before",
    "loss[after]": "loss after",
    "error_rms": "error",
    "return": "return",
    "latency[p50]": "latency p50",
    "latency[p99]": "p99",
    "link_round_trip[p50]": "link round trip p50",
    "misses": "misses",
}
"""What the table on the terminal shows; the report and summary.json have the rest."""
LATE = ("latency[p50]", "latency[p99]", "misses")
"""What is 0 by definition in lockstep, where the plant waits."""


def evaluate(
    suite: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SUITE")],
    /,
    *,
    out: Path | None = None,
    quick: bool = False,
    smoke: bool = False,
    workers: int | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
    trust: bool = False,
    overrides: tyro.conf.Suppress[Any] = None,
) -> int:
    """Run a suite: its scenarios, controllers, backends, links, modes and seeds, and what their scores need.

    Runs that the folder holds already are not repeated, so an evaluation that was stopped goes on where it was.
    Real-time runs come last, one at a time, with the machine to themselves.

    Parameters
    ----------
    suite
        a suite's file or name
    out
        folder for summary.json and the runs; runs/SUITE when absent
    quick
        the suite's quick form: fewer seeds and shorter runs, for a first look, in the folder runs/SUITE-quick
    smoke
        the suite's smoke form: so few and short runs that they show in seconds whether everything works, and no more
    workers
        runs on the virtual clock at a time; one per core when absent
    as_json
        print the summary as JSON
    trust
        import modules that the suite or its scenarios name as MODULE:NAME, which runs their code
    overrides
        SECTION.FIELD -> value, taken from the command line before the option parser
    """
    from hilbench.errors import ScenarioError
    from hilbench.studies.evaluation import evaluate as evaluate_suite
    from hilbench.studies.suite import load_suite, override, short_form
    from hilbench.types import to_builtins

    if workers is not None and workers < 1:
        raise ScenarioError(f"--workers: found {workers}, expected 1 or more")
    if quick and smoke:
        raise ScenarioError("--quick, --smoke: found both; allowed: one of them")
    found = load_suite(suite)
    if quick or smoke:
        found = short_form(found, "smoke" if smoke else "quick")
    found = override(found, overrides or {})
    folder = out or Path("runs") / found.name
    took_s: defaultdict[str, float] = defaultdict(float)
    with progress(found.name, quiet=as_json) as step:

        def ended(run: Progress) -> None:
            took_s[run.scenario] += run.took_s
            if step is not None:
                step(run)

        summary = evaluate_suite(found, folder, ended, workers, trust=trust)
    if as_json:
        print_json(to_builtins(summary))
    else:
        print_summary(summary, folder)
        print_times(took_s)
    failures = [line for cell in summary.cells + summary.references for line in describe_failures(cell)]
    for line in failures:
        complain(line)
    return 1 if failures else 0


def describe_failures(cell: Cell) -> list[str]:
    """A line for each seed of a cell whose run failed."""
    return [f"{cell.label} ({cell.role or 'cell'}): {text}" for text in cell.failures]


@contextmanager
def progress(name: str, quiet: bool) -> Iterator[Any]:
    """Show progress over runs: a bar on a terminal, else a line per run. It draws only when a run ends.

    Parameters
    ----------
    name : str
        Of the suite.
    quiet : bool
        Whether to show nothing.
    """
    if quiet:
        yield None
    elif not sys.stdout.isatty():
        yield lambda step: print(f"{step.done}/{step.total} {step.name}: {step.status}", flush=True)
    else:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}")
        with Progress(*columns, auto_refresh=False) as bar:
            task = bar.add_task(name, total=None)
            yield lambda step: bar.update(
                task, completed=step.done, total=step.total, description=f"{step.name}: {step.status}", refresh=True
            )


def print_summary(summary: Summary, folder: Path) -> None:
    """Print the cells as a table.

    Parameters
    ----------
    summary : Summary
        What `summary.json` says.
    folder : Path
        The evaluation's folder.
    """
    from hilbench.report import words
    from hilbench.report.data import asked_for, own_label

    cells = summary.cells
    several = len({cell.scenario for cell in cells}) > 1
    asked = dict.fromkeys(name for cell in cells for name in asked_for(cell.metrics_to_show, cell.metrics))
    headings = COLUMNS | {name: words.heading(name).replace("\n", " ") for name in asked if name not in COLUMNS}
    told = {name for cell in cells for name, entry in cell.metrics.items() if entry.iqm}
    if "error_rms" in told:  # the return is for plants that have none
        told -= {"return"}
    shown = [name for name in headings if name in asked or name in told]
    title = f"{summary.suite}: interquartile means over seeds; summary.json has their intervals"
    table = Table(title=title, title_justify="left")
    controls = ["controls"] if any(cell.controls is not None for cell in cells) else []
    for heading in ("cell", *(escape(printable(headings[name])) for name in shown), *controls, "seeds"):
        table.add_column(heading, justify="left" if heading == "cell" else "right")
    names = [f"{cell.scenario}: {own_label(cell)}" if several else cell.label for cell in cells]
    points = ["".join(f", {words.setting(*item)}" for item in cell.point.items()) for cell in cells]
    titles = [name + point for name, point in zip(names, points, strict=True)]
    for cell, title in zip(cells, titles, strict=True):
        felt = cell.mode != "lockstep"
        numbers = [_shown(cell, name) if felt or name not in LATE else words.ABSENT for name in shown]
        seeds = f"{len(cell.seeds) - len(cell.failures)}/{len(cell.seeds)}"
        said = [_controls(cell)] if controls else []
        table.add_row(escape(title), *(escape(printable(number)) for number in numbers), *said, seeds)
    Console().print(table)
    for cell, title in zip(cells, titles, strict=True):
        for text in [*(cell.controls or ()), *([cell.map.said] if cell.map else [])]:
            print(f"{printable(title)}: {printable(text)}")
    print(f"Wrote {folder}/summary.json; `hilbench report {shlex.quote(str(folder))}` draws it.")


def print_times(took_s: Mapping[str, float]) -> None:
    """Print how long the runs of each scenario took, where this call has run any.

    Parameters
    ----------
    took_s : dict of float
        Seconds by the scenario's name.
    """
    ran = {name: seconds for name, seconds in took_s.items() if seconds}
    if ran:
        each = ", ".join(f"{printable(name)} {seconds:.0f}" for name, seconds in ran.items())
        print(f"Runs of this call took, in s, side by side where they could: {each}; {sum(ran.values()):.0f} in all.")


def _controls(cell: Cell) -> str:
    """Whether a cell's controls passed."""
    from hilbench.report import words

    return words.ABSENT if cell.controls is None else "failed" if cell.controls else "passed"


def _shown(cell: Cell, name: str) -> str:
    """A metric's value; an adaptivity that some seeds have not says of how many it is."""
    from hilbench.report import words
    from hilbench.report.entries import SCORES, of_seeds

    entry = cell.metrics.get(name)
    if entry is None or entry.value is None:
        return words.ABSENT
    shown = words.quantity(entry.value, {"ticks": "1"}.get(entry.unit, entry.unit))
    scored = of_seeds(cell, entry)
    return f"{shown} ({scored})" if name in SCORES and " of " in scored else shown
