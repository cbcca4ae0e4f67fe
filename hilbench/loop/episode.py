"""What a loop keeps for one episode: which ticks have no reply, which replies wait to act, and the action held."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush
from math import isfinite

from hilbench.record.rows import EpisodeRows
from hilbench.scenario.loop import LoopConfig
from hilbench.types import Events, Observation

Action = tuple[float, ...]
"""(n_actions,): a tuple, for a plant may write over what it is given."""
Seen = tuple[Observation, Events, int, int]
"""What the plant showed and its sensors told at a tick; when it was due and when that was, in ns of the run's clock."""


class Episode:
    """One episode under way. It must not know the clock, the plant or the agent."""

    __slots__ = (
        "acting", "action", "asked_ns", "ended", "next_step", "number", "ready", "rows", "seed", "seen", "unanswered",
    )  # fmt: skip

    def __init__(self, number: int, seed: int, rows: EpisodeRows, action: Action) -> None:
        self.number, self.seed, self.rows = number, seed, rows
        self.seen: Seen | None = None
        """Of the tick whose row is not open yet."""
        self.next_step = 0
        """The physics step that runs next."""
        self.ended = False
        """Whether the plant has ended it while the device was away."""
        self.unanswered: deque[int] = deque()
        """Ticks that have neither a reply of their own nor one of a newer tick."""
        self.asked_ns: int | None = None
        """Since when the device owes a reply; None when it owes none."""
        self.ready: list[tuple[int, int, Action]] = []
        """Replies that have not acted yet: a heap of (due physics step, tick, action)."""
        self.acting = -1
        """The tick whose reply acts; -1 before the first one."""
        self.action = action
        """What that reply says."""

    def forget_device(self) -> None:
        """The device is lost: no reply is waited for any more, and none of those that came acts."""
        self.unanswered.clear()
        self.ready.clear()
        self.asked_ns, self.acting = None, -1

    def in_flight(self, given_up: int) -> int:
        """How many ticks are unanswered, without those up to `given_up`."""
        n = 0
        for seq in reversed(self.unanswered):
            if seq <= given_up:
                break
            n += 1
        return n

    def asked(self, seq: int, now_ns: int) -> None:
        """Take note of a tick that has been sent and is not waited for.

        Parameters
        ----------
        seq : int
            Its number.
        now_ns : int
            When it was sent, in nanoseconds of the wall's clock.
        """
        self.unanswered.append(seq)
        self.asked_ns = self.asked_ns or now_ns

    def answered(self, seq: int, now_ns: int) -> None:
        """Take note of a reply: no older tick's is waited for.

        Parameters
        ----------
        seq : int
            The reply's tick.
        now_ns : int
            When it arrived, in nanoseconds of the wall's clock.
        """
        unanswered = self.unanswered
        while unanswered and unanswered[0] <= seq:
            unanswered.popleft()
        self.asked_ns = now_ns if unanswered else None

    def put(self, due: int, seq: int, action: Action) -> None:
        """Keep a reply's action until it is due.

        Parameters
        ----------
        due : int
            The physics step from which it may act.
        seq : int
            The reply's tick.
        action : (n_actions,) float
            What it says, within the plant's limits.
        """
        heappush(self.ready, (due, seq, action))

    def take_due(self, step: int) -> bool:
        """Let the newest reply that is due at a physics step act, if it is newer than the one that acts; whether so."""
        ready, taken = self.ready, False
        while ready and ready[0][0] <= step:
            _, seq, action = heappop(ready)
            if seq > self.acting:
                self.acting, self.action, taken = seq, action, True
        return taken

    def settled(self, k: int) -> int:
        """The oldest tick, up to `k`, whose row may still change: it has no reply, or its reply has not acted.

        A tick that was given up counts too: its reply acts if it comes and is the newest.
        """
        oldest = self.unanswered[0] if self.unanswered else k + 1
        return min((seq for _, seq, _ in self.ready), default=oldest) if self.ready else oldest


def learning_ticks(config: LoopConfig, number: int, n_ticks: int) -> int:
    """How many ticks of an episode, from its first one on, may learn.

    Parameters
    ----------
    config : LoopConfig
    number : int
        The episode's.
    n_ticks : int
        How many ticks it has at most.
    """
    if not config.learning or (config.freeze_at_episode is not None and number >= config.freeze_at_episode):
        return 0
    return (
        n_ticks if config.freeze_at_s is None else -(-round(config.freeze_at_s * 1e9) // round(config.period_s * 1e9))
    )


def bounded(
    values: list[float], limits: Sequence[tuple[float, float]], safe: Action, discrete: Sequence[int] = ()
) -> tuple[Action, bool, bool]:
    """An action within a plant's limits, whether it was outside them, and whether it was no number: then `safe`.

    Parameters
    ----------
    values : (n_actions,) list of float
        What was decoded; it is changed in place.
    limits : (n_actions,) pairs of float
        The lowest and the highest value of each.
    safe : (n_actions,) tuple of float
        The plant's safe action.
    discrete : sequence of int
        Which actions are whole numbers: another one is rounded, and counts as outside.
    """
    clipped = False
    for i, (low, high) in enumerate(limits):
        if not low <= values[i] <= high:
            if not isfinite(values[i]):
                return safe, False, True
            values[i], clipped = min(max(values[i], low), high), True
    for i in discrete:
        if values[i] != (whole := float(round(values[i]))):
            values[i], clipped = whole, True
    return tuple(values), clipped, False
