"""The compiled step of an integer network over the arrays of `nal.loihi.lower`: integers alone, the same everywhere.

Imported through `backends.loihi`, which first points numba's disk cache at a folder keyed by the equations' text.
"""

from __future__ import annotations

from numba import njit

from hilbench.nal.loihi import equations
from hilbench.nal.loihi.equations import ALIGN_BITS
from hilbench.nal.loihi.lower import (
    ADDRESS,
    DELAY,
    DU,
    DV,
    EXPONENT,
    HI,
    LO,
    POPULATION,
    REFRACTORY,
    ROW,
    SOURCE_HI,
    SOURCE_LO,
    TAPPED,
    TARGET_HI,
    TARGET_LO,
    THRESHOLD,
)

_decayed = njit(inline="always")(equations.decayed)
_wrapped = njit(inline="always")(equations.wrapped)
_clipped = njit(inline="always")(equations.clipped)
_shifted = njit(inline="always")(equations.shifted)

# Places in the arrays of counts and marks that a call leaves behind.
SPIKES, SYNAPTIC_OPERATIONS = range(2)
N_OUT, N_PROBE, CLOCK = range(3)


@njit(cache=True)
def _update(lo, hi, neurons, bias, arriving, u, v, held, fired, n_fired):
    """One step of one population. Appends the neurons that spike to `fired`; returns how many stand there then."""
    for i in range(lo, hi):
        u[i] = _wrapped(_decayed(u[i], neurons[DU, i] + 1) + (arriving[i] << ALIGN_BITS))
        if held[i] > 0:
            held[i] -= 1
            continue
        v[i] = _clipped(_decayed(v[i], neurons[DV, i]) + u[i] + bias[i])
        if v[i] > neurons[THRESHOLD, i]:
            v[i] = 0
            held[i] = neurons[REFRACTORY, i]
            fired[n_fired] = i
            n_fired += 1
    return n_fired


@njit(cache=True)
def _deliver(bundle, senders, starts, targets, weights, total, ring, slot):
    """Add up what a bundle's sources send, then put the sum, shifted, where its delay says. Returns the operations."""
    operations = 0
    for sender in senders:
        if bundle[SOURCE_LO] <= sender < bundle[SOURCE_HI]:
            row = bundle[ROW] + sender - bundle[SOURCE_LO]
            for k in range(starts[row], starts[row + 1]):
                total[targets[k]] += weights[k]
                operations += weights[k] != 0
    if operations:
        at = ring[(slot + bundle[DELAY]) % ring.shape[0]]
        for i in range(bundle[TARGET_HI] - bundle[TARGET_LO]):
            at[bundle[TARGET_LO] + i] += _shifted(total[i], bundle[EXPONENT])
            total[i] = 0
    return operations


@njit(cache=True)
def _write(taps, populations, fired, fired_to, t_us, rows, n):
    """Write the spikes of tapped populations as events; returns how many rows are written then."""
    for t in range(taps.shape[0]):
        q = taps[t, TAPPED]
        for k in range(fired_to[q], fired_to[q + 1]):
            rows[n, 0], rows[n, 1] = t_us, taps[t, ADDRESS] + fired[k] - populations[q, LO]
            n += 1
    return n


@njit(cache=True)
def run(
    n_steps, times_us, addresses, dt_us, bias, neurons, populations, outputs, probes, bundles, starts, targets, weights,
    u, v, held, ring, total, fired, fired_to, out, probe, counts, marks,
):  # fmt: skip
    """`n_steps` steps. Events, `times_us` and `addresses`, come in by time; output and probe events go out likewise.

    `counts` (2,) is added to; `marks` (3,) says how many events were written and where the delay ring stands.
    `fired_to` (n_populations + 1,) says where each population's part of `fired` ends.
    """
    n_out, n_probe, slot, next_event = 0, 0, marks[CLOCK], 0
    for step in range(n_steps):
        t_us, first_event = step * dt_us, next_event
        while next_event < times_us.size and times_us[next_event] < t_us + dt_us:
            next_event += 1
        for q in range(populations.shape[0]):
            lo, hi = populations[q, LO], populations[q, HI]
            fired_to[q + 1] = _update(lo, hi, neurons, bias, ring[slot], u, v, held, fired, fired_to[q])
        ring[slot] = 0
        counts[SPIKES] += fired_to[populations.shape[0]]
        n_out = _write(outputs, populations, fired, fired_to, t_us, out, n_out)
        n_probe = _write(probes, populations, fired, fired_to, t_us, probe, n_probe)
        for b in range(bundles.shape[0]):
            q = bundles[b, POPULATION]
            senders = addresses[first_event:next_event] if q < 0 else fired[fired_to[q] : fired_to[q + 1]]
            counts[SYNAPTIC_OPERATIONS] += _deliver(bundles[b], senders, starts, targets, weights, total, ring, slot)
        slot = slot + 1 if slot + 1 < ring.shape[0] else 0
    marks[N_OUT], marks[N_PROBE], marks[CLOCK] = n_out, n_probe, slot
