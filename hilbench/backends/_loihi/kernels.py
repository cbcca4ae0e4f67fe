"""The compiled step of an integer network over the arrays of `nal.loihi.lower`: only integers, alike on all machines.

Only `backends.loihi` and `backends.lava` import this module, after they have set numba's disk cache to a folder
keyed by the equations' text.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hilbench.nal.loihi import equations
from hilbench.nal.loihi.equations import ALIGN_BITS
from hilbench.nal.loihi.lower import BundleColumn, NeuronRow, PopulationColumn, TapColumn

_decayed = njit(inline="always")(equations.decayed)
_wrapped = njit(inline="always")(equations.wrapped)
_clipped = njit(inline="always")(equations.clipped)
_shifted = njit(inline="always")(equations.shifted)
_registered = njit(inline="always")(equations.registered)

# Places in the arrays of counts and marks that a call leaves behind.
SPIKES, SYNAPTIC_OPERATIONS = range(2)
N_OUT, N_PROBE, CLOCK = range(3)

FAR = 2.0**30
"""Far beyond what a bias can be, and not beyond an integer."""


@njit(cache=True, nogil=True)
def hold(values, constant, bias, held, scales, starts, targets, weights, total):
    """Write the bias that the constant input and the held values give, in the form of the chip's registers.

    Only this function uses real numbers. A product of two float32 is exact in float64, so that all machines get the
    same sums.

    Parameters
    ----------
    values : (n_values,) float64
        The held values.
    constant : (n,) int64
        The bias of the constant input.
    bias : (n,) int64
        Written: the whole bias.
    held : (n_value_inputs, 5) int64
        A row for each projection of values.
    scales : (n,) float64
        The bias per weight x value, by target neuron, one projection after the other.
    starts : (n_rows + 1,) int64
        Where each source's synapses begin.
    targets : (n_synapses,) int32
        The target neuron of each synapse.
    weights : (n_synapses,) float32
        The weight of each synapse.
    total : (n,) float64
        Scratch space.
    """
    bias[:] = constant
    first_scale = 0
    for h in range(held.shape[0]):
        lo, hi, row = held[h, BundleColumn.TARGET_LO], held[h, BundleColumn.TARGET_HI], held[h, BundleColumn.ROW]
        total[: hi - lo] = 0
        for s in range(held[h, BundleColumn.SOURCE_HI] - held[h, BundleColumn.SOURCE_LO]):
            x = values[held[h, BundleColumn.SOURCE_LO] + s]
            for k in range(starts[row + s], starts[row + s + 1]):
                total[targets[k]] += weights[k] * x
        for i in range(hi - lo):
            bias[lo + i] += np.int64(np.rint(min(max(scales[first_scale + i] * total[i], -FAR), FAR)))
        first_scale += hi - lo
    for i in range(bias.size):
        bias[i] = _registered(bias[i])


@njit(cache=True)
def _update(neurons, bias, arriving, u, v, held):
    """One step of one population (views), spikes not yet looked for. Each loop is simple, so that it vectorises."""
    du, dv = neurons[NeuronRow.DU], neurons[NeuronRow.DV]
    for i in range(u.size):
        u[i] = _wrapped(_decayed(u[i], du[i] + 1) + (arriving[i] << ALIGN_BITS))
    for i in range(v.size):
        moved = _clipped(_decayed(v[i], dv[i]) + u[i] + bias[i])
        v[i] = moved if held[i] == 0 else v[i]


@njit(cache=True)
def _fire(first, neurons, v, held, fired, n_fired):
    """Reset the neurons whose v is past its threshold and append them to `fired`; returns how many stand there then."""
    threshold, refractory = neurons[NeuronRow.THRESHOLD], neurons[NeuronRow.REFRACTORY]
    for i in range(v.size):
        if held[i] > 0:
            held[i] -= 1
        elif v[i] > threshold[i]:
            v[i] = 0
            held[i] = refractory[i]
            fired[n_fired] = first + i
            n_fired += 1
    return n_fired


@njit(cache=True)
def _deliver(bundle, senders, starts, targets, weights, total, ring, slot):
    """Add up what a bundle's sources send, then put the sum, shifted, where its delay says. Returns the operations."""
    operations = 0
    for sender in senders:
        if bundle[BundleColumn.SOURCE_LO] <= sender < bundle[BundleColumn.SOURCE_HI]:
            row = bundle[BundleColumn.ROW] + sender - bundle[BundleColumn.SOURCE_LO]
            for k in range(starts[row], starts[row + 1]):
                total[targets[k]] += weights[k]
                operations += weights[k] != 0
    if operations:
        at = ring[(slot + bundle[BundleColumn.DELAY]) % ring.shape[0]]
        for i in range(bundle[BundleColumn.TARGET_HI] - bundle[BundleColumn.TARGET_LO]):
            at[bundle[BundleColumn.TARGET_LO] + i] += _shifted(total[i], bundle[BundleColumn.EXPONENT])
            total[i] = 0
    return operations


@njit(cache=True)
def _write(taps, populations, fired, fired_to, t_us, rows, n):
    """Write the spikes of tapped populations as events; returns how many rows are written then."""
    for t in range(taps.shape[0]):
        q = taps[t, TapColumn.POPULATION]
        for k in range(fired_to[q], fired_to[q + 1]):
            rows[n, 0], rows[n, 1] = t_us, taps[t, TapColumn.ADDRESS] + fired[k] - populations[q, PopulationColumn.LO]
            n += 1
    return n


@njit(cache=True, nogil=True)
def run(
    n_steps, times_us, addresses, dt_us, bias, neurons, populations, outputs, probes, bundles, starts, targets, weights,
    u, v, held, ring, total, fired, fired_to, out, probe, counts, marks,
):  # fmt: skip
    """Run network steps. Output and probe events are written in the order of time.

    Parameters
    ----------
    n_steps : int
        How many.
    times_us : (n_events,) int64
        The time of each event in the tick, ascending.
    addresses : (n_events,) int64
        The address of each event.
    dt_us : int
        The network step, in microseconds.
    bias : (n,) int64
        The bias of each neuron.
    neurons : (4, n) int64
        Each neuron's constants.
    populations : (n_populations, 2) int64
        Where each population begins and ends.
    outputs : (n_event_ports, 2) int64
        Populations whose spikes go out.
    probes : (n_probes, 2) int64
        Populations whose spikes are recorded.
    bundles : (n_bundles, 8) int64
        A row for the synapses of one delay in one projection.
    starts : (n_rows + 1,) int64
        Where each source's synapses begin.
    targets : (n_synapses,) int32
        The target neuron of each synapse.
    weights : (n_synapses,) int64
        The weight of each synapse.
    u, v, held : (n,) int64
        Current, membrane, and steps left of the refractory time. Changed.
    ring : (n_slots, n) int64
        Input on its way, by the step in which it arrives. Changed.
    total, fired : (n,) int64
        Scratch space.
    fired_to : (n_populations + 1,) int64
        Scratch space: where each population's part of `fired` ends.
    out, probe : (n, 2) uint32
        Written: output and probe events.
    counts : (2,) int64
        Spikes and synaptic operations are added here.
    marks : (3,) int64
        Written: how many output and probe events there are, and the slot of the delay ring.
    """
    n_out, n_probe, slot, next_event = 0, 0, marks[CLOCK], 0
    for step in range(n_steps):
        t_us, first_event = step * dt_us, next_event
        while next_event < times_us.size and times_us[next_event] < t_us + dt_us:
            next_event += 1
        for q in range(populations.shape[0]):
            lo, hi = populations[q, PopulationColumn.LO], populations[q, PopulationColumn.HI]
            of, at = neurons[:, lo:hi], ring[slot, lo:hi]
            _update(of, bias[lo:hi], at, u[lo:hi], v[lo:hi], held[lo:hi])
            fired_to[q + 1] = _fire(lo, of, v[lo:hi], held[lo:hi], fired, fired_to[q])
        ring[slot] = 0
        counts[SPIKES] += fired_to[populations.shape[0]]
        n_out = _write(outputs, populations, fired, fired_to, t_us, out, n_out)
        n_probe = _write(probes, populations, fired, fired_to, t_us, probe, n_probe)
        for b in range(bundles.shape[0]):
            q = bundles[b, BundleColumn.POPULATION]
            senders = addresses[first_event:next_event] if q < 0 else fired[fired_to[q] : fired_to[q + 1]]
            counts[SYNAPTIC_OPERATIONS] += _deliver(bundles[b], senders, starts, targets, weights, total, ring, slot)
        slot = slot + 1 if slot + 1 < ring.shape[0] else 0
    marks[N_OUT], marks[N_PROBE], marks[CLOCK] = n_out, n_probe, slot
