"""Frames on a stream of bytes: COBS with a CRC, a zero byte after each.

It must not know descriptors, clocks or what frames mean. A decoder keeps at most one frame, and bytes that make none
are dropped up to the next zero.
"""

from __future__ import annotations

from binascii import crc_hqx
from struct import Struct

from hilbench.errors import MissingExtra

CRC_START = 0xFFFF
_CRC = Struct("<H")


class Cobs:
    """Bytes of a serial line or a TCP stream: frame and CRC-16/CCITT-FALSE in COBS, a zero byte after each.

    Cheshire & Baker 1999, "Consistent overhead byte stuffing", IEEE/ACM Trans. Netw. 7: 159.
    """

    def __init__(self, limit_bytes: int) -> None:
        try:
            from cobs import cobs
        except ModuleNotFoundError:
            raise MissingExtra("cobs", "serial") from None
        self._cobs = cobs
        self._buffer, self._limit = bytearray(), limit_bytes
        self.broken = 0

    def pack(self, frame: bytes) -> list[bytes]:
        """What to send for this frame."""
        return [self._cobs.encode(frame + _CRC.pack(crc_hqx(frame, CRC_START))) + b"\0"]

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that end in what has just arrived."""
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

    def _decoded(self, data: bytes) -> bytes | None:
        try:
            whole = self._cobs.decode(data)
        except self._cobs.DecodeError:
            self.broken += 1
            return None
        frame = whole[: -_CRC.size]
        if len(whole) < _CRC.size or _CRC.unpack(whole[-_CRC.size :])[0] != crc_hqx(frame, CRC_START):
            self.broken += 1
            return None
        return frame
