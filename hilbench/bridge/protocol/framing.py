"""How frames go over a connection that carries bytes or datagrams: cut on one side, put together on the other.

It must not know sockets, clocks or what frames mean. A decoder keeps at most one frame, and bytes that make none are
dropped up to the next place where a frame may start.
"""

from __future__ import annotations

from binascii import crc_hqx
from struct import Struct
from typing import Protocol

from hilbench.bridge.protocol.wire import FRAME_MAX_BYTES, HEADER
from hilbench.errors import MissingExtra

PIECE_BYTES = 65_536
"""The longest datagram, and the longest frame of a sender who has not opened a session."""
_LONG = Struct("<4sQ")
_LONG_MAGIC = b"HBXL"
_CRC = Struct("<H")
_CRC_START = 0xFFFF


class Framing(Protocol):
    """One direction's decoder, and the encoder of the other."""

    broken: int
    """Frames dropped because their bytes or their CRC were wrong."""

    def pack(self, frame: bytes) -> list[bytes]:
        """What to send for this frame, in this order."""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that end in what has just arrived."""

    def admit(self) -> None:
        """From now on frames may be as long as frames can be; before, no longer than a handshake needs."""


class Datagrams:
    """A frame a datagram. A longer one is announced by a datagram of its length, and follows in pieces."""

    broken = 0  # the system drops no part of a datagram

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._missing, self._limit = 0, PIECE_BYTES

    def pack(self, frame: bytes) -> list[bytes]:
        if len(frame) <= PIECE_BYTES:
            return [frame]
        pieces = [frame[at : at + PIECE_BYTES] for at in range(0, len(frame), PIECE_BYTES)]
        return [_LONG.pack(_LONG_MAGIC, len(frame)), *pieces]

    def feed(self, data: bytes) -> list[bytes]:
        if self._missing:
            self._parts.append(data)
            self._missing -= len(data)
            if self._missing > 0:
                return []
            whole, over = b"".join(self._parts), self._missing < 0
            self._parts, self._missing = [], 0
            return [b""] if over else [whole]  # one that is too long reads as an empty frame, and gets its ERROR
        if len(data) == _LONG.size and data.startswith(_LONG_MAGIC):
            n_bytes = _LONG.unpack(data)[1]
            if not HEADER.size <= n_bytes <= self._limit:
                return [b""]
            self._missing = n_bytes
            return []
        return [data]

    def admit(self) -> None:
        self._limit = FRAME_MAX_BYTES


class Cobs:
    """Bytes of a serial line or a TCP stream: frame and CRC-16/CCITT-FALSE in COBS, a zero byte after each.

    Cheshire & Baker 1999, "Consistent overhead byte stuffing", IEEE/ACM Trans. Netw. 7: 159.
    """

    def __init__(self) -> None:
        try:
            from cobs import cobs
        except ModuleNotFoundError:
            raise MissingExtra("cobs", "serial") from None
        self._cobs = cobs
        self._buffer, self._limit = bytearray(), PIECE_BYTES
        self.broken = 0

    def pack(self, frame: bytes) -> list[bytes]:
        return [self._cobs.encode(frame + _CRC.pack(crc_hqx(frame, _CRC_START))) + b"\0"]

    def feed(self, data: bytes) -> list[bytes]:
        *ended, rest = data.split(b"\0")
        frames = []
        for part in ended:
            whole = bytes(self._buffer) + part
            self._buffer.clear()
            if whole and (frame := self._decoded(whole)) is not None:
                frames.append(frame)
        self._buffer += rest
        if len(self._buffer) > self._limit + self._limit // 254 + 4:
            self._buffer.clear()
            self.broken += 1
        return frames

    def admit(self) -> None:
        self._limit = FRAME_MAX_BYTES

    def _decoded(self, data: bytes) -> bytes | None:
        try:
            whole = self._cobs.decode(data)
        except self._cobs.DecodeError:
            self.broken += 1
            return None
        frame = whole[: -_CRC.size]
        if len(whole) < _CRC.size or _CRC.unpack(whole[-_CRC.size :])[0] != crc_hqx(frame, _CRC_START):
            self.broken += 1
            return None
        return frame
