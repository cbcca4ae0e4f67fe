"""The head of a report: what was compared, in a sentence, and the few numbers that matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from hilbench.report import words
from hilbench.report.data import Evaluation, ReportCell, phase, phases, with_value
from hilbench.report.entries import of_seeds
from hilbench.report.tables import NULL, comparable

MOST = 3
"""How many groups have cards of their own; the tables have all groups."""


class Card(NamedTuple):
    """One number in large type, and what it is."""

    name: str
    figure: str
    who: str
    about: str


def sentence(summaries: Sequence[Evaluation]) -> str:
    """One sentence that says what was compared."""
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
    """The cards: adaptivity and error of the first groups, then real time, then what failed.

    Parameters
    ----------
    groups : mapping
        A group's name -> its cells.
    references : mapping
        A group's name -> what its cells are compared with.
    """
    found: list[Card | None] = []
    scored = [name for name, cells in groups.items() if any(cell.value("adaptivity") is not None for cell in cells)]
    for name in (scored or list(groups))[:MOST]:
        told = f" in {name}" if len(scored or groups) > 1 else ""
        found += [_adaptivity(groups[name], told), _error(groups[name], references.get(name, []), told)]
    cells = [cell for some in groups.values() for cell in some]
    return [card for card in [*found, _real_time(cells), _runs(cells)] if card]


def _adaptivity(cells: Sequence[ReportCell], told: str) -> Card | None:
    scored = with_value(_largest_group([cell for _, cell in with_value(cells, "adaptivity")]), "adaptivity")
    if not scored:
        return None
    # One that fails a control is no learning; where none passes, the card says so.
    passing = [each for each in scored if not each[1].controls]
    _, best = max(passing or scored, key=itemgetter(0))
    metric = best.metrics["adaptivity"]
    bounds = f", 95 % interval {words.interval(*metric.ci95)}" if metric.ci95 else ""
    about = f"{of_seeds(best, metric)}{bounds}. 1 is as good as the oracle at once, 0 no better than frozen."
    about += "" if passing else " Every cell fails a control."
    return Card(f"best adaptivity{told}", words.figure(metric.value), best.title, about)


def _error(cells: Sequence[ReportCell], references: Sequence[ReportCell], told: str) -> Card | None:
    _, after = phases(cells)
    known = with_value(_largest_group([cell for _, cell in with_value(cells, after)]), after)
    if len(known) < 2:
        return None
    least, best = min(known, key=itemgetter(0))
    floors = [(value, cell) for value, cell in with_value(references, after) if cell.role == "floor"]
    floors = [(value, cell) for value, cell in floors if comparable(cell) == comparable(best)]
    larger, other = floors[0] if floors else max(known, key=itemgetter(0))
    what = f"the floor, {other.controller}," if floors else f"{other.title}, the largest,"
    unit = best.metrics[after].unit
    when = " after the change" if "[" in after else ""
    about = f"RMS {phase(after) or 'over the run'}; {what} has {words.quantity(larger, unit)}"
    if least > 0:
        about += f", {words.figure(larger / least)} times as much"
    return Card(f"least error{when}{told}", words.quantity(least, unit), best.title, about + ".")


def _largest_group(cells: Sequence[ReportCell]) -> list[ReportCell]:
    """The largest group of cells that may be ranked against each other."""
    groups: dict[tuple[Any, ...], list[ReportCell]] = {}
    for cell in cells:
        groups.setdefault(comparable(cell), []).append(cell)
    return max(groups.values(), key=len, default=[])


def _real_time(cells: Sequence[ReportCell]) -> Card | None:
    live = with_value((c for c in cells if c.mode == "realtime" and c.backend != NULL), "latency[p50]")
    if not live:
        return None
    median_s, cell = min(live, key=itemgetter(0))
    told = f" in {cell.group}" if len({each.group for _, each in live}) > 1 else ""
    echo, late, missed = (cell.value(name) for name in ("link_round_trip[p50]", "latency[p99]", "misses"))
    said = [f"p99 {words.quantity(late, 's')}"] if late is not None else []
    said += [f"the link's round trip alone {words.quantity(echo, 's')}"] if echo is not None else []
    said += [f"{words.counted(missed, 'missed deadline')} per run"] if missed is not None else []
    return Card(
        f"shortest latency, p50{told}",
        words.quantity(median_s, "s"),
        cell.title,
        "; ".join(said) + ".",
    )


def _runs(cells: Sequence[ReportCell]) -> Card:
    asked, failed = sum(len(cell.seeds) for cell in cells), sum(len(cell.failures) for cell in cells)
    hit = [cell.name for cell in cells if cell.failures]
    about = f"{words.counted(failed, 'run')} failed: {words.listed(hit[:4])}{' and more' if len(hit) > 4 else ''}."
    return Card(
        "runs that came to their end",
        f"{words.figure(asked - failed)} of {words.figure(asked)}",
        "",
        about if failed else "None failed.",
    )
