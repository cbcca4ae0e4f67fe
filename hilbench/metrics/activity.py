"""What the controller's network did per control period, as its device counted it."""

from __future__ import annotations

from hilbench.metrics import Measure, Measures, column, metric
from hilbench.types import RunData


@metric("1/tick", "lower")
def spikes(run: RunData) -> Measures:
    """Spikes of all neurons per answered tick."""
    return _per_tick(run, "spikes")


@metric("1/tick", "lower")
def synaptic_operations(run: RunData) -> Measures:
    """Stored synapses crossed by a spike, an event or a value other than 0, per answered tick."""
    return _per_tick(run, "synaptic_operations")


@metric("1/tick", "lower")
def neuron_updates(run: RunData) -> Measures:
    """Neuron updates per answered tick, idle neurons included."""
    return _per_tick(run, "neuron_updates")


@metric("1/tick", "neither")
def weight_updates(run: RunData) -> Measures:
    """Weights changed by learning per answered tick."""
    return _per_tick(run, "weight_updates")


def _per_tick(run: RunData, counter: str) -> Measures:
    answered = column(run, "answered").astype(bool)
    counts = column(run, counter)[answered]
    return {"": Measure(float(counts.mean()), counts.size)} if counts.size else {}
