"""What a bad link does to frames: which of them leave, and when. `relay.py` does it to a real link.

It must not know sockets, clocks or what a frame holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count, pairwise
from operator import lt
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.errors import ScenarioError, allowed_hint
from hilbench.scenario.delays import ConstantDelay, GammaDelay, Seconds, TraceDelay, endless_ns, to_delay
from hilbench.seeding import stream
from hilbench.settings import to_config

Chance = Annotated[float, Meta(ge=0, le=1)]
Frame = Any
"""Whatever is to be passed on."""
WAYS = ("to_device", "to_plant")


class Way(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What happens to the frames that go one way."""

    delay: ConstantDelay | GammaDelay | TraceDelay = ConstantDelay()
    """How long a frame waits, stated as the loop's delay is; a trace is that of the same way in a recorded run."""
    jitter_s: Seconds = 0.0
    """A frame waits up to so much longer, every time being as likely."""
    loss: Chance = 0.0
    """The part of the frames that never leave."""
    duplicate: Chance = 0.0
    """The part of the frames that leave twice, each with a delay of its own."""
    reorder: Chance = 0.0
    """The part of the frames that pass those that wait: they leave at once. The others keep their order."""


class Cut(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time without a connection."""

    at_s: Seconds
    """When, counted from the first tick of a plant."""
    for_s: Annotated[float, Meta(gt=0, le=1e6)]


class Burst(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A time in which more frames are lost, both ways."""

    at_s: Seconds
    """When, counted from the first tick of a plant."""
    for_s: Annotated[float, Meta(gt=0, le=1e6)]
    loss: Chance
    """The part of the frames that never leave, where the way itself does not lose more."""


class Impairment(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a relay does."""

    to_device: Way = Way()
    to_plant: Way = Way()
    cut: tuple[Cut, ...] = ()
    """When the connections are closed, and for how long."""
    burst: tuple[Burst, ...] = ()
    """When more frames are lost, for how long, and how many."""
    handshakes: bool = False
    """Whether all frames are impaired. Else TICK and REPLY are, ECHO is only delayed, the others keep their order."""
    queue: Annotated[int, Meta(ge=1, le=100_000)] = 1000
    """Frames that may wait each way; one more is dropped."""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Seed of all chance. Every plant that comes meets the same."""


def to_impairment(table: Mapping[str, Any], where: str) -> Impairment:
    """An `[impairment]` table. A field of a way in the table itself holds for both ways. Raises ScenarioError.

    Parameters
    ----------
    table : dict
        What the file says.
    where : str
        Its place in the file, for messages.
    """
    known = {*Impairment.__struct_fields__, *Way.__struct_fields__}
    if unknown := sorted(set(table) - known):
        raise ScenarioError(f"{where}.{unknown[0]}: no such field; {allowed_hint(unknown[0], known)}")
    both = {name: value for name, value in table.items() if name in Way.__struct_fields__}
    rest = {name: value for name, value in table.items() if name not in both and name not in WAYS}
    ways = {name: _way(both, table.get(name, {}), f"{where}.{name}") for name in WAYS}
    impairment = to_config(Impairment, rest | ways, where)
    for before, after in pairwise(impairment.cut):
        if after.at_s < before.at_s + before.for_s:
            raise ScenarioError(f"{where}.cut: found one at {after.at_s:g} s, before the one at {before.at_s:g} s ends")
    return impairment


def _way(both: Mapping[str, Any], own: Any, where: str) -> Way:
    if not isinstance(own, Mapping):
        raise ScenarioError(f"{where}: found {own!r}, expected a table of fields")
    table = {**both, **own}
    if "delay" in table:
        table["delay"] = to_delay(table["delay"], f"{where}.delay")
    way = to_config(Way, table, where)
    if way.reorder and way.delay == ConstantDelay() and not way.jitter_s:
        raise ScenarioError(f"{where}.reorder: found {way.reorder:g} without a delay; no frame waits to be passed")
    return way


@dataclass
class Counts:
    """What became of the frames that came: those and `duplicated` are `forwarded`, `lost`, `dropped` or waiting."""

    forwarded: int = 0
    lost: int = 0
    """By chance."""
    duplicated: int = 0
    reordered: int = 0
    """That passed another."""
    dropped: int = 0
    """For want of room or of a connection."""


class Lane:
    """The frames of one plant that go one way. Instants are in ns on any clock that does not go back."""

    def __init__(
        self, impairment: Impairment, way: str, counts: Counts, trace_s: NDArray[np.float64] | None = None
    ) -> None:
        config: Way = getattr(impairment, way)
        self._counts, self._room = counts, impairment.queue
        self._chances = config.loss, config.duplicate, config.reorder
        # Streams of their own, so that no setting shifts what another one draws.
        self._fates = stream(impairment.seed, f"{way}.fate")
        self._jitters, self._jitter_ns = stream(impairment.seed, f"{way}.jitter"), config.jitter_s * 1e9
        self._delays_ns = endless_ns(config.delay, stream(impairment.seed, f"{way}.delay"), trace_s)
        self._waiting: list[tuple[int, int, Frame]] = []
        self._number = count()
        self._bursts = impairment.burst
        self._storms: list[tuple[int, int, float]] = []
        self._last_ns = self._kept_ns = 0

    @property
    def next_ns(self) -> int | None:
        """When the next frame leaves."""
        return self._waiting[0][0] if self._waiting else None

    def begin(self, now_ns: int) -> None:
        """The plant's first tick has come: bursts count from here."""
        self._storms = [
            (now_ns + round(burst.at_s * 1e9), now_ns + round((burst.at_s + burst.for_s) * 1e9), burst.loss)
            for burst in self._bursts
        ]

    def put(self, frame: Frame, now_ns: int, *, delayed: bool = True, fragile: bool = True) -> None:
        """Take a frame in. One that is not `delayed` only waits for those before it; one that is not `fragile` is
        neither lost nor doubled, passes none and is passed by none.

        Parameters
        ----------
        frame : Frame
            The frame, and who it is from.
        now_ns : int
            Now, in nanoseconds.
        delayed : bool
            Whether it waits for the way's delay and jitter.
        fragile : bool
            Whether it may be lost, doubled or passed.
        """
        lost = doubled = passes = False
        if fragile:
            luck = self._fates.random(3).tolist()
            lost, doubled, passes = map(lt, luck, self._chances)
            lost |= any(start_ns <= now_ns < end_ns and luck[0] < loss for start_ns, end_ns, loss in self._storms)
        if lost:
            self._counts.lost += 1
            return
        self._counts.duplicated += int(doubled)
        for _ in range(1 + doubled):
            self._wait(frame, now_ns, delayed, passes)
        if not fragile:
            self._kept_ns = self._last_ns

    def due(self, now_ns: int) -> Iterator[Frame]:
        """The frames that leave by now, in their order."""
        while self._waiting and self._waiting[0][0] <= now_ns:
            yield heappop(self._waiting)[2]

    def clear(self) -> None:
        """Drop what waits."""
        self._counts.dropped += len(self._waiting)
        self._waiting.clear()
        self._last_ns = self._kept_ns = 0

    def _wait(self, frame: Frame, now_ns: int, delayed: bool, passes: bool) -> None:
        wait_ns = next(self._delays_ns) + int(self._jitters.random() * self._jitter_ns) if delayed else 0
        if len(self._waiting) >= self._room:
            self._counts.dropped += 1
            return
        at_once_ns = max(now_ns, self._kept_ns)
        if passes and at_once_ns < self._last_ns:
            leaves_ns = at_once_ns
            self._counts.reordered += 1
        else:
            leaves_ns = self._last_ns = max(now_ns + wait_ns, self._last_ns)
        heappush(self._waiting, (leaves_ns, next(self._number), frame))
