"""The compiled network step over the arrays of `nal.lower`. No Python, no allocation, no lookup inside.

Imported through `backends.numba`, which first points numba's disk cache at a folder keyed by this file's text.
No fast-math, so that every machine rounds alike.

Several threads may run one network, each its part of every population: it updates these neurons and sends all spikes to
those of their targets that are its own, so nothing is written twice and sums come out the same. Threads wait for each
other after every population's update, and at the end of a step. Part 0 does the rest: events out, learning, counts.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hilbench.backends._learning import learn
from hilbench.backends._neurons import act_late, general, plain
from hilbench.backends._parts import wait
from hilbench.backends._pointers import f32, f64, finite, i32, i64, inner, u8, u16, u32, u64
from hilbench.backends._table import Address, Entry
from hilbench.nal.lower import Column, Constant, Link, Trait

# Places in COUNTS.
SPIKES, SYNAPTIC_OPERATIONS, NEURON_UPDATES, WEIGHT_UPDATES = range(4)
N_CONSTANTS, N_COLUMNS, N_TRAITS, N_LINK_COLUMNS = len(Constant), len(Column), len(Trait), len(Link)
N_ADDRESSES = len(Address)


# Loops run from 0 over views: an index that may be negative costs a test per access and keeps a loop from vectorising.


@inner
def _add(x, targets, weights, onto, dense):
    """Add x times these weights to their targets' sums."""
    if dense and weights.size:
        side_by_side = onto[targets[0] :]
        for k in range(weights.size):
            side_by_side[k] += x * weights[k]
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
def _send(table, part, link, addresses, source, x, ring, now):
    """Send x over one source's synapses onto this part's neurons, into `ring` (n_slots, n). Returns the operations."""
    cuts, at = addresses[Address.CUTS], source * table[Entry.N_PARTS] + part
    a, b = i64(cuts + 8 * at, 2)
    n = b - a
    targets, weights = i32(addresses[Address.TARGETS] + 4 * a, n), f32(addresses[Address.WEIGHTS] + 4 * a, n)
    mask, lo = ring.shape[0] - 1, link[Link.TARGET_LO]
    if addresses[Address.DELAYS] == 0:
        slot = (now + link[Link.DELAY]) & mask
        _add(x, targets, weights, ring[slot, lo : lo + link[Link.N_TARGET]], link[Link.DENSE])
    else:
        delays = u16(addresses[Address.DELAYS] + 2 * a, n)
        for k in range(n):
            ring[(now + delays[k]) & mask, lo + targets[k]] += x * weights[k]
    return _operations(link, weights)


@inner
def _links(table):
    """(links, addresses of synapses)."""
    n = table[Entry.N_LINKS]
    return i64(table[Entry.LINKS], (n, N_LINK_COLUMNS)), i64(table[Entry.SYNAPSES], (n, N_ADDRESSES))


@inner
def _hold_values(table, part, bounds, held_current):
    """Fill `held_current` (n,) with what constant inputs and held values bring in each step of this tick.

    Returns the operations that this costs per step.
    """
    bias, values = f64(table[Entry.BIAS], table[Entry.N]), f32(table[Entry.VALUES], table[Entry.N_VALUES])
    for q in range(table[Entry.N_POPULATIONS]):
        lo, hi = bounds[q, part], bounds[q, part + 1]
        held_current[lo:hi] = bias[lo:hi]
    links, synapses = _links(table)
    ring = held_current.reshape(1, held_current.size)
    operations = 0
    for p in range(table[Entry.N_HELD]):
        for s in range(links[p, Link.N_SOURCE]):
            x = finite(values[links[p, Link.SOURCE_LO] + s])
            if x != 0:
                operations += _send(table, part, links[p], synapses[p], s, x, ring, np.int64(0))
    return operations


@inner
def _send_values(table, part, early, late, now):
    """Values that are on their way for a while, or act late, are sent in each step. Returns the operations."""
    links, synapses = _links(table)
    values = f32(table[Entry.VALUES], table[Entry.N_VALUES])
    operations = 0
    for p in range(table[Entry.N_HELD], table[Entry.N_FROM_VALUES]):
        for s in range(links[p, Link.N_SOURCE]):
            x = finite(values[links[p, Link.SOURCE_LO] + s])
            if x != 0:
                ring = late if links[p, Link.LATE] else early
                operations += _send(table, part, links[p], synapses[p], s, x, ring, now)
    return operations


@inner
def _send_event(table, part, address, early, late, now):
    """Send an event over the projections of its port. Returns the operations."""
    links, synapses = _links(table)
    operations = 0
    for p in range(table[Entry.N_FROM_VALUES], table[Entry.N_FROM_EVENTS]):
        source = address - links[p, Link.SOURCE_LO]
        if 0 <= source < links[p, Link.N_SOURCE]:
            ring = late if links[p, Link.LATE] else early
            operations += _send(table, part, links[p], synapses[p], source, 1.0, ring, now)
    return operations


@inner
def _send_spikes(table, part, row, fired, amount, n_fired, early, late, now):
    """Send one part's spikes. Returns the operations."""
    links, synapses = _links(table)
    amplitude = f64(table[Entry.NUMBERS], 2)[1]
    operations = 0
    for p in range(row[Column.FIRST_PROJECTION], row[Column.LAST_PROJECTION]):
        ring = late if links[p, Link.LATE] else early
        for j in range(n_fired):
            x = amount[j] if row[Column.GRADED] else amplitude * amount[j]
            if x != 0:
                n = _send(table, part, links[p], synapses[p], np.int64(fired[j]), x, ring, now)
                operations += n if row[Column.GRADED] else n * np.int64(amount[j])
    return operations


@inner
def _send_v(table, part, row, early, late, now):
    """Send the values of a population that does not spike. Returns the operations."""
    links, synapses = _links(table)
    v = f64(table[Entry.V], table[Entry.N])[row[Column.LO] : row[Column.HI]]
    operations = 0
    for p in range(row[Column.FIRST_PROJECTION], row[Column.LAST_PROJECTION]):
        ring = late if links[p, Link.LATE] else early
        for s in range(v.size):
            if v[s] != 0:
                operations += _send(table, part, links[p], synapses[p], s, v[s], ring, now)
    return operations


@inner
def _tell(base, t_us, fired, amount, n_fired, several, out, n_out):
    """Write spikes as events from address `base` on. Returns how many events there are now."""
    for j in range(n_fired):
        for _ in range(np.int64(amount[j]) if several else 1):
            out[n_out, 0], out[n_out, 1] = t_us, base + fired[j]
            n_out += 1
    return n_out


@inner
def _account(table, row, q, t_us, bounds, n_fired, n_out, n_probe):
    """What part 0 does with a population's spikes: events out, marks for the rules. Returns (spikes, events so far)."""
    n, several = table[Entry.N], row[Column.MULTIPLE]
    out, probe = u32(table[Entry.OUT], (1 << 40, 2)), u32(table[Entry.PROBE], (1 << 40, 2))
    fired, amount, spiked = i32(table[Entry.FIRED], n), f64(table[Entry.AMOUNT], n), u8(table[Entry.SPIKED], n)
    spikes = 0
    for j in range(table[Entry.N_PARTS]):
        mine, amounts, count = fired[bounds[q, j] :], amount[bounds[q, j] :], n_fired[q, j]
        if row[Column.OUT_ADDRESS] >= 0:
            n_out = _tell(row[Column.OUT_ADDRESS], t_us, mine, amounts, count, several, out, n_out)
        if row[Column.PROBE_ADDRESS] >= 0:
            n_probe = _tell(row[Column.PROBE_ADDRESS], t_us, mine, amounts, count, several, probe, n_probe)
        spikes += count
        if several:
            for k in range(count):
                spikes += np.int64(amounts[k]) - 1
        if table[Entry.ANY_RULE]:
            for k in range(count):
                spiked[row[Column.LO] + mine[k]] = np.int64(amounts[k]) if several else 1
    return spikes, n_out, n_probe


@inner
def _populations(table, part, t_us, now, early, late, bounds, n_out, n_probe):
    """Step every population in order. Returns (spikes, operations, events out, probe events)."""
    n, n_populations = table[Entry.N], table[Entry.N_POPULATIONS]
    populations = i64(table[Entry.POPULATIONS], (n_populations, N_COLUMNS))
    n_fired = i64(table[Entry.N_FIRED], (n_populations, table[Entry.N_PARTS]))
    fired, amount = i32(table[Entry.FIRED], n), f64(table[Entry.AMOUNT], n)
    arriving = early[now & (early.shape[0] - 1)]
    spikes, operations = 0, 0
    for q in range(n_populations):
        row, lo, hi = populations[q], bounds[q, part], bounds[q, part + 1]
        mine, amounts = fired[lo:hi], amount[lo:hi]
        if row[Column.PLAIN]:
            n_fired[q, part] = plain(table, row, q, part, lo, hi, now, arriving[lo:hi], mine, amounts)
        else:
            n_fired[q, part] = general(table, row, q, lo, hi, now, arriving[lo:hi], mine, amounts)
        for j in range(n_fired[q, part]):
            mine[j] += lo - row[Column.LO]
        wait(table)
        if row[Column.SPIKING]:
            for j in range(table[Entry.N_PARTS]):
                a = bounds[q, j]
                operations += _send_spikes(table, part, row, fired[a:], amount[a:], n_fired[q, j], early, late, now)
        else:
            operations += _send_v(table, part, row, early, late, now)
        if part == 0:
            more, n_out, n_probe = _account(table, row, q, t_us, bounds, n_fired, n_out, n_probe)
            spikes += more
    return spikes, operations, n_out, n_probe


@inner
def _end_step(table, part, learning, now, late, first_event, next_event):
    """Late input, learning and the clock. Returns how many weights learning changed."""
    updates = 0
    if table[Entry.ANY_LATE]:
        wait(table)
        act_late(table, part, now, late[now & (late.shape[0] - 1)])
    wait(table)
    if part == 0:
        if table[Entry.ANY_RULE]:
            updates = learn(table, learning, first_event, next_event)
            u8(table[Entry.SPIKED], table[Entry.N])[:] = 0
        i64(table[Entry.CLOCKS], 2)[0] = now + 1
    if table[Entry.ANY_RULE]:
        wait(table)
    return updates


@njit(cache=True, nogil=True)
def run(table, part, n_steps, learning, n_events, fresh):
    """`n_steps` network steps of one part. Events lie by time in EVENTS; output and probe events are written likewise.

    COUNTS are added to, from 0 when `fresh`. Returns the number of output events x 2**32 + that of probe events.
    """
    n, n_slots, n_parts = table[Entry.N], table[Entry.N_SLOTS], table[Entry.N_PARTS]
    bounds = i64(table[Entry.BOUNDS], (table[Entry.N_POPULATIONS], n_parts + 1))
    early = f64(table[Entry.EARLY], (n_slots, n))
    late = f64(table[Entry.LATE], (n_slots if table[Entry.ANY_LATE] else 0, n))
    events, begun = u32(table[Entry.EVENTS], (n_events, 2)), i64(table[Entry.CLOCKS], 2)[0]
    wait(table)
    operations = n_steps * _hold_values(table, part, bounds, f64(table[Entry.HELD_CURRENT], n))
    zero = np.int64(0)  # a plain 0 has a type of its own, for which all would be compiled again
    spikes, updates, next_event, n_out, n_probe = zero, zero, zero, zero, zero
    for step in range(n_steps):
        now, t_us = begun + step, step * table[Entry.DT_US]
        if table[Entry.N_FROM_VALUES] > table[Entry.N_HELD]:
            operations += _send_values(table, part, early, late, now)
        first_event = next_event
        while next_event < n_events and events[next_event, 0] < t_us + table[Entry.DT_US]:
            operations += _send_event(table, part, np.int64(events[next_event, 1]), early, late, now)
            next_event += 1
        more, sent, n_out, n_probe = _populations(table, part, t_us, now, early, late, bounds, n_out, n_probe)
        spikes += more
        operations += sent
        updates += _end_step(table, part, learning, now, late, first_event, next_event)
    i64(table[Entry.TOTALS], n_parts)[part] = operations
    wait(table)
    if part == 0:
        _finish(table, n_steps, fresh, spikes, updates)
    return (n_out << 32) + n_probe


@inner
def _finish(table, n_steps, fresh, spikes, updates):
    """The output values after the last step, and the counts."""
    n = table[Entry.N_READOUTS]
    v, readouts = f64(table[Entry.V], table[Entry.N]), i64(table[Entry.READOUTS], n)
    values_out, counts = f32(table[Entry.VALUES_OUT], n), u64(table[Entry.COUNTS], 4)
    for i in range(n):
        values_out[i] = v[readouts[i]]
    if fresh:
        counts[:] = 0
    operations = i64(table[Entry.TOTALS], table[Entry.N_PARTS]).sum()
    counts[SPIKES] += np.uint64(spikes)
    counts[SYNAPTIC_OPERATIONS] += np.uint64(operations)
    counts[NEURON_UPDATES] += np.uint64(n_steps * table[Entry.N_COUNTED])
    counts[WEIGHT_UPDATES] += np.uint64(updates)
