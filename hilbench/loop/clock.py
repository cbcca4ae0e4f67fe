"""When things happen: the clock of a run, and the physics step at which a reply counts as arrived.

`Clock` says what a loop, its Recovery and the runner ask. `Wall` is real time; `virtual.py` has the other clocks.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from time import monotonic_ns, sleep
from typing import Protocol, TypeVar

from hilbench.loop.waiting import SPIN_NS, overslept_ns, sleep_then_poll, spin_ns
from hilbench.scenario.loop import LoopConfig

T = TypeVar("T")


@contextlib.contextmanager
def collector_frozen(disabled: bool) -> Iterator[None]:
    """Freeze the heap so that the garbage collector skips it, and switch the collector off if `disabled`; undo on exit.

    Where the caller has frozen objects already, no more is frozen: the collector can only unfreeze all of them. What is
    collected before is young garbage alone: to look through all that was ever imported takes a tenth of a second.
    """
    enabled, frozen = gc.isenabled(), gc.get_freeze_count()
    gc.collect(1)
    if not frozen:
        gc.freeze()
    if disabled:
        gc.disable()
    try:
        yield
    finally:
        if not frozen:
            gc.unfreeze()
        if enabled:
            gc.enable()


NEVER = 2**62
"""The due step of a reply that never acts."""


class Clock(Protocol):
    """What a loop, its Recovery and the runner ask of the clock of a run."""

    realtime: bool
    """Whether time passes by itself. On a virtual clock the loop decides when it does."""
    free_running: bool
    """Whether replies may fail to come in time."""
    ticks: int | None
    """How many ticks this episode has; None where the scenario says it."""
    now_ns: Callable[[], int]
    """Reads the wall's clock, for stamps."""
    spin_ns: int
    """How long before an instant a wait is polled, in nanoseconds."""
    recorded_late: Sequence[bool] | None
    """Of a run that is repeated: by tick, whether its reply was late. None where the plant's time says it."""

    def running(self) -> AbstractContextManager[None]:
        """Keep the garbage collector out of the way for the length of a run."""

    def measure(self, wait: Callable[[int], object]) -> None:
        """Fit `spin_ns` to how late `wait`, given nanoseconds, returns on this machine; takes a fifth of a second."""

    def start(self, seed: int) -> None:
        """Begin an episode now. `seed` feeds the delays."""

    def instant_ns(self, since_start_ns: int) -> int:
        """The instant on this clock at that time after the episode's start."""

    def pass_until(self, since_start_ns: int, wait: Callable[[int], object] | None = None) -> int:
        """Let time pass until then, and give the instant on this clock; returns at once on a virtual clock.

        Parameters
        ----------
        since_start_ns : int
            Nanoseconds after the episode's start.
        wait : callable, optional
            Spends the time, given the instant on this clock at which to return; sleep when absent.
        """

    def pause_for(self, wait: Callable[[T], object], argument: T) -> bool:
        """Stop time until `wait` has returned; whether it could be stopped. In real time `wait` is not called.

        Parameters
        ----------
        wait : callable
            Returns when time may go on.
        argument
            What it is called with.
        """

    def assign_due_step(self, seq: int) -> int | None:
        """The physics step from which tick `seq`'s reply may act; None for the next one. Once a tick, in their order.

        NEVER for a reply that does not act. A virtual clock counts the tick among those that its device is busy with.
        """

    def skips(self, k: int, in_flight: int) -> bool:
        """Whether a tick is not sent.

        Parameters
        ----------
        k : int
            Number of the tick.
        in_flight : int
            How many ticks are unanswered.
        """

    def reaches(self, k: int) -> bool:
        """Whether tick `k`, once encoded, is put on the link."""


class Wall(Clock):
    """Real time, on an absolute schedule."""

    realtime = free_running = True
    ticks: int | None = None
    recorded_late: Sequence[bool] | None = None
    LEAD_NS = 2_000_000

    def __init__(
        self, config: LoopConfig, now_ns: Callable[[], int] = monotonic_ns, sleep: Callable[[float], None] = sleep
    ) -> None:
        self.now_ns, self._sleep = now_ns, sleep
        self.spin_ns = SPIN_NS
        self._max_in_flight = config.max_in_flight

    def running(self) -> AbstractContextManager[None]:
        return collector_frozen(disabled=True)

    def measure(self, wait: Callable[[int], object]) -> None:
        self.spin_ns = spin_ns(overslept_ns(wait, now_ns=self.now_ns))

    def start(self, seed: int) -> None:
        self._start_ns = self.now_ns() + self.LEAD_NS

    def instant_ns(self, since_start_ns: int) -> int:
        return self._start_ns + since_start_ns

    def pass_until(self, since_start_ns: int, wait: Callable[[int], object] | None = None) -> int:
        until_ns = self._start_ns + since_start_ns
        (wait or self._sleep_until)(until_ns)
        return until_ns

    def _sleep_until(self, until_ns: int) -> None:
        sleep_then_poll(until_ns, self.spin_ns, self.now_ns, self._sleep)

    def pause_for(self, wait: Callable[[T], object], argument: T) -> bool:
        return False

    def assign_due_step(self, seq: int) -> int | None:
        return None

    def skips(self, k: int, in_flight: int) -> bool:
        return in_flight >= self._max_in_flight

    def reaches(self, k: int) -> bool:
        return True
