"""The compiled network step over the arrays of `nal.lower`. No Python, no allocation, no lookup inside.

Imported through `backends.numba`, which first points numba's disk cache at a folder keyed by this file's text.
No fast-math, so that every machine rounds alike.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hilbench.nal.lower import (
    ADD,
    DECAY,
    DELAY,
    DENSE,
    FIRST_PROJECTION,
    GAIN,
    HI,
    KEEP,
    LAST_PROJECTION,
    LO,
    MODULATOR_LO,
    OUT_ADDRESS,
    PLASTIC,
    PROBE_ADDRESS,
    PROJECTION,
    REST,
    ROW,
    SCALE,
    SOURCE_HI,
    SOURCE_LO,
    TARGET_HI,
    TARGET_LO,
    THRESHOLD,
    TRACE_DECAY,
    TRACE_LO,
)
from hilbench.nal.rules import pes

_rate = njit(inline="always")(pes.rate)
_change = njit(inline="always")(pes.change)

# Places in the arrays of counts that a call leaves behind.
SPIKES, SYNAPTIC_OPERATIONS, NEURON_UPDATES, WEIGHT_UPDATES = range(4)
N_OUT, N_PROBE, CLOCK = range(3)


# Loops run from 0 over views: an index that may be negative costs a test per access and keeps a loop from vectorising.


@njit(cache=True)
def _hold_values(values, bias, projections, n_from_values, starts, targets, weights, held_current):
    """Fill `held_current` (n,) with what constant inputs and held values bring in each step of this tick.

    Returns the synaptic operations that this costs per step.
    """
    held_current[:] = bias
    operations = 0
    for p in range(n_from_values):
        for s in range(projections[p, SOURCE_HI] - projections[p, SOURCE_LO]):
            x = values[projections[p, SOURCE_LO] + s]
            if x != 0:
                operations += _deliver(p, s, x, projections, starts, targets, weights, held_current)
    return operations


@njit(cache=True)
def _deliver(p, source, x, projections, starts, targets, weights, current):
    """Add x times one source's weights to its targets' current (n,). Returns how many of them are not 0."""
    row = projections[p, ROW] + source
    a, b = starts[row], starts[row + 1]
    w, n = weights[a:b], b - a
    if projections[p, DENSE]:
        onto = current[projections[p, TARGET_LO] : projections[p, TARGET_HI]]
        for k in range(n):
            onto[k] += x * w[k]
    else:
        to = targets[a:b]
        for k in range(n):
            current[to[k]] += x * w[k]
    if projections[p, PLASTIC]:  # learning makes zeros and fills them; a static projection stores none
        n = 0
        for k in range(w.size):
            n += w[k] != 0
    return n


@njit(cache=True)
def _update(neurons, v, held, current, held_current, spiked):
    """One step of one population's neurons (views): writes 1 into `spiked` where one fires, and resets nothing yet.

    Each loop does one simple thing, so that it vectorises, which one loop with branches does not.
    """
    decay, gain, rest, threshold = neurons[DECAY], neurons[GAIN], neurons[REST], neurons[THRESHOLD]
    for i in range(v.size):
        moved = rest[i] + (v[i] - rest[i]) * decay[i] + gain[i] * (held_current[i] + current[i])
        v[i] = moved if held[i] == 0 else v[i]
    for i in range(v.size):
        spiked[i] = np.uint8(v[i] > threshold[i]) & np.uint8(held[i] == 0)
    for i in range(v.size):
        held[i] -= np.int32(held[i] > 0)
    current[:] = 0


@njit(cache=True)
def _learn(learning, dt_s, modulators, projections, starts, targets, weights, plastic, constants, rates, spiked):
    """PES on every plastic projection: rates run always, weights change only while learning. Counts the changes."""
    updates = 0
    for q in range(plastic.shape[0]):
        p = plastic[q, PROJECTION]
        n = projections[p, SOURCE_HI] - projections[p, SOURCE_LO]
        fired = spiked[projections[p, SOURCE_LO] : projections[p, SOURCE_HI]]
        hz = rates[plastic[q, TRACE_LO] : plastic[q, TRACE_LO] + n]
        decay, scale = constants[TRACE_DECAY, q], constants[SCALE, q]
        for s in range(n):
            hz[s] = _rate(hz[s], fired[s], decay, dt_s)
        if not learning:
            continue
        n_targets = projections[p, TARGET_HI] - projections[p, TARGET_LO]
        errors = modulators[plastic[q, MODULATOR_LO] : plastic[q, MODULATOR_LO] + n_targets]
        row = projections[p, ROW]
        first, last = starts[row], starts[row + n]
        if projections[p, DENSE]:
            dense = weights[first:last].reshape(n, n_targets)
            for k in range(n_targets):
                if errors[k] != 0:
                    updates += n
                    for s in range(n):
                        dense[s, k] += _change(scale, errors[k], hz[s])
            continue
        for s in range(n):
            for k in range(starts[row + s], starts[row + s + 1]):
                error = errors[targets[k] - projections[p, TARGET_LO]]
                weights[k] += _change(scale, error, hz[s])
                updates += error != 0
    return updates


@njit(cache=True)
def run(
    n_steps, learning, events, values, modulators, dt_us, dt_s, amplitude,
    bias, neurons, refractory_steps, populations, projections, n_from_values, n_from_events, starts, targets, weights,
    plastic, constants, readouts, v, held, current, held_current, rates, spiked,
    values_out, out, probe, counts, marks,
):  # fmt: skip
    """`n_steps` network steps. Events (k, 2) uint32 come in by time; output and probe events are written likewise.

    `counts` (4,) is added to; `marks` (3,) says how many events were written and where the delay ring stands.
    """
    operations = n_steps * _hold_values(
        values, bias, projections, n_from_values, starts, targets, weights, held_current
    )
    n_slots, n_events, next_event = current.shape[0], events.shape[0], 0
    n_out, n_probe, slot = 0, 0, marks[CLOCK]
    for step in range(n_steps):
        start_us = step * dt_us
        while next_event < n_events and events[next_event, 0] < start_us + dt_us:
            address = events[next_event, 1]
            for p in range(n_from_values, n_from_events):
                if projections[p, SOURCE_LO] <= address < projections[p, SOURCE_HI]:
                    at = current[(slot + projections[p, DELAY]) % n_slots]
                    source = address - projections[p, SOURCE_LO]
                    operations += _deliver(p, source, 1.0, projections, starts, targets, weights, at)
            next_event += 1
        for q in range(populations.shape[0]):
            lo, hi = populations[q, LO], populations[q, HI]
            fired = spiked[lo:hi]
            _update(neurons[:, lo:hi], v[lo:hi], held[lo:hi], current[slot, lo:hi], held_current[lo:hi], fired)
            out_address, probe_address = populations[q, OUT_ADDRESS], populations[q, PROBE_ADDRESS]
            for i in range(hi - lo):
                if not fired[i]:
                    continue
                counts[SPIKES] += 1
                v[lo + i] = neurons[KEEP, lo + i] * v[lo + i] + neurons[ADD, lo + i]
                held[lo + i] = refractory_steps[lo + i]
                for p in range(populations[q, FIRST_PROJECTION], populations[q, LAST_PROJECTION]):
                    at = current[(slot + projections[p, DELAY]) % n_slots]
                    operations += _deliver(p, i, amplitude, projections, starts, targets, weights, at)
                if out_address >= 0:
                    out[n_out, 0], out[n_out, 1] = start_us, out_address + i
                    n_out += 1
                if probe_address >= 0:
                    probe[n_probe, 0], probe[n_probe, 1] = start_us, probe_address + i
                    n_probe += 1
        counts[WEIGHT_UPDATES] += _learn(
            learning, dt_s, modulators, projections, starts, targets, weights, plastic, constants, rates, spiked
        )
        slot = slot + 1 if slot + 1 < n_slots else 0
    for i in range(readouts.size):
        values_out[i] = v[readouts[i]]
    counts[SYNAPTIC_OPERATIONS] += operations
    counts[NEURON_UPDATES] += n_steps * v.size
    marks[N_OUT], marks[N_PROBE], marks[CLOCK] = n_out, n_probe, slot
