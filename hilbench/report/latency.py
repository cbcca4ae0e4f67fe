"""How late replies came in real time, beside the bare echo of the same link."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from hilbench.metrics import column
from hilbench.record.data import RunData
from hilbench.report import words
from hilbench.report.charts import COLOURS, Figure, Mark, columns, flags, headroom, wide
from hilbench.report.data import ReportCell
from hilbench.scenario.recorded import RecordedScenario

HEIGHT = 240
BINS = 70
COLUMNS = ("answered", "arrived_ns", "scheduled_ns")
REPLIES, ECHO = "replies", "bare echo of the link"


def figure(cell: ReportCell) -> Figure | None:
    """The distribution of one real-time cell, over all seeds; None where no run exists or no reply came."""
    runs = cell.read(COLUMNS)
    ms, echo_ms = _samples_ms(runs)
    if not ms.size:
        return None
    rate_hz = 1 / runs[0].meta.scenario.loop.period_s
    note = f"N = {words.figure(ms.size)} replies at {words.figure(rate_hz)} Hz over {words.counted(len(runs), 'run')}"
    note += f"; echo N = {words.figure(echo_ms.size)}." if echo_ms.size else "; the link's echo was not measured."
    return Figure(
        f"latency_{cell.group}_{cell.title}",
        chart(runs),
        f"{cell.title} in {cell.group}",
        _finding(cell, ms, echo_ms),
        note,
    )


def chart(runs: Sequence[RunData]) -> alt.LayerChart:
    """The distribution over these runs, on a logarithmic axis, with marks at the deadline and the percentiles."""
    ms, echo_ms = _samples_ms(runs)
    return _chart(ms, echo_ms, _marks(runs[0].meta.scenario, ms, echo_ms))


def _samples_ms(runs: Sequence[RunData]) -> tuple[NDArray, NDArray]:
    """The latencies of replies and of echoes of all runs, in ms."""
    none = [np.empty(0)]
    return np.concatenate([*map(_arrival_ms, runs)] or none), np.concatenate([r.echo_ns * 1e-6 for r in runs] or none)


def _arrival_ms(run: RunData) -> NDArray:
    """From each answered tick's scheduled instant to its reply's arrival, in ms."""
    answered = column(run, "answered").astype(bool)
    return (column(run, "arrived_ns") - column(run, "scheduled_ns"))[answered] * 1e-6


def _marks(scenario: RecordedScenario, ms: NDArray, echo_ms: NDArray) -> list[Mark]:
    loop = scenario.loop
    found = {"deadline": (loop.deadline_s or loop.period_s) * 1e3, "p50": float(np.median(ms))}
    if ms.size >= 1000:
        found["p99"] = float(np.quantile(ms, 0.99))
    if echo_ms.size:
        found["link round trip p50"] = float(np.median(echo_ms))
    critical = scenario.score.critical_delay_s.get(scenario.controller)
    if critical:
        found["fails from"] = critical * 1e3
    colours = {"deadline": COLOURS[1], "fails from": COLOURS[1]}
    return [Mark(at, f"{text} {words.figure(at)}", colours.get(text, "#555555")) for text, at in found.items()]


def _chart(ms: NDArray, echo_ms: NDArray, marks: list[Mark]) -> alt.LayerChart:
    places = np.concatenate([ms, echo_ms, [mark.at for mark in marks]])
    places = places[places > 0]
    span = [float(places.min()) / 1.15, float(places.max()) * 1.15]
    edges = np.geomspace(span[0], span[1], BINS + 1)
    shares = {REPLIES: _shares(ms, edges)} | ({ECHO: _shares(echo_ms, edges)} if echo_ms.size else {})
    top = max(share.max() for share in shares.values()) / (1 - headroom(len(marks), HEIGHT))
    colour = alt.Color(
        "what:N", scale=alt.Scale(domain=list(shares), range=[COLOURS[0], "#444444"][: len(shares)]), legend=columns(2)
    )
    x = alt.X(
        "from:Q",
        title="scheduled instant to reply (ms, log scale)",
        scale=alt.Scale(type="log", domain=span, nice=False),
        axis=alt.Axis(grid=False, labelOverlap=True),
    )
    y = alt.Y("share:Q", title="share of replies (%)", scale=alt.Scale(domain=[0, top], nice=False))
    tooltip = [
        alt.Tooltip("from:Q", format=".3~g", title="from (ms)"),
        alt.Tooltip("to:Q", format=".3~g", title="to (ms)"),
        "share:Q",
    ]
    bars = alt.Chart(alt.Data(values=_bars(REPLIES, shares[REPLIES], edges))).mark_rect(opacity=0.75)
    layers = [bars.encode(x=x, x2="to:Q", y=y, y2=alt.value("height"), color=colour, tooltip=tooltip)]
    if ECHO in shares:
        outline = alt.Chart(alt.Data(values=_bars(ECHO, shares[ECHO], edges, empty=True)))
        layers.append(outline.mark_line(interpolate="step-after", strokeWidth=1.8).encode(x=x, y=y, color=colour))
    return alt.layer(*layers, *flags(marks, span, log=True)).properties(**wide(HEIGHT))


def _shares(samples: NDArray, edges: NDArray) -> NDArray:
    return 100 * np.histogram(samples, edges)[0] / samples.size


def _bars(what: str, shares: NDArray, edges: NDArray, empty: bool = False) -> list[dict[str, Any]]:
    """A row per bin; bins without a sample only with `empty`, for an outline that goes through them."""
    rows = zip(edges[:-1], edges[1:], shares, strict=True)
    return [
        {"what": what, "from": float(f"{a:.5g}"), "to": float(f"{b:.5g}"), "share": float(f"{share:.4g}")}
        for a, b, share in rows
        if share or empty
    ]


def _finding(cell: ReportCell, ms: NDArray, echo_ms: NDArray) -> str:
    middle = float(np.median(ms))
    text = f"Half of the replies came within {words.figure(middle)} ms of their scheduled instant"
    if ms.size >= 1000:
        text += f", 99 % within {words.figure(float(np.quantile(ms, 0.99)))} ms"
    if echo_ms.size:
        text += f"; the link itself takes {words.figure(float(np.median(echo_ms)))} ms for half of its echoes"
    missed = cell.value("misses")
    if missed is not None:
        text += f". {words.counted(missed, 'tick')} per run missed the deadline"
    return text + "."
