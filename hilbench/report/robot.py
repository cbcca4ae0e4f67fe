"""How late a robot's sensors and actuators are: a row for each real-time cell whose plant is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hilbench.report import words
from hilbench.report.data import ReportCell
from hilbench.studies.schema import Metric

COLUMNS = {
    "sensors to loop": "sense_latency",
    "loop to robot": "act_latency",
    "wire, both ways": "robot_round_trip",
}
"""What stands in the table, and its metric."""
PERCENTILES = ("p50", "p99")


class Row(NamedTuple):
    """A cell in the table of robots."""

    cell: str
    latencies: dict[str, list[tuple[str, str]]]
    """By column: median and 99th percentile in ms, each with what the clocks leave open."""
    clocks: str
    lost: str
    """Frames lost to the loop and to the robot, as shares."""
    watchdog: str


def rows(cells: Sequence[ReportCell]) -> list[Row]:
    """The rows of those cells whose plant is a robot."""
    return [_row(cell) for cell in cells if cell.robot]


def _row(cell: ReportCell) -> Row:
    error_s = cell.value("clock_uncertainty[max]")
    return Row(
        cell.name,
        {title: [_entry(cell.metrics.get(f"{name}[{p}]")) for p in PERCENTILES] for title, name in COLUMNS.items()},
        "—" if error_s is None else "one clock" if error_s == 0 else f"± {words.figure(error_s * 1e3)}",
        f"{_share(cell, 'senses_lost', 'senses_received')} / {_share(cell, 'acts_lost', 'acts_sent')}",
        words.figure(cell.value("watchdog")),
    )


def _entry(metric: Metric | None) -> tuple[str, str]:
    """A latency in ms, and below it the interval that two clocks leave open."""
    if metric is None or metric.value is None:
        return words.ABSENT, ""
    bounds = metric.interval
    sub = words.interval(*(bound * 1e3 for bound in bounds)) if bounds else ""
    return words.figure(metric.value * 1e3), sub


def _share(cell: ReportCell, lost: str, came: str) -> str:
    """Of all runs' frames, how many were lost, in per cent. What came is counted with the lost ones for ACTs."""
    told = [meta.robot for meta in cell.metas if meta.robot is not None and getattr(meta.robot, lost) is not None]
    n_lost = sum(getattr(each, lost) for each in told)
    n = sum(getattr(each, came) for each in told) + (n_lost if came == "senses_received" else 0)
    return f"{words.figure(100 * n_lost / n)} %" if n else words.ABSENT
