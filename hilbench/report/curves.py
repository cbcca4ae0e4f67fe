"""The plant's error over time: in windows of every run, and over all seeds of a cell in each window."""

from __future__ import annotations

from collections.abc import Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import altair as alt
import numpy as np
from numpy.typing import NDArray

from hilbench.metrics import column
from hilbench.record.data import RunData
from hilbench.record.meta import RunMeta
from hilbench.report import words
from hilbench.report.charts import (
    COLOURS,
    GREY,
    SHAPES,
    Figure,
    Mark,
    columns,
    flags,
    headroom,
    rounded,
    time_axis,
    wide,
)
from hilbench.report.data import ReportCell, change_s, phase, phases, with_value
from hilbench.studies.statistics import FEWEST, interval, iqm

MOST = len(COLOURS)
"""How many cells one chart can distinguish."""
HEIGHT = 340
RAN = "as it ran"
DASHES = {RAN: [1, 0], "its frozen twin": [6, 3], "floor": [2, 2], "oracle": [10, 3, 2, 3]}


class Curve(NamedTuple):
    """The error of a cell in each window, (n_windows,) each: interquartile mean, 95 % interval, how many seeds."""

    t_s: NDArray
    middle: NDArray
    low: NDArray
    high: NDArray
    n: NDArray


class Series(NamedTuple):
    """A line of the chart."""

    label: str
    kind: str
    """One of DASHES."""
    colour: str
    curve: Curve


def figure(cells: Sequence[ReportCell], baseline: str | None) -> Figure | None:
    """The chart of one scenario's cells; None where there is no run to draw, or the plant has no error.

    Parameters
    ----------
    cells : sequence of ReportCell
        Of one scenario.
    baseline : str, optional
        The label of the cell that is always drawn.
    """
    drawn = choose([cell for cell in cells if cell.metas and cell.metas[0].plant_spec.error], baseline)
    series = [found for i, cell in enumerate(drawn) for found in _of_cell(cell, COLOURS[i])]
    if not any((one.curve.middle > 0).any() for one in series):  # a logarithmic axis has no place for 0
        return None
    series += _references(drawn)
    meta = drawn[0].metas[0]
    name = meta.plant_spec.error
    width_s = window_s(meta)
    note = f"Root mean square in windows of {words.quantity(width_s, 's')}; interquartile mean over seeds."
    if any(np.isfinite(one.curve.low).any() for one in series):
        note += " Bands: 95 % bootstrap interval over seeds."
    if len(drawn) < len(cells):
        note += f" Drawn: {len(drawn)} of {len(cells)} cells, from the best to the worst"
        note += " and the baseline." if baseline else "."
    heading = f"{words.subject(name).capitalize()} over time: {drawn[0].group}"
    return Figure(
        f"error_{drawn[0].group}",
        chart(series, meta),
        heading,
        _finding(drawn, meta.plant_spec.info_units[name]),
        note,
    )


def choose(cells: Sequence[ReportCell], baseline: str | None, most: int = MOST) -> list[ReportCell]:
    """Select cells for a chart: the baseline, the best, the worst, and some evenly between them, in their own order.

    Parameters
    ----------
    cells : sequence of ReportCell
        Of one scenario.
    baseline : str, optional
        The label of the cell that is always selected; the best one when absent.
    most : int
        How many are selected at most.
    """
    if len(cells) <= most:
        return list(cells)
    _, after = phases(cells)
    ranked = sorted(cells, key=lambda cell: (cell.value(after) is None, cell.value(after) or 0.0))
    stay = next((cell for cell in ranked if cell.label == baseline), ranked[0])
    places = np.linspace(0, len(ranked) - 1, most).round().astype(int)
    picked = [ranked[i] for i in places]
    if stay not in picked:
        nearest = min(range(1, most - 1), key=lambda i: abs(int(places[i]) - ranked.index(stay)))
        picked[nearest] = stay
    return [cell for cell in cells if cell in picked]


def window_s(meta: RunMeta) -> float:
    """A round width, in s, that divides a run into about 80 windows; at least one control period."""
    loop = meta.scenario.loop
    aim = loop.duration_s / 80
    decade = 10 ** np.floor(np.log10(aim))
    width = next(step * decade for step in (1, 2, 5, 10) if step * decade >= aim * 0.999)
    return max(float(f"{width:.3g}"), loop.period_s)


def curve(runs: Sequence[RunData]) -> Curve:
    """A cell's curve from its runs, which may end at different times. No window contains the change."""
    width_s, change = window_s(runs[0].meta), change_s(runs[0].meta) or 0.0
    found = [_windows(run, width_s, change) for run in runs]
    first = min(min(each) for each in found)
    table = np.full((len(runs), max(max(each) for each in found) - first + 1), np.nan)
    for row, each in zip(table, found, strict=True):
        row[np.array(list(each)) - first] = list(each.values())
    t_s = change + (first + np.arange(table.shape[1]) + 0.5) * width_s
    return Curve(t_s, *band(table), np.isfinite(table).sum(axis=0))


def band(table: NDArray) -> tuple[NDArray, NDArray, NDArray]:
    """Interquartile mean of each column of (seeds, windows), and a 95 % bootstrap interval from FEWEST seeds on."""
    middle, low, high = np.full((3, table.shape[1]), np.nan)
    present = np.isfinite(table)
    # Columns in which the same seeds are present share their resamples, so one call serves all of them.
    patterns, which = np.unique(present, axis=1, return_inverse=True)
    for i, seeds in enumerate(patterns.T):
        same = np.ravel(which) == i
        values = table[seeds][:, same]
        middle[same] = iqm(values, axis=0) if seeds.any() else np.nan
        if seeds.sum() >= FEWEST:
            low[same], high[same] = interval(values.T).T
    return middle, low, high


def _windows(run: RunData, width_s: float, origin_s: float) -> dict[int, float]:
    """The error's root mean square by window number, counted from `origin_s`, over all episodes."""
    error = column(run, f"info.{run.meta.plant_spec.error}")
    number = np.floor((column(run, "t_us") * 1e-6 - origin_s) / width_s + 1e-9).astype(int)
    at, which = np.unique(number, return_inverse=True)
    return dict(zip(at.tolist(), np.sqrt(np.bincount(which, error**2) / np.bincount(which)).tolist(), strict=True))


def _of_cell(cell: ReportCell, colour: str) -> list[Series]:
    """The series of a cell and of its frozen twin."""
    wanted = ("t_us", f"info.{cell.metas[0].plant_spec.error}")
    runs, twins = cell.read(wanted), cell.read(wanted, "twin")
    both = ((RAN, runs), ("its frozen twin", twins))
    return [Series(cell.title, kind, colour, curve(some)) for kind, some in both if some]


def _references(drawn: Sequence[ReportCell]) -> list[Series]:
    """Floor and oracle of the first cell that has them, unless the same controller's own cell is drawn."""
    found = []
    for role in ("floor", "oracle"):
        cell = next((cell for cell in drawn if cell.reference_folders.get(role)), None)
        runs = cell.read(("t_us", f"info.{cell.metas[0].plant_spec.error}"), role) if cell else []
        if runs and (name := runs[0].meta.scenario.controller) not in {each.controller for each in drawn}:
            found.append(Series(f"{name} ({role})", role, GREY, curve(runs)))
    return found


def chart(series: Sequence[Series], meta: RunMeta) -> alt.LayerChart:
    """The error over time on a logarithmic axis, with a mark where each disturbance begins.

    Parameters
    ----------
    series : sequence of Series
        The lines.
    meta : RunMeta
        The `run.json` of one of their runs, for the error's unit and the disturbances.
    """
    name, marks = meta.plant_spec.error, _changes(meta)
    unit = meta.plant_spec.info_units[name]
    factor, shown = words.prefix(unit, np.concatenate([one.curve.middle for one in series]).tolist())
    title = f"{words.subject(name)}, RMS ({shown})"
    rows = [row for order, one in enumerate(series) for row in _rows(one, factor, 2 * order)]
    span = [0.0, max(row["t"] for row in rows) + min(abs(row["t"]) for row in rows)]
    scale = alt.Scale(type="log", domain=_domain(rows, len(marks)), nice=False)
    axis = alt.Axis(values=[m * 10.0**i for i in range(-9, 10) for m in (1, 2, 5)], format="~g", labelOverlap=True)
    colour, shape, dash = _legends(series)
    base = alt.Chart(alt.Data(values=rows)).encode(
        x=time_axis(span),
        y=alt.Y("rms:Q", title=title, scale=scale, axis=axis),
        color=colour,
    )
    bands = base.transform_filter(f"datum.low > 0 && datum.line == '{RAN}'").mark_area(opacity=0.15, clip=True)
    bands = bands.encode(y=alt.Y("low:Q", title=title, scale=scale), y2="high:Q")
    thick = alt.condition(f"datum.line == '{RAN}'", alt.value(2.2), alt.value(1.4))
    lines = base.mark_line(clip=True).encode(strokeDash=dash, strokeWidth=thick)
    names = {
        "cell:N": "cell",
        "line:N": "line",
        "t:Q": "time (s)",
        "rms:Q": title,
        "low:Q": "95 % from",
        "high:Q": "to",
        "n:Q": "seeds",
    }
    dots = base.mark_point(filled=True, size=55).encode(
        shape=shape,
        opacity=alt.condition("datum.dot == 1", alt.value(1), alt.value(0)),
        tooltip=[alt.Tooltip(key, title=name) for key, name in names.items()],
    )
    # One layer of its own, so that its rows are in the file once.
    return alt.layer(alt.layer(bands, lines, dots), *flags(marks, span)).properties(**wide(HEIGHT))


def _rows(one: Series, factor: float, first: int) -> list[dict[str, Any]]:
    """A row per window; every eighth has a dot, each series' from another window on."""
    c = one.curve
    found = zip(
        *(rounded(v) for v in (c.t_s, c.middle * factor, c.low * factor, c.high * factor)), c.n.tolist(), strict=True
    )
    return [
        {
            "cell": one.label,
            "line": one.kind,
            "t": t,
            "rms": middle,
            "low": low,
            "high": high,
            "n": n,
            "dot": int(one.kind == RAN and i % 8 == first % 8),
        }
        for i, (t, middle, low, high, n) in enumerate(found)
        if middle
    ]


def _domain(rows: Sequence[dict[str, Any]], n_marks: int) -> list[float]:
    """The y axis: from just below the lowest line, so that no band stretches it, to above the labels."""
    low = 0.6 * min(row["rms"] for row in rows)
    high = 1.1 * max(row[key] for row in rows for key in ("rms", "high") if row[key])
    share = headroom(n_marks, HEIGHT)
    return [low, high * (high / low) ** (share / (1 - share))]


def _legends(series: Sequence[Series]) -> tuple[alt.Color, alt.Shape, alt.StrokeDash]:
    """Cells by colour and shape above the chart, kinds of line below it."""
    colours = {one.label: one.colour for one in series}
    labels, legend = list(colours), columns(4)
    kinds = [kind for kind in DASHES if any(one.kind == kind for one in series)]
    shapes = [SHAPES[i % len(SHAPES)] for i in range(len(labels))]
    below = (
        alt.Legend(
            title=None,
            orient="bottom",
            columns=legend.columns,
            symbolType="stroke",
            symbolSize=500,
            symbolStrokeWidth=2,
        )
        if len(kinds) > 1
        else None
    )
    return (
        alt.Color("cell:N", sort=labels, scale=alt.Scale(domain=labels, range=list(colours.values())), legend=legend),
        alt.Shape("cell:N", sort=labels, scale=alt.Scale(domain=labels, range=shapes), legend=legend),
        alt.StrokeDash("line:N", scale=alt.Scale(domain=kinds, range=[DASHES[kind] for kind in kinds]), legend=below),
    )


def _changes(meta: RunMeta) -> list[Mark]:
    """Every disturbance where it begins, if the run gets there. One that begins with an episode has no place in it."""
    tables = meta.scenario.disturbances.items()
    starts = {name: table.get("at_s", 0.0) for name, table in tables if not table.get("at_episode")}
    return [
        Mark(at_s, words.disturbance(name, meta.scenario.disturbances[name]))
        for name, at_s in starts.items()
        if at_s < meta.scenario.loop.duration_s
    ]


def _finding(drawn: Sequence[ReportCell], unit: str) -> str:
    before, after = phases(drawn)
    change = change_s(drawn[0].metas[0])
    ranked = sorted(with_value(drawn, after), key=itemgetter(0))
    if not ranked:
        return "No cell came to the phase that is compared."
    when = "over the run" if change is None else f"{phase(after) or 'after'} the change at {change:g} s"
    (least, best), (most, worst) = ranked[0], ranked[-1]
    text = f"Error {when}: {words.quantity(least, unit)} with {best.title}"
    if worst is not best:
        text += f", the least, and {words.quantity(most, unit)} with {worst.title}, the most"
    if before and best.value(before) is not None:
        text += f". Before the change {best.title} had {words.quantity(best.value(before), unit)}"
    return text + "."
