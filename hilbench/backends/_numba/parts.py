"""The barrier of the threads that run parts of one network, compiled."""

from __future__ import annotations

from numba import types

from hilbench.backends._numba.pointers import atomic_add, inner
from hilbench.backends._numba.table import RELEASED, Argument

_yield_processor = types.ExternalFunction("sched_yield", types.int32())
SPINS = 2000
"""How often a thread checks before it yields its core: some microseconds, as much as parts usually differ."""


@inner
def wait(table):
    """Return when all parts have called this equally often."""
    n_parts = table[Argument.N_PARTS]
    if n_parts == 1:
        return
    counter = table[Argument.ARRIVED]
    arrived = atomic_add(counter, 1)
    if arrived >= RELEASED:
        return
    complete = (arrived // n_parts + 1) * n_parts
    looks = 0
    while atomic_add(counter, 0) < complete:
        looks += 1
        if looks > SPINS:
            _yield_processor()
