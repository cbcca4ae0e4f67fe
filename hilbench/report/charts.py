"""Charts of runs and suites, as Altair charts: error over time, latency, and how much learning a delay allows.

Colours are Okabe and Ito's, told apart by colour-blind readers; every series also has its own dash or label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hilbench.errors import MissingExtra
from hilbench.metrics import column
from hilbench.types import RunData

try:
    import altair as alt
except ImportError as error:
    raise MissingExtra("altair", "sim") from error

COLOURS = ("#000000", "#E69F00", "#56B4E9", "#D55E00", "#CC79A7", "#009E73", "#0072B2", "#F0E442")
DASHES = ([1, 0], [1, 0], [1, 0], [1, 0], [6, 3], [2, 2], [8, 2, 2, 2], [4, 4])
WIDTH = 720
WINDOW_S = 0.5


def error_over_time(runs: Mapping[str, Sequence[RunData]]) -> alt.LayerChart:
    """The plant's tracking error over time, one line per label: median over runs of the RMS in windows of 0.5 s.

    Where runs differ by seed, a band spans the lowest and the highest. Disturbances are marked where they begin.
    """
    rows = [row for label, same in runs.items() for row in _windows(label, same)]
    first = next(iter(runs.values()))[0]
    name = first.meta["sheet"]["error"]
    scale, unit = _readable(first.meta["sheet"]["info_units"][name])
    for row in rows:
        row |= {key: row[key] * scale for key in ("middle", "low", "high")}
    labels = list(runs)
    legend = alt.Legend(symbolType="stroke", symbolOpacity=1, symbolStrokeWidth=3)
    scales = (alt.Scale(domain=labels, range=some[: len(labels)]) for some in (COLOURS, DASHES))
    colour = alt.Color("label:N", sort=labels, title=None, scale=next(scales), legend=legend)
    dash = alt.StrokeDash("label:N", sort=labels, title=None, scale=next(scales), legend=legend)
    base = alt.Chart(alt.Data(values=rows)).encode(x=alt.X("t_s:Q", title="time (s)", axis=alt.Axis(grid=False)))
    decades = alt.Axis(values=[10.0**i for i in range(-6, 7)], format="~g")
    y_axis = alt.Y("middle:Q", title=f"{_words(name)}, RMS ({unit})", scale=alt.Scale(type="log"), axis=decades)
    band = base.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", scale=alt.Scale(type="log")), y2="high:Q", color=colour)
    line = base.mark_line(strokeWidth=2).encode(y=y_axis, color=colour, strokeDash=dash)
    return (band + line + _changes(first)).properties(width=WIDTH, height=300)


def latency_distribution(run: RunData) -> alt.LayerChart:
    """How long replies took by the clock, on a log axis: from the scheduled instant to the reply's arrival."""
    answered = column(run, "answered").astype(bool)
    ms = (column(run, "arrived_ns") - column(run, "scheduled_ns"))[answered] * 1e-6
    edges = np.geomspace(ms.min(), max(ms.max(), ms.min() * 1.01), 81)
    shares = 100 * np.histogram(ms, edges)[0] / ms.size
    bars = [
        {"from": a, "to": b, "share": share}
        for a, b, share in zip(edges[:-1], edges[1:], shares.tolist(), strict=True)
        if share
    ]
    loop = run.meta["scenario"]["loop"]
    deadline_ms = loop.get("deadline_s", loop["period_s"]) * 1e3
    p50, p99 = np.quantile(ms, (0.5, 0.99))
    marks = [(deadline_ms, f"deadline {deadline_ms:g} ms"), (p50, f"p50 {p50:.2f} ms"), (p99, f"p99 {p99:.2f} ms")]
    span_ms = [min(edges[0], deadline_ms), max(edges[-1], deadline_ms)]
    scale = alt.Scale(type="log", nice=False, domain=span_ms)
    histogram = (
        alt.Chart(alt.Data(values=bars))
        .mark_rect(color=COLOURS[6])
        .encode(
            x=alt.X("from:Q", title="scheduled instant to reply (ms, log scale)", scale=scale),
            x2="to:Q",
            y=alt.Y("share:Q", title="share of replies (%)", scale=alt.Scale(domain=[0, 1.4 * shares.max()])),
            y2=alt.value("height"),
        )
    )  # the bars leave room for three rows of labels
    what = f"{ms.size} replies in real time at {1 / loop['period_s']:g} Hz"
    return alt.layer(histogram, *_flags(marks, span_ms)).properties(
        width=WIDTH, height=180, title=f"Reply arrival after the scheduled instant: {what}"
    )


def delay_map(rows: Sequence[Mapping[str, Any]], largest: Mapping[float, float], floor: float) -> alt.VConcatChart:
    """Tip error by delay and learning rate, and the largest rate that is still stable at each delay.

    `rows` hold `delay_ms`, `rate` and `error_mm`, None where no run gave one; `largest` maps delays in ms to learning
    rates, 0 for none; `floor` is the error without learning, in mm.
    """
    data = alt.Data(values=[dict(row) for row in rows if row["error_mm"] is not None])
    top = alt.Data(values=[{"delay_ms": delay_ms, "rate": rate} for delay_ms, rate in largest.items() if rate > 0])
    x = alt.X("delay_ms:O", title="delay of the reply (ms)", axis=alt.Axis(labelAngle=0))
    y = alt.Y("rate:O", title="learning rate", sort="descending")
    shade = alt.Color(
        "error_mm:Q",
        title="tip error (mm)",
        scale=alt.Scale(type="log", scheme="viridis", reverse=True, clamp=True),
    )
    squares = alt.Chart(data).mark_rect().encode(x=x, y=y, color=shade)
    dark = f"datum.error_mm > {floor / 6}"
    text = (
        alt.Chart(data)
        .mark_text(fontSize=11)
        .encode(
            x=x, y=y, text=alt.Text("error_mm:Q", format=".3~s"),
            color=alt.condition(dark, alt.value("white"), alt.value("black")),
        )
    )  # fmt: skip
    line = (
        alt.Chart(top)
        .mark_line(point=alt.OverlayMarkDef(size=70, color=COLOURS[3]), color=COLOURS[3])
        .encode(
            x=alt.X("delay_ms:Q", title="delay of the reply (ms)"),
            y=alt.Y("rate:Q", title="largest stable learning rate", scale=alt.Scale(type="log")),
        )
        .properties(width=WIDTH - 120, height=180)
    )
    return (squares + text).properties(width=WIDTH - 120, height=260) & line


def save(chart: alt.TopLevelMixin, path: Path, title: str) -> None:
    """Write a chart as PNG or SVG, by the path's ending."""
    titled = chart.properties(
        title=alt.TitleParams(title, anchor="start", fontSize=16, offset=12), padding=16, background="white"
    )
    titled.configure_axis(labelFontSize=11, titleFontSize=12, titleFontWeight="normal").configure_title(
        fontWeight="normal", anchor="start"
    ).configure_legend(labelFontSize=12, symbolSize=400).configure_view(stroke=None).save(
        str(path), **({"scale_factor": 2} if path.suffix == ".png" else {})
    )


def _windows(label: str, runs: Sequence[RunData]) -> list[dict[str, Any]]:
    """RMS in windows, over runs of equal length."""
    per_run = []
    for run in runs:
        period_s = run.meta["scenario"]["loop"]["period_s"]
        width = max(1, round(WINDOW_S / period_s))
        error = column(run, f"info.{run.meta['sheet']['error']}")
        n = error.size // width
        per_run.append(np.sqrt(np.mean(error[: n * width].reshape(n, width) ** 2, axis=1)))
    shortest = min(len(windows) for windows in per_run)
    table = np.stack([windows[:shortest] for windows in per_run])
    return [
        {"label": label, "t_s": (i + 0.5) * WINDOW_S, "middle": middle, "low": low, "high": high}
        for i, (middle, low, high) in enumerate(
            zip(*(f(table, axis=0).tolist() for f in (np.median, np.min, np.max)), strict=True)
        )
    ]


def _changes(run: RunData) -> alt.LayerChart:
    marks = [
        _vertical(table.get("at_s", 0.0), _what(name, table), 6)
        for name, table in run.meta["scenario"]["disturbances"].items()
    ]
    return alt.layer(*marks) if marks else alt.layer(alt.Chart(alt.Data(values=[])).mark_rule())


def _what(name: str, table: Mapping[str, Any]) -> str:
    mass = table.get("mass_kg")
    return f"{name}: {mass:g} kg" if mass is not None else f"{name} ({table['kind']})"


def _flags(marks: Sequence[tuple[float, str]], span: Sequence[float]) -> list[alt.LayerChart]:
    """Rules with labels that cross nothing, on a log axis over `span`: each hangs below those to its left.

    A label's rule begins at the label's own row, so text to the right of one rule ends above the next. Text that would
    leave the chart stands to the left of its rule; such marks hang highest, and no other text reaches their rules.
    """
    place = {mark: WIDTH * np.log(mark[0] / span[0]) / np.log(span[1] / span[0]) for mark in marks}
    turned, limit = [], float(WIDTH)
    for mark in sorted(marks, key=place.get, reverse=True):
        if place[mark] + 7 * len(mark[1]) > limit:  # a character is at most about 7 pixels wide
            turned.append(mark)
            limit = place[mark]
    rows = turned + sorted(set(marks) - set(turned), key=place.get)
    return [
        _vertical(*mark, y=2 + 14 * row, top=14 * row, align="right" if mark in turned else "left")
        for row, mark in enumerate(rows)
    ]


def _vertical(at: float, text: str, y: float, top: float = 0, align: str = "left") -> alt.LayerChart:
    base = alt.Chart(alt.Data(values=[{"at": at, "text": text}])).encode(x="at:Q")
    rule = base.mark_rule(strokeDash=[4, 3], color="#555555").encode(y=alt.value(top), y2=alt.value("height"))
    label = base.mark_text(align=align, dx=5 if align == "left" else -5, baseline="top", color="#333333")
    return rule + label.encode(y=alt.value(y), text="text:N")


def _readable(unit: str) -> tuple[float, str]:
    """Metres as millimetres, everything else as it is."""
    return (1e3, "mm") if unit == "m" else (1.0, unit)


def _words(name: str) -> str:
    """An info key without its unit, as words."""
    return name.rpartition("_")[0].replace("_", " ")
