"""SNAPSHOT, RESTORE and STATUS: the arrays of a backend as bounded, typed bytes, and what a device says of itself.

It must not know sockets, clocks or backends.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.bridge.protocol import wire
from hilbench.bridge.protocol.wire import FRAME_MAX_BYTES, Code, FrameError, Kind
from hilbench.types import Carry

NAMES_MAX = 100_000
NAME_MAX_LENGTH = 256

Kinds = Literal["|b1", "|u1", "<u2", "<u4", "<u8", "<i4", "<i8", "<f4", "<f8"]
Count = Annotated[int, Meta(ge=0, le=wire.COUNT_MAX)]
Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX_LENGTH)]


class Array(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """An array in C order: NumPy's name of its type, its shape, its bytes."""

    kind: Kinds
    shape: Annotated[tuple[Annotated[int, Meta(ge=0, le=FRAME_MAX_BYTES)], ...], Meta(max_length=4)]
    data: Annotated[bytes, Meta(max_length=FRAME_MAX_BYTES)]


class States(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of SNAPSHOT and RESTORE."""

    arrays: Annotated[dict[Name, Array], Meta(max_length=NAMES_MAX)]
    carry: Carry = "all"
    """RESTORE: what to take of them."""


class Status(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of STATUS: what a device counts, and its temperature where it has a thermometer."""

    ticks: Count = 0
    """Ticks run since the last RESET."""
    dropped: Count = 0
    """Ticks since then that were not above the last one."""
    slip: Count = 0
    """Periods since then that were jumped over with states held."""
    refused: Count = 0
    """Frames answered with an ERROR since the device started."""
    broken: Count = 0
    """Frames since then that were dropped without an answer because their bytes were wrong."""
    temperature_c: Annotated[float, Meta(ge=-300, le=10_000)] | None = None


_states_decoder = msgspec.msgpack.Decoder(States)
_status_decoder = msgspec.msgpack.Decoder(Status)


def encode_states(kind: Kind, session: int, seq: int, arrays: Mapping[str, NDArray], carry: Carry = "all") -> bytes:
    """A SNAPSHOT's or a RESTORE's frame. Raises FrameError when it grows too long."""
    packed = {name: _packed(np.asarray(array)) for name, array in arrays.items()}
    body = msgspec.msgpack.encode(States(packed, carry))
    if len(body) > FRAME_MAX_BYTES - wire.HEADER.size:
        raise FrameError(Code.FRAME, f"the states take {len(body)} bytes; a frame holds {FRAME_MAX_BYTES}")
    return wire.frame(kind, session, seq, body)


def decode_states(data: bytes) -> tuple[dict[str, NDArray], Carry]:
    """The arrays of a SNAPSHOT or a RESTORE, which stay parts of the frame, and the carry. Raises FrameError."""
    states = wire.unpack(_states_decoder, data)
    return {name: _unpacked(name, array) for name, array in states.arrays.items()}, states.carry


def encode_status(session: int, seq: int, status: Status) -> bytes:
    return wire.frame(Kind.STATUS, session, seq, msgspec.msgpack.encode(status))


def decode_status(data: bytes) -> Status:
    return wire.unpack(_status_decoder, data)


def _packed(array: NDArray) -> Array:
    kind = array.dtype.newbyteorder("<").str.replace(">", "<")
    return Array(kind, array.shape, np.ascontiguousarray(array, np.dtype(kind)).tobytes())


def _unpacked(name: str, array: Array) -> NDArray:
    dtype = np.dtype(array.kind)
    # A 0 among huge sizes needs no bytes either, but numpy cannot hold their product.
    if prod(max(1, n) for n in array.shape) > FRAME_MAX_BYTES:
        raise FrameError(
            Code.BODY, f"array {name!r} has the shape {array.shape}; a frame holds {FRAME_MAX_BYTES} bytes"
        )
    if prod(array.shape) * dtype.itemsize != len(array.data):
        raise FrameError(
            Code.BODY,
            f"array {name!r} has {len(array.data)} bytes; its shape {array.shape} of {array.kind} needs others",
        )
    return np.frombuffer(array.data, dtype).reshape(array.shape)
