"""Waiting for bytes without sleep: a process that sleeps is woken tens of microseconds late, more than a tick takes."""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic_ns

SPIN_S = 200e-6
"""How long a plant looks for a reply without sleep by default."""
DEVICE_SPIN_S = 1e-3
"""How long before and after the instant of the next tick a device looks by default: at 1 kHz it never sleeps.

A processor that was idle for a millisecond, in a virtual machine above all, runs the next tick slowly.
"""

PATIENT_LOOKS = 16
"""After how many looks, some 20 us, others may run: on a crowded machine the other side may wait for this very core."""

let_others_run = getattr(os, "sched_yield", lambda: None)


def can_spin() -> bool:
    """Whether there is a second core: on one, who spins keeps the other side from answering."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0)) > 1
    return (os.cpu_count() or 1) > 1


def spin_ns(spin_s: float) -> int:
    """How long to look without sleep, in nanoseconds: `spin_s`, but 0 where there is one core."""
    return int(spin_s * 1e9) if can_spin() else 0


def read_by(read: Callable[[int], bytes], n_bytes: int, until_ns: int) -> bytes | None:
    """What there is to read, looked for once at least; None when nothing comes by then. Raises OSError.

    A read that finds nothing takes no longer than to ask first, and the one that finds something is all it takes.

    Parameters
    ----------
    read : callable
        Reads up to so many bytes of a non-blocking connection.
    n_bytes : int
        The most to read.
    until_ns : int
        On this process's monotonic clock, in nanoseconds.
    """
    n_looks = 0
    while True:
        try:
            return read(n_bytes)
        except BlockingIOError:
            if monotonic_ns() >= until_ns:
                return None
        n_looks += 1
        if n_looks % PATIENT_LOOKS == 0:
            let_others_run()


class Rhythm:
    """When the next frame is expected: as long after the last one as that one was after its predecessor.

    Never, when there is no time to look without sleep.
    """

    def __init__(self, spin_s: float) -> None:
        self._spin_ns = spin_ns(spin_s)
        self._last_ns = self._interval_ns = 0

    def heard(self, now_ns: int) -> None:
        if self._spin_ns:
            self._last_ns, self._interval_ns = now_ns, now_ns - self._last_ns

    def window_ns(self) -> tuple[int, int]:
        """From when until when to look without sleep."""
        expected_ns = self._last_ns + self._interval_ns
        return expected_ns - self._spin_ns, expected_ns + self._spin_ns
