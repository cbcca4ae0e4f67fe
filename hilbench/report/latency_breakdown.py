"""How the latency of real-time ticks divides into parts, and what share of ticks was faster than which latency."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np
from numpy.typing import NDArray

from hilbench.metrics.latency_breakdown import COLUMNS, parts_s
from hilbench.record.histogram import merged, quantiles_ns
from hilbench.report import words
from hilbench.report.charts import COLOURS, Figure, columns, rounded, wide
from hilbench.report.data import ReportCell
from hilbench.report.tables import NULL

PARTS = {
    "observe": "#BBBBBB",
    "encode": COLOURS[4],
    "link out": COLOURS[5],
    "link": COLOURS[5],
    "link and emulator": COLOURS[5],
    "compute": COLOURS[1],
    "link back": COLOURS[0],
    "decode": COLOURS[3],
    "apply": COLOURS[2],
}
BANDS = {"middle half": (0.25, 0.75), "slowest 1 %": (0.99, 1.0)}
"""Which ticks' parts are drawn, as the range of the share of all ticks that were faster."""
BAR = 22
"""Height of a bar and its gap, in pixels."""


class Row(NamedTuple):
    """A cell in the table of parts."""

    cell: str
    n: str
    parts: dict[str, tuple[str, str]]
    """By part: mean and 99th percentile, in us."""


def figures(cells: Sequence[ReportCell]) -> tuple[list[Figure], list[Row]]:
    """The charts and the rows of the table of real-time cells; runs without stamps or histograms are left out."""
    parts = {cell.name: found for cell in cells if (found := _joined(parts_s(run) for run in cell.read(COLUMNS)))}
    drawn = [_stack(parts)] if parts else []
    curves = [(cell, counts) for cell in cells if (counts := _histogram(cell, "latency"))]
    if curves:
        drawn.append(_percentiles(curves))
    return drawn, [_row(title, found) for title, found in parts.items()]


def _joined(runs: Iterable[dict[str, NDArray]]) -> dict[str, NDArray]:
    """The parts of all runs that have the same parts as the first: a link may be one part, or two."""
    found = [parts for parts in runs if parts]
    if not found:
        return {}
    return {name: np.concatenate([p[name] for p in found if p.keys() == found[0].keys()]) for name in found[0]}


def _row(title: str, parts: dict[str, NDArray]) -> Row:
    numbers = {
        name: (words.figure(1e6 * part.mean()), words.figure(1e6 * np.quantile(part, 0.99)))
        for name, part in parts.items()
    }
    return Row(title, words.figure(next(iter(parts.values())).size), numbers)


def _stack(cells: dict[str, dict[str, NDArray]]) -> Figure:
    rows = [row for title, parts in cells.items() for row in _bars(title, parts)]
    names = [name for name in PARTS if any(row["part"] == name for row in rows)]
    colour = alt.Color(
        "part:N", scale=alt.Scale(domain=names, range=[PARTS[name] for name in names]), legend=columns(len(names))
    )
    bars = list(dict.fromkeys(row["ticks"] for row in rows))
    chart = alt.Chart(alt.Data(values=rows)).mark_bar(stroke="white", strokeWidth=0.5)
    chart = chart.encode(
        x=alt.X("ms:Q", stack="zero", title="mean time from the scheduled instant (ms)"),
        y=alt.Y("ticks:N", sort=bars, title=None, axis=alt.Axis(labelLimit=340)),
        color=colour,
        order="order:Q",
        tooltip=["ticks:N", "part:N", "ms:Q"],
    )
    note = "Parts of the ticks whose own reply acted. " + ", ".join(
        f"{title}: N = {words.figure(next(iter(parts.values())).size)}" for title, parts in cells.items()
    )
    return Figure(
        "latency_breakdown",
        chart.properties(**wide(BAR * len(bars) + 10)),
        "Where each tick’s latency goes",
        " ".join(_largest(title, parts) for title, parts in cells.items()),
        note + ".",
    )


def _bars(title: str, parts: dict[str, NDArray]) -> list[dict[str, Any]]:
    """A row per band and part: the part's mean over the band's ticks."""
    rows = []
    total = np.sum(list(parts.values()), 0)
    for band, (low, high) in BANDS.items():
        if total.size * (high - low) < 10:
            continue
        inside = (total >= np.quantile(total, low)) & (total <= np.quantile(total, high))
        means = rounded([1e3 * part[inside].mean() for part in parts.values()])
        rows += [
            {"ticks": f"{title}, {band}", "part": name, "ms": mean, "order": order}
            for order, (name, mean) in enumerate(zip(parts, means, strict=True))
        ]
    return rows


def _largest(title: str, parts: dict[str, NDArray]) -> str:
    means = {name: float(part.mean()) for name, part in parts.items()}
    name = max(means, key=means.__getitem__)
    share, whole = means[name] / sum(means.values()), words.quantity(sum(means.values()), "s")
    return f"{title}: {whole} on average, most of it {name} ({100 * share:.0f} %)."


def _histogram(cell: ReportCell, what: str) -> dict[str, int]:
    """A histogram over all seeds and episodes: how often each latency in ns occurs."""
    return merged(getattr(meta.histograms_ns, what) for meta in cell.metas if meta.histograms_ns is not None)


def _percentiles(cells: Sequence[tuple[ReportCell, dict[str, int]]]) -> Figure:
    """Latency over the share of ticks that were faster, on an axis on which each further nine has the same width.

    Each of the cells has a colour of its own, so there are no more than colours; those that compute come first.
    """
    most = sorted(cells, key=lambda each: each[0].backend == NULL)[: len(COLOURS)]
    rows, titles = [], [cell.name for cell, _ in most]
    for cell, latency in most:
        rows += _curve(cell.name, "latency", latency)
        rows += _curve(cell.name, "bare echo", _histogram(cell, "link_echo"))
    axis = alt.Axis(
        values=list(range(8)),
        labelExpr="datum.value == 0 ? '0 %' : datum.value == 1 ? '90 %' : '99' + (datum.value > 2 ? '.' : '')"
        " + substring('99999', 0, datum.value - 2) + ' %'",
    )
    heights = alt.Axis(values=[m * 10.0**i for i in range(-6, 7) for m in (1, 2, 5)], format="~g", labelOverlap=True)
    colour = alt.Color(
        "cell:N", sort=titles, scale=alt.Scale(domain=titles, range=list(COLOURS[: len(titles)])), legend=columns(2)
    )
    dash = alt.StrokeDash(
        "what:N",
        scale=alt.Scale(domain=["latency", "bare echo"], range=[[1, 0], [5, 4]]),
        legend=alt.Legend(title=None, orient="bottom", symbolType="stroke", symbolSize=500),
    )
    chart = alt.Chart(alt.Data(values=rows)).mark_line(strokeWidth=2)
    chart = chart.encode(
        x=alt.X("nines:Q", title="share of ticks that were faster", axis=axis, scale=alt.Scale(nice=False)),
        y=alt.Y("ms:Q", title="latency (ms, log scale)", scale=alt.Scale(type="log", nice=False), axis=heights),
        color=colour,
        strokeDash=dash,
        tooltip=["cell:N", "what:N", alt.Tooltip("share:Q", title="share (%)"), "ms:Q"],
    )
    note = "From HDR histograms over all seeds; a curve ends where fewer than ten ticks were slower."
    note += f" {len(most)} of {len(cells)} cells are drawn." if len(most) < len(cells) else ""
    return Figure(
        "latency_percentiles",
        chart.properties(**wide(260)),
        "How many ticks were later than what",
        " ".join(_tail(cell.name, found) for cell, found in most),
        note,
    )


def _curve(cell: str, what: str, histogram: dict[str, int]) -> list[dict[str, Any]]:
    total = sum(histogram.values())
    if total < 20:
        return []
    nines = np.linspace(0, np.log10(total / 10), 120)
    shares = 1 - 10**-nines
    found = zip(rounded(nines), rounded(100 * shares), rounded(quantiles_ns(histogram, shares) * 1e-6), strict=True)
    return [{"cell": cell, "what": what, "nines": x, "share": share, "ms": ms} for x, share, ms in found if ms]


def _tail(title: str, histogram: dict[str, int]) -> str:
    total = sum(histogram.values())
    last = int(np.floor(np.log10(total / 10))) if total >= 100 else 0
    share = 1 - 10.0**-last if last else 0.5
    [ns] = quantiles_ns(histogram, np.array([share]))
    return f"{title}: {100 * share:g} % of {words.figure(total)} ticks within {words.quantity(ns * 1e-9, 's')}."
