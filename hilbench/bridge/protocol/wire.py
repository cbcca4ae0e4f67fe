"""The frames of docs/protocol.md: header, numbers, limits and refusals. `ticks.py` has TICK and
REPLY, `states.py` SNAPSHOT, RESTORE and STATUS, `handshakes.py` the other messages.

It must not know sockets, clocks or backends. Every read checks a frame before it takes anything from it, and raises
FrameError, a numbered ProtocolError.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct as Layout
from typing import NamedTuple, TypeVar

import msgspec

from hilbench.errors import ProtocolError, printable
from hilbench.types import Program, size_of

T = TypeVar("T")
MAGIC = b"HB"
VERSION = 1
LEARNING = 1
"""Bit of a TICK's flags; all other bits are zero."""
NO_SEQ = 2**64 - 1
"""Stands for "no tick" in `seq` and `prev_seq`; no TICK may carry it."""
FRAME_MAX_BYTES = 512 * 2**20
COMPUTE_NS_MAX = 10**15
"""A REPLY's `compute_ns`: 1e6 s, the longest time limit that a link can have."""
CLOCK_NS_MAX = 2**63 - 1
"""A REPLY's `recv_ns`."""
COUNT_MAX = 2**53
"""Each of a REPLY's counters: a float64 holds every whole number up to it."""
ENERGY_J_MAX = 1e9
VALUES_MAX = 2**16 - 1
ADDRESSES_MAX = 2**32 - 1

HEADER = Layout("<2sBBHHQQIHH")
REPLY = Layout("<QQQII5Qd")
"""The fixed part of a REPLY's body."""


class Kind(IntEnum):
    HELLO = 1
    RESET = 2
    TICK = 3
    REPLY = 4
    LOAD = 5
    REPORT = 6
    ERROR = 7
    BYE = 8
    SNAPSHOT = 9
    RESTORE = 10
    STATUS = 11
    SPIKES = 12
    ECHO = 13


_KINDS = range(min(Kind), max(Kind) + 1)


class Code(IntEnum):
    """Why a device refused a frame."""

    FRAME = 1
    VERSION = 2
    KIND = 3
    SESSION = 4
    COUNT = 5
    RANGE = 6
    BODY = 7
    STATE = 8
    BUSY = 9
    UNSUPPORTED = 10
    REFUSED = 11
    INTERNAL = 12


class Can(IntEnum):
    """Capability bits of HELLO."""

    LOAD = 1
    OWN_CLOCK = 2
    SNAPSHOT = 4
    ECHO = 8
    STATUS = 16


class FrameError(ProtocolError):
    """A frame that breaks docs/protocol.md, with the number an ERROR frame carries."""

    def __init__(self, code: Code, text: str) -> None:
        super().__init__(text)
        self.code = code


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
    n_modulators: int


class Sizes(NamedTuple):
    """What a loaded program allows in a frame."""

    period_us: int
    n_values_in: int
    n_addresses_in: int
    n_modulators: int
    n_values_out: int
    n_addresses_out: int

    @classmethod
    def of(cls, program: Program, period_us: int) -> Sizes:
        """The sizes of a program's ports. Raises FrameError when a frame could not hold them.

        Parameters
        ----------
        program : Program
            What is loaded.
        period_us : int
            The control period, in microseconds.
        """
        if not 1 <= period_us < 2**32:
            raise FrameError(Code.RANGE, f"period is {period_us} us; allowed: 1 to {2**32 - 1}")
        sizes = cls(
            period_us,
            size_of(program.inputs, "values"),
            size_of(program.inputs, "events"),
            size_of(program.modulators, "values"),
            size_of(program.outputs, "values"),
            size_of(program.outputs, "events"),
        )
        for name in ("n_values_in", "n_modulators", "n_values_out"):
            if getattr(sizes, name) > VALUES_MAX:
                raise FrameError(Code.COUNT, f"{name} is {getattr(sizes, name)}; a frame holds {VALUES_MAX} at most")
        for name in ("n_addresses_in", "n_addresses_out"):
            if getattr(sizes, name) > ADDRESSES_MAX:
                raise FrameError(Code.COUNT, f"{name} is {getattr(sizes, name)}; allowed: {ADDRESSES_MAX} at most")
        return sizes


def frame(kind: Kind, session: int, seq: int, body: bytes = b"") -> bytes:
    """A frame without tick data: `session` and `seq` are the numbers of its session and of the request.

    Parameters
    ----------
    kind : Kind
    session, seq : int
    body : bytes
        What follows the header.
    """
    return HEADER.pack(MAGIC, VERSION, kind, session, 0, seq, 0, 0, 0, 0) + body


def read_header(data: bytes) -> Header:
    """The header, checked as far as it goes without a session."""
    if len(data) < HEADER.size:
        raise FrameError(Code.FRAME, f"frame has {len(data)} bytes; a header has {HEADER.size}")
    header = Header._make(HEADER.unpack_from(data))
    if header.magic != MAGIC:
        raise FrameError(Code.FRAME, f"frame starts with {header.magic!r}; allowed: {MAGIC!r}")
    if header.version != VERSION:
        raise FrameError(Code.VERSION, f"protocol version is {header.version}; allowed: {VERSION}")
    if header.kind not in _KINDS:
        raise FrameError(Code.KIND, f"kind is {header.kind}; allowed: {min(_KINDS)} to {max(_KINDS)}")
    return header


def check_zeros(header: Header) -> None:
    """Raise FrameError for a header with other than 0 where its kind, none of TICK and REPLY, has nothing to say."""
    for name in ("flags", "t_ns", "n_events", "n_values", "n_modulators"):
        if getattr(header, name):
            raise FrameError(Code.RANGE, f"{name} of {Kind(header.kind).name} is {getattr(header, name)}; allowed: 0")


def seq_of(data: bytes) -> int:
    """The `seq` an ERROR about this frame repeats."""
    try:
        return read_header(data).seq
    except FrameError:
        return NO_SEQ


def mark(kind: Kind, session: int) -> bytes:
    """The bytes that a frame of this kind and session starts with: one comparison on a running loop's path.

    Parameters
    ----------
    kind : Kind
    session : int
    """
    return HEADER.pack(MAGIC, VERSION, kind, session, 0, 0, 0, 0, 0, 0)[:6]


def unpack(decoder: msgspec.msgpack.Decoder[T], data: bytes) -> T:
    """The msgpack body of a frame. Raises FrameError.

    Parameters
    ----------
    decoder : msgspec.msgpack.Decoder
        Of the body's type.
    data : bytes
        The whole frame.
    """
    try:
        return decoder.decode(memoryview(data)[HEADER.size :])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(Code.BODY, f"the msgpack body is not what its kind allows: {printable(str(error))}") from None
