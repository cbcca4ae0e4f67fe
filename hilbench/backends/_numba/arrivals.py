"""Which neurons something arrives at, compiled: for populations whose threshold is tested in such steps alone."""

from __future__ import annotations

from hilbench.backends._numba.pointers import i32, i64, inner, u8, u16
from hilbench.backends._numba.table import Address, Argument
from hilbench.nal.compile.lowered import ProjectionRow


@inner
def mark(table, part, link, addresses, source, now):
    """Mark the neurons of this part that one source reaches in this step.

    Input that acts after the threshold test counts a step later.

    The weights are not read: a projection that does not learn stores no zeros, and a weight that learns is a synapse
    even at 0.

    Parameters
    ----------
    link : (n,) int64
        The row of one projection in LINKS.
    addresses : (n,) int64
        The row of one projection in SYNAPSES.
    source : int
        Which of the projection's sources sends.
    """
    a, b = i64(addresses[Address.CUTS] + 8 * (source * table[Argument.N_PARTS] + part), 2)
    n, n_slots, lo = b - a, table[Argument.N_MARK_SLOTS], link[ProjectionRow.TARGET_LO]
    targets, mask = i32(addresses[Address.TARGETS] + 4 * a, n), n_slots - 1
    marks, now = u8(table[Argument.MARKS], (n_slots, table[Argument.N])), now + link[ProjectionRow.AFTER_THRESHOLD]
    if addresses[Address.DELAYS] == 0:
        here = marks[(now + link[ProjectionRow.DELAY]) & mask]
        for k in range(n):
            here[lo + targets[k]] = 1
    else:
        delays = u16(addresses[Address.DELAYS] + 2 * a, n)
        for k in range(n):
            marks[(now + delays[k]) & mask, lo + targets[k]] = 1


@inner
def take_mark(table, now, k):
    """Whether something has arrived at neuron k for this step's test. Clears the mark.

    Parameters
    ----------
    k : int
        The neuron, counted over all populations.
    """
    n_slots = table[Argument.N_MARK_SLOTS]
    marks = u8(table[Argument.MARKS], (n_slots, table[Argument.N]))[now & (n_slots - 1)]
    marked = marks[k] != 0
    marks[k] = 0
    return marked
