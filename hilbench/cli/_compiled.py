"""What compiling a network found, as lines and tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from hilbench.nal.compile.report import CompileReport, Cost

UNKNOWN = "unknown"


def show(report: CompileReport, summary: str) -> None:
    """Print all of a report but what breaks a limit.

    Parameters
    ----------
    report : CompileReport
        Of one network for one target.
    summary : str
        What the target is.
    """
    console = Console()
    cores = f"{report.cores} of {report.cores_allowed} cores"
    _line(console, f"{report.target}: {summary}")
    _line(console, f"{report.neurons} neurons and {report.synapses} synapses on {cores}")
    _table(console, "", list(_use(report)), ("", "most", "mean", "allowed", "used"))
    for line in _traffic(report):
        _line(console, line)
    if report.weights:
        errors = [
            (w.projection, f"2^{w.exponent}", f"{w.max_abs:.3g}", f"{w.rms_relative:.2%}", f"{w.zeros} of {w.of}")
            for w in report.weights
        ]
        _table(console, "weights", errors, ("projection", "exponent", "largest error", "rms error", "become 0"))
    changes = [(n.population, *map(_percent, (n.threshold, n.tau, n.tau_syn))) for n in report.populations]
    if any(set(row[1:]) != {""} for row in changes):
        _table(console, "neurons: largest change", changes, ("population", "threshold", "tau", "tau of the current"))
    if report.energy is not None:
        _table(console, "modelled joules per decision", list(_joules(report.energy)), ("part", "events", "J", "range"))
    told = (("approximated", report.approximated), ("dropped", report.dropped), ("erased", report.erased))
    for title, lines in told:
        for line in lines:
            _line(console, f"{title}: {line}")
    held = "keeps every limit" if not report.broken else f"breaks limits: {len(report.broken)}"
    erased = ", but rounding erases parts of it" if report.erased else ""
    _line(console, f"verdict: the network {held}{erased}")


def _line(console: Console, text: str) -> None:
    console.print(escape(text), soft_wrap=True)


def _table(console: Console, title: str, rows: Sequence[tuple[str, ...]], headings: tuple[str, ...]) -> None:
    table = Table(title=title or None, title_justify="left", box=None, padding=(0, 2))
    for i, heading in enumerate(headings):
        table.add_column(heading, justify="right" if i else "left")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def _use(report: CompileReport) -> Iterator[tuple[str, ...]]:
    for name, use in report.use.items():
        per = "neuron" if name == "cores_reached" else "core"
        limit = ("no limit known", "") if use.allowed is None else (str(use.allowed), f"{use.most / use.allowed:.0%}")
        yield (f"{name} per {per}", str(use.most), f"{use.mean:.1f}", *limit)


def _traffic(report: CompileReport) -> Iterator[str]:
    from hilbench.nal.compile.place import METIS

    traffic = report.traffic
    yield (
        f"messages between cores for {traffic.of}: {traffic.messages:g} in {traffic.order} order"
        f" ({traffic.messages_in_order:g} in the network's own)"
    )
    if report.cores > 1 and METIS not in traffic.tried:
        yield f'tried: {", ".join(traffic.tried)}; METIS often does better: pip install "hilbench[place]"'
    yield f"hops of these between routers: {UNKNOWN if traffic.hops is None else f'{traffic.hops:g}'}"


def _joules(cost: Cost) -> Iterator[tuple[str, str, str, str]]:
    for name, part in (*cost.parts.items(), ("known parts but static", cost.dynamic)):
        events = "" if part is cost.dynamic else f"{part.events:.4g}"
        if part.joules is None:
            yield name, events, UNKNOWN, part.reason
        else:
            yield name, events, f"{part.joules.value:.3g}", f"{part.joules.low:.3g} to {part.joules.high:.3g}"
    for name, joules in cost.baselines.items():
        yield f"{name} in 45 nm", "", f"{joules.value:.3g}", f"{joules.low:.3g} to {joules.high:.3g}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.2%}"
