"""Events of a sensor that is compiled: how its kernels write them, and how they come in order."""

from __future__ import annotations

import numpy as np

from hilbench.compiled.inlined import inner, outer

LOST = 0
"""Entry of a sensor's counters: events beyond its buffer."""
DIGIT_BITS = 11
"""Events are sorted by so many bits of their time at once."""


@inner
def put(events, n, at_us, period_us, address, counters):
    """Write an event at a time from 0 to the period: the microsecond that ends there or after. Returns how many are."""
    if n == events.shape[0]:
        counters[LOST] += 1
        return n
    events[n, 0] = min(max(np.int64(np.ceil(at_us - 1e-6)) - 1, 0), period_us - 1)
    events[n, 1] = address
    return n + 1


@outer("void(u4[:, ::1], i8, i8, u4[:, ::1], i8[::1])")
def sort(events, n, period_us, other, counts):
    """Put the first `n` events in order of time; of equal times the first stays first.

    Parameters
    ----------
    events : (n_max, 2) uint32
        Changed.
    n, period_us : int
    other : (n_max, 2) uint32
        Scratch space.
    counts : (2048,) int64
        Scratch space.
    """
    shift = 0
    while (period_us - 1) >> shift and n > 1:
        counts[:] = 0
        for i in range(n):
            counts[(events[i, 0] >> shift) & (counts.size - 1)] += 1
        total = 0
        for digit in range(counts.size):
            total, counts[digit] = total + counts[digit], total
        for i in range(n):
            digit = (events[i, 0] >> shift) & (counts.size - 1)
            other[counts[digit], 0], other[counts[digit], 1] = events[i, 0], events[i, 1]
            counts[digit] += 1
        for i in range(n):
            events[i, 0], events[i, 1] = other[i, 0], other[i, 1]
        shift += DIGIT_BITS
