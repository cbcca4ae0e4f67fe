"""The page: collects what each section shows, and writes one HTML file that needs no other file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import vl_convert

from hilbench.errors import MissingExtra, RecordError
from hilbench.files import write_whole
from hilbench.record.meta import Fault, LinkLosses, RunMeta
from hilbench.report import (
    charts,
    curves,
    data,
    energy,
    events,
    latency,
    latency_breakdown,
    maps,
    robot,
    spikes,
    tables,
    words,
)
from hilbench.report.charts import Figure
from hilbench.report.data import Evaluation, ReportCell
from hilbench.report.notes import notes
from hilbench.report.verdict import Card, cards, sentence
from hilbench.types import RobotReport, to_builtins

try:
    import jinja2
except ImportError as error:
    raise MissingExtra("jinja2", "sim") from error

MOST_LATENCIES = 12
"""Real-time cells whose latency is drawn; the others' figures stand in the table."""
MOST_GROUPS = 12
"""Scenarios of which curves and spikes are drawn."""


@dataclass
class Report:
    """Everything that the template shows."""

    title: str
    sentence: str
    cards: list[Card]
    summaries: list[Evaluation]
    tables: list[tables.Table]
    figures: dict[str, list[Figure]] = field(default_factory=dict)
    """By section."""
    latency_parts: list[latency_breakdown.Row] = field(default_factory=list)
    """Parts of the latency, a row per real-time cell."""
    robots: list[robot.Row] = field(default_factory=list)
    """How late sensors and actuators are, a row per real-time cell whose plant is a robot."""
    unavailable: dict[str, list[str]] = field(default_factory=dict)
    loads: list[dict[str, Any]] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
    losses: list[tuple[str, str]] = field(default_factory=list)
    """Runs whose own end of the link lost frames, and which."""
    live: list[ReportCell] = field(default_factory=list)
    """The real-time cells whose latency is drawn."""
    left_out: dict[str, str] = field(default_factory=dict)
    """By section, what is not drawn."""

    @property
    def cells(self) -> list[ReportCell]:
        """Every cell, without the references that cells are compared with."""
        return [cell for summary in self.summaries for cell in summary.cells]

    @property
    def damaged(self) -> list[str]:
        """A line for every run whose record is damaged."""
        cells = [*self.cells, *(cell for summary in self.summaries for cell in summary.references)]
        return [f"{cell.name}: {text}" for cell in cells for text in cell.damaged]


def write(folders: Iterable[str | Path], out: Path, figures: Path | None = None) -> Report:
    """Report on evaluations and runs in one HTML file.

    Raises RecordError for a folder of another kind, and for a file that cannot be written; no unfinished file stays.

    Parameters
    ----------
    folders : iterable of str or Path
        Folders of evaluations or of single runs.
    out : Path
        The page; its folder is made where it is missing.
    figures : Path, optional
        A folder for every chart as SVG and PNG.
    """
    if out.is_dir() or (figures is not None and figures.exists() and not figures.is_dir()):
        what = (
            f"{out}: found a folder, expected a file" if out.is_dir() else f"{figures}: found a file, expected a folder"
        )
        raise RecordError(what)
    report = gather(folders)
    page = render(report)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_whole(out, page.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise RecordError(f"{out}: cannot hold the report: {error.strerror}") from None
    if figures is not None:
        _save_all(report, figures)
    return report


def gather(folders: Iterable[str | Path]) -> Report:
    """Read everything, and draw the charts and tables."""
    summaries = data.read(folders)
    groups = data.grouped(cell for summary in summaries for cell in summary.cells)
    references = data.grouped(cell for summary in summaries for cell in summary.references)
    baselines = {cell.group: summary.baseline for summary in summaries for cell in summary.cells}
    everything = [cell for summary in summaries for cell in summary.cells + summary.references]
    report = Report(
        title=words.listed(dict.fromkeys(_title(summary) for summary in summaries)),
        sentence=sentence(summaries),
        cards=cards(groups, references),
        summaries=summaries,
        tables=[
            tables.overview(name, cells, references.get(name, []), baselines[name]) for name, cells in groups.items()
        ],
        unavailable=energy.unavailable(everything),
        loads=_loads(everything),
        faults=_faults(everything),
        losses=_losses(everything),
    )
    _draw(report, groups, baselines)
    return report


def terms(report: Report) -> dict[str, str]:
    """The meaning of the tables' columns, by heading."""
    found: dict[str, str] = {}
    for column in (column for table in report.tables for column in table.columns if column.help):
        found.setdefault(tables.one_line(column.title), column.help)
    return found


def render(report: Report) -> str:
    """The page's HTML."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("hilbench", "report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "listed": words.listed,
        "counted": words.counted,
        "some": words.some,
        "setting": words.setting,
    }
    environment.globals |= {"spec": lambda figure: figure.chart.to_dict(validate=False), "config": charts.CONFIG}
    environment.globals["notes"] = notes
    # A script element ends at the first end tag in its text, so the bundle must have none.
    everything = vl_convert.javascript_bundle()  # type: ignore[call-arg]  # its stub lacks the snippet's default
    bundle = re.sub(r"</(?=script)", r"<\\/", everything, flags=re.IGNORECASE)
    return environment.get_template("page.html").render(report=report, terms=terms(report), vega=bundle)


def _draw(report: Report, groups: dict[str, list[ReportCell]], baselines: dict[str, str | None]) -> None:
    figures: dict[str, list[Figure | None]] = {
        name: [] for name in ("error", "latency", "delay", "energy", "events", "network")
    }
    for number, (name, cells) in enumerate(groups.items()):
        figures["delay"] += maps.figures(cells)
        figures["energy"] += energy.figures(cells, baselines[name])
        if number < MOST_GROUPS:
            figures["error"].append(curves.figure(cells, baselines[name]))
            figures["events"] += events.figures(cells)
            figures["network"] += [spikes.raster(cells), spikes.norms(cells)]
    live = [cell for cells in groups.values() for cell in cells if cell.mode == "realtime"]
    report.live = curves.choose(live, None, MOST_LATENCIES)
    figures["latency"] = [latency.figure(cell) for cell in report.live]
    breakdown, report.latency_parts = latency_breakdown.figures(report.live)
    figures["latency_breakdown"] = [*breakdown]
    report.robots = robot.rows(live)
    if len(live) > MOST_LATENCIES:
        report.left_out["latency"] = f"{MOST_LATENCIES} of {len(live)} real-time cells are drawn."
    if len(groups) > MOST_GROUPS:
        report.left_out["error"] = f"The first {MOST_GROUPS} of {len(groups)} scenarios are drawn."
    report.figures = {section: [each for each in some if each] for section, some in figures.items()}


def _title(summary: Evaluation) -> str:
    single_run = summary.suite == data.SINGLE and summary.cells[0].label
    return single_run or summary.suite or "evaluation"


def _loads(cells: Sequence[ReportCell]) -> list[dict[str, Any]]:
    """Each distinct load report, with the titles of its cells."""
    found: dict[str, dict[str, Any]] = {}
    for cell in cells:
        for meta in cell.metas:
            said = to_builtins(meta.load_report)
            same = found.setdefault(json.dumps(said, sort_keys=True), {**said, "cells": []})
            if cell.name not in same["cells"]:
                same["cells"].append(cell.name)
    return list(found.values())


def _faults(cells: Sequence[ReportCell]) -> list[tuple[str, str]]:
    """Every recorded fault, with its cell and seed."""
    return [(_whose(cell, meta), _told(fault)) for cell in cells for meta in cell.metas for fault in meta.faults]


def _losses(cells: Sequence[ReportCell]) -> list[tuple[str, str]]:
    """The frames that runs lost at their own ends, with cell and seed; runs without losses are left out."""
    found = [(_whose(cell, meta), _lost(meta.link_losses)) for cell in cells for meta in cell.metas]
    found += [(_whose(cell, meta), _lost_of_robot(meta.robot)) for cell in cells for meta in cell.metas]
    return [(who, what) for who, what in found if what]


def _lost(lost: LinkLosses) -> str:
    parts = []
    if unsent := lost.unsent_ticks:
        parts.append(f"no room on the link for {words.counted(unsent, 'tick')}")
    if broken := lost.broken_frames:
        parts.append(f"{words.counted(broken, 'damaged frame')} from the device")
    return "; ".join(parts)


def _lost_of_robot(told: RobotReport | None) -> str:
    if told is None:
        return ""
    kinds = {
        "senses_lost": "SENSE lost on the way from the robot",
        "senses_outdated": "SENSE after a newer one",
        "broken_frames": "damaged frame from the robot",
        "acts_lost": "ACT lost on the way to the robot",
        "acts_unsent": "ACT without room on the wire",
    }
    return "; ".join(f"{what}: {words.figure(n)}" for name, what in kinds.items() if (n := getattr(told, name)))


def _whose(cell: ReportCell, meta: RunMeta) -> str:
    return f"{cell.name}, seed {meta.scenario.loop.seed}"


def _told(fault: Fault) -> str:
    """When a device was lost, why, and how it came back, as text."""
    when = f"episode {fault.episode}, tick {fault.tick} ({fault.t_s:.3f} s)"
    return "; ".join(filter(None, (f"{when}: {fault.message}", fault.recovery)))


def _save_all(report: Report, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for figure in (each for some in report.figures.values() for each in some):
            slug = re.sub(r"\W+", "_", figure.name).strip("_").lower()
            for ending in ("svg", "png"):
                charts.save(figure.chart, folder / f"{slug}.{ending}", figure.title)
    except OSError as error:
        raise RecordError(f"{folder}: cannot hold the figures: {error.strerror}") from None
