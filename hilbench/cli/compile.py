"""`hilbench compile`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from hilbench.bridge.device.watchdog import watched
from hilbench.cli._shared import INTERRUPTED, complain, complain_of_zeros, one_thread, print_json, share
from hilbench.errors import RecordError, ScenarioError

if TYPE_CHECKING:
    from hilbench.nal.compile.report import Activity
    from hilbench.record.data import RunData

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
    from hilbench.nal.nir import read_with_notes

    if chips < 1:
        raise ScenarioError(f"--chips: found {chips}, expected 1 or more")
    most = share("--zeros-max", zeros_max)
    found = load_target(target)
    recorded = None if activity is None else _activity(activity)
    with watched(INTERRUPTED):
        with one_thread():
            whole, _ = read_with_notes(network, {}, ("hilbench.nal.compile.report", "hilbench.cli._compiled"))

        from hilbench.cli._compiled import show
        from hilbench.nal.compile.report import compile_network

        report = compile_network(whole, target, found, recorded, chips)
    if as_json:
        print_json(report)
    else:
        show(report, found.summary)
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
    own_time = run.meta.scenario.controllers[run.meta.scenario.controller].get("steps_per_period") is not None
    populations = {name: network.populations[name].n_neurons for name in run.meta.scenario.record.spikes}
    ports = {port.name: port.size for port in run.meta.ports.inputs if port.kind == "events"}
    ticks = int(sum(episode["answered"].sum() for episode in run.episodes))
    return Activity(
        spikes=_counts(run, "probe_events", populations) | _counts(run, "events", ports),
        ticks=ticks,
        seconds=ticks * period_s,
        run_s=n_periods(run) * period_s,
        weight_updates=float(sum(episode["weight_updates"].sum() for episode in run.episodes)),
        period_us=None if own_time else round(period_s * 1e6),
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
