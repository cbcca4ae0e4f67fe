"""What a report is made from: evaluations and single runs, read and checked, with the `run.json` of each run."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, field, structs

from hilbench.errors import RecordError, escaped
from hilbench.files import is_file, kind_of
from hilbench.metrics import measure
from hilbench.record.data import RunData
from hilbench.record.layout import RUN
from hilbench.record.meta import Provenance, RunMeta
from hilbench.record.reader import read_meta, read_run
from hilbench.report.words import setting
from hilbench.studies.schema import SUMMARY, Cell, Metric, read_summary

SINGLE = "single runs"
"""The suite of runs that belong to no evaluation."""


class ReportCell(Cell, kw_only=True):
    """A row of an evaluation, with what the page makes of it."""

    damaged: list[str] = field(default_factory=list)
    """Of the failed ones, those whose record was damaged later; their numbers are from before that."""
    suite: str = ""
    folder: str = ""
    metas: list[RunMeta] = field(default_factory=list)
    """The `run.json` of every run that still exists."""
    title: str = ""
    """What charts and tables call it: its label, and what distinguishes it from others of the same label."""
    group: str = ""
    """Cells that are shown together: those of one scenario, and of one suite where several suites use it."""
    whole: str = ""
    """Its title, with its group where the report has several."""

    @property
    def name(self) -> str:
        """What charts and lists call it that may have cells of several groups."""
        return self.whole or self.title

    def value(self, name: str) -> float | None:
        """A metric's value; None where this cell has none."""
        return self.metrics[name].value if name in self.metrics else None

    @property
    def emulated(self) -> bool:
        """Whether its device was an emulator that counts instructions."""
        return any(meta.load_report.instruction_ns for meta in self.metas)

    @property
    def behind(self) -> bool:
        """Whether the loop fell behind the clock in any of its runs."""
        return any(meta.fell_behind for meta in self.metas)

    @property
    def robot(self) -> bool:
        """Whether its plant was a robot."""
        return any(meta.robot is not None for meta in self.metas)

    @property
    def nondeterministic(self) -> bool:
        """Whether the same seed may lead elsewhere, as with a robot."""
        return any(meta.plant_spec.nondeterministic for meta in self.metas)

    @property
    def source(self) -> str:
        """The name of its evaluation's folder."""
        return escaped(Path(self.folder).resolve().name)

    def read(self, columns: Sequence[str], role: str | None = None) -> list[RunData]:
        """Read the runs of all seeds that exist and have a tick.

        Parameters
        ----------
        columns : sequence of str
            Which columns of the record to read.
        role : str, optional
            Reads the runs of this reference ("twin", "floor", "oracle") instead of the cell's own.
        """
        names = self.run_folders if role is None else self.reference_folders.get(role, [])
        folders = [Path(self.folder) / name for name in names if name]
        found = [read_run(folder, columns) for folder in folders if (folder / RUN).is_file()]
        return [run for run in found if run.episodes]


class Evaluation(Struct, kw_only=True):
    """An evaluation, or a single run as one."""

    cells: list[ReportCell]
    references: list[ReportCell] = []
    suite: str = ""
    suite_summary: str = ""
    status: str = "done"
    baseline: str | None = None
    code_version: str = ""
    provenance: Provenance | None = None


def read(folders: Iterable[str | Path]) -> list[Evaluation]:
    """Evaluations and runs, in the order given, their cells titled. Raises RecordError."""
    found = [_evaluation(Path(f)) if (Path(f) / SUMMARY).is_file() else _single(Path(f)) for f in folders]
    if not any(summary.cells for summary in found):
        raise RecordError("nothing to report on: the folders given hold no cell")
    cells = [cell for summary in found for cell in summary.cells + summary.references]
    _leave_out_damaged(cells)
    for cell in cells:
        cell.metas = [meta for name in cell.run_folders if name and (meta := _meta(Path(cell.folder) / name))]
    _give_names(cells)
    return found


def grouped(cells: Iterable[ReportCell]) -> dict[str, list[ReportCell]]:
    """Cells by group, in order."""
    found: dict[str, list[ReportCell]] = {}
    for cell in cells:
        found.setdefault(cell.group, []).append(cell)
    return found


def own_label(cell: Cell) -> str:
    """A cell's label without its scenario's name, which an evaluation of several scenarios has in it as words."""
    before, found, after = f"{cell.label} ".rpartition(f" {cell.scenario} ")
    return f"{before} {after}".strip() if found else cell.label


def change_s(meta: RunMeta) -> float | None:
    """When the plant changes, in s: the scored change, else the first disturbance; None where the run has neither.

    A change between two episodes is at no time of one.
    """
    scenario = meta.scenario
    name = scenario.score.change
    tables = [scenario.disturbances[name]] if name else scenario.disturbances.values()
    times = [table.get("at_s", 0.0) for table in tables if not table.get("at_episode")]
    return min((at_s for at_s in times if at_s < scenario.loop.duration_s), default=None)


def with_value(cells: Iterable[ReportCell], name: str) -> list[tuple[float, ReportCell]]:
    """The cells that have a value of a metric, each behind that value, in their order.

    Parameters
    ----------
    cells : iterable of ReportCell
    name : str
        The metric's.
    """
    return [(value, cell) for cell in cells if (value := cell.value(name)) is not None]


def asked_for(report: Iterable[str], metrics: Iterable[str]) -> list[str]:
    """The metrics that a scenario's `report.metrics` means: one of a name, or all labels of a name.

    Parameters
    ----------
    report : iterable of str
        What it says.
    metrics : iterable of str
        The names that there are.
    """
    there = list(metrics)
    found = (name for asked in report for name in there if asked in (name, name.partition("[")[0]))
    return list(dict.fromkeys(found))


def phases(cells: Sequence[ReportCell]) -> tuple[str | None, str]:
    """The error metrics of the last phase before the change and of the last one after it."""
    meta = next((meta for cell in cells for meta in cell.metas), None)
    change = change_s(meta) if meta else None
    if meta is None or change is None:
        return None, "error_rms"
    known = {name for cell in cells for name in cell.metrics}
    spans = {f"error_rms[{name}]": span for name, span in meta.scenario.phases.items()}
    before = [name for name, (_, end_s) in spans.items() if end_s <= change and name in known]
    after = [name for name, (start_s, _) in spans.items() if start_s >= change and name in known]
    return (before[-1] if before else None), (after[-1] if after else "error_rms")


def _leave_out_damaged(cells: Iterable[ReportCell]) -> None:
    """Name every run whose record is damaged, and draw none of it."""
    told: dict[Path, str] = {}

    def whole(cell: ReportCell, name: str | None) -> str | None:
        folder = Path(cell.folder) / (name or "")
        if name and folder not in told:
            told[folder] = _damage(folder)
        return None if name and told[folder] else name

    for cell in cells:
        for seed, name in zip(cell.seeds, cell.run_folders, strict=False):
            ended = not any(text.startswith(f"seed {seed}:") for text in cell.failures)
            if name and ended and whole(cell, name) is None:
                cell.damaged.append(f"seed {seed}: {told[Path(cell.folder) / name]}")
        cell.failures = cell.failures + cell.damaged
        cell.run_folders = [whole(cell, name) for name in cell.run_folders]
        cell.reference_folders = {
            role: [whole(cell, name) for name in names] for role, names in cell.reference_folders.items()
        }


def _damage(folder: Path) -> str:
    """What is wrong with a run's record; empty where it is whole, or no longer exists."""
    try:
        if (folder / RUN).is_file():
            read_run(folder, ())
    except RecordError as error:
        return str(error)
    return ""


def _evaluation(folder: Path) -> Evaluation:
    found = read_summary(folder)
    if found.status == "running" and not found.cells:
        raise RecordError(
            f"{folder}: this evaluation has not ended, or was killed: `hilbench evaluate` goes on with it"
        )

    several = len({cell.scenario for cell in found.cells}) > 1

    def told(cells: list[Cell]) -> list[ReportCell]:
        named = [structs.replace(cell, label=own_label(cell)) for cell in cells] if several else cells
        return [ReportCell(**structs.asdict(cell), suite=found.suite, folder=str(folder)) for cell in named]

    return Evaluation(
        cells=told(found.cells),
        references=told(found.references),
        suite=found.suite,
        suite_summary=found.suite_summary,
        status=found.status,
        baseline=found.baseline,
        code_version=found.code_version,
        provenance=found.provenance,
    )


def _single(folder: Path) -> Evaluation:
    """A run as an evaluation of one cell."""
    if not folder.is_dir():
        there = kind_of(folder) or ("a file" if is_file(folder) else None)
        raise RecordError(f"{folder}: {f'this is {there}, and no' if there else 'no such'} folder")
    if not (folder / RUN).is_file():
        raise RecordError(f"{folder}: neither an evaluation ({SUMMARY}) nor a run ({RUN}) in this folder")
    run = read_run(folder)
    meta, scenario = run.meta, run.meta.scenario
    cell = ReportCell(
        label=escaped(folder.resolve().name),
        suite=SINGLE,
        scenario=scenario.name,
        controller=scenario.controller,
        mode=run.mode,
        backend=scenario.controllers[scenario.controller]["backend"]["kind"],
        link=scenario.link["kind"],
        seeds=[scenario.loop.seed],
        run_folders=["."],
        folder=str(folder),
        failures=[] if meta.status == "done" else [f"this run ended as {meta.status!r}"],
        command=" ".join(["hilbench", *meta.provenance.arguments]),
        metrics_to_show=list(scenario.report.metrics),
        metrics={name: msgspec.convert({**m, "iqm": m["value"], "n": 1}, Metric) for name, m in measure(run).items()},
    )
    return Evaluation(cells=[cell], suite=cell.suite, provenance=meta.provenance)


def _meta(folder: Path) -> RunMeta | None:
    """What a run's `run.json` says; None where the run no longer exists."""
    return read_meta(folder) if (folder / RUN).is_file() else None


def phase(name: str) -> str:
    """The phase in an error metric's name, as text: `error_rms[5-10 s after]` is "5–10 s after"."""
    inside = name.partition("[")[2].rstrip("]")
    return re.sub(r"(?<=\d)-(?=\d)", "–", inside)


def _give_names(cells: Sequence[ReportCell]) -> None:
    """Give each cell a group, and a title that is unique in its group as far as anything distinguishes its cells."""
    suites: dict[str, set[str]] = {}
    for cell in cells:
        suites.setdefault(cell.scenario, set()).add(cell.suite)
    for cell in cells:
        cell.group = f"{cell.scenario}, {cell.suite}" if len(suites[cell.scenario]) > 1 else cell.scenario
        cell.group = f"{cell.track}: {cell.group}" if cell.track else cell.group
    for told in (_own, _with_point, _with_place):
        titles = Counter((cell.group, cell.title) for cell in cells)
        for cell in cells:
            if titles[cell.group, cell.title] > 1 or not cell.title:
                cell.title = told(cell)
    several = len({cell.group for cell in cells}) > 1
    for cell in cells:
        cell.whole = f"{cell.title} in {cell.group}" if several else cell.title


def _own(cell: ReportCell) -> str:
    return f"{cell.label} ({cell.role})" if cell.role and cell.role not in cell.label else cell.label


def _with_point(cell: ReportCell) -> str:
    return ", ".join([_own(cell), *(setting(*item) for item in cell.point.items())])


def _with_place(cell: ReportCell) -> str:
    return f"{_with_point(cell)} ({cell.source}, {cell.backend}, {cell.link}, {cell.mode})"
