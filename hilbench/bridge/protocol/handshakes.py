"""The bodies of HELLO, LOAD, REPORT, RESET, ERROR and of frames without one, in the frames of `wire.py`.

It must not know sockets, clocks or backends.
"""

from __future__ import annotations

from struct import Struct as Layout
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from hilbench.bridge.protocol.wire import HEADER, Code, FrameError, Kind, Sizes, frame, read_header, unpack
from hilbench.errors import printable, printable_lines
from hilbench.types import Carry, LoadReport, Probes

TEXT_MAX_BYTES = 1000
CATCH_UP_MAX = 10_000
"""Periods a RESET may ask a device to run through after a gap: one frame must not keep it busy for hours."""
ECHO_MAX_BYTES = 2**16
"""Body of the longest ECHO."""
HELLO = Layout("<I16s16s7I")
RESET = Layout("<QIB3x")
RESET_PAD = 3
ERROR = Layout("<H")
CARRIES: tuple[Carry, ...] = ("none", "weights", "all")


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


def encode_hello(session: int, seq: int, hello: Hello) -> bytes:
    """A HELLO's frame.

    Parameters
    ----------
    session, seq : int
    hello : Hello
    """
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
    """A RESET's frame. Raises FrameError for what none can say.

    Parameters
    ----------
    session, seq : int
    seed, carry, catch_up
        As in `check_reset`.
    """
    check_reset(seed, carry, catch_up)
    return frame(Kind.RESET, session, seq, RESET.pack(seed, catch_up, CARRIES.index(carry)))


def decode_reset(data: bytes) -> tuple[int, Carry, int]:
    seed, catch_up, carry = RESET.unpack(_body(data, RESET.size))
    if any(data[-RESET_PAD:]):
        raise FrameError(Code.RANGE, f"the last bytes of RESET are {data[-RESET_PAD:].hex()}; allowed: 0")
    if carry >= len(CARRIES):
        raise _no_carry(str(carry))
    check_reset(seed, CARRIES[carry], catch_up)
    return seed, CARRIES[carry], catch_up


def check_reset(seed: int, carry: str, catch_up: int) -> None:
    """Raise FrameError for what no RESET can say.

    Parameters
    ----------
    seed : int
        Seed of the program's own randomness.
    carry : str
        What survives.
    catch_up : int
        Periods of a gap through which the device advances its network.
    """
    if not 0 <= seed < 2**64:
        raise FrameError(Code.RANGE, f"seed is {seed}; allowed: 0 to 2**64 - 1")
    if carry not in CARRIES:
        raise _no_carry(carry)
    if not 0 <= catch_up <= CATCH_UP_MAX:
        raise FrameError(Code.RANGE, f"catch_up is {catch_up}; allowed: 0 to {CATCH_UP_MAX}")


def _no_carry(found: str) -> FrameError:
    return FrameError(Code.RANGE, f"carry is {found!r}; allowed: {', '.join(CARRIES)}")


def check_bare(data: bytes) -> None:
    """Raise FrameError for a frame with a body, where its kind has none."""
    _body(data, 0)


def check_echo(data: bytes) -> None:
    """Raise FrameError for an ECHO that is too long to send back."""
    if len(data) > HEADER.size + ECHO_MAX_BYTES:
        raise FrameError(Code.FRAME, f"ECHO has {len(data)} bytes; allowed: {HEADER.size + ECHO_MAX_BYTES} at most")


def encode_load(session: int, seq: int, load: Load) -> bytes:
    """A LOAD's frame.

    Parameters
    ----------
    session, seq : int
    load : Load
    """
    return frame(Kind.LOAD, session, seq, msgspec.msgpack.encode(load))


def decode_load(data: bytes) -> Load:
    return unpack(_load_decoder, data)


def encode_report(session: int, seq: int, report: LoadReport) -> bytes:
    """A REPORT's frame.

    Parameters
    ----------
    session, seq : int
    report : LoadReport
    """
    return frame(Kind.REPORT, session, seq, msgspec.msgpack.encode(report))


def decode_report(data: bytes) -> LoadReport:
    """A device's report, whose lines a terminal and a page can be given."""
    report = unpack(_report_decoder, data)
    texts = {name: printable_lines(getattr(report, name)) for name in ("exact", "approximated", "dropped", "warnings")}
    return msgspec.structs.replace(report, backend=printable(report.backend), **texts)


def encode_error(session: int, seq: int, code: Code, text: str) -> bytes:
    """An ERROR's frame; a text that is too long is cut.

    Parameters
    ----------
    session : int
        The session's number; 0 for a plant without one.
    seq : int
        Of the frame that is refused; NO_SEQ where it has none.
    code : Code
    text : str
        In words, for a person.
    """
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
