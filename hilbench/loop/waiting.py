"""How the loop and the link's echo wait for an instant: asleep for most of the time, polling at its end."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic_ns

import numpy as np
from numpy.typing import NDArray

SPIN_NS = 80_000
"""The last stretch before an instant is polled: a sleeping process wakes too late for it. This long at least."""
SPIN_MOST_NS = 300_000
SPIN_SHARE = 0.99
"""Of wake-ups that the polled stretch should cover."""
TRIALS, TRIAL_NS = 200, 1_000_000


def sleep_then_poll(until_ns: int, spin_ns: int, now_ns: Callable[[], int], sleep: Callable[[float], None]) -> None:
    """Wait for an instant: sleep until `spin_ns` before it, then poll the clock.

    Parameters
    ----------
    until_ns : int
        The instant, in ns on the clock that `now_ns` reads.
    spin_ns : int
        How long before the instant to stop sleeping, in ns.
    now_ns : callable
        Returns the present instant, in ns.
    sleep : callable
        Sleeps for so many seconds.
    """
    while (left_ns := until_ns - now_ns()) > 0:
        if left_ns > spin_ns:
            sleep((left_ns - spin_ns) * 1e-9)


def overslept_ns(
    wait: Callable[[int], object], n: int = TRIALS, for_ns: int = TRIAL_NS, now_ns: Callable[[], int] = monotonic_ns
) -> NDArray[np.int64]:
    """By how much each of `n` waits ended too late, (n,) int64 in nanoseconds.

    Parameters
    ----------
    wait : callable
        Waits for the nanoseconds it is given.
    n : int
        How many waits to measure.
    for_ns : int
        How long each is to take, in nanoseconds.
    now_ns : callable
        The clock that is read around each.
    """
    late_ns = np.zeros(n, np.int64)
    for i in range(n):
        due_ns = now_ns() + for_ns
        wait(for_ns)
        late_ns[i] = now_ns() - due_ns
    return late_ns


def spin_ns(late_ns: NDArray[np.int64]) -> int:
    """How long before an instant to stop sleeping and poll, in nanoseconds, by wake-ups that came so late.

    It is bounded because polling keeps a processor from others. What comes later than the bound is a stall, which no
    polling prevents.
    """
    return int(np.clip(np.quantile(late_ns, SPIN_SHARE), SPIN_NS, SPIN_MOST_NS))
