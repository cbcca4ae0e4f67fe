"""When things happen: the clock of a run, and the physics step at which a reply counts as arrived.

`Wall` is real time. `Lockstep`, `Delayed` and `Recorded` run on the virtual clock, where nothing has to be waited for.
Stamps are always the wall's, so that latency is measured in every mode; the plant feels it only by the due step.
"""

from __future__ import annotations

import contextlib
import gc
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle
from time import monotonic_ns, sleep
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.scenario.delays import endless_ns
from hilbench.scenario.loop import LoopConfig
from hilbench.seeding import stream


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
    """What there is now is not searched for garbage inside, and with `disabled` nothing is; as it was after.

    Where somebody has frozen what he wants, that stays so, and no more is frozen: one cannot thaw a part.
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
) -> NDArray:
    """By how much each of `n` waits for so long ended too late, (n,) int64."""
    late_ns = np.zeros(n, np.int64)
    for i in range(n):
        due_ns = now_ns() + for_ns
        wait(for_ns)
        late_ns[i] = now_ns() - due_ns
    return late_ns


def spin_ns(late_ns: NDArray) -> int:
    """How long before an instant to stop sleeping, by wake-ups that came so late.

    Bounded, because polling takes a processor from others, and what comes later than that is a stall, which no polling
    prevents.
    """
    return int(np.clip(np.quantile(late_ns, SPIN_SHARE), SPIN_NS, SPIN_MOST_NS))


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


class Clock(ABC):
    """The clock of a run. `realtime`: time passes by itself. `free_running`: replies may fail to come in time."""

    NEVER = 2**62
    realtime = False
    free_running = False
    ticks: int | None = None
    """How many ticks this episode has; None where the scenario says it."""
    now_ns = staticmethod(monotonic_ns)
    spin_ns = SPIN_NS
    """How long before an instant a wait is polled."""

    def start(self, seed: int) -> None:
        """Begin an episode now."""

    def instant_ns(self, since_start_ns: int) -> int:
        """The instant on this clock at that time after the episode's start."""
        return since_start_ns

    def pass_until(self, until_ns: int) -> None:
        """Let time pass without the link; on the virtual clock it needs no waiting."""

    @abstractmethod
    def due_step(self, seq: int) -> int | None:
        """The physics step from which tick `seq`'s reply may act, or None: from when it has come."""

    @abstractmethod
    def skips(self, k: int, in_flight: int) -> bool:
        """Whether tick `k` is not sent, with so many ticks unanswered."""

    def reaches(self, k: int) -> bool:
        """Whether tick `k`, once encoded, is put on the link."""
        return True

    def late(self, seq: int, overdue: bool) -> bool:
        """Whether tick `seq`'s reply counts as late; `overdue` says that its deadline has passed."""
        return overdue


class Wall(Clock):
    """Real time, on an absolute schedule."""

    realtime = free_running = True
    LEAD_NS = 2_000_000

    def __init__(
        self, config: LoopConfig, now_ns: Callable[[], int] = monotonic_ns, sleep: Callable[[float], None] = sleep
    ) -> None:
        self.now_ns, self._sleep = now_ns, sleep
        self._max_in_flight = config.max_in_flight

    def pass_until(self, until_ns: int) -> None:
        sleep_then_poll(until_ns, self.spin_ns, self.now_ns, self._sleep)

    def measure(self, wait: Callable[[int], object]) -> None:
        """Fit the polled stretch to how late `wait` returns on this machine, now; takes a fifth of a second."""
        self.spin_ns = spin_ns(overslept_ns(wait, now_ns=self.now_ns))

    def start(self, seed: int) -> None:
        self._start_ns = self.now_ns() + self.LEAD_NS

    def instant_ns(self, since_start_ns: int) -> int:
        return self._start_ns + since_start_ns

    def due_step(self, seq: int) -> int | None:
        return None

    def skips(self, k: int, in_flight: int) -> bool:
        return in_flight >= self._max_in_flight


class Lockstep(Clock):
    """The plant waits: a reply acts from its tick's own first step."""

    def __init__(self, steps_per_tick: int) -> None:
        self._steps = steps_per_tick

    def due_step(self, seq: int) -> int:
        return seq * self._steps

    def skips(self, k: int, in_flight: int) -> bool:
        return False


class Delayed(Clock):
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

    def due_step(self, seq: int) -> int:
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

    def due_step(self, seq: int) -> int:
        return super().due_step(seq) if self._of(self._times.answered, seq) else self.NEVER

    def skips(self, k: int, in_flight: int) -> bool:
        return self._of(self._times.skipped, k) or super().skips(k, in_flight)

    def reaches(self, k: int) -> bool:
        return self._of(self._times.processed, k)

    @staticmethod
    def _of(column: list[bool], k: int) -> bool:
        return column[k % len(column)]


class Recorded(Clock):
    """A run again, from its recorded `applied_step`, `skipped`, `processed` and `late` columns alone."""

    def __init__(self, episodes: list[dict[str, NDArray]], free_running: bool) -> None:
        self.free_running = free_running
        self._episodes = iter(episodes)

    def start(self, seed: int) -> None:
        episode = next(self._episodes)
        self.ticks = len(episode["seq"])
        self._applied, self._skipped, self._processed, self._late = (
            episode[name].tolist() for name in ("applied_step", "skipped", "processed", "late")
        )

    def due_step(self, seq: int) -> int:
        step = self._applied[seq]
        return self.NEVER if step < 0 else step

    def skips(self, k: int, in_flight: int) -> bool:
        return self._skipped[k]

    def reaches(self, k: int) -> bool:
        return self._processed[k]

    def late(self, seq: int, overdue: bool) -> bool:
        # Of a reply that never acted, the step says nothing.
        return self._late[seq]
