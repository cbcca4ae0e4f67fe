"""The head of a report: what was compared, in a sentence, and the few numbers that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hilbench.report import words
from hilbench.report.data import ReportCell, Summary, phase, phases
from hilbench.report.tables import comparable

MOST = 3
"""Groups with cards of their own; the table has them all."""


class Card(NamedTuple):
    """One number, large, and what it is."""

    name: str
    figure: str
    who: str
    about: str


def sentence(summaries: Sequence[Summary]) -> str:
    """What was compared."""
    cells = [cell for summary in summaries for cell in summary.cells]
    controllers = dict.fromkeys(cell.controller for cell in cells)
    scenarios = dict.fromkeys(cell.scenario for cell in cells)
    modes = [{"realtime": "real time"}.get(mode, mode) for mode in dict.fromkeys(cell.mode for cell in cells)]
    seeds = sorted({len(cell.seeds) for cell in cells})
    span = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
    shown = words.listed(scenarios) if len(scenarios) <= 3 else f"{len(scenarios)} scenarios"
    who = words.listed(controllers) if len(controllers) <= 6 else f"{len(controllers)} controllers"
    compared = "1 cell" if len(cells) == 1 else f"{len(cells)} cells compared"
    return (
        f"{compared}: {who} in {shown}, in {words.listed(modes)},"
        f" {span} seed{'' if seeds == [1] else 's'}{' each' if len(cells) > 1 else ''}."
    )


def cards(groups: Mapping[str, Sequence[ReportCell]], references: Mapping[str, Sequence[ReportCell]]) -> list[Card]:
    """The verdict: adaptivity and error of the first groups, then real time, then what failed."""
    found: list[Card | None] = []
    scored = [name for name, cells in groups.items() if any(cell.value("adaptivity") is not None for cell in cells)]
    for name in (scored or list(groups))[:MOST]:
        told = f" in {name}" if len(scored or groups) > 1 else ""
        found += [_adaptivity(groups[name], told), _error(groups[name], references.get(name, []), told)]
    cells = [cell for some in groups.values() for cell in some]
    return [card for card in [*found, _real_time(cells), _runs(cells)] if card]


def _adaptivity(cells: Sequence[ReportCell], told: str) -> Card | None:
    scored = _largest_group([cell for cell in cells if cell.value("adaptivity") is not None])
    if not scored:
        return None
    best = max(scored, key=lambda cell: cell.value("adaptivity"))
    metric = best.metrics["adaptivity"]
    bounds = f", 95 % interval {words.interval(*metric.ci95)}" if metric.ci95 else ""
    about = f"{words.counted(metric.n, 'seed')}{bounds}. 1 is as good as the oracle at once, 0 no better than frozen."
    return Card(f"best adaptivity{told}", words.figure(metric.value), best.title, about)


def _error(cells: Sequence[ReportCell], references: Sequence[ReportCell], told: str) -> Card | None:
    _, after = phases(cells)
    known = _largest_group([cell for cell in cells if cell.value(after) is not None])
    if len(known) < 2:
        return None
    best = min(known, key=lambda cell: cell.value(after))
    floors = [cell for cell in references if cell.role == "floor" and cell.value(after) is not None]
    floors = [cell for cell in floors if comparable(cell) == comparable(best)]
    other = floors[0] if floors else max(known, key=lambda cell: cell.value(after))
    what = f"the floor, {other.controller}," if floors else f"{other.title}, the largest,"
    unit = best.metrics[after].unit
    when = " after the change" if "[" in after else ""
    about = f"RMS {phase(after) or 'over the run'}; {what} has {words.quantity(other.value(after), unit)}"
    if best.value(after) > 0:
        about += f", {words.figure(other.value(after) / best.value(after))} times as much"
    return Card(f"least error{when}{told}", words.quantity(best.value(after), unit), best.title, about + ".")


def _largest_group(cells: Sequence[ReportCell]) -> list[ReportCell]:
    """Of cells, most of those that may be ranked against each other."""
    groups: dict[tuple, list[ReportCell]] = {}
    for cell in cells:
        groups.setdefault(comparable(cell), []).append(cell)
    return max(groups.values(), key=len, default=[])


def _real_time(cells: Sequence[ReportCell]) -> Card | None:
    live = [cell for cell in cells if cell.mode == "realtime" and cell.value("latency[p50]") is not None]
    if not live:
        return None
    cell = min(live, key=lambda cell: cell.value("latency[p50]"))
    echo, late, missed = (cell.value(name) for name in ("echo_floor[p50]", "latency[p99]", "misses"))
    said = [f"p99 {words.quantity(late, 's')}"] if late is not None else []
    said += [f"the link's bare echo {words.quantity(echo, 's')}"] if echo is not None else []
    said += [f"{words.counted(missed, 'missed deadline')} per run"] if missed is not None else []
    return Card(
        "shortest latency, p50",
        words.quantity(cell.value("latency[p50]"), "s"),
        cell.title,
        "; ".join(said) + ".",
    )


def _runs(cells: Sequence[ReportCell]) -> Card:
    asked, failed = sum(len(cell.seeds) for cell in cells), sum(len(cell.failed) for cell in cells)
    hit = [cell.title for cell in cells if cell.failed]
    about = f"{words.counted(failed, 'run')} failed: {words.listed(hit[:4])}{' and more' if len(hit) > 4 else ''}."
    return Card(
        "runs that came to their end",
        f"{words.figure(asked - failed)} of {words.figure(asked)}",
        "",
        about if failed else "None failed.",
    )
