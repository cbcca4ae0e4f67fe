"""What happened inside the network: spikes around the change, and the norm of the weights over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
from numpy.typing import NDArray

from hilbench.record.data import RunData
from hilbench.record.meta import RunMeta
from hilbench.report import words
from hilbench.report.charts import COLOURS, INK, Figure, Mark, columns, flags, headroom, rounded, time_axis, wide
from hilbench.report.data import ReportCell, change_s

NEURONS = 60
SPIKES = 6000
AROUND_S = 1.0
HEIGHT, LOW = 300, 220
"""Heights of the charts of spikes and of weights, in pixels."""


def raster(cells: Sequence[ReportCell]) -> Figure | None:
    """The spikes around the change, of the first cell that recorded spikes."""
    for cell in cells:
        recorded = [meta.scenario.record.spikes for meta in cell.metas]
        if any(recorded) and (runs := cell.read(("t_us", "probe_events"))):
            t_s, address = spikes(runs[0])
            if t_s.size:
                return _raster(cell, runs[0].meta, t_s, address)
    return None


def norms(cells: Sequence[ReportCell]) -> Figure | None:
    """The recorded weights' norm over time, of the first cell that learnt and recorded weights."""
    for cell in cells:
        learnt = cell.value("weight_updates") != 0
        if learnt and any(_weights_of(meta) for meta in cell.metas) and (runs := cell.read(("t_us", "probe_values"))):
            meta = runs[0].meta
            rows = weight_norms(runs[0])
            if len({row["norm"] for row in rows if row["what"] == rows[0]["what"]}) > 1:
                return _norms(cell, meta, rows)
    return None


def spikes(run: RunData) -> tuple[NDArray, NDArray]:
    """The times, in s, and the probe addresses of the first episode's recorded spikes, (n,) each."""
    episode = run.episodes[0]
    if "probe_events" not in episode:
        return np.empty(0), np.empty(0, int)
    found = episode["probe_events"]
    sizes = np.array([row.size for row in found])
    events = np.concatenate(found) if sizes.sum() else np.empty(0, [("t_us", "u4"), ("address", "u4")])
    t_us = np.repeat(episode["t_us"], sizes) + events["t_us"]
    return t_us * 1e-6, events["address"].astype(int)


def pick(t_s: NDArray, address: NDArray, centre_s: float, half_s: float = AROUND_S) -> tuple[NDArray, NDArray, int]:
    """Select the spikes that a picture can show: of at most 60 neurons, spread evenly over those that fired.

    Returns their times, their rows from 0, and how many neurons fired. The time shown is shorter where there are too
    many spikes.

    Parameters
    ----------
    t_s : (n,) float64
        The spikes' times, in s.
    address : (n,) int
        Their neurons.
    centre_s : float
        The middle of the time shown, in s.
    half_s : float
        The most that is shown on either side of it, in s.
    """
    near = np.abs(t_s - centre_s) <= half_s
    fired = np.unique(address[near])
    chosen = fired[np.unique(np.linspace(0, fired.size - 1, min(NEURONS, fired.size)).round().astype(int))]
    near &= np.isin(address, chosen)
    if near.sum() > SPIKES:
        half_s = np.sort(np.abs(t_s[near] - centre_s))[SPIKES - 1]
        near &= np.abs(t_s - centre_s) < half_s
    return t_s[near], np.searchsorted(chosen, address[near]), int(fired.size)


def weight_norms(run: RunData) -> list[dict[str, Any]]:
    """A row per projection and recorded instant: the norm of the weights then."""
    names, episode = _weights_of(run.meta), run.episodes[0]
    record, network = run.meta.scenario.record, run.meta.network
    sizes = [network.projections[name].n_synapses for name in record.weights] if network else []
    ends = np.cumsum([*sizes, *[1] * len(record.weight_norms)])
    rows = []
    for t_us, values in zip(episode["t_us"].tolist(), episode.get("probe_values", ()), strict=False):
        if values.size and values.size == ends[-1]:
            parts = np.split(values, ends[:-1])
            for name, part in zip(names, parts, strict=True):
                rows.append({"t": t_us * 1e-6, "what": name, "norm": float(np.linalg.norm(part))})
    return rows


def strokes(
    times: NDArray, row: NDArray, n_neurons: int, marks: list[Mark], title: str,
    span: tuple[float, float] | None = None,
) -> alt.LayerChart:  # fmt: skip
    """A stroke per spike, all of them one line with gaps: thousands of separate marks would take seconds to draw.

    Parameters
    ----------
    times : (n,) float64
        The spikes' times, in s.
    row : (n,) int
        Their rows, from 0.
    n_neurons : int
        How many rows there are.
    marks : list of Mark
        Instants with a label.
    title : str
        What a row stands for.
    span : (2,) float, optional
        The first and the last instant, in s; those of the spikes when absent.
    """
    by_neuron = [{"neuron": n, "t": np.round(times[row == n], 4).tolist()} for n in range(n_neurons)]
    span = span or (float(times.min()), float(times.max()))
    top = n_neurons / (1 - headroom(len(marks), HEIGHT))
    y = alt.Y(
        "y:Q",
        title=title,
        scale=alt.Scale(domain=[0, top], nice=False),
        axis=alt.Axis(labels=False, ticks=False, grid=False),
    )
    strokes = (
        alt.Chart(alt.Data(values=by_neuron))
        .transform_flatten(["t"])
        .transform_calculate(y="[datum.neuron + 0.1, datum.neuron + 0.9, null]")
        .transform_flatten(["y"])
        .mark_line(strokeWidth=1.1, color=INK, strokeCap="butt", invalid="break-paths-filter-domains")
        .encode(x=time_axis(span), y=y, order=alt.value(None))
    )
    return alt.layer(strokes, *flags(marks, span)).properties(**wide(HEIGHT))


def _weights_of(meta: RunMeta) -> list[str]:
    record = meta.scenario.record
    return [*record.weights, *record.weight_norms]


def _raster(cell: ReportCell, meta: RunMeta, t_s: NDArray, address: NDArray) -> Figure | None:
    change = change_s(meta)
    times, row, fired = pick(t_s, address, float(np.median(t_s)) if change is None else change)
    if not times.size:
        return None
    shown = int(row.max()) + 1
    finding = f"{words.counted(times.size, 'spike')} of {shown} of the {words.figure(fired)} neurons that fired"
    if change is not None:
        early, late = (words.figure(hz) for hz in _rates_hz(times, change, shown))
        finding += f": on average {early} Hz before the change and {late} Hz after it"
    populations = words.listed(meta.scenario.record.spikes)
    heading = f"Spikes of {populations}: {cell.title} in {cell.group}"
    note = f"Seed {meta.scenario.loop.seed}; neurons spread evenly over those that fired."
    return Figure(
        f"spikes_{cell.group}",
        strokes(times, row, shown, marks_at(change), f"neuron (1 to {shown})"),
        heading,
        finding + ".",
        note,
    )


def _rates_hz(times: NDArray, change: float, n_neurons: int) -> list[float]:
    """The mean rate of a neuron in the picture, before the change and after it, in Hz."""
    spans = ((change - times.min(), times < change), (times.max() - change, times >= change))
    return [float(some.sum() / n_neurons / length) if length > 0 else float("nan") for length, some in spans]


def _norms(cell: ReportCell, meta: RunMeta, rows: list[dict[str, Any]]) -> Figure:
    change, names = change_s(meta), list(dict.fromkeys(row["what"] for row in rows))
    own = [(row["t"], row["norm"]) for row in rows if row["what"] == names[0]]
    end = words.figure(own[-1][1])
    finding = f"The norm of {names[0]} ends at {end}"
    if change is not None and (early := [norm for t, norm in own if t <= change]):
        finding = f"The norm of {names[0]} is {words.figure(early[-1])} at the change and {end} at the end"
    heading = f"Recorded weights: {cell.title} in {cell.group}"
    note = f"Frobenius norm of {words.listed(names)}; seed {meta.scenario.loop.seed}."
    return Figure(f"weights_{cell.group}", _lines(rows, names, marks_at(change)), heading, finding + ".", note)


def _lines(rows: list[dict[str, Any]], names: list[str], marks: list[Mark]) -> alt.LayerChart:
    span = [0.0, max(row["t"] for row in rows)]
    rows = [{**row, "norm": rounded([row["norm"]])[0]} for row in rows]
    top = max(row["norm"] for row in rows) / (1 - headroom(len(marks), LOW)) or 1.0
    scale = alt.Scale(domain=names, range=list(COLOURS[: len(names)]))
    lines = (
        alt.Chart(alt.Data(values=rows))
        .mark_line(strokeWidth=2)
        .encode(
            x=time_axis(span),
            y=alt.Y("norm:Q", title="norm of the weights", scale=alt.Scale(domain=[0, top], nice=False)),
            color=alt.Color("what:N", scale=scale, legend=columns(3) if len(names) > 1 else None),
            strokeDash=alt.StrokeDash("what:N", legend=None),
        )
    )
    return alt.layer(lines, *flags(marks, span)).properties(**wide(LOW))


def marks_at(change: float | None) -> list[Mark]:
    """The mark of the change; none where there is no change."""
    return [] if change is None else [Mark(change, "the change")]
