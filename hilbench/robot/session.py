"""hilbench's side of a session with a robot: requests that are answered, actions that are not, and the newest SENSE.

Requests wait, within limits; `take` and `act`, which a tick calls, never do. It must not know plants or scenarios.
"""

from __future__ import annotations

import os
from collections import Counter, deque
from contextlib import suppress
from time import monotonic_ns
from typing import NamedTuple

from hilbench.errors import ProtocolError, RobotError
from hilbench.lines.boot import boot_id
from hilbench.robot import frames
from hilbench.robot.frames import NONE, Code, Flag, Header, Kind, Sense
from hilbench.robot.transport import Transport, connect

AGAIN_NS = 100_000_000
"""A request without an answer is sent again after so long: any frame may be lost."""
LAST_WORDS = 5
"""How often STOP or BYE is said before its answer is given up."""
REMEMBERED = 4096
"""ACTs whose sending is remembered until a SENSE says when they came."""


class Taken(NamedTuple):
    """A SENSE, and what is known on this side of it."""

    sense: Sense
    arrived_ns: int
    act_sent_ns: int
    """When the ACT left that this SENSE names; 0 where that is not known."""


class Robot:
    """A session with a robot. Making one says HELLO, and raises RobotError where nobody answers.

    Parameters
    ----------
    address : str
        Where the robot is.
    timeout_s : float
        How long an answer may take, in seconds.
    """

    def __init__(self, address: str, timeout_s: float) -> None:
        self.address, self._timeout_ns = address, round(timeout_s * 1e9)
        self.newest: Taken | None = None
        """The newest SENSE of this episode."""
        self.eventful: deque[Sense] = deque(maxlen=REMEMBERED)
        """Its SENSEs with events that nobody has taken from here yet."""
        self.counts: Counter[str] = Counter()
        """What became of frames: `senses`, `sense_lost`, `sense_old`, `acts`, `act_unsent`, `broken`."""
        self._request = int.from_bytes(os.urandom(7), "little")  # so that no robot takes it for an earlier one
        self._session = self._episode = self._act_seq = 0
        self._sent_ns = [0] * REMEMBERED
        self._last_seq: int | None = None
        self._answer, self._last_broken = b"", ""
        self._transport: Transport = connect(address, timeout_s)
        try:
            self._hello()
        except BaseException:
            self._transport.close()
            raise

    def _hello(self) -> None:
        answer = self._ask(Kind.HELLO, frames.HELLO.pack(boot_id()), self._timeout_ns)
        try:
            found = frames.decode_hello(answer)
        except ProtocolError as error:
            raise RobotError(f"{self.address}: {error}") from None
        self._session, self.description = found.session, found.description
        self.same_clock = found.boot_id == boot_id()
        """Whether the robot's clock is this process's own."""
        self.origin_ns = monotonic_ns()
        self.robot_origin_ns = self.origin_ns if self.same_clock else found.sent_ns
        """From which on times are counted, on this side's clock and on the robot's."""
        self._sizes = len(found.description.obs), found.description.n_addresses, found.description.period_us

    def reset(self, seed: int, release: bool, ready_ns: int) -> None:
        """Begin an episode, and wait for its first SENSE. Raises RobotError.

        Parameters
        ----------
        seed : int
            For a robot that draws anything.
        release : bool
            Whether an emergency stop is to be released.
        ready_ns : int
            How long the robot may take to be ready, in nanoseconds.
        """
        self.newest, self._episode = None, self._episode + 1  # of what comes now, nothing belongs to an episode
        self.eventful.clear()
        try:
            self._ask(Kind.RESET, frames.RESET.pack(seed % 2**64, release), ready_ns)
        except RobotError:
            self._episode -= 1
            raise
        until_ns = monotonic_ns() + self._timeout_ns
        while self.newest is None:
            if (left_ns := until_ns - monotonic_ns()) <= 0:
                raise RobotError(f"{self.address}: no SENSE within {self._timeout_ns * 1e-9:g} s of RESET{self._odd()}")
            self._transport.wait(left_ns)
            self.take()

    def act(self, values: bytes, safe: bool = False) -> None:
        """Send an action, without waiting. Raises RobotError for a connection that ended.

        Parameters
        ----------
        values : bytes
            (n_actions,) little-endian float32.
        safe : bool
            Whether the robot is to take its own safe action.
        """
        sense_seq = NONE if self.newest is None else self.newest.sense.seq
        seq, now_ns = self._act_seq, monotonic_ns()
        self._sent_ns[seq % REMEMBERED] = now_ns
        flags = frames.SAFE if safe else 0
        if self._transport.send(frames.encode_act(self._session, seq, now_ns, sense_seq, values, flags)):
            self.counts["acts"] += 1
        else:
            self.counts["act_unsent"] += 1
        self._act_seq = seq + 1

    def age_ns(self) -> int:
        """How long ago the newest SENSE of this episode arrived, in nanoseconds; very long where there is none."""
        return monotonic_ns() - (self.newest.arrived_ns if self.newest else 0)

    def take(self) -> None:
        """Take in what has arrived, without waiting. Raises RobotError where the robot knows the session no more."""
        for data, arrived_ns in self._transport.receive():
            try:
                header = frames.read_header(data)
                if header.session != self._session:
                    raise ProtocolError(f"session is {header.session}; allowed: {self._session}")
                self._took(header, data, arrived_ns)
            except (ProtocolError, ValueError):
                self.counts["broken"] += 1

    def tally(self) -> dict[str, int]:
        """What became of frames in both directions, by fields of a RobotReport; ACTs were lost by the newest SENSE."""
        counts = self.counts
        found = {
            "senses_received": counts["senses"],
            "senses_lost": counts["sense_lost"],
            "senses_outdated": counts["sense_old"],
            "acts_sent": counts["acts"],
            "acts_unsent": counts["act_unsent"],
            "broken_frames": counts["broken"] + self._transport.broken,
        }
        if self.newest is not None and (sense := self.newest.sense).act_seq != NONE:
            found["acts_lost"] = max(0, sense.act_seq + 1 - counts["act_unsent"] - sense.acts)
            found["acts_refused"] = sense.refused
        return found

    def stop(self) -> None:
        """Have the robot stop and stay so: nobody watches it any more. Raises nothing."""
        self._say(Kind.STOP)

    def close(self) -> None:
        """End the session, which puts the robot into its safe action; may be called twice."""
        if self._session:
            self._say(Kind.BYE)
            self._session = 0
        self._transport.close()

    def _say(self, kind: Kind) -> None:
        with suppress(RobotError):
            self._ask(kind, b"", LAST_WORDS * AGAIN_NS)

    def _ask(self, kind: Kind, body: bytes, within_ns: int) -> bytes:
        """The answer to a request, which is repeated until one comes. Raises RobotError without one."""
        self._request += 1
        self._answer, again_ns = b"", 0
        asked = frames.frame(kind, self._session, self._request, body)
        until_ns = monotonic_ns() + within_ns
        while not self._answer:
            now_ns = monotonic_ns()
            if now_ns >= until_ns:
                raise RobotError(f"{self.address}: no answer to {kind.name} within {within_ns * 1e-9:g} s{self._odd()}")
            if now_ns >= again_ns:
                self._transport.send(asked)
                again_ns = now_ns + AGAIN_NS
            self._transport.wait(min(again_ns, until_ns) - now_ns)
            self._take_answers(kind)
        return self._answer

    def _take_answers(self, kind: Kind) -> None:
        """As `take`, with an eye for the answer to a request of a kind."""
        for data, arrived_ns in self._transport.receive():
            try:
                header = frames.read_header(data)
                if header.seq == self._request and header.kind == Kind.ERROR:
                    raise self._refusal(kind, frames.decode_error(data))
                if header.seq == self._request and header.kind == kind:
                    self._answer = data
                elif header.session == self._session != 0:
                    self._took(header, data, arrived_ns)
            except (ProtocolError, ValueError) as error:
                self.counts["broken"] += 1
                if data[:2] == frames.MAGIC:
                    self._last_broken = str(error)

    def _took(self, header: Header, data: bytes, arrived_ns: int) -> None:
        """One frame of the session."""
        if header.kind == Kind.SENSE:
            self._sensed(frames.decode_sense(data, *self._sizes), arrived_ns)
        elif header.kind == Kind.ERROR and frames.decode_error(data).code == Code.SESSION:
            raise RobotError(f"{self.address}: the robot was started again, and knows this session no more")
        elif header.kind == Kind.BYE:
            raise RobotError(f"{self.address}: the robot ended the session")

    def _sensed(self, sense: Sense, arrived_ns: int) -> None:
        last = sense.seq - 1 if self._last_seq is None else self._last_seq
        if sense.seq <= last:
            self.counts["sense_old"] += 1
            return
        known = sense.act_seq == NONE or sense.act_seq < self._act_seq
        if sense.seq > last + frames.JUMP_MAX or not known:
            raise ProtocolError("SENSE has a seq out of range")
        self.counts["senses"] += 1
        if self.newest is not None:  # before an episode nobody reads them
            self.counts["sense_lost"] += sense.seq - last - 1
        self._last_seq = sense.seq
        if sense.episode == self._episode:
            recent = sense.act_seq != NONE and sense.act_seq > self._act_seq - REMEMBERED
            self.newest = Taken(sense, arrived_ns, self._sent_ns[sense.act_seq % REMEMBERED] if recent else 0)
            if sense.events.size:
                self.eventful.append(sense)

    def _refusal(self, kind: Kind, found: frames.Refusal) -> RobotError:
        remedy = ""
        if found.code == Code.ESTOP:
            remedy = "; release it at the robot, or run with --plant.release-estop true"
        elif found.code == Code.BUSY:
            remedy = "; end the other run, or wait for its session to lapse"
        return RobotError(f"{self.address}: the robot refused {kind.name}: {found.text or 'no reason'}{remedy}")

    def _odd(self) -> str:
        """What came in place of an answer."""
        if self._last_broken:
            return f"; the last frame from there: {self._last_broken}"
        if n := self.counts["broken"] + self._transport.broken:
            return f"; {n} frames from there were none of docs/robots.md"
        return "" if self._session else "; does the robot run, and is this its address?"


def stopped(sense: Sense) -> str:
    """Why a robot that says this moves no more; empty where it does."""
    if sense.flags & Flag.ESTOP:
        return "its emergency stop is on"
    return "it reports a fault of its own" if sense.flags & Flag.FAULT else ""
