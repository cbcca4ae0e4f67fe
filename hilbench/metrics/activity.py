"""What the controller's network did per control period, as its device counted it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.metrics import Measure, Measures, column, metric
from hilbench.types import RunData


@metric("1/tick", "lower")
def spikes(run: RunData) -> Measures:
    """Spikes of all neurons per answered tick, and for each whose tracking error was within the tolerance."""
    found = _per_tick(run, "spikes")
    tolerance = run.meta["scenario"].get("score", {}).get("tolerance")
    if found and tolerance is not None:
        answered = _answered(run)
        error = column(run, f"info.{run.meta['sheet']['error']}")[answered]
        inside = int((np.abs(error) <= tolerance).sum())
        per_correct = float(column(run, "spikes")[answered].sum()) / inside if inside else None
        note = "" if inside else "no decision was within the tolerance"
        found["in tolerance"] = Measure(per_correct, inside, note=note)
    return found


@metric("1/tick", "lower")
def synaptic_operations(run: RunData) -> Measures:
    """Weights other than 0 crossed by something other than 0 per answered tick, and NeuroBench's three counts of them.

    As NeuroBench (metrics/workload/synaptic_operations.py) has it: a layer whose inputs are all -1, 0 or 1 accumulates,
    any other one multiplies as well, a dense count has the zeros too, and constant inputs are left out. A layer's input
    is here a value port in one tick; spikes and events are ones.
    """
    found = _per_tick(run, "synaptic_operations")
    network = run.meta.get("network")
    if not found or network is None:
        return found
    n = found[""].n
    total = int(column(run, "synaptic_operations")[_answered(run)].sum())
    macs = multiplications(run, network)
    if macs <= total:  # a device that counts fewer does not count by this rule
        found["effective_acs"] = Measure((total - macs) / n, n)
        found["effective_macs"] = Measure(macs / n, n)
    synapses = sum(int(np.prod(p["shape"])) for p in network["projections"].values())
    steps = network["steps_per_tick"] * sum(int(_periods(run, e).sum()) for e in run.episodes)
    return found | {"dense": Measure(synapses * steps / n, n)}


@metric("1/tick", "lower")
def neuron_updates(run: RunData) -> Measures:
    """Neuron updates per answered tick, idle neurons included."""
    return _per_tick(run, "neuron_updates")


@metric("1/tick", "neither")
def weight_updates(run: RunData) -> Measures:
    """Weights changed by learning per answered tick."""
    return _per_tick(run, "weight_updates")


@metric("1", "neither")
def weights_changed(run: RunData) -> Measures:
    """Share of plastic weights that a learning network step updates, and of watched ones that the run changed."""
    network = run.meta.get("network")
    return {} if network is None else _changed_per_step(run, network) | _changed_over_run(run, network)


def _changed_per_step(run: RunData, network: dict[str, Any]) -> Measures:
    plastic = sum(p["synapses"] for p in network["projections"].values() if p["plastic"])
    # A lost reply's updates are in the next one's counters, so every tick that the network has run counts.
    ticks = int((column(run, "learning").astype(bool) & column(run, "processed").astype(bool)).sum())
    steps = ticks * network["steps_per_tick"]
    if not plastic * steps:
        return {}
    updates = column(run, "weight_updates")[_answered(run)].sum()
    return {"per step": Measure(float(updates) / steps / plastic, steps)}


def _changed_over_run(run: RunData, network: dict[str, Any]) -> Measures:
    """Between the first record of whole weights and the last one; norms follow the weights in a record."""
    watched = run.meta["scenario"].get("record", {}).get("weights", ())
    n = sum(network["projections"][name]["synapses"] for name in watched)
    records = [row[:n] for episode in run.episodes for row in episode.get("probe_values", ()) if len(row)]
    if not n or len(records) < 2:
        return {}
    return {"over run": Measure(float(np.mean(records[0] != records[-1])), n)}


def multiplications(run: RunData, network: dict[str, Any]) -> int:
    """Operations of value ports, in ticks in which they hold any other number than -1, 0 and 1."""
    first, total = 0, 0
    for port in run.meta["program"]["inputs"]:
        if port["kind"] != "values":
            continue
        crossed = [p["fan_out"] for p in network["projections"].values() if p["source"] == port["name"]]
        fan_out = np.sum([np.zeros(port["size"], int), *crossed], axis=0)
        for episode in run.episodes:
            values = episode["values_in"][:, first : first + port["size"]]
            graded = ~np.isin(values, (-1, 0, 1)).all(axis=1)
            total += int(((values != 0) @ fan_out * graded * _periods(run, episode)).sum())
        first += port["size"]
    return total * network["steps_per_tick"]


def _periods(run: RunData, episode: dict[str, NDArray]) -> NDArray:
    """(n,) int: how many periods the network ran on each tick's values: its own, and those it caught up after it."""
    ran = np.flatnonzero(episode["processed"])
    periods = np.zeros(len(episode["seq"]), int)
    periods[ran] = 1
    periods[ran[:-1]] += np.minimum(np.diff(ran) - 1, run.meta["scenario"]["loop"].get("catch_up", 0))
    return periods


def _answered(run: RunData) -> NDArray:
    return column(run, "answered").astype(bool)


def _per_tick(run: RunData, counter: str) -> Measures:
    counts = column(run, counter)[_answered(run)]
    return {"": Measure(float(counts.mean()), counts.size)} if counts.size else {}
