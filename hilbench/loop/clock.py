"""When things happen: the clock of a run, and the physics step at which a reply counts as arrived.

`Clock` says what a loop, its Recovery and the runner ask. `Wall` is real time. `Lockstep`, `Delayed`, `Traced` and
`Recorded` are virtual clocks: the plant stands still while the loop waits. Stamps are always the wall's, so that
latency is measured in every mode; the plant feels it only by the due step.
"""

from __future__ import annotations

import contextlib
import gc
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import cycle
from time import monotonic_ns, sleep
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from hilbench.loop.waiting import sleep_then_poll
from hilbench.scenario.delays import endless_ns
from hilbench.scenario.loop import LoopConfig
from hilbench.seeding import stream

T = TypeVar("T")


class TickTimes(NamedTuple):
    """What became of every tick of an episode: a list each, one entry per tick."""

    delay_ns: list[int]
    """From the scheduled instant to the reply's arrival; anything where none came."""
    answered: list[bool]
    skipped: list[bool]
    processed: list[bool]
    """Whether the network ran it: with a reply that was lost it did, and with a tick that was lost it did not."""


SPIN_NS = 80_000
"""The last stretch before an instant is polled: a sleeping process wakes too late for it. This long at least."""
SPIN_MOST_NS = 300_000
SPIN_SHARE = 0.99
"""Of wake-ups that the polled stretch should cover."""
TRIALS, TRIAL_NS = 200, 1_000_000


@contextlib.contextmanager
def collector_frozen(disabled: bool) -> Iterator[None]:
    """Freeze the heap so that the garbage collector skips it, and switch the collector off if `disabled`; undo on exit.

    Where the caller has frozen objects already, no more is frozen: the collector can only unfreeze all of them.
    """
    enabled, frozen = gc.isenabled(), gc.get_freeze_count()
    gc.collect()
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

    def running(self) -> AbstractContextManager[None]:
        """Keep the garbage collector out of the way for the length of a run."""

    def measure(self, wait: Callable[[int], object]) -> None:
        """Fit `spin_ns` to how late `wait`, given nanoseconds, returns on this machine; takes a fifth of a second."""

    def start(self, seed: int) -> None:
        """Begin an episode now. `seed` feeds the delays."""

    def instant_ns(self, since_start_ns: int) -> int:
        """The instant on this clock at that time after the episode's start."""

    def pass_until(self, since_start_ns: int, wait: Callable[[int], object] | None = None) -> None:
        """Let time pass until then; returns at once on a virtual clock.

        Parameters
        ----------
        since_start_ns : int
            Nanoseconds after the episode's start.
        wait : callable, optional
            Spends the time, given the instant on this clock at which to return; sleep when absent.
        """

    def pause_for(self, wait: Callable[[T], object], argument: T) -> None:
        """Stop time until `wait` has returned. Real time cannot be stopped: there `wait` is not called.

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

    def late(self, seq: int, overdue: bool) -> bool:
        """Whether a reply counts as late.

        Parameters
        ----------
        seq : int
            Its tick.
        overdue : bool
            Whether its deadline has passed on the plant's time.
        """


class Wall:
    """Real time, on an absolute schedule."""

    realtime = free_running = True
    ticks: int | None = None
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

    def pass_until(self, since_start_ns: int, wait: Callable[[int], object] | None = None) -> None:
        (wait or self._sleep_until)(self._start_ns + since_start_ns)

    def _sleep_until(self, until_ns: int) -> None:
        sleep_then_poll(until_ns, self.spin_ns, self.now_ns, self._sleep)

    def pause_for(self, wait: Callable[[T], object], argument: T) -> None:
        """Real time goes on."""

    def assign_due_step(self, seq: int) -> int | None:
        return None

    def skips(self, k: int, in_flight: int) -> bool:
        return in_flight >= self._max_in_flight

    def reaches(self, k: int) -> bool:
        return True

    def late(self, seq: int, overdue: bool) -> bool:
        return overdue


class Virtual(ABC):
    """The clock on which the plant waits for the loop: time passes without waiting, and stops while the loop waits."""

    realtime = False
    free_running = False
    ticks: int | None = None
    now_ns: Callable[[], int] = staticmethod(monotonic_ns)
    spin_ns = SPIN_NS

    def running(self) -> AbstractContextManager[None]:
        return collector_frozen(disabled=False)

    def measure(self, wait: Callable[[int], object]) -> None:
        """Nothing is polled."""

    def start(self, seed: int) -> None:
        """Begin an episode at 0."""

    def instant_ns(self, since_start_ns: int) -> int:
        return since_start_ns

    def pass_until(self, since_start_ns: int, wait: Callable[[int], object] | None = None) -> None:
        """It is then already."""

    def pause_for(self, wait: Callable[[T], object], argument: T) -> None:
        wait(argument)

    @abstractmethod
    def assign_due_step(self, seq: int) -> int | None:
        """The physics step from which tick `seq`'s reply may act, or NEVER."""

    @abstractmethod
    def skips(self, k: int, in_flight: int) -> bool:
        """Whether tick `k` is not sent; `in_flight` is 0, for every reply is waited for."""

    def reaches(self, k: int) -> bool:
        return True

    def late(self, seq: int, overdue: bool) -> bool:
        return overdue


class Lockstep(Virtual):
    """The plant waits: a reply acts from its tick's own first step."""

    def __init__(self, steps_per_tick: int) -> None:
        self._steps = steps_per_tick

    def assign_due_step(self, seq: int) -> int:
        return seq * self._steps

    def skips(self, k: int, in_flight: int) -> bool:
        return False


class Delayed(Virtual):
    """The plant does not wait: replies act after a known delay, behind a device that may be busy."""

    def __init__(self, config: LoopConfig, step_s: float) -> None:
        self._period_ns, self._step_ns = round(config.period_s * 1e9), round(step_s * 1e9)
        self._service_ns = round(config.service_s * 1e9)
        self._max_in_flight = config.max_in_flight
        self._delay = config.delay

    def start(self, seed: int) -> None:
        self._draws = self._drawn_ns(seed)
        self._delays_ns: list[int] = []
        self._free_ns = 0
        self._busy: deque[int] = deque()  # when the device finishes what it has

    def _drawn_ns(self, seed: int) -> Iterator[int]:
        """An episode's delays, one for each tick."""
        return endless_ns(self._delay, stream(seed, "delay"))

    def assign_due_step(self, seq: int) -> int:
        t_ns = seq * self._period_ns
        if self._service_ns:
            t_ns = self._free_ns = max(t_ns, self._free_ns) + self._service_ns
            self._busy.append(t_ns)
        while seq >= len(self._delays_ns):
            self._delays_ns.append(next(self._draws))
        return -(-(t_ns + self._delays_ns[seq]) // self._step_ns)

    def skips(self, k: int, in_flight: int) -> bool:
        while self._busy and self._busy[0] <= k * self._period_ns:
            self._busy.popleft()
        return len(self._busy) >= self._max_in_flight


class Traced(Delayed):
    """Replies are as late as in an earlier run, each tick as its own: what was skipped there is skipped, what never
    reached the device does not reach it, and a reply that never came never acts. Episode by episode, each from its
    beginning again where it ends.
    """

    free_running = True

    def __init__(self, config: LoopConfig, step_s: float, trace: Sequence[TickTimes]) -> None:
        super().__init__(config, step_s)
        self._episodes = cycle(trace)

    def start(self, seed: int) -> None:
        self._times = next(self._episodes)
        super().start(seed)

    def _drawn_ns(self, seed: int) -> Iterator[int]:
        return cycle(self._times.delay_ns)

    def assign_due_step(self, seq: int) -> int:
        return super().assign_due_step(seq) if self._of(self._times.answered, seq) else NEVER

    def skips(self, k: int, in_flight: int) -> bool:
        return self._of(self._times.skipped, k) or super().skips(k, in_flight)

    def reaches(self, k: int) -> bool:
        return self._of(self._times.processed, k)

    @staticmethod
    def _of(column: list[bool], k: int) -> bool:
        return column[k % len(column)]


class Recorded(Virtual):
    """A run again, from its recorded `applied_step`, `skipped`, `processed` and `late` columns alone."""

    def __init__(self, episodes: list[dict[str, NDArray[Any]]], free_running: bool) -> None:
        self.free_running = free_running
        self._episodes = iter(episodes)

    def start(self, seed: int) -> None:
        episode = next(self._episodes)
        self.ticks = len(episode["seq"])
        self._applied, self._skipped, self._processed, self._late = (
            episode[name].tolist() for name in ("applied_step", "skipped", "processed", "late")
        )

    def assign_due_step(self, seq: int) -> int:
        step = self._applied[seq]
        return NEVER if step < 0 else step

    def skips(self, k: int, in_flight: int) -> bool:
        return self._skipped[k]

    def reaches(self, k: int) -> bool:
        return self._processed[k]

    def late(self, seq: int, overdue: bool) -> bool:
        # Of a reply that never acted, the step says nothing.
        return self._late[seq]
