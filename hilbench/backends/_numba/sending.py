"""Values, events and spikes sent over the synapses, compiled: what each step adds to the targets' sums."""

from __future__ import annotations

import numpy as np
from numba import njit

from hilbench.backends._numba.arrivals import mark
from hilbench.backends._numba.pointers import f32, f64, finite, i64, inner, prefetch, u16, u32
from hilbench.backends._numba.releases import released
from hilbench.backends._numba.table import CACHE_LINE, TOGETHER, Address, Argument
from hilbench.nal.compile.lowered import Column, ProjectionRow

N_LINK_COLUMNS, N_ADDRESSES = len(ProjectionRow), len(Address)
WINDOW = 2048
"""How many targets' sums fit into half of a core's nearest cache."""
RUN = 16
"""Synapses that are sent at once: a cache line of targets and one of weights."""
AHEAD_BYTES = 512
"""How far ahead of the synapses that are sent their memory is asked for."""

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
def _send(table, part, link, addresses, source, x, ring, now):
    """Send x over one source's synapses onto this part's neurons, into `ring` (n_slots, n). Returns the operations.

    One for each weight, where arithmetic is done: a projection that does not learn stores no zeros.
    """
    a, n = _cut(table, part, addresses, source)
    targets, weights = u32(addresses[Address.TARGETS] + 4 * a, n), f32(addresses[Address.WEIGHTS] + 4 * a, n)
    mask, lo = ring.shape[0] - 1, link[ProjectionRow.TARGET_LO]
    if addresses[Address.DELAYS] == 0:
        slot = (now + link[ProjectionRow.DELAY]) & mask
        _add(x, targets, weights, ring[slot, lo : lo + link[ProjectionRow.N_TARGET]], link[ProjectionRow.DENSE])
    else:
        delays = u16(addresses[Address.DELAYS] + 2 * a, n)
        for k in range(n):
            ring[(now + delays[k]) & mask, lo + targets[k]] += x * weights[k]
    return n if link[ProjectionRow.COUNTED] else 0


@inner
def _send_spike(table, part, link, addresses, source, x, ring, now):
    """What `_send` does, for sources of spikes: their weights may learn, and are float64 then, all with one delay."""
    if not link[ProjectionRow.PLASTIC]:
        return _send(table, part, link, addresses, source, x, ring, now)
    a, n = _cut(table, part, addresses, source)
    targets, weights = u32(addresses[Address.TARGETS] + 4 * a, n), f64(addresses[Address.WEIGHTS] + 8 * a, n)
    slot, lo = (now + link[ProjectionRow.DELAY]) & (ring.shape[0] - 1), link[ProjectionRow.TARGET_LO]
    _add(x, targets, weights, ring[slot, lo : lo + link[ProjectionRow.N_TARGET]], link[ProjectionRow.DENSE])
    operations = 0
    for k in range(n if link[ProjectionRow.COUNTED] else 0):
        operations += weights[k] != 0
    return operations


@inner
def _is_wide(link, addresses):
    """Whether a projection's targets take many windows, and a source's synapses have long runs in each of them."""
    n_source, n_windows = link[ProjectionRow.N_SOURCE], link[ProjectionRow.N_TARGET] // WINDOW
    if n_windows < 2 or link[ProjectionRow.PLASTIC] or link[ProjectionRow.DENSE] or link[ProjectionRow.MARKS]:
        return False
    if addresses[Address.DELAYS] != 0 or addresses[Address.SHORT_TERM] != 0:
        return False
    n_synapses = i64(addresses[Address.STARTS] + 8 * n_source, 1)[0]
    return n_synapses >= 2 * RUN * n_windows * n_source


@inner
def _send_spikes_by_windows(table, part, row, link, addresses, fired, amount, n_fired, ring, now):
    """What `_send_spike` does, for several spikes of a step: onto one window of the targets, then onto the next.

    So the sums of a window stay in the nearest cache. Each sum has the order that it has without windows, for a
    source's targets rise. Returns the operations.

    Parameters
    ----------
    link : (n,) int64
        The row of one projection in LINKS.
    addresses : (n,) int64
        The row of one projection in SYNAPSES.
    fired : (n,) int32
        The neurons that fired.
    amount : (n,) float64
        How often each of them fired, or its v where spikes are graded.
    n_fired : int
        How many neurons fired, at most TOGETHER.
    ring : (n_slots, n) float64
        Where the input goes.
    """
    slot, lo = (now + link[ProjectionRow.DELAY]) & (ring.shape[0] - 1), link[ProjectionRow.TARGET_LO]
    onto = ring[slot, lo : lo + link[ProjectionRow.N_TARGET]]
    rows = i64(table[Argument.ROWS], (table[Argument.N_PARTS], TOGETHER, 2))[part]
    amplitude, operations, left = f64(table[Argument.NUMBERS], 2)[1], 0, 0
    for j in range(n_fired):
        a, n = _cut(table, part, addresses, np.int64(fired[j]))
        if amount[j] == 0:
            n = 0
        rows[j, 0], rows[j, 1] = a, a + n
        operations += n if row[Column.GRADED] else n * np.int64(amount[j])
        left += n
        for ahead in range(0, AHEAD_BYTES, CACHE_LINE):
            prefetch(addresses[Address.TARGETS] + 4 * a + ahead)
            prefetch(addresses[Address.WEIGHTS] + 4 * a + ahead)
    limit = 0
    while left > 0:
        limit += WINDOW
        for j in range(n_fired):
            x = amount[j] if row[Column.GRADED] else amplitude * amount[j]
            n = _send_window(addresses, rows[j, 0], rows[j, 1], x, limit, onto)
            rows[j, 0] += n
            left -= n
    return operations if link[ProjectionRow.COUNTED] else 0


@inner
def _send_window(addresses, a, b, x, limit, onto):
    """Send x over the synapses from a on, at most to b, whose targets are below the limit. Returns how many."""
    targets, weights = u32(addresses[Address.TARGETS] + 4 * a, b - a), f32(addresses[Address.WEIGHTS] + 4 * a, b - a)
    done = 0
    while done + RUN <= targets.size and targets[np.uint64(done + RUN - 1)] < limit:
        prefetch(addresses[Address.TARGETS] + 4 * (a + done) + AHEAD_BYTES)
        prefetch(addresses[Address.WEIGHTS] + 4 * (a + done) + AHEAD_BYTES)
        for k in range(RUN):
            onto[targets[np.uint64(done + k)]] += x * weights[np.uint64(done + k)]
        done += RUN
    while done < targets.size and targets[np.uint64(done)] < limit:
        onto[targets[np.uint64(done)]] += x * weights[np.uint64(done)]
        done += 1
    return done


@inner
def _cut(table, part, addresses, source):
    """Where a source's synapses onto this part's neurons begin, and how many they are."""
    a, b = i64(addresses[Address.CUTS] + 8 * (source * table[Argument.N_PARTS] + part), 2)
    return a, b - a


@njit(inline="always")
def _links(table):
    """(links, addresses of synapses)."""
    n = table[Argument.N_LINKS]
    return i64(table[Argument.LINKS], (n, N_LINK_COLUMNS)), i64(table[Argument.SYNAPSES], (n, N_ADDRESSES))


@inner
def hold_values(table, part, bounds, held_current):
    """Sum up the constant inputs and the held values' inputs, which are the same in each step of this tick.

    Returns (operations, multiplications) that this costs per step.

    Parameters
    ----------
    bounds : (n_populations, n_parts + 1) int64
        Where the parts of each population begin.
    held_current : (n,) float64
        Written: the input of each neuron per step.
    """
    bias, values = f64(table[Argument.BIAS], table[Argument.N]), f32(table[Argument.VALUES], table[Argument.N_VALUES])
    for q in range(table[Argument.N_POPULATIONS]):
        own = slice(bounds[q, part], bounds[q, part + 1])
        onto, always = held_current[own], bias[own]
        for k in range(onto.size):
            onto[k] = always[k]
    links, synapses = _links(table)
    ring = f64(table[Argument.HELD_CURRENT], (1, held_current.size))
    operations, multiplied = 0, 0
    for p in range(table[Argument.N_HELD]):
        first, before = 0, operations
        if links[p, ProjectionRow.DENSE] and not links[p, ProjectionRow.PLASTIC]:
            first = links[p, ProjectionRow.N_SOURCE] & ~3
            operations += _hold_columns(table, part, links[p], synapses[p], first, values, held_current)
        for s in range(first, links[p, ProjectionRow.N_SOURCE]):
            x = finite(values[links[p, ProjectionRow.SOURCE_LO] + s])
            if x != 0:
                operations += _send(table, part, links[p], synapses[p], s, x, ring, np.int64(0))
        if operations > before and _port_multiplies(links[p], values):
            multiplied += operations - before
    return operations, multiplied


@inner
def _port_multiplies(link, values):
    """Whether the port of this projection holds any other number than -1, 0 and 1."""
    for s in range(link[ProjectionRow.N_SOURCE]):
        x = abs(finite(values[link[ProjectionRow.SOURCE_LO] + s]))
        if x != 0 and x != 1:
            return True
    return False


@inner
def _hold_columns(table, part, link, addresses, n, values, held_current):
    """What the first n sources of a dense projection bring in, four at a time; n is a multiple of 4.

    Sums are made in the order in which `_send` makes them. Returns the operations.
    """
    n_source, n_target, operations = link[ProjectionRow.N_SOURCE], link[ProjectionRow.N_TARGET], 0
    starts = i64(addresses[Address.CUTS], n_source * table[Argument.N_PARTS] + 1)
    lo, hi = starts[part], starts[part + 1]
    weights = f32(addresses[Address.WEIGHTS], (n_source, n_target))
    x, onto = (
        values[link[ProjectionRow.SOURCE_LO] :],
        held_current[link[ProjectionRow.TARGET_LO] + lo : link[ProjectionRow.TARGET_LO] + hi],
    )
    for s in range(0, n, 4):
        x_0, x_1, x_2, x_3 = finite(x[s]), finite(x[s + 1]), finite(x[s + 2]), finite(x[s + 3])
        w_0, w_1, w_2, w_3 = weights[s, lo:hi], weights[s + 1, lo:hi], weights[s + 2, lo:hi], weights[s + 3, lo:hi]
        for k in range(onto.size):
            onto[k] = onto[k] + x_0 * w_0[k] + x_1 * w_1[k] + x_2 * w_2[k] + x_3 * w_3[k]
        operations += ((x_0 != 0) + (x_1 != 0) + (x_2 != 0) + (x_3 != 0)) * onto.size
    return operations if link[ProjectionRow.COUNTED] else 0


@inner
def send_values(table, part, before_test, after_test, now):
    """Send the values that have a delay or act after the threshold test, which is done in each step.

    Returns (operations, multiplications).

    """
    links, synapses = _links(table)
    values = f32(table[Argument.VALUES], table[Argument.N_VALUES])
    operations, multiplied = 0, 0
    for p in range(table[Argument.N_HELD], table[Argument.N_FROM_VALUES]):
        before = operations
        for s in range(links[p, ProjectionRow.N_SOURCE]):
            x = finite(values[links[p, ProjectionRow.SOURCE_LO] + s])
            if x != 0:
                ring = after_test if links[p, ProjectionRow.AFTER_THRESHOLD] else before_test
                operations += _send(table, part, links[p], synapses[p], s, x, ring, now)
                if links[p, ProjectionRow.MARKS]:
                    mark(table, part, links[p], synapses[p], s, now)
        if operations > before and _port_multiplies(links[p], values):
            multiplied += operations - before
    return operations, multiplied


@inner
def send_event(table, part, address, before_test, after_test, now):
    """Send an event over the projections of its port. Returns (operations, multiplications).

    Parameters
    ----------
    address : int
        The address of the event.
    """
    links, synapses = _links(table)
    operations, multiplied = 0, 0
    for p in range(table[Argument.N_FROM_VALUES], table[Argument.N_FROM_EVENTS]):
        source = address - links[p, ProjectionRow.SOURCE_LO]
        if 0 <= source < links[p, ProjectionRow.N_SOURCE]:
            ring = after_test if links[p, ProjectionRow.AFTER_THRESHOLD] else before_test
            x, tires = 1.0, synapses[p, Address.SHORT_TERM] != 0
            if tires:
                x = released(part, links[p], synapses[p], source, 1, now)
            n = _send_spike(table, part, links[p], synapses[p], source, x, ring, now)
            operations += n
            multiplied += n if tires else 0
            if links[p, ProjectionRow.MARKS]:
                mark(table, part, links[p], synapses[p], source, now)
    return operations, multiplied


@inner
def send_spikes(table, part, row, fired, amount, n_fired, before_test, after_test, now):
    """Send one part's spikes. Returns (operations, multiplications).

    Parameters
    ----------
    fired : (n,) int32
        The neurons that fired.
    amount : (n,) float64
        How often each of them fired, or its v where spikes are graded.
    n_fired : int
        How many neurons fired.
    """
    links, synapses = _links(table)
    amplitude = f64(table[Argument.NUMBERS], 2)[1]
    operations, by_tired = 0, 0
    for p in range(row[Column.FIRST_PROJECTION], row[Column.LAST_PROJECTION]):
        ring = after_test if links[p, ProjectionRow.AFTER_THRESHOLD] else before_test
        if synapses[p, Address.SHORT_TERM] != 0:
            by_tired += _send_tiring(table, part, links[p], synapses[p], fired, amount, n_fired, ring, now)
            continue
        if n_fired > 1 and _is_wide(links[p], synapses[p]):
            for j in range(0, n_fired, TOGETHER):
                n, spikes, amounts = min(TOGETHER, n_fired - j), fired[j:], amount[j:]
                operations += _send_spikes_by_windows(
                    table, part, row, links[p], synapses[p], spikes, amounts, n, ring, now
                )
            continue
        for j in range(n_fired):
            x = amount[j] if row[Column.GRADED] else amplitude * amount[j]
            if x != 0:
                n = _send_spike(table, part, links[p], synapses[p], np.int64(fired[j]), x, ring, now)
                operations += n if row[Column.GRADED] else n * np.int64(amount[j])
                if links[p, ProjectionRow.MARKS]:
                    mark(table, part, links[p], synapses[p], np.int64(fired[j]), now)
    return operations + by_tired, operations + by_tired if row[Column.GRADED] else by_tired


@inner
def _send_tiring(table, part, link, addresses, fired, amount, n_fired, ring, now):
    """Send one part's spikes over synapses with short-term plasticity. Returns the operations, which all multiply.

    Parameters
    ----------
    link : (n,) int64
        The row of one projection in LINKS.
    addresses : (n,) int64
        The row of one projection in SYNAPSES.
    fired : (n,) int32
        The neurons that fired.
    amount : (n,) float64
        How often each of them fired.
    n_fired : int
        How many neurons fired.
    ring : (n_slots, n) float64
        Where the input goes.
    """
    operations = 0
    for j in range(n_fired):
        source, n_spikes = np.int64(fired[j]), np.int64(amount[j])
        x = f64(table[Argument.NUMBERS], 2)[1] * released(part, link, addresses, source, n_spikes, now)
        operations += n_spikes * _send_spike(table, part, link, addresses, source, x, ring, now)
        if link[ProjectionRow.MARKS]:
            mark(table, part, link, addresses, source, now)
    return operations


@inner
def send_v(table, part, row, before_test, after_test, now):
    """Send the values of a population that does not spike. Returns (operations, multiplications)."""
    links, synapses = _links(table)
    v = f64(table[Argument.V], table[Argument.N])[row[Column.LO] : row[Column.HI]]
    operations = 0
    for p in range(row[Column.FIRST_PROJECTION], row[Column.LAST_PROJECTION]):
        ring = after_test if links[p, ProjectionRow.AFTER_THRESHOLD] else before_test
        for s in range(v.size):
            if v[s] != 0:
                operations += _send(table, part, links[p], synapses[p], s, v[s], ring, now)
                if links[p, ProjectionRow.MARKS]:
                    mark(table, part, links[p], synapses[p], s, now)
    return operations, operations if operations and _multiplies(v, f64(table[Argument.NUMBERS], 2)[1]) else 0


@inner
def _multiplies(v, spike):
    """`nal.operations.multiplies`: whether there is more than zeros and spikes in what does not spike itself."""
    ones, spikes = True, True
    for s in range(v.size):
        x = abs(v[s])
        ones &= x == 0 or x == 1
        spikes &= x == 0 or x == spike
    return not (ones or spikes)
