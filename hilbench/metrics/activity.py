"""What the controller's network did per control period, as its device counted it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.metrics import Measure, Measures, column, metric
from hilbench.record.data import RunData
from hilbench.types import NetworkFacts


@metric("1/tick", "lower")
def spikes(run: RunData) -> Measures:
    """Spikes of all neurons per answered tick, and for each whose tracking error was within the tolerance.

    `[right decision]` has all spikes of the run by its decisions that were right, where a plant asks for decisions: its
    info says `decided` in the period after one, and whether it was `correct`.
    """
    found = _per_tick(run, "spikes")
    if found and {"decided", "correct"} <= run.meta.plant_spec.info_units.keys():
        found["right decision"] = _per_right_decision(run)
    tolerance = run.meta.scenario.score.tolerance
    if found and tolerance is not None:
        if not (name := run.meta.plant_spec.error):
            return found | {"in tolerance": Measure(None, 0, note="the plant has no error to compare with a tolerance")}
        answered = _answered(run)
        error = column(run, f"info.{name}")[answered]
        inside = int((np.abs(error) <= tolerance).sum())
        per_correct = float(column(run, "spikes")[answered].sum()) / inside if inside else None
        note = "" if inside else "no decision was within the tolerance"
        found["in tolerance"] = Measure(per_correct, inside, note=note)
    return found


def _per_right_decision(run: RunData) -> Measure:
    decided = (column(run, "info.decided") != 0) & (column(run, "info.correct") != 0)
    n, spikes = int(decided.sum()), float(column(run, "spikes")[_answered(run)].sum())
    return Measure(spikes / n if n else None, n, "1", note="" if n else "no decision was right")


@metric("1/tick", "lower")
def synaptic_operations(run: RunData) -> Measures:
    """Weights other than 0 crossed by something other than 0 per answered tick, and NeuroBench's three counts of them.

    As NeuroBench (metrics/workload/synaptic_operations.py) has it: a layer whose inputs are all -1, 0 or 1 accumulates,
    any other one multiplies as well, a dense count has the zeros too, and constant inputs are left out. The device
    counts layer by layer, in each network step. All three are of the periods that answered ticks tell of.
    """
    found = _per_tick(run, "synaptic_operations")
    network = run.meta.network
    if not found or network is None:
        return found
    n = found[""].n
    answered = _answered(run)
    total, macs, updates = (
        int(column(run, name)[answered].sum()) for name in ("synaptic_operations", "multiplications", "neuron_updates")
    )
    if updates and macs <= total:  # a device that counts none, or in another way, gives no figure
        found["effective_acs"] = Measure((total - macs) / n, n)
        found["effective_macs"] = Measure(macs / n, n)
    steps = network.steps_per_tick * int(_periods(run)[answered].sum())
    return found | {"dense": Measure(sum(p.n_dense_synapses for p in network.projections.values()) * steps / n, n)}


@metric("1/tick", "lower")
def neuron_updates(run: RunData) -> Measures:
    """Neuron updates per answered tick, idle neurons included."""
    return _per_tick(run, "neuron_updates")


@metric("1/tick", "neither")
def weight_updates(run: RunData) -> Measures:
    """Updates of weights and thresholds by learning per answered tick."""
    return _per_tick(run, "weight_updates")


@metric("1", "neither")
def weights_changed(run: RunData) -> Measures:
    """Share of plastic weights that a learning network step updates, and of watched ones that the run changed."""
    network = run.meta.network
    return {} if network is None else _changed_per_step(run, network) | _changed_over_run(run, network)


def _changed_per_step(run: RunData, network: NetworkFacts) -> Measures:
    plastic = sum(p.n_synapses for p in network.projections.values() if p.plastic)
    # The updates of a lost reply are in no counter.
    learnt = column(run, "learning").astype(bool) & _answered(run)
    steps = int(learnt.sum()) * network.steps_per_tick
    if not plastic * steps:
        return {}
    # Thresholds that a rule moves are in the same counter, each in every step.
    moved = steps * sum(p.n_neurons for p in network.populations.values() if p.plastic)
    updates = column(run, "weight_updates")[learnt].sum() - moved
    return {"per step": Measure(float(updates) / steps / plastic, steps)}


def _changed_over_run(run: RunData, network: NetworkFacts) -> Measures:
    """Between the first record of whole weights and the last one; norms follow the weights in a record."""
    watched = run.meta.scenario.record.weights
    n = sum(network.projections[name].n_synapses for name in watched)
    records = [row[:n] for episode in run.episodes for row in episode.get("probe_values", ()) if len(row)]
    if not n or len(records) < 2:
        return {}
    return {"over run": Measure(float(np.mean(records[0] != records[-1])), n)}


def _periods(run: RunData) -> NDArray:
    """(n,) int: how many periods an answered tick's counters are of: its own, and those that were caught up before it.

    The counters of a tick whose reply was lost are lost with it, and those of a period that was jumped never were.
    """
    return column(run, "seq") - column(run, "prev_seq") - column(run, "slip")


def _answered(run: RunData) -> NDArray:
    return column(run, "answered").astype(bool)


def _per_tick(run: RunData, counter: str) -> Measures:
    counts = column(run, counter)[_answered(run)]
    return {"": Measure(float(counts.mean()), counts.size)} if counts.size else {}
