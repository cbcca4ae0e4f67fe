"""The compiled network step over the arrays of `nal.compile.lower`. It calls no Python, allocates and looks up nothing.

Only `backends.numba` imports this module, after it has set numba's disk cache to a folder keyed by this file's text.
There is no fast-math, so that every machine rounds alike.

Several threads may run one network. Each has a part of every population: it updates these neurons, and sends all spikes
onto those targets that are in its own part. So no two threads write to one place, and sums have one order. Threads wait
for each other after every population and at the end of a step. Part 0 also does events out, learning and counts.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from hilbench.backends._numba.general import act_after_threshold, general
from hilbench.backends._numba.learning import learn
from hilbench.backends._numba.parts import wait
from hilbench.backends._numba.plain import plain
from hilbench.backends._numba.pointers import f32, f64, i32, i64, inner, u8, u32, u64
from hilbench.backends._numba.sending import hold_values, send_event, send_spikes, send_v, send_values
from hilbench.backends._numba.table import Argument
from hilbench.nal.compile.lowered import Column

# Places in COUNTS.
SPIKES, SYNAPTIC_OPERATIONS, NEURON_UPDATES, WEIGHT_UPDATES, MULTIPLICATIONS = range(5)
N_COLUMNS, N_ENTRIES, N_COUNTERS = len(Column), len(Argument), 5
IDLE, LEARN, ADVANCE = range(3)
"""How a tick runs: without learning, with it, or as a period without a tick, whose counts the next tick reports."""


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
    """Part 0's work on a population's spikes: events out, marks for the rules. Returns (spikes, events so far)."""
    n, several = table[Argument.N], row[Column.MULTIPLE]
    out, probe = u32(table[Argument.OUT], (1 << 40, 2)), u32(table[Argument.PROBE], (1 << 40, 2))
    fired, amount, spiked = i32(table[Argument.FIRED], n), f64(table[Argument.AMOUNT], n), u8(table[Argument.SPIKED], n)
    spikes = 0
    for j in range(table[Argument.N_PARTS]):
        mine, amounts, count = fired[bounds[q, j] :], amount[bounds[q, j] :], n_fired[q, j]
        if row[Column.OUT_ADDRESS] >= 0:
            n_out = _tell(row[Column.OUT_ADDRESS], t_us, mine, amounts, count, several, out, n_out)
        if row[Column.PROBE_ADDRESS] >= 0:
            n_probe = _tell(row[Column.PROBE_ADDRESS], t_us, mine, amounts, count, several, probe, n_probe)
        spikes += count
        if several:
            for k in range(count):
                spikes += np.int64(amounts[k]) - 1
        if table[Argument.ANY_RULE]:
            for k in range(count):
                spiked[row[Column.LO] + mine[k]] = np.int64(amounts[k]) if several else 1
    return spikes, n_out, n_probe


@inner
def _populations(table, part, step, now, before_test, after_test, bounds, n_out, n_probe):
    """Step every population in order. Returns (spikes, operations, multiplications, events out, probe events)."""
    n, n_populations = table[Argument.N], table[Argument.N_POPULATIONS]
    populations = i64(table[Argument.POPULATIONS], (n_populations, N_COLUMNS))
    n_fired = i64(table[Argument.N_FIRED], (n_populations, table[Argument.N_PARTS]))
    fired, amount = i32(table[Argument.FIRED], n), f64(table[Argument.AMOUNT], n)
    arriving = before_test[now & (before_test.shape[0] - 1)]
    spikes, operations, multiplied, t_us = 0, 0, 0, step * table[Argument.DT_US]
    for q in range(n_populations):
        row, lo, hi = populations[q], bounds[q, part], bounds[q, part + 1]
        mine, amounts = fired[lo:hi], amount[lo:hi]
        if row[Column.PLAIN]:
            n_fired[q, part] = plain(table, row, q, part, lo, hi, now, step, arriving[lo:hi], mine, amounts)
        else:
            n_fired[q, part] = general(table, row, q, lo, hi, now, arriving[lo:hi], mine, amounts)
        for j in range(n_fired[q, part]):
            mine[j] += lo - row[Column.LO]
        wait(table)
        if row[Column.SPIKING]:
            for j in range(table[Argument.N_PARTS]):
                a = bounds[q, j]
                sent, of_them = send_spikes(
                    table, part, row, fired[a:], amount[a:], n_fired[q, j], before_test, after_test, now
                )
                operations += sent
                multiplied += of_them
        else:
            sent, of_them = send_v(table, part, row, before_test, after_test, now)
            operations += sent
            multiplied += of_them
        if part == 0:
            more, n_out, n_probe = _account(table, row, q, t_us, bounds, n_fired, n_out, n_probe)
            spikes += more
    return spikes, operations, multiplied, n_out, n_probe


@inner
def _end_step(table, part, learning, now, after_test, first_event, next_event):
    """Input that acts after the threshold test, learning and the clock. Returns how many weights learning changed."""
    updates = 0
    if table[Argument.ANY_AFTER_THRESHOLD]:
        wait(table)
        act_after_threshold(table, part, now, after_test[now & (after_test.shape[0] - 1)])
    wait(table)
    if part == 0:
        if table[Argument.ANY_RULE]:
            updates = learn(table, learning, first_event, next_event)
            spiked = u8(table[Argument.SPIKED], table[Argument.N])
            for k in range(spiked.size):
                spiked[k] = 0
        i64(table[Argument.CLOCKS], 2)[0] = now + 1
    if table[Argument.ANY_RULE]:
        wait(table)
    return updates


@inner
def _finish(table, how, spikes, updates):
    """The output values after the last step, and the counts."""
    n = table[Argument.N_READOUTS]
    v, readouts = f64(table[Argument.V], table[Argument.N]), i64(table[Argument.READOUTS], n)
    values_out, counts = f32(table[Argument.VALUES_OUT], n), u64(table[Argument.COUNTS], N_COUNTERS)
    for i in range(n):
        values_out[i] = v[readouts[i]]
    fresh = u8(table[Argument.FRESH], 1)
    if fresh[0]:
        for i in range(counts.size):
            counts[i] = 0
    fresh[0] = how != ADVANCE
    totals = i64(table[Argument.TOTALS], (table[Argument.N_PARTS], 2))
    counts[SPIKES] += np.uint64(spikes)
    for j in range(table[Argument.N_PARTS]):
        counts[SYNAPTIC_OPERATIONS] += np.uint64(totals[j, 0])
        counts[MULTIPLICATIONS] += np.uint64(totals[j, 1])
    counts[NEURON_UPDATES] += np.uint64(table[Argument.N_STEPS] * table[Argument.N_COUNTED])
    counts[WEIGHT_UPDATES] += np.uint64(updates)
    counts_out = u64(table[Argument.COUNTS_OUT], counts.size)  # a copy: its reader may write over it
    for i in range(counts.size):
        counts_out[i] = counts[i]


@njit("int64(int64, int64, int64)", cache=True, nogil=True, _nrt=False)
def run(table_at, n_events, how):
    """The network steps of one tick, for one part. Returns the number of output events x 2**32 + that of probe events.

    EVENTS are in the order of time; output and probe events are written in that order too. COUNTS start from 0, except
    after ADVANCE.

    Parameters
    ----------
    table_at : int
        The address of the part's table.
    n_events : int
        How many events the tick has.
    how : int
        IDLE, LEARN or ADVANCE.
    """
    table = i64(table_at, N_ENTRIES)
    n, n_slots, n_parts, part = (
        table[Argument.N],
        table[Argument.N_SLOTS],
        table[Argument.N_PARTS],
        table[Argument.PART],
    )
    bounds = i64(table[Argument.BOUNDS], (table[Argument.N_POPULATIONS], n_parts + 1))
    before_test = f64(table[Argument.DELAY_RING], (n_slots, n))
    after_test = f64(table[Argument.AFTER_THRESHOLD], (n_slots if table[Argument.ANY_AFTER_THRESHOLD] else 0, n))
    events, begun = u32(table[Argument.EVENTS], (n_events, 2)), i64(table[Argument.CLOCKS], 2)[0]
    wait(table)
    operations, multiplied = hold_values(table, part, bounds, f64(table[Argument.HELD_CURRENT], n))
    operations *= table[Argument.N_STEPS]
    multiplied *= table[Argument.N_STEPS]
    spikes, updates, next_event, n_out, n_probe = 0, 0, 0, 0, 0
    for step in range(table[Argument.N_STEPS]):
        now, t_us = begun + step, step * table[Argument.DT_US]
        if table[Argument.N_FROM_VALUES] > table[Argument.N_HELD]:
            sent, of_them = send_values(table, part, before_test, after_test, now)
            operations += sent
            multiplied += of_them
        first_event = next_event
        while next_event < n_events and events[next_event, 0] < t_us + table[Argument.DT_US]:
            sent, of_them = send_event(table, part, np.int64(events[next_event, 1]), before_test, after_test, now)
            operations += sent
            multiplied += of_them
            next_event += 1
        more, sent, of_them, n_out, n_probe = _populations(
            table, part, step, now, before_test, after_test, bounds, n_out, n_probe
        )
        spikes += more
        operations += sent
        multiplied += of_them
        updates += _end_step(table, part, how == LEARN, now, after_test, first_event, next_event)
    totals = i64(table[Argument.TOTALS], (n_parts, 2))[part]
    totals[0], totals[1] = operations, multiplied
    wait(table)
    if part == 0:
        _finish(table, how, spikes, updates)
    return (n_out << 32) + n_probe
