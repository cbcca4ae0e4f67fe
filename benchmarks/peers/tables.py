"""Results as tables: for a terminal of 80 columns, and as Markdown for `docs/performance.md`, of the same cells."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from itertools import groupby
from typing import Any, NamedTuple

COLUMNS = 80
WORK = "work"
"""The first column of a table whose lines a terminal shows below each work's name."""


class Cells(NamedTuple):
    """A table's words, before it is drawn, and what stands below it."""

    title: str
    header: tuple[str, ...]
    lines: list[tuple[str, ...]]
    notes: tuple[str, ...] = ()


def show(result: dict[str, Any]) -> None:
    print("\n\n".join(map(text, tables(result))))


def text(cells: Cells) -> str:
    """The table in lines of 80 characters: what has no room in the last column goes on below it."""
    grouped = cells.header[0] == WORK
    body = [cells.header, *cells.lines]
    if grouped:  # the number of runs stands by the work, and whether a target is met by the target
        body = [(peer, *times, f"{target} {met}", counted) for _, peer, *times, target, met, _, counted in body]
    widths = [max(map(len, column)) for column in zip(*body, strict=True)]
    shown = [_columns(line, widths) for line in body]
    if not grouped:
        return "\n".join((cells.title, "", *shown, *cells.notes))
    parts = [cells.title, "", shown[0]]
    for (work, n), lines in groupby(zip(cells.lines, shown[1:], strict=True), lambda pair: (pair[0][0], pair[0][-2])):
        parts += [f"{work}  (n = {n})", *(line for _, line in lines)]
    return "\n".join((*parts, *(textwrap.fill(note, COLUMNS) for note in cells.notes)))


def _columns(line: Sequence[str], widths: Sequence[int]) -> str:
    *first, last = line
    begin = " ".join(cell.ljust(width) for cell, width in zip(first, widths, strict=False))
    if not last:
        return begin.rstrip()
    return textwrap.fill(last, COLUMNS, initial_indent=f"{begin} ", subsequent_indent=" " * (len(begin) + 1))


def markdown(result: dict[str, Any]) -> str:
    parts = []
    for cells in tables(result):
        lines = [cells.header, ("---",) * len(cells.header), *cells.lines]
        rows = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
        parts += [f"{cells.title}\n", f"{rows}\n", *(f"{note}\n" for note in cells.notes)]
    return "\n".join(parts)


def tables(result: dict[str, Any]) -> list[Cells]:
    """Every table that these results fill."""
    found = []
    if result["rows"]:
        header = (WORK, "peer", "hilbench", "peer's", "ratio", "target", "", "n", "counted")
        notes = tuple(f"{row['work']}, {row['peer']}: {row['why']}" for row in result["rows"] if row["why"])
        lines = [_row(row) for row in result["rows"]]
        found.append(Cells("Time of hilbench / time of the peer, less is better", header, lines, notes))
    if result["growth"]:
        found.append(Cells("Growth", ("axis", "exponent", "value: us per step"), [_axis(a) for a in result["growth"]]))
    if result["large"]:
        found.append(Cells("A large static network", ("what", "found", "target"), _large(result["large"])))
    return found


def _row(row: dict[str, Any]) -> tuple[str, ...]:
    met = {True: "met", False: "missed", None: ""}[row["met"]]
    name, (mine, theirs) = next(
        ((name, pair) for name, pair in row["counts"].items() if None not in pair), ("", (None, None))
    )
    counts = "" if mine is None else f"{mine:.6g}, {theirs:.6g} {name}"
    ratio, target = (("" if x is None else f"{x:.3g}") for x in (row["ratio"], row["target"]))
    times = (_time(row["hilbench_s"]), _time(row["peer_s"]))
    return row["work"], row["peer"], *times, ratio, target, "none" if row["why"] else met, str(row["n"]), counts


def _axis(axis: dict[str, Any]) -> tuple[str, ...]:
    points = ", ".join(f"{p['x']:.4g}: {p['step_us']:.3g}" for p in axis["points"])
    return axis["axis"], f"{axis['exponent']:.2f}", points


def _large(large: dict[str, Any]) -> list[tuple[str, ...]]:
    target = f"{large['target_bytes_per_synapse']:g}, {'met' if large['met'] else 'missed'}"
    return [
        ("neurons, synapses", f"{large['neurons']:,}, {large['synapses']:,}", ""),
        ("build, of which the Network", f"{large['build_s']:.1f} s, {large['network_s']:.1f} s", ""),
        ("bytes per synapse, held", f"{large['held_bytes_per_synapse']:.2f}", target),
        ("bytes per synapse, peak", f"{large['peak_bytes_per_synapse']:.2f}", ""),
        ("time per step", f"{_time(large['step_s'])} at {large['rate_hz']:.1f} Hz", ""),
    ]


def _time(seconds: float | None) -> str:
    """Seconds in the unit that leaves a number from 1 to 1000."""
    if seconds is None:
        return ""
    scale, unit = next((s, u) for s, u in ((1, "s"), (1e-3, "ms"), (1e-6, "us"), (0, "ns")) if seconds >= s)
    return f"{seconds / (scale or 1e-9):.3g} {unit}"
