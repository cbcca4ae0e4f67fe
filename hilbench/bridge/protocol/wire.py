"""The frames of docs/protocol.md: header, numbers and handshakes. `ticks.py` has TICK and REPLY.

It must not know sockets, clocks or backends. Every read checks a frame before it takes anything from it, and raises
FrameError, a numbered ProtocolError.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct as Layout
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from hilbench.errors import ProtocolError, printable, printable_lines
from hilbench.types import Carry, LoadReport, Probes, Program, size_of

MAGIC = b"HB"
VERSION = 1
LEARNING = 1
"""Bit of a TICK's flags; all other bits are zero."""
NO_SEQ = 2**64 - 1
"""Stands for "no tick" in `seq` and `prev_seq`; no TICK may carry it."""
FRAME_MAX_BYTES = 512 * 2**20
TEXT_MAX_BYTES = 1000
COMPUTE_NS_MAX = 10**15
"""A REPLY's `compute_ns`: 1e6 s, the longest time limit that a link can have."""
CLOCK_NS_MAX = 2**63 - 1
"""A REPLY's `recv_ns`."""
COUNT_MAX = 2**53
"""Each of a REPLY's counters: a float64 holds every whole number up to it."""
ENERGY_J_MAX = 1e9
CATCH_UP_MAX = 10_000
"""Periods a RESET may ask a device to run through after a gap: one frame must not keep it busy for hours."""
VALUES_MAX = 2**16 - 1
ADDRESSES_MAX = 2**32 - 1
ECHO_MAX_BYTES = 2**16
"""Body of the longest ECHO."""

HEADER = Layout("<2sBBHHQQIHH")
HELLO = Layout("<I16s16s7I")
RESET = Layout("<QIB3x")
RESET_PAD = 3
REPLY = Layout("<QQQII5Qd")
"""The fixed part of a REPLY's body."""
ERROR = Layout("<H")
CARRIES: tuple[Carry, ...] = ("none", "weights", "all")


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
        """The sizes of a program's ports. Raises FrameError when a frame could not hold them."""
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


class Hello(NamedTuple):
    """The body of HELLO, the same in both directions; a plant's sizes are zero, and so is an empty device's hash."""

    capabilities: int = 0
    boot_id: bytes = bytes(16)
    program_hash: bytes = bytes(16)
    sizes: Sizes = Sizes(0, 0, 0, 0, 0, 0)


class Load(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of LOAD."""

    period_us: Annotated[int, Meta(ge=1, lt=2**32)]
    probes: Probes
    program: bytes
    """What nal.codec.pack made of the Program."""


_load_decoder = msgspec.msgpack.Decoder(Load)
_report_decoder = msgspec.msgpack.Decoder(LoadReport)


def frame(kind: Kind, session: int, seq: int, body: bytes = b"") -> bytes:
    """A frame without tick data. `seq` is the request's number, which its answer repeats."""
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
    """The bytes that a frame of this kind and session starts with: one comparison on a running loop's path."""
    return HEADER.pack(MAGIC, VERSION, kind, session, 0, 0, 0, 0, 0, 0)[:6]


def encode_hello(session: int, seq: int, hello: Hello) -> bytes:
    body = HELLO.pack(hello.capabilities, hello.boot_id, hello.program_hash, *hello.sizes, 0)
    return frame(Kind.HELLO, session, seq, body)


def decode_hello(data: bytes) -> Hello:
    capabilities, boot_id, program_hash, *sizes, reserved = HELLO.unpack(_body(data, HELLO.size))
    if reserved:
        raise FrameError(Code.RANGE, f"reserved of HELLO is {reserved}; allowed: 0")
    return Hello(capabilities, boot_id, program_hash, Sizes._make(sizes))


def decode_answered_hello(data: bytes) -> Hello:
    """A device's HELLO, whose header gives the new session's number. Raises FrameError."""
    if read_header(data).session == 0:
        raise FrameError(Code.RANGE, "session of HELLO is 0; allowed: 1 to 65535")
    return decode_hello(data)


def encode_reset(session: int, seq: int, seed: int, carry: Carry, catch_up: int) -> bytes:
    check_reset(seed, carry, catch_up)
    return frame(Kind.RESET, session, seq, RESET.pack(seed, catch_up, CARRIES.index(carry)))


def decode_reset(data: bytes) -> tuple[int, Carry, int]:
    seed, catch_up, carry = RESET.unpack(_body(data, RESET.size))
    if any(data[-RESET_PAD:]):
        raise FrameError(Code.RANGE, f"the last bytes of RESET are {data[-RESET_PAD:].hex()}; allowed: 0")
    name = CARRIES[carry] if carry < len(CARRIES) else str(carry)
    check_reset(seed, name, catch_up)
    return seed, name, catch_up


def check_reset(seed: int, carry: str, catch_up: int) -> None:
    """Raise FrameError for what no RESET can say."""
    if not 0 <= seed < 2**64:
        raise FrameError(Code.RANGE, f"seed is {seed}; allowed: 0 to 2**64 - 1")
    if carry not in CARRIES:
        raise FrameError(Code.RANGE, f"carry is {carry!r}; allowed: {', '.join(CARRIES)}")
    if not 0 <= catch_up <= CATCH_UP_MAX:
        raise FrameError(Code.RANGE, f"catch_up is {catch_up}; allowed: 0 to {CATCH_UP_MAX}")


def check_bare(data: bytes) -> None:
    """Raise FrameError for a frame with a body, where its kind has none."""
    _body(data, 0)


def check_echo(data: bytes) -> None:
    """Raise FrameError for an ECHO that is too long to send back."""
    if len(data) > HEADER.size + ECHO_MAX_BYTES:
        raise FrameError(Code.FRAME, f"ECHO has {len(data)} bytes; allowed: {HEADER.size + ECHO_MAX_BYTES} at most")


def encode_load(session: int, seq: int, load: Load) -> bytes:
    return frame(Kind.LOAD, session, seq, msgspec.msgpack.encode(load))


def decode_load(data: bytes) -> Load:
    return unpack(_load_decoder, data)


def encode_report(session: int, seq: int, report: LoadReport) -> bytes:
    return frame(Kind.REPORT, session, seq, msgspec.msgpack.encode(report))


def decode_report(data: bytes) -> LoadReport:
    """A device's report, whose lines a terminal and a page can be given."""
    report = unpack(_report_decoder, data)
    texts = {name: printable_lines(getattr(report, name)) for name in ("exact", "approximated", "dropped", "warnings")}
    return msgspec.structs.replace(report, backend=printable(report.backend), **texts)


def encode_error(session: int, seq: int, code: Code, text: str) -> bytes:
    whole = text.encode(errors="replace")[:TEXT_MAX_BYTES].decode(errors="ignore")  # no character is cut in two
    return frame(Kind.ERROR, session, seq, ERROR.pack(code) + whole.encode())


def decode_error(data: bytes) -> tuple[int, str]:
    """The code, which may be one this version does not know, and the text."""
    if len(data) < HEADER.size + ERROR.size:
        raise FrameError(Code.FRAME, f"ERROR has {len(data)} bytes; allowed: {HEADER.size + ERROR.size} or more")
    text = data[HEADER.size + ERROR.size :][:TEXT_MAX_BYTES].decode(errors="replace")
    return ERROR.unpack_from(data, HEADER.size)[0], printable(text)


def _body(data: bytes, size: int) -> bytes:
    if len(data) != HEADER.size + size:
        raise FrameError(Code.FRAME, f"frame has {len(data)} bytes; its kind has {HEADER.size + size}")
    return data[HEADER.size :]


def unpack(decoder: msgspec.msgpack.Decoder, data: bytes):
    """The msgpack body of a frame. Raises FrameError."""
    try:
        return decoder.decode(memoryview(data)[HEADER.size :])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise FrameError(Code.BODY, f"the msgpack body is not what its kind allows: {printable(str(error))}") from None
