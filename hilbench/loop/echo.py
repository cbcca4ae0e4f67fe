"""The bare echo of a link, paced as a run is: what the link costs without the controller.

It must not know plants, programs or records.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import LinkError, ProtocolError
from hilbench.loop.clock import collector_frozen
from hilbench.loop.waiting import SPIN_NS, sleep_then_poll
from hilbench.types import Link


def echo_ns(
    link: Link, sizes: Sequence[int], period_ns: int, max_in_flight: int = 2,
    now_ns: Callable[[], int] = time.monotonic_ns, sleep: Callable[[float], None] = time.sleep, spin_ns: int = SPIN_NS,
) -> NDArray[np.int64]:  # fmt: skip
    """Times from the scheduled instants of echoes to their returns, int64; empty where the link has none.

    One echo for each of `sizes`, the bytes of its body. Echo k is due at t0 + k periods and waits for none before it,
    so that a long link is as long as it is. As with ticks, `max_in_flight` may be on their way, and one more is not
    sent; those that a stall holds up count their wait. One that is older than the link's timeout is lost: it ends the
    measurement, its age counted. A device that is gone ends it too; to say so is up to whoever uses the link next. What
    is on its way then is left out.

    Parameters
    ----------
    link : Link
        A link with a program loaded.
    sizes : sequence of int
        Bytes of each echo's body.
    period_ns : int
        From one echo to the next, in nanoseconds.
    max_in_flight : int
        How many echoes may be on their way.
    now_ns, sleep : callable
        The clock, in nanoseconds, and what waits for seconds.
    spin_ns : int
        How long before an instant a wait is polled, in nanoseconds.
    """
    with collector_frozen(disabled=True):
        echoes = _Echoes(link, now_ns, sleep, spin_ns)
        start_ns = now_ns() + spin_ns
        with suppress(LinkError, ProtocolError):
            for k, n_bytes in enumerate(sizes):
                due_ns = start_ns + k * period_ns
                if not echoes.take(due_ns):
                    break
                if echoes.under_way < max_in_flight and not echoes.send(n_bytes, due_ns):
                    break
            echoes.take(None)
    return np.array([age for _, age in sorted(echoes.ages_ns.items())], np.int64)


class _Echoes:
    """Those that are on their way, and the ages of those that are back, by number."""

    def __init__(self, link: Link, now_ns: Callable[[], int], sleep: Callable[[float], None], spin_ns: int) -> None:
        self._link, self._now_ns, self._sleep, self._spin_ns = link, now_ns, sleep, spin_ns
        self._lost_ns = round(link.config.timeout_s * 1e9)
        self._due_ns: dict[int, int] = {}
        self.ages_ns: dict[int, int] = {}

    @property
    def under_way(self) -> int:
        """How many have been sent and are not back."""
        return len(self._due_ns)

    def send(self, n_bytes: int, due_ns: int) -> bool:
        """Send one; False where the link knows no echoes.

        Parameters
        ----------
        n_bytes : int
            Bytes of its body.
        due_ns : int
            Its scheduled instant on the wall's clock, in nanoseconds.
        """
        if (number := self._link.send_echo(n_bytes)) is None:
            return False
        self._due_ns[number] = due_ns
        return True

    def take(self, until_ns: int | None) -> bool:
        """Take what comes until that instant, or until nothing is under way; False when one is lost.

        Sleeps most of the time and polls the rest, as the loop does.
        """
        while self._due_ns:
            left_ns = self._lost_ns if until_ns is None else until_ns - self._now_ns()
            came = self._take_one(left_ns - self._spin_ns)
            if not came and self._lost():
                return False
            if not came and left_ns <= 0:
                return True
        if until_ns is not None:
            sleep_then_poll(until_ns, self._spin_ns, self._now_ns, self._sleep)
        return True

    def _take_one(self, wait_ns: int) -> bool:
        """Whether one came back, waiting no longer than until the oldest is lost."""
        lost_ns = next(iter(self._due_ns.values())) + self._lost_ns
        back = self._link.receive_echo(max(0, min(wait_ns, lost_ns - self._now_ns())))
        now_ns = self._now_ns()
        if back in self._due_ns:
            self.ages_ns[back] = now_ns - self._due_ns.pop(back)
        return back is not None

    def _lost(self) -> bool:
        """Whether the oldest is older than the link waits; its age counts."""
        number, due_ns = next(iter(self._due_ns.items()))
        if (age_ns := self._now_ns() - due_ns) < self._lost_ns:
            return False
        self.ages_ns[number] = age_ns
        return True
