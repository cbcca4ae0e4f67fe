"""Short-term plasticity, compiled: what the spikes of one source release over one projection."""

from __future__ import annotations

import numpy as np

from hilbench.backends._numba.pointers import f64, inner
from hilbench.backends._numba.table import Address
from hilbench.nal.compile.lowered import ProjectionRow
from hilbench.nal.model import short_term

RAISED, SPENT, LAST = range(3)
"""Rows of a projection's states, of which each thread has its own: u above its rest, 1 - x, the step of both."""
U, JUMP, FACIL_SPEED, REC_SPEED = range(4)

_release = inner(short_term.release)


@inner
def released(part, link, addresses, source, n_spikes, now):
    """The sum of u x over the spikes of a source in this step; their effects on u and x are kept.

    Parameters
    ----------
    link : (n,) int64
        The row of one projection in LINKS.
    addresses : (n,) int64
        The row of one projection in SYNAPSES.
    source : int
        Which of the projection's sources fired.
    n_spikes : int
        How often it fired.
    """
    n = link[ProjectionRow.N_SOURCE]
    c, states = f64(addresses[Address.SHORT_TERM], 4), f64(addresses[Address.RELEASES] + 24 * n * part, (3, n))
    since = np.float64(now) - states[LAST, source]
    raised = states[RAISED, source] * np.exp(-since * c[FACIL_SPEED])
    spent = states[SPENT, source] * np.exp(-since * c[REC_SPEED])
    total = 0.0
    for _ in range(n_spikes):
        used, raised, spent = _release(c[U], c[JUMP], raised, spent)
        total += used
    states[RAISED, source], states[SPENT, source], states[LAST, source] = raised, spent, np.float64(now)
    return total
