"""The bare echo of a link, paced as a run is: what the link costs without the controller.

It must not know plants, programs or records.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import LinkError, ProtocolError
from hilbench.pace import SPIN_NS, collector_frozen
from hilbench.types import Link


def echo_ns(
    link: Link, n: int, period_ns: int, n_bytes: int,
    now_ns: Callable[[], int] = time.monotonic_ns, sleep: Callable[[float], None] = time.sleep, spin_ns: int = SPIN_NS,
) -> NDArray:  # fmt: skip
    """Times from the scheduled instants of `n` echoes to their returns, (n,) int64; empty where the link has none.

    Echo k is due at t0 + k periods and waits for the one before it, so those after a stall count their wait. One that
    is older than the link's timeout is lost: it ends the measurement, its age counted. A device that is gone ends it
    too; to say so is up to whoever uses the link next.
    """
    ages_ns = np.zeros(n, np.int64)
    lost_ns = round(link.config.timeout_s * 1e9)
    with collector_frozen(disabled=True):
        start_ns = now_ns() + spin_ns
        for k in range(n):
            due_ns = start_ns + k * period_ns
            _wait(due_ns, spin_ns, now_ns, sleep)
            back = _echo(link, n_bytes, max(0, due_ns + lost_ns - now_ns()))
            ages_ns[k] = now_ns() - due_ns
            if not back:
                return ages_ns[: k if back is None else k + 1]
    return ages_ns


def _wait(until_ns: int, spin_ns: int, now_ns: Callable[[], int], sleep: Callable[[float], None]) -> None:
    """Sleep most of the time and poll the rest, as the loop does."""
    while (left_ns := until_ns - now_ns()) > 0:
        if left_ns > spin_ns:
            sleep((left_ns - spin_ns) * 1e-9)


def _echo(link: Link, n_bytes: int, timeout_ns: int) -> bool | None:
    """Whether the echo came back; None when there can be none, or no more."""
    try:
        return link.echo(n_bytes, timeout_ns)
    except (LinkError, ProtocolError):
        return None
