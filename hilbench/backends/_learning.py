"""Learning, compiled: the rules' own equations over the synapses of `nal.lower`."""

from __future__ import annotations

from numba import njit

from hilbench.backends._pointers import f32, f64, i32, i64, inner, u8
from hilbench.backends._table import Entry
from hilbench.nal.lower import Link
from hilbench.nal.rules import pes

_rate = njit(inline="always")(pes.rate)
_change = njit(inline="always")(pes.change)

N_LINK_COLUMNS = len(Link)
CUTS, TARGETS, WEIGHTS, DELAYS, STARTS = range(5)
N_ADDRESSES = 5
# Columns of PLASTIC and of RULE_CONSTANTS.
LINK, MODULATOR_LO, TRACE_LO, SOURCE = range(4)
SCALE, TRACE_DECAY = range(2)


@inner
def learn(table, learning, first_event, next_event):
    """PES on every plastic projection: rates run always, weights change only while learning. Counts the changes."""
    n_plastic = table[Entry.N_PLASTIC]
    plastic = i64(table[Entry.PLASTIC], (n_plastic, 4))
    constants = f32(table[Entry.RULE_CONSTANTS], (n_plastic, 2))
    spiked, rates = u8(table[Entry.SPIKED], table[Entry.N]), f32(table[Entry.RATES], table[Entry.N_TRACES])
    modulators, dt_s = f32(table[Entry.MODULATORS], table[Entry.N_MODULATORS]), f64(table[Entry.NUMBERS], 2)[0]
    links = i64(table[Entry.LINKS], (table[Entry.N_LINKS], N_LINK_COLUMNS))
    synapses = i64(table[Entry.SYNAPSES], (table[Entry.N_LINKS], N_ADDRESSES))
    updates = 0
    for q in range(n_plastic):
        link = links[plastic[q, LINK]]
        n = link[Link.N_SOURCE]
        fired = spiked[plastic[q, SOURCE] : plastic[q, SOURCE] + n]
        hz = rates[plastic[q, TRACE_LO] : plastic[q, TRACE_LO] + n]
        for s in range(n):
            hz[s] = _rate(hz[s], fired[s], constants[q, TRACE_DECAY], dt_s)
        if learning:
            errors = modulators[plastic[q, MODULATOR_LO] : plastic[q, MODULATOR_LO] + link[Link.N_TARGET]]
            updates += _pes(link, synapses[plastic[q, LINK]], constants[q, SCALE], errors, hz)
    return updates


@inner
def _pes(link, addresses, scale, errors, hz):
    updates, n = 0, hz.size
    starts = i64(addresses[STARTS], n + 1)
    weights = f32(addresses[WEIGHTS], starts[n])
    if link[Link.DENSE]:
        dense = weights.reshape(n, errors.size)
        for k in range(errors.size):
            if errors[k] != 0:
                updates += n
                for s in range(n):
                    dense[s, k] += _change(scale, errors[k], hz[s])
        return updates
    targets = i32(addresses[TARGETS], starts[n])
    for s in range(n):
        for k in range(starts[s], starts[s + 1]):
            weights[k] += _change(scale, errors[targets[k]], hz[s])
            updates += errors[targets[k]] != 0
    return updates
