"""The overview: a table per scenario with a row per cell, its numbers in one unit per column, the best ones marked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from hilbench.report import words
from hilbench.report.data import ReportCell, asked_for, phases
from hilbench.report.entries import SCORES, TableEntry, number, signed, verdict
from hilbench.report.headings import numbers
from hilbench.studies.schema import Metric

NOT_COMPUTED = "not computed with these runs; a report computes installed metrics only"

NULL = "null"
"""The backend that computes nothing."""


@dataclass
class Column:
    """A heading with its unit, and whether its entries are numbers."""

    title: str
    unit: str = ""
    number: bool = True
    help: str = ""


@dataclass
class Table:
    """The table of one group."""

    group: str
    columns: list[Column] = field(default_factory=list)
    rows: list[tuple[ReportCell, list[TableEntry]]] = field(default_factory=list)
    common: list[str] = field(default_factory=list)
    """What all rows share, so that no column repeats it."""
    failed: list[str] = field(default_factory=list)
    refused: dict[str, list[str]] = field(default_factory=dict)
    """Why a metric gave no number, and for which cells."""

    def add(self, column: Column, entries: Sequence[TableEntry]) -> None:
        """Add a column.

        Parameters
        ----------
        column : Column
        entries : sequence of TableEntry
            One for each row.
        """
        self.columns.append(column)
        for (_, row), entry in zip(self.rows, entries, strict=True):
            row.append(entry)


def overview(group: str, cells: Sequence[ReportCell], references: Sequence[ReportCell], baseline: str | None) -> Table:
    """The table of one group: first what was run, then the numbers.

    Parameters
    ----------
    group : str
        The group's name.
    cells : sequence of ReportCell
        Its cells.
    references : sequence of ReportCell
        What they are compared with, in rows below them.
    baseline : str, optional
        The controller that the column of differences compares with.
    """
    cells = [*cells, *references]
    table = Table(group, rows=[(cell, []) for cell in cells])
    table.failed = [f"{cell.title}: {text}" for cell in cells for text in cell.failures]
    table.add(Column("cell", number=False), [_name(cell) for cell in cells])
    _add_places(table, cells)
    table.add(
        Column("seeds", help="seeds that came to their end, of those asked for"), [_seeds(cell) for cell in cells]
    )
    _, after = phases(cells)
    for title, name, about in numbers(cells):
        _add_number(table, cells, title, name, about)
        if name == "adaptivity":
            _add_controls(table, cells)
            _add_maps(table, cells)
        if name == after:
            _add_difference(table, cells, baseline, after)
    _tell_missing(table, cells)
    return table


def comparable(cell: ReportCell) -> tuple[Any, ...]:
    """Cells with equal answers may be ranked against each other: only their controllers' own settings differ.

    A plant that stood still while its loop was behind the clock had other conditions, so it has another answer. So has
    a cell on the backend `null`, which answers at once because it computes nothing.
    """
    conditions = [item for item in cell.point.items() if not item[0].startswith("controller.")]
    return cell.group, cell.mode, cell.behind, cell.backend == NULL, tuple(map(str, conditions))


def one_line(title: str) -> str:
    """A heading without its line breaks."""
    return title.replace("\n", " ")


def _add_places(table: Table, cells: Sequence[ReportCell]) -> None:
    """Add where the cells ran and their points: a column where cells differ, else an entry of the common line."""
    ways: dict[str, Callable[[ReportCell], TableEntry]] = {
        "evaluation": lambda cell: TableEntry(cell.source, sort=cell.source),
        "runs on": _where,
    }
    for title, get in ways.items():
        entries = [get(cell) for cell in cells]
        if len({entry.sort for entry in entries}) > 1 or (len(cells) == 1 and title != "evaluation"):
            table.add(Column(title, number=False), entries)
        elif title != "evaluation":
            table.common.append(f"{title} {entries[0].text}, {entries[0].sub}")
    for key in dict.fromkeys(key for cell in cells for key in cell.point):
        found = [cell.point.get(key) for cell in cells]
        if len(set(map(str, found))) > 1 or len(cells) == 1:
            _add_setting(table, key, found)
        else:
            table.common.append(words.setting(key, found[0]))


def _add_setting(table: Table, key: str, values: Sequence[Any]) -> None:
    name, unit = words.named(key)
    if not all(value is None or (isinstance(value, (int, float)) and not isinstance(value, bool)) for value in values):
        entries = [
            TableEntry(words.ABSENT if v is None else str(v), sort=None if v is None else str(v)) for v in values
        ]
        table.add(Column(name, number=False), entries)
        return
    factor, shown = words.prefix(unit or "1", values)
    entries = [TableEntry(words.ABSENT) if v is None else TableEntry(f"{v * factor:g}", sort=v) for v in values]
    table.add(Column(name, shown), entries)


def _name(cell: ReportCell) -> TableEntry:
    said = [cell.role] if cell.role else []
    said += [cell.controller] if cell.controller.lower() != cell.label.lower() else []
    return TableEntry(cell.label, ", ".join(said), cell.title, cell.title)


def _where(cell: ReportCell) -> TableEntry:
    link, mode = _spelt(cell.link), _spelt(cell.mode)
    return TableEntry(cell.backend, f"{link}, {mode}", f"{cell.backend} {link} {mode}")


def _spelt(value: str) -> str:
    return {"inprocess": "in process", "realtime": "real time", "zmq": "ZeroMQ", "unix": "Unix socket"}.get(
        value, value
    )


def _seeds(cell: ReportCell) -> TableEntry:
    done = len(cell.seeds) - len(cell.failures)
    if not cell.failures:
        return TableEntry(str(len(cell.seeds)), sort=done, note="seeds " + ", ".join(map(str, cell.seeds)))
    return TableEntry(
        f"{done} of {len(cell.seeds)}", f"{len(cell.failures)} failed", done, "; ".join(cell.failures), warn=True
    )


def _tell_missing(table: Table, cells: Sequence[ReportCell]) -> None:
    """Say which metrics a scenario asks for that nobody has computed: those that a file names are not imported here."""
    for cell in cells:
        for name in cell.metrics_to_show:
            if not asked_for([name], cell.metrics):
                table.refused.setdefault(f"{name}: {NOT_COMPUTED}", []).append(cell.title)


def _add_number(table: Table, cells: Sequence[ReportCell], title: str, name: str, about: str) -> None:
    found = [cell.metrics.get(name) for cell in cells]
    units = list(dict.fromkeys(metric.unit for metric in found if metric))
    alike = [m for cell in cells for other, m in cell.metrics.items() if _family(other) == _family(name)]
    factor, shown = words.prefix(units[0], [m.value for m in alike if m.unit == units[0]])
    if name in ("recovery_time", "survival"):
        factor, shown = 1.0, "s"
    if len(units) > 1:  # one column has one unit; cells of one scenario share their plant's
        factor, shown = 1.0, " or ".join(units)
    shown = {"1/tick": "", "ticks": "", "events": ""}.get(shown, shown)
    entries = [number(cell, metric, factor, name) for cell, metric in zip(cells, found, strict=True)]
    for cell, metric in zip(cells, found, strict=True):
        if metric and metric.value is None and metric.note and not name.startswith("energy_"):  # those have a section
            table.refused.setdefault(f"{one_line(title)}: {metric.note}", []).append(cell.title)
    _mark_best(cells, found, entries, name)
    table.add(Column(title, shown, help=about), entries)


def _add_controls(table: Table, cells: Sequence[ReportCell]) -> None:
    """Add what the controls say: an adaptivity that fails one is not what it seems, and its row says so."""
    if all(cell.controls is None for cell in cells):
        return
    entries = []
    for cell in cells:
        if cell.controls is None:
            entries.append(TableEntry(words.ABSENT, note="no controls ran: it does not learn, or they were left out"))
        elif not cell.controls:
            entries.append(TableEntry("passed", sort=0))
        else:
            short = [text.partition(":")[0] for text in cell.controls]
            entries.append(TableEntry("failed", "; ".join(short), len(short), "; ".join(cell.controls), warn=True))
    about = "the pair without the change, and the run whose inputs are held: whether the score means learning"
    table.add(Column("controls", number=False, help=about), entries)


def _add_maps(table: Table, cells: Sequence[ReportCell]) -> None:
    """Add whether a learner's map pays, where an integral and Gaussian functions stand beside it."""
    if all(cell.map is None for cell in cells):
        return
    entries = []
    for cell in cells:
        if cell.map is None:
            entries.append(
                TableEntry(words.ABSENT, note="no integral at its gain, or no Gaussian functions, beside it")
            )
            continue
        sub = ", ".join(
            f"{words.ABSENT if share is None else words.figure(share)} of {kind}"
            for kind, share in (("integral", cell.map.of_integral), ("rbf", cell.map.of_rbf))
        )
        text = "pays" if cell.map.pays else "does not pay"
        entries.append(TableEntry(text, sub, int(cell.map.pays), cell.map.said, warn=not cell.map.pays))
    about = "the mean loss over the horizon, beside an integral (at most 0.7) and Gaussian functions (at most 1.1)"
    table.add(Column("map", number=False, help=about), entries)


def _family(name: str) -> str:
    """Metrics with equal answers share a unit and its prefix, so that their columns can be compared."""
    stem, _, label = name.partition("[")
    if stem in ("latency", "link_round_trip"):
        return "lateness" if label in ("p50]", "p99]") else name
    return stem if stem == "error_rms" else name


def _mark_best(
    cells: Sequence[ReportCell], found: Sequence[Metric | None], entries: Sequence[TableEntry], name: str
) -> None:
    """Mark the best number among comparable cells, where there are two or more and a best at all.

    A score of a cell that fails a control is not ranked.
    """
    groups: dict[tuple[Any, ...], list[tuple[float, TableEntry]]] = {}
    for cell, metric, entry in zip(cells, found, entries, strict=True):
        if metric is None or metric.value is None or entry.sort is None or cell.role is not None:
            continue
        if cell.controls and name in SCORES:
            continue
        if metric.better in ("lower", "higher"):
            key = (*comparable(cell), metric.better, metric.origin)
            groups.setdefault(key, []).append((metric.value, entry))
    for (*_, better, _), ranked in groups.items():
        _, best = (min if better == "lower" else max)(ranked, key=itemgetter(0))
        if len({entry.text for _, entry in ranked}) > 1:  # entries with the same text count as equal
            for _, entry in ranked:
                entry.best = entry.text == best.text


def _add_difference(table: Table, cells: Sequence[ReportCell], baseline: str | None, after: str) -> None:
    """Add the column of the error after the change minus the baseline's, paired by seed."""
    found = [cell.metrics[after].difference if after in cell.metrics else None for cell in cells]
    if not any(found):
        return
    unit = next(cell.metrics[after].unit for cell in cells if after in cell.metrics)
    factor, shown = words.prefix(unit, [each.iqm for each in found if each and each.iqm is not None])
    entries = []
    for cell, each in zip(cells, found, strict=True):
        if each is None or each.iqm is None:
            is_baseline = cell.label == baseline and cell.role is None
            entries.append(TableEntry(words.ABSENT, note="the baseline itself" if is_baseline else "no pair of seeds"))
            continue
        bounds = each.ci95
        sub = words.interval(*(bound * factor for bound in bounds)) if bounds else ""
        entries.append(TableEntry(signed(each.iqm * factor), sub, each.iqm, verdict(each, cell.metrics[after].better)))
    names = {each.baseline for each in found if each}
    table.add(
        Column(f"error, less\n{words.listed(sorted(names))}’s", shown, help="paired by seed; below 0 is better"),
        entries,
    )
