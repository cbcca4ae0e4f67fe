"""Frames to and from a robot: over UDP a datagram each, over TCP and a serial line in COBS with a CRC.

Nothing here waits but `wait`. It must not know what frames mean.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
from collections import deque
from time import monotonic_ns, time_ns
from typing import Any, Protocol
from urllib.parse import urlsplit

from hilbench.errors import LinkError, RobotError
from hilbench.lines.cobs import Cobs
from hilbench.lines.serial import BAUD, open_serial
from hilbench.lines.writing import push
from hilbench.robot.frames import FRAME_MAX_BYTES

ADDRESSES = f"udp://HOST:PORT, stream://HOST:PORT (TCP), serial:///dev/ttyACM0?baud={BAUD}"
AT_ONCE = 1024
"""Frames, or pieces of a stream, that one look takes in: a flood must not hold up a tick."""
PIECE_BYTES = 65_536
BACKWARDS_NS = 10_000_000_000
"""A datagram's time of arrival is not believed beyond this: somebody may have set the system's clock."""
_TIMESTAMP_NS = 35 if sys.platform == "linux" else None
"""SO_TIMESTAMPNS: Linux says when a datagram arrived, however late it is read. Python has no name for it."""
_TIMESPEC = struct.Struct("@ll")
Arrived = tuple[bytes, int]
"""A frame, and when it arrived, in nanoseconds of this process's monotonic clock."""


class Transport(Protocol):
    """A way to one robot."""

    @property
    def broken(self) -> int:
        """Frames dropped because their bytes were wrong."""

    def send(self, frame: bytes) -> bool:
        """Send without waiting; False for a frame that found no room. Raises RobotError for a connection that ended."""

    def receive(self) -> list[Arrived]:
        """What has arrived, without waiting. Raises RobotError for a connection that ended."""

    def wait(self, left_ns: int) -> None:
        """Wait until something has arrived, or for so long."""

    def close(self) -> None:
        """Release it; may be called twice."""


def connect(address: str, timeout_s: float) -> Transport:
    """Open the way to a robot. Raises RobotError with the reason.

    Parameters
    ----------
    address : str
        One of ADDRESSES.
    timeout_s : float
        How long a TCP connection may take, in seconds.
    """
    if address.startswith("serial://"):
        try:
            return Stream(address, open_serial(address))
        except LinkError as error:
            raise RobotError(str(error)) from None
    host, port = _host_and_port(address)
    kind = socket.SOCK_DGRAM if address.startswith("udp://") else socket.SOCK_STREAM
    way = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        way.settimeout(timeout_s)
        way.connect((host, port))
        way.setblocking(False)
        if kind == socket.SOCK_DGRAM:
            return Udp(address, way)
        way.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Stream(address, way)
    except OSError as error:
        way.close()
        raise RobotError(f"{address}: {_said(error)}; does the robot listen there?") from None
    except BaseException:
        way.close()
        raise


class Udp:
    """A frame a datagram. The system's own time of arrival is taken where there is one."""

    broken = 0  # the system drops no part of a datagram

    def __init__(self, address: str, way: socket.socket) -> None:
        self._address, self._socket = address, way
        if _TIMESTAMP_NS is not None:
            way.setsockopt(socket.SOL_SOCKET, _TIMESTAMP_NS, 1)

    def send(self, frame: bytes) -> bool:
        try:
            self._socket.send(frame)
        except OSError:  # no room, or nobody is there at present: as lost as one that is lost on the way
            return False
        return True

    def receive(self) -> list[Arrived]:
        found: list[Arrived] = []
        for _ in range(AT_ONCE):
            try:
                data, more, _, _ = self._socket.recvmsg(PIECE_BYTES, 64)
            except BlockingIOError:
                break
            except OSError:  # what was sent before reached nobody
                continue
            found.append((data, _arrival_ns(more)))
        return found

    def wait(self, left_ns: int) -> None:
        select.select((self._socket,), (), (), max(0, left_ns) * 1e-9)

    def close(self) -> None:
        self._socket.close()


class Stream:
    """A TCP connection or a serial line, byte by byte. A frame that has begun to leave leaves whole."""

    def __init__(self, address: str, way: Any) -> None:
        self._address, self._way, self._cobs = address, way, Cobs(FRAME_MAX_BYTES)
        self._fd: int = way.fileno()
        os.set_blocking(self._fd, False)
        self._rest: deque[bytes | memoryview] = deque([b"\0"])  # ends what somebody else may have begun
        self._serial, self._poll = address.startswith("serial://"), select.poll()
        self._poll.register(self._fd, 0)

    @property
    def broken(self) -> int:
        """Frames that did not decode."""
        return self._cobs.broken

    def send(self, frame: bytes) -> bool:
        try:
            push(self._fd, self._rest)
            if self._rest:
                return False
            self._rest.extend(self._cobs.pack(frame))
            if push(self._fd, self._rest):
                return True
        except OSError as error:
            raise self._ended(error) from None
        self._rest.clear()
        return False

    def receive(self) -> list[Arrived]:
        found: list[Arrived] = []
        for _ in range(AT_ONCE):
            try:
                data = os.read(self._fd, PIECE_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                raise self._ended(error) from None
            if not data:
                if self._serial and not self._hung_up():  # a line that is silent reads so
                    break
                raise self._ended(None)
            found.extend((frame, monotonic_ns()) for frame in self._cobs.feed(data))
        return found

    def wait(self, left_ns: int) -> None:
        select.select((self._fd,), (self._fd,) if self._rest else (), (), max(0, left_ns) * 1e-9)

    def close(self) -> None:
        self._way.close()

    def _hung_up(self) -> bool:
        return bool(self._poll.poll(0))  # registered for nothing, it tells of errors alone

    def _ended(self, error: OSError | None) -> RobotError:
        what = "was unplugged, or its other end closed" if self._serial else "was closed"
        return RobotError(f"{self._address}: the connection {what}{f' ({error.strerror})' if error else ''}")


def _arrival_ns(more: list[tuple[int, int, bytes]]) -> int:
    """When a datagram arrived, on this process's monotonic clock: by the system's word, or else now."""
    now_ns = monotonic_ns()
    for _, kind, data in more:
        if kind == _TIMESTAMP_NS and len(data) == _TIMESPEC.size:
            seconds, ns = _TIMESPEC.unpack(data)
            ago_ns = time_ns() - (seconds * 1_000_000_000 + ns)
            return now_ns - ago_ns if 0 <= ago_ns < BACKWARDS_NS else now_ns
    return now_ns


def _host_and_port(address: str) -> tuple[str, int]:
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port or 0
    except ValueError:
        host, port = "", 0
    if not (host and port) or parts.path or parts.scheme not in ("udp", "stream"):
        raise RobotError(f"no robot can be at {address!r}; allowed: {ADDRESSES}")
    return host, port


def _said(error: OSError) -> str:
    return error.strerror or str(error)
