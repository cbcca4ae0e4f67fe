"""How fast a controller can learn at a delay: a map of delay and learning rate, and its stable points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from hilbench.report import words
from hilbench.report.charts import COLOURS, Figure, wide
from hilbench.report.data import ReportCell, phase, phases

DELAY = "loop.delay.s"
SHARE = 0.25
STABLE = "Stable: every seed's error is at most a quarter of what it is at the same delay without learning."
"""SHARE, in words."""


def figures(cells: Sequence[ReportCell]) -> list[Figure]:
    """The figures for each label whose points vary both delay and learning rate."""
    groups: dict[tuple, list[ReportCell]] = {}
    for cell in cells:
        rate = rate_key(cell)
        if DELAY in cell.point and rate:
            rest = [item for item in cell.point.items() if item[0] not in (DELAY, rate)]
            groups.setdefault((cell.label, *map(str, rest)), []).append(cell)
    return [figure for group in groups.values() for figure in _of_group(group)]


def rate_key(cell: ReportCell) -> str | None:
    """The name of the learning rate in a cell's point; None where the point has none."""
    return next((key for key in cell.point if key.endswith("learning_rate")), None)


def rows_of(cells: Sequence[ReportCell], name: str) -> list[dict[str, Any]]:
    """One row per delay and learning rate, which says whether learning is stable there.

    A seed that failed, with learning or without, makes a point not stable. `stable` is None at a delay for which no
    cell has the learning rate 0, and `error` is None where no seed has one.

    Parameters
    ----------
    cells : sequence of ReportCell
        Their points have a delay; those without a learning rate are left out.
    name : str
        The error metric that decides.
    """
    keyed = [(cell, key) for cell in cells if (key := rate_key(cell)) is not None]
    points = [(cell.point[DELAY], cell.point[key], cell) for cell, key in keyed]
    idle = {delay_s: _errors(cell, name) for delay_s, rate, cell in points if rate == 0}
    return [
        {
            "delay_ms": float(f"{delay_s * 1e3:.6g}"),
            "rate": rate,
            "error": cell.value(name),
            "stable": _stable(_errors(cell, name), idle[delay_s]) if delay_s in idle else None,
        }
        for delay_s, rate, cell in points
    ]


def largest_stable(rows: Sequence[Mapping[str, Any]]) -> dict[float, float]:
    """By delay in ms, the largest learning rate up to which every rate tried is stable; 0 where the smallest is not."""
    found: dict[float, float] = {}
    broken = set()
    for row in sorted(rows, key=lambda row: row["rate"]):
        delay_ms = row["delay_ms"]
        found.setdefault(delay_ms, 0.0)
        if row["rate"] > 0 and not row["stable"]:
            broken.add(delay_ms)
        elif delay_ms not in broken:
            found[delay_ms] = row["rate"]
    return dict(sorted(found.items()))


def delay_map(rows: Sequence[Mapping[str, Any]], title: str) -> alt.LayerChart:
    """A square per delay and learning rate: its error, and a cross where learning is not stable.

    Parameters
    ----------
    rows : sequence of mapping
        As `rows_of` gives them; `error` in any unit.
    title : str
        The error's name and unit.
    """
    known = [{**row, "text": _text(row)} for row in rows if row["error"] is not None]
    data = alt.Data(values=known)
    errors = [row["error"] for row in known if row["error"]]
    middle = (min(errors) * max(errors)) ** 0.5 if errors else 0.0
    x = alt.X("delay_ms:O", title="delay of the reply (ms)", axis=alt.Axis(labelAngle=0))
    y = alt.Y("rate:O", title="learning rate", sort="descending")
    scale = alt.Scale(type="log", scheme="viridis", reverse=True)
    shade = alt.Color("error:Q", title=title, scale=scale, legend=alt.Legend(gradientLength=220, format="~g"))
    tooltip = [
        alt.Tooltip("delay_ms:Q", title="delay (ms)"),
        alt.Tooltip("rate:Q", title="learning rate"),
        alt.Tooltip("error:Q", title=title, format=".3~g"),
        "stable:N",
    ]
    squares = alt.Chart(data).mark_rect(stroke="white").encode(x=x, y=y, color=shade, tooltip=tooltip)
    ink = alt.condition(f"datum.error > {middle}", alt.value("white"), alt.value("black"))
    return (squares + alt.Chart(data).mark_text(fontSize=12).encode(x=x, y=y, text="text:N", color=ink)).properties(
        **wide(32 * len({row["rate"] for row in rows}) + 20)
    )


def stable_line(largest: Mapping[float, float]) -> alt.Chart:
    """The largest stable learning rate by delay; delays at which none is stable are left out."""
    decades = alt.Axis(format="~g", labelOverlap=True, values=[m * 10.0**i for i in range(-9, 7) for m in (1, 2, 5)])
    top = alt.Data(values=[{"delay_ms": delay_ms, "rate": rate} for delay_ms, rate in largest.items() if rate > 0])
    point = alt.OverlayMarkDef(size=80, color=COLOURS[1], filled=True)
    return (
        alt.Chart(top)
        .mark_line(point=point, color=COLOURS[1])
        .encode(
            x=alt.X(
                "delay_ms:Q",
                title="delay of the reply (ms)",
                scale=alt.Scale(domain=[0, max(largest)]),
                axis=alt.Axis(tickCount=8),
            ),
            y=alt.Y("rate:Q", title="largest stable learning rate", scale=alt.Scale(type="log"), axis=decades),
            tooltip=["delay_ms:Q", "rate:Q"],
        )
        .properties(**wide(200))
    )


def _of_group(cells: Sequence[ReportCell]) -> list[Figure]:
    first, (_, name) = cells[0], phases(cells)
    rows = rows_of(cells, name)
    known = [row for row in rows if row["error"]]
    if not known:
        return []
    unit = next(cell.metrics[name].unit for cell in cells if name in cell.metrics)
    factor, shown = words.prefix(unit, [row["error"] for row in known])
    scaled = [{**row, "error": row["error"] and row["error"] * factor} for row in rows]
    heading, slug = f"{first.label} in {first.group}", f"{first.group}_{first.label}"
    finding = f"RMS error {phase(name)}".strip() + f": {_extremes(known, unit)}."
    note = "The darker a square, the larger the error. × marks rates that are not stable. " + STABLE
    squares = delay_map(scaled, f"error ({shown})")
    both = [Figure(f"delay_map_{slug}", squares, f"Error by delay and rate: {heading}", finding, note)]
    largest = largest_stable(rows)
    if any(largest.values()):
        line, finding = stable_line(largest), f"Largest stable learning rate: {_largest(largest, rows)}."
        both.append(Figure(f"delay_line_{slug}", line, f"Largest stable rate: {heading}", finding, STABLE))
    return both


def _extremes(rows: Sequence[Mapping[str, Any]], unit: str) -> str:
    least, most = (pick(rows, key=lambda row: row["error"]) for pick in (min, max))
    said = [
        f"{words.quantity(row['error'], unit)} at {row['delay_ms']:g} ms and rate {row['rate']:g}"
        for row in (least, most)
    ]
    return f"least {said[0]}; most {said[1]}"


def _largest(largest: Mapping[float, float], rows: Sequence[Mapping[str, Any]]) -> str:
    top = max(row["rate"] for row in rows)
    rates = {0.0: "none", top: f"{top:g} or more"}
    return words.listed(f"{rates.get(rate, f'{rate:g}')} at {delay_ms:g} ms" for delay_ms, rate in largest.items())


def _errors(cell: ReportCell, name: str) -> Sequence[float | None] | None:
    """The error of every seed, in order; None when a seed failed."""
    return None if cell.failures or name not in cell.metrics else cell.metrics[name].values


def _stable(errors: Sequence[float | None] | None, without: Sequence[float | None] | None) -> bool:
    """Whether every seed's error is small enough beside its error without learning."""
    if not errors or not without or len(errors) != len(without):
        return False
    return all(a is not None and b is not None and a <= SHARE * b for a, b in zip(errors, without, strict=True))


def _text(row: Mapping[str, Any]) -> str:
    return words.figure(row["error"]) + (" ×" if row["stable"] is False and row["rate"] > 0 else "")
