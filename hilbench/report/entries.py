"""What a table of the report shows of one cell in one column."""

from __future__ import annotations

from dataclasses import dataclass

from hilbench.report import words
from hilbench.report.data import ReportCell
from hilbench.report.headings import FELT
from hilbench.studies.schema import Cell, Difference, Metric

LOCKSTEP = "in lockstep the plant waits for every reply, so lateness is not felt"
SCORES = ("adaptivity", "adaptivity[return]")


@dataclass
class TableEntry:
    """What a table shows of one cell in one column."""

    text: str
    sub: str = ""
    """A second line: an interval, or what is wrong."""
    sort: float | str | None = None
    note: str = ""
    best: bool = False
    warn: bool = False


def number(cell: ReportCell, metric: Metric | None, factor: float, name: str) -> TableEntry:
    """A metric's number, with its interval below it and what it is over.

    Parameters
    ----------
    cell : ReportCell
    metric : Metric, optional
        None where the cell has none.
    factor : float
        From the metric's unit to the column's.
    name : str
        The metric's.
    """
    if name in FELT and cell.mode == "lockstep":
        return TableEntry(words.ABSENT, note=LOCKSTEP)
    if name == "spikes" and cell.metas and cell.metas[0].network is None:
        return TableEntry(words.ABSENT, note="a law has no neurons")
    if metric is None:
        return TableEntry(words.ABSENT, note="this cell has no such number")
    if metric.value is None:
        return TableEntry(words.ABSENT, note=metric.note or "no seed gave a number")
    bounds = metric.interval or metric.ci95  # what a model's constants allow is far wider than seeds are apart
    sub = words.interval(*(bound * factor for bound in bounds)) if bounds and bounds[0] != bounds[1] else ""
    scored = of_seeds(cell, metric)
    note = f"{'mean' if metric.statistic == 'mean' else 'interquartile mean'} over {scored}"
    if sub:
        note += "; below it " + (
            "what the constants' ranges allow" if metric.interval else "the 95 % bootstrap interval"
        )
    censored = cell.metrics.get("recovery_censored") if name == "recovery_time" else None
    if censored and censored.value:
        sub = f"{100 * censored.value:.0f} % did not"
    if " of " in scored and name in SCORES:
        sub = ", ".join(filter(None, [sub, scored]))
    return TableEntry(words.figure(metric.value * factor), sub, metric.value, f"{note}. {metric.note}".strip(" ."))


def of_seeds(cell: Cell, metric: Metric) -> str:
    """Of how many seeds a number is, "10 seeds" or "3 of 10 seeds" where others came to their end and gave none.

    Parameters
    ----------
    cell : Cell
    metric : Metric
    """
    ended = len(cell.seeds) - len(cell.failures)
    return f"{metric.n} of {ended} seeds" if metric.n < ended else words.counted(metric.n, "seed")


def signed(value: float) -> str:
    """A figure with its sign.

    Parameters
    ----------
    value : float
    """
    return ("+" if value > 0 else "") + words.figure(value)


def verdict(difference: Difference, better: str) -> str:
    """What an interval of paired differences shows.

    Parameters
    ----------
    difference : Difference
    better : str
        "lower" or "higher".
    """
    bounds = difference.ci95
    if not bounds:
        return "too few seeds for an interval"
    if bounds[0] <= 0 <= bounds[1]:
        return "the 95 % interval holds 0: no difference shown"
    return "better" if (bounds[1] < 0) == (better == "lower") else "worse"
