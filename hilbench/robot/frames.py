"""The frames of docs/robots.md, as hilbench writes and reads them.

It must not know sockets, clocks or plants. Every read checks a frame before it takes anything from it, and raises
ProtocolError.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum, IntFlag
from math import isfinite
from struct import Struct as Layout
from typing import NamedTuple

import numpy as np

from hilbench.errors import ProtocolError, printable
from hilbench.robot.description import Description, decode_description
from hilbench.types import EVENT, NO_EVENTS, Events, Values

MAGIC = b"HR"
VERSION = 1
NONE = 2**64 - 1
"""Stands for "no frame yet" in `act_seq` and `sense_seq`."""
FRAME_MAX_BYTES = 65_507
"""The longest datagram of UDP over IPv4, whatever carries the frame."""
TEXT_MAX_BYTES = 1000
CLOCK_NS_MAX = 2**63 - 1
JUMP_MAX = 2**20
"""By how much the `seq` of a SENSE may lie above the last one's: a damaged number must not shut out all later ones."""

HEADER = Layout("<2sBBHHQQIHH")
HELLO = Layout("<16s")
"""The body of hilbench's HELLO."""
HELLO_ANSWER = Layout("<16sQ")
"""The fixed part of the robot's; its description follows."""
RESET = Layout("<QB7x")
ACT = Layout("<Q")
SENSE = Layout("<QQQIIIf")
ERROR = Layout("<H")
_SENSE = Layout(HEADER.format + SENSE.format[1:])


class Kind(IntEnum):
    HELLO = 1
    RESET = 2
    ACT = 3
    SENSE = 4
    STOP = 5
    ERROR = 7
    BYE = 8


class Code(IntEnum):
    """Why a robot refuses a request."""

    VERSION = 2
    SESSION = 4
    RANGE = 6
    BUSY = 9
    REFUSED = 11
    ESTOP = 13


class Flag(IntFlag):
    """What a SENSE says of the robot."""

    ESTOP = 1
    FAULT = 2
    WATCHDOG = 4
    TERMINATED = 8
    TRUNCATED = 16
    CLIPPED = 32


SAFE = 1
"""Bit of an ACT's flags: the robot is to take its own safe action."""


class Header(NamedTuple):
    magic: bytes
    version: int
    kind: int
    session: int
    flags: int
    seq: int
    t_ns: int
    n_events: int
    n_values: int
    reserved: int


class Answer(NamedTuple):
    """A robot's answer to HELLO."""

    session: int
    boot_id: bytes
    came_ns: int
    """The robot's clock when HELLO came."""
    sent_ns: int
    """And when this answer left."""
    description: Description


class Sense(NamedTuple):
    """One SENSE."""

    seq: int
    flags: int
    t_ns: int
    """The robot's clock when its sensors were read."""
    sent_ns: int
    """The same clock when the frame left."""
    act_seq: int
    """The newest ACT that the robot has taken; NONE before the first one."""
    act_ns: int
    """The robot's clock when that ACT came."""
    acts: int
    """ACTs that it has taken in this session."""
    refused: int
    """Frames that it has dropped in this session, since they were damaged, out of range or old."""
    episode: int
    """RESETs that it has done in this session."""
    reward: float
    obs: Values
    """(n_obs,) float32."""
    events: Events
    """`t_us` counts from the beginning of the robot's period, which ends at `t_ns`."""


class Refusal(NamedTuple):
    """An ERROR."""

    code: int
    text: str


def frame(kind: Kind, session: int, seq: int, body: bytes = b"") -> bytes:
    """A request's frame.

    Parameters
    ----------
    kind : Kind
    session, seq : int
        The numbers of its session and of the request.
    body : bytes
        What follows the header.
    """
    return HEADER.pack(MAGIC, VERSION, kind, session, 0, seq, 0, 0, 0, 0) + body


def encode_act(session: int, seq: int, t_ns: int, sense_seq: int, values: bytes, flags: int = 0) -> bytes:
    """An ACT's frame.

    Parameters
    ----------
    session, seq : int
        The numbers of its session and of the ACT.
    t_ns : int
        hilbench's clock, in nanoseconds.
    sense_seq : int
        The newest SENSE that there was; NONE before the first one.
    values : bytes
        The action, (n_actions,) little-endian float32.
    flags : int
        0 or SAFE.
    """
    header = HEADER.pack(MAGIC, VERSION, Kind.ACT, session, flags, seq, t_ns, 0, len(values) // 4, 0)
    return header + ACT.pack(sense_seq) + values


def read_header(data: bytes) -> Header:
    """The header, checked as far as it goes without a session."""
    if not HEADER.size <= len(data) <= FRAME_MAX_BYTES:
        raise ProtocolError(f"frame has {len(data)} bytes; allowed: {HEADER.size} to {FRAME_MAX_BYTES}")
    header = Header._make(HEADER.unpack_from(data))
    if header.magic != MAGIC:
        raise ProtocolError(f"frame starts with {header.magic!r}; allowed: {MAGIC!r}")
    if header.version != VERSION:
        raise ProtocolError(f"the robot speaks version {header.version} of the protocol; allowed: {VERSION}")
    if header.reserved:
        raise ProtocolError(f"reserved is {header.reserved}; allowed: 0")
    return header


def decode_hello(data: bytes) -> Answer:
    """A robot's answer to HELLO, whose header has been read."""
    header = Header._make(HEADER.unpack_from(data))
    at = HEADER.size + HELLO_ANSWER.size
    if len(data) < at:
        raise ProtocolError(f"HELLO has {len(data)} bytes; allowed: {at} or more")
    boot_id, sent_ns = HELLO_ANSWER.unpack_from(data, HEADER.size)
    if not header.session:
        raise ProtocolError("session of HELLO is 0; allowed: 1 to 65535")
    _check_clock("HELLO", header.t_ns, sent_ns)
    return Answer(header.session, boot_id, header.t_ns, sent_ns, decode_description(data[at:]))


def decode_sense(data: bytes, n_obs: int, n_addresses: int, period_us: int) -> Sense:
    """A SENSE, whose header has been read.

    Parameters
    ----------
    data : bytes
        The frame.
    n_obs : int
        Values of an observation.
    n_addresses : int
        Event addresses there are.
    period_us : int
        The robot's period, in microseconds, within which its events lie.
    """
    size = _SENSE.size
    if len(data) < size:
        raise ProtocolError(f"SENSE has {len(data)} bytes; allowed: {size} or more")
    (_, _, _, _, flags, seq, t_ns, n_events, n_values, _, sent_ns, act_seq, act_ns,
     acts, refused, episode, reward) = _SENSE.unpack_from(data)  # fmt: skip
    if n_values != n_obs or len(data) != size + EVENT.itemsize * n_events + 4 * n_values:
        raise ProtocolError(f"SENSE has {n_values} values and {len(data)} bytes; allowed: {n_obs} values, and no rest")
    _check_clock("SENSE", t_ns, sent_ns)
    if act_seq != NONE and act_ns > sent_ns:
        raise ProtocolError(f"SENSE left at {sent_ns} ns, before its ACT came at {act_ns} ns")
    events = _checked(np.frombuffer(data, EVENT, n_events, size), n_addresses, period_us) if n_events else NO_EVENTS
    obs = np.frombuffer(data, "<f4", n_values, size + EVENT.itemsize * n_events)
    if not (isfinite(reward) and np.isfinite(obs).all()):
        raise ProtocolError("SENSE has a number that is not finite")
    return Sense(seq, flags, t_ns, sent_ns, act_seq, act_ns, acts, refused, episode, reward, obs, events)


def decode_error(data: bytes) -> Refusal:
    """An ERROR, whose header has been read. Its code may be one that this version does not know."""
    if len(data) < HEADER.size + ERROR.size:
        raise ProtocolError(f"ERROR has {len(data)} bytes; allowed: {HEADER.size + ERROR.size} or more")
    text = data[HEADER.size + ERROR.size :][:TEXT_MAX_BYTES].decode(errors="replace")
    return Refusal(ERROR.unpack_from(data, HEADER.size)[0], printable(text))


def encoded(values: Sequence[float]) -> bytes:
    """An action as an ACT carries it, (n_actions,) little-endian float32."""
    return np.asarray(values, "<f4").tobytes()


def _checked(events: Events, n_addresses: int, period_us: int) -> Events:
    late, outside = events["t_us"].max() >= period_us, events["address"].max() >= n_addresses
    if late or outside or (np.diff(events["t_us"].astype(np.int64)) < 0).any():
        raise ProtocolError("SENSE has events that are out of range or out of order")
    return events


def _check_clock(kind: str, before_ns: int, sent_ns: int) -> None:
    if not before_ns <= sent_ns <= CLOCK_NS_MAX:
        raise ProtocolError(f"{kind} has clocks {before_ns} and {sent_ns} ns; allowed: no fall, {CLOCK_NS_MAX} at most")
