"""Results as tables: on a terminal, and as Markdown for `docs/performance.md`. Both show the same cells."""

from __future__ import annotations

from typing import Any, NamedTuple

from rich.console import Console
from rich.markup import escape
from rich.table import Table


class Cells(NamedTuple):
    """A table's words, before it is drawn, and what stands below it."""

    title: str
    header: tuple[str, ...]
    lines: list[tuple[str, ...]]
    notes: tuple[str, ...] = ()


def show(result: dict[str, Any]) -> None:
    for cells in tables(result):
        table = Table(*cells.header, title=cells.title, title_justify="left")
        for line in cells.lines:
            table.add_row(*map(escape, line))
        Console().print(table, *map(escape, cells.notes), sep="\n")


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
        header = ("work", "peer", "hilbench", "peer's", "ratio", "target", "", "n", "counted")
        notes = tuple(f"{row['work']}, {row['peer']}: {row['why']}" for row in result["rows"] if row["why"])
        lines = [_row(row) for row in result["rows"]]
        found.append(Cells("Time of hilbench / time of the peer, less is better", header, lines, notes))
    if result["growth"]:
        found.append(Cells("Growth", ("axis", "value: us per step", "exponent"), [_axis(a) for a in result["growth"]]))
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
    return axis["axis"], points, f"{axis['exponent']:.2f}"


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
