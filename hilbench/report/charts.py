"""What the charts of a report share: colours, shapes, marks whose labels overlap nothing, and files for papers.

The colours are those of Okabe and Ito, which colour-blind readers can distinguish; every series also has its own shape,
dash or label. Charts take the width of their page.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hilbench.errors import MissingExtra

try:
    import altair as alt
    import vl_convert
except ImportError as error:
    raise MissingExtra("altair", "sim") from error

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
GREY = "#767676"
INK = "#333333"
WIDTH = 760
"""Of a chart in a file, in pixels."""
PLOTS = (250, 330, 420, 650)
"""Widths of plots in pixels; labels are placed for the narrowest on which they fit."""
MOST_MARKS = 8
"""For up to so many marks every arrangement of their labels is tried."""
ROW = 15
"""Height of a label's row, in pixels."""
CONFIG: dict[str, Any] = {
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
    "aria": False,
    "background": "white",
    "autosize": {"type": "fit-x", "contains": "padding"},
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 12,
        "titleFontSize": 13,
        "titleFontWeight": "normal",
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": "#E6E6E6",
        "domainColor": "#888888",
        "tickColor": "#888888",
        "titlePadding": 8,
    },
    "legend": {
        "labelFontSize": 13,
        "labelColor": INK,
        "symbolSize": 90,
        "labelLimit": 280,
        "orient": "top",
        "titleFontWeight": "normal",
        "titleFontSize": 13,
        "rowPadding": 4,
        "columnPadding": 18,
        "offset": 12,
    },
    "text": {"fontSize": 12, "color": INK},
    "title": {"anchor": "start", "fontSize": 14, "fontWeight": "normal", "color": INK},
}


class Figure(NamedTuple):
    """A chart, with a description in words."""

    name: str
    """The name of its files."""
    chart: alt.TopLevelMixin
    title: str
    finding: str
    """What a reader should see in it, with numbers."""
    note: str = ""
    """What the chart leaves out, and how it was made."""


class Mark(NamedTuple):
    """A place on the x axis with a label."""

    at: float
    text: str
    colour: str = "#555555"


def wide(height: int) -> dict[str, Any]:
    """The size of a chart that fills the page's width; its height is in pixels."""
    return {"width": "container", "height": height}


def time_axis(span: Sequence[float]) -> alt.X:
    """The x axis of a chart over the time `t`; `span` is its first and last value, in s."""
    axis = alt.Axis(grid=False, tickCount=8)
    return alt.X("t:Q", title="time (s)", scale=alt.Scale(domain=list(span), nice=False), axis=axis)


def columns(n: int) -> alt.Legend:
    """A legend above the chart with `n` columns, fewer on a narrow page."""
    # By the page's width, not the plot's, which changes while the legend is laid out.
    fitting = alt.ExprRef(f"containerSize()[0] < 440 ? 1 : containerSize()[0] < 760 ? {min(n, 2)} : {n}")
    return alt.Legend(title=None, columns=fitting, symbolStrokeWidth=2, symbolOpacity=1)


def headroom(n_marks: int, height: int) -> float:
    """The share of a plot's height that the labels of marks need.

    Parameters
    ----------
    n_marks : int
        How many marks there are.
    height : int
        The plot's height, in pixels.
    """
    return (ROW * n_marks + 8) / height if n_marks else 0.04


def flags(marks: Sequence[Mark], span: Sequence[float], log: bool = False) -> list[alt.LayerChart]:
    """Draw marks as vertical rules with labels that overlap nothing: each label has a row, where its rule begins.

    A label stands to the right or to the left of its rule, wherever it stays inside the plot. Where a rule would run
    through a label, the label stands above the row in which that rule begins.

    Parameters
    ----------
    marks : sequence of Mark
    span : (2,) float
        The first and the last value of the x axis, in its own unit.
    log : bool
        Whether the x axis is logarithmic.
    """
    marks = list(dict.fromkeys(marks))
    low, high = np.log(span) if log else span
    shares = [float((np.log(mark.at) if log else mark.at) - low) / (high - low) for mark in marks]
    widths = [7 * len(mark.text) for mark in marks]  # a character is at most about 7 pixels wide
    sides = list(itertools.product((False, True), repeat=len(marks))) if len(marks) <= MOST_MARKS else []
    # What fits a plot fits every wider one: the rules move apart, and the labels keep their lengths.
    for plot, turned in itertools.product(PLOTS, sorted(sides, key=sum)):
        at = [plot * share for share in shares]
        boxes = [(x - 5 - w, x - 5) if t else (x + 5, x + 5 + w) for x, w, t in zip(at, widths, turned, strict=True)]
        if all(left >= 0 and right <= plot + 5 for left, right in boxes) and (rows := _rows(boxes, at)):
            return [_flag(marks[i], ROW * row, turned[i]) for row, i in enumerate(rows)]
    order = sorted(range(len(marks)), key=shares.__getitem__)
    return [_flag(marks[i], ROW * row, shares[i] > 0.5) for row, i in enumerate(order)]


def _rows(boxes: Sequence[tuple[float, float]], places: Sequence[float]) -> tuple[int, ...]:
    """An order from the top in which no rule runs through a label; empty where there is none."""
    above = {i: {j for j, (left, right) in enumerate(boxes) if left < x < right} for i, x in enumerate(places)}
    try:
        return tuple(TopologicalSorter(above).static_order())
    except CycleError:
        return ()


def save(chart: alt.TopLevelMixin, path: Path, title: str) -> None:
    """Write a chart to a file.

    Parameters
    ----------
    chart : altair.TopLevelMixin
    path : Path
        Its suffix says the format: .svg, else PNG.
    title : str
        Stands above the chart.
    """
    spec = picture(chart) | {"title": {"text": title, "offset": 12}}
    if path.suffix == ".svg":
        path.write_text(vl_convert.vegalite_to_svg(spec), "utf-8")
    else:
        path.write_bytes(vl_convert.vegalite_to_png(spec, scale=2))


def picture(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """A chart as Vega-Lite for a picture of a width of its own."""
    spec = chart.to_dict(validate=False) | {"config": CONFIG, "padding": 16}
    if spec.get("width") == "container":
        spec["width"] = WIDTH
    return spec


def rounded(values: Any) -> list[float | None]:
    """Numbers rounded to four digits, as many as a picture can show; None for those that are not finite."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in np.asarray(values, float).tolist()]


def _flag(mark: Mark, top: float, turned: bool) -> alt.LayerChart:
    base = alt.Chart(alt.Data(values=[{"at": mark.at, "text": mark.text}])).encode(x="at:Q")
    rule = base.mark_rule(strokeDash=[4, 3], color=mark.colour).encode(y=alt.value(top), y2=alt.value("height"))
    label = base.mark_text(align="right" if turned else "left", dx=-5 if turned else 5, baseline="top", color=INK)
    return rule + label.encode(y=alt.value(top + 2), text="text:N")
