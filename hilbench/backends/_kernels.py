"""The compiled network step over the arrays of `nal.lower`. No Python, no allocation, no lookup inside.

Imported through `backends.numba`, which first points numba's disk cache at a folder keyed by this file's text.
No fast-math, so that every machine rounds alike.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hilbench.backends._learning import learn
from hilbench.backends._neurons import act_late, general, plain
from hilbench.backends._pointers import f32, f64, i32, i64, inner, u8, u16, u32, u64
from hilbench.backends._table import Entry
from hilbench.nal.lower import Column, Constant, Link, Trait

# Places in COUNTS.
SPIKES, SYNAPTIC_OPERATIONS, NEURON_UPDATES, WEIGHT_UPDATES = range(4)
STARTS, TARGETS, WEIGHTS, DELAYS = range(4)
N_CONSTANTS, N_COLUMNS, N_TRAITS, N_LINK_COLUMNS = len(Constant), len(Column), len(Trait), len(Link)


# Loops run from 0 over views: an index that may be negative costs a test per access and keeps a loop from vectorising.


@inner
def _add(x, targets, weights, onto, dense):
    """Add x times these weights to their targets' sums."""
    if dense:
        for k in range(weights.size):
            onto[k] += x * weights[k]
    else:
        for k in range(weights.size):
            onto[targets[k]] += x * weights[k]


@inner
def _operations(link, weights):
    """How many of these weights an operation is counted for: all that are not 0, where arithmetic is done."""
    if not link[Link.COUNTED]:
        return 0
    if not link[Link.PLASTIC]:
        return weights.size  # a static projection stores no zeros
    n = 0
    for k in range(weights.size):
        n += weights[k] != 0
    return n


@inner
def _send(link, addresses, source, x, ring, now):
    """Send x over one source's synapses into the `ring` (n_slots, n). Returns the operations."""
    starts = i64(addresses[STARTS], link[Link.N_SOURCE] + 1)
    a, n = starts[source], starts[source + 1] - starts[source]
    targets, weights = i32(addresses[TARGETS] + 4 * a, n), f32(addresses[WEIGHTS] + 4 * a, n)
    mask, lo = ring.shape[0] - 1, link[Link.TARGET_LO]
    if addresses[DELAYS] == 0:
        slot = (now + link[Link.DELAY]) & mask
        _add(x, targets, weights, ring[slot, lo : lo + link[Link.N_TARGET]], link[Link.DENSE])
    else:
        delays = u16(addresses[DELAYS] + 2 * a, n)
        for k in range(n):
            ring[(now + delays[k]) & mask, lo + targets[k]] += x * weights[k]
    return _operations(link, weights)


@inner
def _hold_values(table, values, links, synapses, held_current):
    """Fill `held_current` (n,) with what constant inputs and held values bring in each step of this tick.

    Returns the operations that this costs per step.
    """
    held_current[:] = f64(table[Entry.BIAS], table[Entry.N])
    ring = held_current.reshape(1, held_current.size)
    operations = 0
    for p in range(table[Entry.N_HELD]):
        for s in range(links[p, Link.N_SOURCE]):
            x = values[links[p, Link.SOURCE_LO] + s]
            if x != 0:
                operations += _send(links[p], synapses[p], s, np.float64(x), ring, np.int64(0))
    return operations


@inner
def _send_values(table, values, links, synapses, early, late, now):
    """Values that are on their way for a while, or act late, are sent in each step. Returns the operations."""
    operations = 0
    for p in range(table[Entry.N_HELD], table[Entry.N_FROM_VALUES]):
        for s in range(links[p, Link.N_SOURCE]):
            x = values[links[p, Link.SOURCE_LO] + s]
            if x != 0:
                ring = late if links[p, Link.LATE] else early
                operations += _send(links[p], synapses[p], s, np.float64(x), ring, now)
    return operations


@inner
def _send_event(table, address, links, synapses, early, late, now):
    """Send an event over the projections of its port. Returns the operations."""
    operations = 0
    for p in range(table[Entry.N_FROM_VALUES], table[Entry.N_FROM_EVENTS]):
        source = address - links[p, Link.SOURCE_LO]
        if 0 <= source < links[p, Link.N_SOURCE]:
            ring = late if links[p, Link.LATE] else early
            operations += _send(links[p], synapses[p], source, 1.0, ring, now)
    return operations


@inner
def _send_population(row, v, fired, amount, n_fired, amplitude, links, synapses, early, late, now):
    """Send spikes, or the values of a population that does not spike. Returns the operations."""
    operations = 0
    for p in range(row[Column.FIRST_PROJECTION], row[Column.LAST_PROJECTION]):
        ring = late if links[p, Link.LATE] else early
        if not row[Column.SPIKING]:
            for s in range(v.size):
                if v[s] != 0:
                    operations += _send(links[p], synapses[p], s, v[s], ring, now)
            continue
        for j in range(n_fired):
            x = amount[j] if row[Column.GRADED] else amplitude * amount[j]
            if x != 0:
                n = _send(links[p], synapses[p], np.int64(fired[j]), x, ring, now)
                operations += n if row[Column.GRADED] else n * np.int64(amount[j])
    return operations


@inner
def _tell(base, t_us, fired, amount, n_fired, several, out, n_out):
    """Write this step's spikes as events from address `base` on. Returns how many events there are now."""
    for j in range(n_fired):
        for _ in range(np.int64(amount[j]) if several else 1):
            out[n_out, 0], out[n_out, 1] = t_us, base + fired[j]
            n_out += 1
    return n_out


@inner
def _populations(table, t_us, now, early, late, n_out, n_probe):
    """Step every population in order. Returns (spikes, operations, events out, probe events)."""
    n, n_populations = table[Entry.N], table[Entry.N_POPULATIONS]
    populations = i64(table[Entry.POPULATIONS], (n_populations, N_COLUMNS))
    links = i64(table[Entry.LINKS], (table[Entry.N_LINKS], N_LINK_COLUMNS))
    synapses = i64(table[Entry.SYNAPSES], (table[Entry.N_LINKS], 4))
    out, probe = u32(table[Entry.OUT], (1 << 40, 2)), u32(table[Entry.PROBE], (1 << 40, 2))
    v, amplitude = f64(table[Entry.V], n), f64(table[Entry.NUMBERS], 2)[1]
    fired, amount, spiked = i32(table[Entry.FIRED], n), f64(table[Entry.AMOUNT], n), u8(table[Entry.SPIKED], n)
    spikes, operations, first = 0, 0, 0
    for q in range(n_populations):
        row = populations[q]
        lo, hi = row[Column.LO], row[Column.HI]
        mine, amounts = fired[first:], amount[first:]
        if row[Column.PLAIN]:
            n_fired = plain(table, row, q, now, early[now & (early.shape[0] - 1), lo:hi], mine, amounts)
        else:
            n_fired = general(table, row, q, now, early[now & (early.shape[0] - 1), lo:hi], mine, amounts)
        operations += _send_population(
            row, v[lo:hi], mine, amounts, n_fired, amplitude, links, synapses, early, late, now
        )
        several = row[Column.MULTIPLE]
        if row[Column.OUT_ADDRESS] >= 0:
            n_out = _tell(row[Column.OUT_ADDRESS], t_us, mine, amounts, n_fired, several, out, n_out)
        if row[Column.PROBE_ADDRESS] >= 0:
            n_probe = _tell(row[Column.PROBE_ADDRESS], t_us, mine, amounts, n_fired, several, probe, n_probe)
        for j in range(n_fired):
            times = np.int64(amounts[j]) if several else 1
            spikes += times
            mine[j] += lo
            spiked[mine[j]] = times
        first += n_fired
    return spikes, operations, n_out, n_probe, first


@njit(cache=True)
def run(table, n_steps, learning, n_events, fresh):
    """`n_steps` network steps. Events lie by time in EVENTS; output and probe events are written likewise.

    COUNTS are added to, from 0 when `fresh`. Returns the number of output events x 2**32 + that of probe events.
    """
    n, n_slots = table[Entry.N], table[Entry.N_SLOTS]
    counts, clocks = u64(table[Entry.COUNTS], 4), i64(table[Entry.CLOCKS], 2)
    values = f32(table[Entry.VALUES], table[Entry.N_VALUES])
    links = i64(table[Entry.LINKS], (table[Entry.N_LINKS], N_LINK_COLUMNS))
    synapses = i64(table[Entry.SYNAPSES], (table[Entry.N_LINKS], 4))
    early = f64(table[Entry.EARLY], (n_slots, n))
    late = f64(table[Entry.LATE], (n_slots if table[Entry.ANY_LATE] else 0, n))
    events, spiked = u32(table[Entry.EVENTS], (n_events, 2)), u8(table[Entry.SPIKED], n)
    fired = i32(table[Entry.FIRED], n)
    per_step = _hold_values(table, values, links, synapses, f64(table[Entry.HELD_CURRENT], n))
    zero = np.int64(0)  # a plain 0 has a type of its own, for which all would be compiled again
    operations, spikes, updates, next_event, n_out, n_probe = n_steps * per_step, zero, zero, zero, zero, zero
    for step in range(n_steps):
        now, t_us = clocks[0], step * table[Entry.DT_US]
        if table[Entry.N_FROM_VALUES] > table[Entry.N_HELD]:
            operations += _send_values(table, values, links, synapses, early, late, now)
        first_event = next_event
        while next_event < n_events and events[next_event, 0] < t_us + table[Entry.DT_US]:
            operations += _send_event(table, np.int64(events[next_event, 1]), links, synapses, early, late, now)
            next_event += 1
        more, sent, n_out, n_probe, n_fired = _populations(table, t_us, now, early, late, n_out, n_probe)
        spikes += more
        operations += sent
        if table[Entry.ANY_LATE]:
            act_late(table, now, late[now & (n_slots - 1)])
        if table[Entry.ANY_RULE]:
            updates += learn(table, learning, first_event, next_event)
        for j in range(n_fired):
            spiked[fired[j]] = 0
        clocks[0] += 1
        clocks[1] += 1
    _read_out(table)
    if fresh:
        counts[:] = 0
    counts[SPIKES] += np.uint64(spikes)
    counts[SYNAPTIC_OPERATIONS] += np.uint64(operations)
    counts[NEURON_UPDATES] += np.uint64(n_steps * table[Entry.N_COUNTED])
    counts[WEIGHT_UPDATES] += np.uint64(updates)
    return (n_out << 32) + n_probe


@inner
def _read_out(table):
    """The output values after the last step."""
    n = table[Entry.N_READOUTS]
    v, readouts, values_out = (
        f64(table[Entry.V], table[Entry.N]),
        i64(table[Entry.READOUTS], n),
        f32(table[Entry.VALUES_OUT], n),
    )
    for i in range(n):
        values_out[i] = v[readouts[i]]
