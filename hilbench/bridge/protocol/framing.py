"""How frames go over a connection that carries bytes or datagrams: cut on one side, put together on the other.

It must not know sockets, clocks or what frames mean. A decoder keeps at most one frame, and bytes that make none are
dropped up to the next place where a frame may start.
"""

from __future__ import annotations

from struct import Struct
from typing import Protocol

from hilbench.bridge.protocol.wire import FRAME_MAX_BYTES, HEADER
from hilbench.lines import cobs

PIECE_BYTES = 65_536
"""The longest datagram, and the longest frame of a sender who has not opened a session."""
_LONG = Struct("<4sQ")
_LONG_MAGIC = b"HBXL"


class Framing(Protocol):
    """One direction's decoder, and the encoder of the other."""

    broken: int
    """Frames dropped because their bytes or their CRC were wrong."""
    whole: int
    """Frames of up to so many bytes go as they are, in one piece that leaves whole or not at all."""

    def pack(self, frame: bytes) -> list[bytes]:
        """What to send for this frame, in this order."""

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that end in what has just arrived."""

    def admit(self) -> None:
        """From now on frames may be as long as frames can be; before, no longer than a handshake needs."""


class Datagrams:
    """A frame a datagram. A longer one is announced by a datagram of its length, and follows in pieces."""

    broken = 0  # the system drops no part of a datagram
    whole = PIECE_BYTES

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


class Cobs(cobs.Cobs):
    """Frames on a stream of bytes, those of a sender without a session no longer than a handshake needs."""

    whole = 0

    def __init__(self) -> None:
        super().__init__(PIECE_BYTES)

    def admit(self) -> None:
        self._limit = FRAME_MAX_BYTES
