"""What decisions cost in joules. Each origin of the numbers and each device has a scale of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import altair as alt

from hilbench.report import words
from hilbench.report.charts import COLOURS, Figure, columns, wide
from hilbench.report.curves import choose
from hilbench.report.data import ReportCell
from hilbench.studies.schema import Metric

NAME = re.compile(r"energy_(?P<origin>measured|modelled)(\[(?P<target>45 nm|.*?)(?: (?P<part>static|[as]nn .*))?\])?$")
MOST = 12
DYNAMIC, STATIC, MEASURED = "events (dynamic)", "static power", "measured"
SPIKING, DENSE = ("snn float32",), ("ann float32", "ann int8")
"""Baselines in one technology: the network itself, and a network without spikes that has the same synapses."""


def figures(cells: Sequence[ReportCell], baseline: str | None) -> list[Figure]:
    """A figure for each origin and device, of the cells that have a number there.

    Parameters
    ----------
    cells : sequence of ReportCell
        The cells of one scenario.
    baseline : str, optional
        As in `curves.choose`, which selects the cells to draw.
    """
    panels: dict[tuple[str, str], list[str]] = {}
    for name in dict.fromkeys(name for cell in cells for name in cell.metrics):
        if found := NAME.match(name):
            panels.setdefault((found["origin"], found["target"] or ""), []).append(name)
    return [figure for panel, names in panels.items() if (figure := _panel(cells, baseline, *panel, names))]


def unavailable(cells: Sequence[ReportCell]) -> dict[str, list[str]]:
    """Why a number of joules is missing, and for which cells."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        for name, metric in cell.metrics.items():
            if NAME.match(name) and metric.value is None:
                reason = f"{words.named(name)[0].replace('[', ' on ').rstrip(']')}: {metric.note or 'no reason given'}"
                found.setdefault(reason, []).append(cell.name)
    return found


def _panel(
    cells: Sequence[ReportCell], baseline: str | None, origin: str, target: str, names: list[str]
) -> Figure | None:
    drawn = choose([cell for cell in cells if any(cell.value(name) is not None for name in names)], baseline, MOST)
    if not drawn:
        return None
    unit = next(cell.metrics[name].unit for cell in drawn for name in names if name in cell.metrics)
    factor, shown = words.prefix(unit, [cell.value(name) for cell in drawn for name in names])
    rows: list[dict[str, Any]] = [
        {"cell": cell.title, "part": _part(origin, name), "value": metric.value * factor, **_bounds(metric, factor)}
        for cell in drawn
        for name in names
        if (metric := cell.metrics.get(name)) and metric.value is not None
    ]
    rows = [row for row in rows if row["value"] > 0]  # a logarithmic axis has no 0
    if not rows:
        return None
    where = f"{origin.capitalize()}{f' on {target}' if target else ''}: {drawn[0].group}"
    note = "Lines: what the constants' published ranges allow." if any("low" in row for row in rows) else ""
    chart = _chart(rows, f"energy per decision ({shown})")
    return Figure(f"energy_{drawn[0].group}_{origin}_{target}", chart, where, _finding(rows, factor, unit), note)


def _finding(rows: Sequence[dict[str, Any]], factor: float, unit: str) -> str:
    """The least and the most: of the events' energy where it is drawn, else of what is drawn."""
    known = [row for row in rows if row["part"] not in (STATIC, *DENSE)] or rows
    least, most = (pick(known, key=lambda row: row["value"]) for pick in (min, max))
    low, high = (words.quantity(row["value"] / factor, unit) for row in (least, most))
    per = "of static power per decision" if {row["part"] for row in rows} == {STATIC} else "per decision"
    if low == high:
        cells = dict.fromkeys(row["cell"] for row in known)
        who = least["cell"] if len(cells) == 1 else f"each of the {len(cells)} cells"
        return f"{low} {per} with {who}."
    return f"{low} {per} with {least['cell']}, the least, and {high} with {most['cell']}, the most."


def _chart(rows: list[dict[str, Any]], title: str) -> alt.LayerChart:
    parts = [part for part in (DYNAMIC, STATIC, MEASURED, *SPIKING, *DENSE) if any(row["part"] == part for row in rows)]
    values = [row[key] for row in rows for key in ("value", "low", "high") if row.get(key, 0) > 0]
    span = [min(values) / 1.6, max(values) * 1.6]
    axis = alt.Axis(format="~g", labelOverlap=True, tickCount=5, grid=False)
    place = {"title": title, "scale": alt.Scale(type="log", domain=span, nice=False), "axis": axis}
    legend = columns(3)
    shapes = alt.Scale(domain=parts, range=["circle", "diamond", "square"][: len(parts)])
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=alt.Y("cell:N", title=None, sort=None, axis=alt.Axis(labelLimit=150)),
        yOffset=alt.YOffset("part:N", scale=alt.Scale(domain=parts, paddingOuter=0.6)),
        color=alt.Color("part:N", scale=alt.Scale(domain=parts, range=list(COLOURS[: len(parts)])), legend=legend),
    )
    figures = [alt.Tooltip(f"{key}:Q", format=".3~g") for key in ("value", "low", "high")]
    dots = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=alt.X("value:Q", **place),
        shape=alt.Shape("part:N", scale=shapes, legend=legend),
        tooltip=["cell:N", "part:N", *figures],
    )
    # A logarithmic axis has no 0: the line to a bound of 0 goes to the edge.
    lines = base.transform_filter("isValid(datum.low)").transform_calculate(low=f"max(datum.low, {span[0]})")
    rules = lines.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", **place), x2="high:Q")
    return alt.layer(rules, dots).properties(**wide(max(60, 36 * len({row["cell"] for row in rows}))))


def _part(origin: str, name: str) -> str:
    if origin == "measured":
        return MEASURED
    found = NAME.match(name)
    part = found["part"] if found else None
    if part is None:
        return DYNAMIC
    return STATIC if part == "static" else part


def _bounds(metric: Metric, factor: float) -> dict[str, float]:
    return {"low": metric.interval[0] * factor, "high": metric.interval[1] * factor} if metric.interval else {}
