"""`hilbench compile`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hilbench.bridge.device.watchdog import watched
from hilbench.cli._shared import INTERRUPTED, complain, complain_of_zeros, print_json, share
from hilbench.errors import RecordError, ScenarioError

if TYPE_CHECKING:
    from hilbench.nal.compile.report import Activity, CompileReport, Cost
    from hilbench.record.data import RunData

UNKNOWN = "unknown"
Network = Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="NETWORK")]


def compile_file(
    network: Network,
    /,
    *,
    target: str,
    activity: Path | None = None,
    chips: int = 1,
    zeros_max: float | None = None,
    as_json: Annotated[bool, tyro.conf.arg(name="json")] = False,
) -> int:
    """Check, quantise and place a network for a piece of hardware. Ends with 1 when it breaks a limit or is erased.

    Parameters
    ----------
    network
        a NIR file with a profile
    target
        which hardware; a wrong name prints all there are
    activity
        folder of a run of this network whose record.spikes names its populations; traffic and energy are for its spikes
    chips
        how many chips there may be
    zeros_max
        the share of a projection's weights, or a population's thresholds, that may become 0 before this ends
        with 1; 0.5 without it
    as_json
        print everything as JSON
    """
    from hilbench.nal.compile.target import load_target
    from hilbench.nal.compile.zeros import ZEROS_MAX
    from hilbench.nal.nir import read_with_notes

    if chips < 1:
        raise ScenarioError(f"--chips: found {chips}, expected 1 or more")
    most = share("--zeros-max", zeros_max, ZEROS_MAX)
    found = load_target(target)
    recorded = None if activity is None else _activity(activity)
    with watched(INTERRUPTED):
        whole, _ = read_with_notes(network, {}, ("hilbench.nal.compile.report",))

        from hilbench.nal.compile.report import compile_network

        report = compile_network(whole, target, found, recorded, chips)
    if as_json:
        print_json(report)
    else:
        _print(report, found.summary)
    for broken in report.broken:
        complain(str(broken))
    lost = [*(w.lost for w in report.weights), *(n.lost for n in report.populations)]
    erased = complain_of_zeros(lost, report.erased, most)
    return 1 if report.broken or erased else 0


def _activity(folder: Path) -> Activity:
    """The spikes of a run, neuron by neuron. Raises RecordError."""
    from hilbench.metrics import n_periods
    from hilbench.nal.compile.report import Activity
    from hilbench.record.reader import read_run

    wanted = ("events", "probe_events", "answered", "weight_updates", "terminated", "truncated")
    run = read_run(folder, wanted)
    period_s = run.meta.scenario.loop.period_s
    network = run.meta.network
    if network is None or not run.episodes:
        raise RecordError(f"{folder}: no network ran in it, so it has no activity")
    populations = {name: network.populations[name].n_neurons for name in run.meta.scenario.record.spikes}
    ports = {port.name: port.size for port in run.meta.ports.inputs if port.kind == "events"}
    ticks = int(sum(episode["answered"].sum() for episode in run.episodes))
    return Activity(
        spikes=_counts(run, "probe_events", populations) | _counts(run, "events", ports),
        ticks=ticks,
        seconds=ticks * period_s,
        run_s=n_periods(run) * period_s,
        weight_updates=float(sum(episode["weight_updates"].sum() for episode in run.episodes)),
        period_us=round(period_s * 1e6),
        facts=network,
    )


def _counts(run: RunData, column: str, sizes: dict[str, int]) -> dict[str, Any]:
    """How often each address of each part came in answered ticks; parts lie side by side in this order."""
    import numpy as np

    total = sum(sizes.values())
    found = np.zeros(total, np.int64)
    for episode in run.episodes:
        found_in = episode.get(column, ())
        rows = [row["address"] for row, told in zip(found_in, episode["answered"], strict=False) if told and len(row)]
        if rows:
            found += np.bincount(np.concatenate(rows), minlength=total)[:total]
    ends = np.cumsum([0, *sizes.values()])
    return {name: found[a:b] for name, a, b in zip(sizes, ends[:-1], ends[1:], strict=True)}


def _print(report: CompileReport, summary: str) -> None:
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
