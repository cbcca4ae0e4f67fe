"""How the loop and the link's echo wait for an instant: asleep for most of the time, polling at its end."""

from __future__ import annotations

from collections.abc import Callable


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
