"""The virtual clocks: `Lockstep`, `Delayed`, `Traced` and `Recorded`. The plant stands still while the loop waits.

Stamps are the wall's all the same, so that latency is measured; the plant feels it only by the due step.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import cycle
from time import monotonic_ns
from typing import Any, NamedTuple, TypeVar

from numpy.typing import NDArray

from hilbench.loop.clock import NEVER, Clock, collector_frozen
from hilbench.loop.waiting import SPIN_NS
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


class Virtual(Clock):
    """The clock on which the plant waits for the loop: time passes without waiting, and stops while the loop waits."""

    realtime = False
    free_running = False
    ticks: int | None = None
    recorded_late: Sequence[bool] | None = None
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

    def pass_until(self, since_start_ns: int, wait: Callable[[int], object] | None = None) -> int:
        """It is then already."""
        return since_start_ns

    def pause_for(self, wait: Callable[[T], object], argument: T) -> bool:
        wait(argument)
        return True

    @abstractmethod
    def assign_due_step(self, seq: int) -> int | None:
        """The physics step from which tick `seq`'s reply may act, or NEVER."""

    @abstractmethod
    def skips(self, k: int, in_flight: int) -> bool:
        """Whether tick `k` is not sent; `in_flight` is 0, for every reply is waited for."""

    def reaches(self, k: int) -> bool:
        return True


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
        self._applied, self._skipped, self._processed, self.recorded_late = (
            episode[name].tolist() for name in ("applied_step", "skipped", "processed", "late")
        )

    def assign_due_step(self, seq: int) -> int:
        step = self._applied[seq]
        return NEVER if step < 0 else step

    def skips(self, k: int, in_flight: int) -> bool:
        return self._skipped[k]

    def reaches(self, k: int) -> bool:
        return self._processed[k]
