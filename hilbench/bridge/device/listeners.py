"""Where a device listens: a ZeroMQ ROUTER, or sockets whose connections it reads itself. Frames come out of both alike.

It must not know what frames mean.
"""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import shutil
import socket
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from time import monotonic_ns

from hilbench.bridge import stream, unix
from hilbench.bridge.device.router import LINGER_MS, LOOK_MS, binding, open_router
from hilbench.bridge.keys import DeviceKeys
from hilbench.bridge.protocol.framing import PIECE_BYTES, Cobs, Datagrams, Framing
from hilbench.bridge.transport.addresses import LONG, LONGEST_PATH, make_way
from hilbench.bridge.transport.listener import Listener
from hilbench.bridge.transport.spin import Rhythm, read_by
from hilbench.errors import LinkError
from hilbench.lines.writing import begin, push

MAX_CONNECTIONS = 16
SLOWEST_BYTES_PER_S = 1e6
"""What a plant must take of a long frame, beyond the time that the rest of any frame has, or it is let go."""
LONGEST_S = 10.0
"""The most that this may come to: meanwhile the device cannot be stopped."""


@contextlib.contextmanager
def listening(bind: str, spin_s: float, keys: DeviceKeys | None = None) -> Iterator[Listener]:
    """Listen on an endpoint that `server.check_bind` let pass. Raises LinkError when it cannot be bound.

    Around the instant at which its plant's next frame is expected the device looks for it without sleep, from `spin_s`
    before to `spin_s` after.

    Parameters
    ----------
    bind : str
        The endpoint.
    spin_s : float
        In seconds.
    keys : DeviceKeys, optional
        Who may connect, over ZeroMQ alone; anyone when absent.
    """
    with contextlib.ExitStack() as stack:
        with binding(bind):
            listener = _listener(bind, spin_s, keys, stack)
        yield listener


def _listener(bind: str, spin_s: float, keys: DeviceKeys | None, stack: contextlib.ExitStack) -> Listener:
    match bind.partition("://")[0]:
        case "unix":
            return _unix(bind, spin_s, stack)
        case "stream":
            return _stream(bind, spin_s, stack)
    return open_router(bind, keys, stack, spin_s)


class Connections(Listener):
    """Connections to one listening socket, each with a framing of its own."""

    def __init__(self, server: socket.socket, address: str, framing: Callable[[], Framing], spin_s: float) -> None:
        self.address = address
        self._server, self._framing = server, framing
        self._selector = selectors.SelectSelector()  # the only one that waits for less than a millisecond
        self._selector.register(server, selectors.EVENT_READ)
        self._plants: dict[bytes, tuple[socket.socket, Framing]] = {}
        self._names = count(1)
        self._waiting: deque[tuple[bytes, bytes | None]] = deque()
        self._rhythm = Rhythm(spin_s)
        self._heard_ns = 0  # when the admitted plant was, and the rhythm does not know of it yet
        self._admitted = b""
        self._look_ns = 0
        self._broken = 0  # on connections that have ended

    @property
    def broken(self) -> int:
        return self._broken + sum(framing.broken for _, framing in self._plants.values())

    def receive(self) -> tuple[bytes, bytes | None] | None:
        if not self._waiting:
            if self._heard_ns:  # the answer has left
                self._rhythm.heard(self._heard_ns)
                self._heard_ns = 0
            begin_ns, end_ns = self._rhythm.window_ns()
            now_ns = monotonic_ns()
            if now_ns >= self._look_ns:  # or a plant that is always about to send keeps strangers from their answer
                self._look(0.0)
            elif now_ns >= end_ns:
                self._look(LOOK_MS * 1e-3)
            elif now_ns < begin_ns:
                self._look(min(LOOK_MS * 1e-3, (begin_ns - now_ns) * 1e-9))
            elif plant := self._admitted:
                frames = self._read(plant, min(end_ns, now_ns + LOOK_MS * 1_000_000))
                if len(frames) == 1:
                    return plant, frames[0]
                self._waiting.extend((plant, frame) for frame in frames)
            if not self._waiting:
                return None
        return self._waiting.popleft()

    def _look(self, timeout_s: float) -> None:
        """Wait for whoever comes first."""
        self._look_ns = monotonic_ns() + LOOK_MS * 1_000_000
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                self._accept()
            elif key.data in self._plants:  # else it has just made room
                self._waiting.extend((key.data, frame) for frame in self._read(key.data, 0))

    def send(self, plant: bytes, frame: bytes) -> None:
        if (found := self._plants.get(plant)) is None:
            return
        connection, framing = found
        try:
            if len(frame) <= framing.whole:
                connection.send(frame)
            elif rest := begin(connection.fileno(), framing.pack(frame)):  # what has begun to leave must leave whole
                wait_s = 0.0  # a stranger may not hold the plant up
                if plant == self._admitted:
                    wait_s = min(LINGER_MS * 1e-3 + len(frame) / SLOWEST_BYTES_PER_S, LONGEST_S)
                if not _send_all(connection, deque(rest), wait_s):
                    self._drop(plant)
        except BlockingIOError:  # no room
            pass
        except OSError:
            self._drop(plant)

    def admit(self, plant: bytes) -> None:
        if plant in self._plants:
            self._plants[plant][1].admit()
            self._admitted = plant

    def close(self) -> None:
        for plant in list(self._plants):
            self._drop(plant)
        self._selector.close()
        self._server.close()

    def _accept(self) -> None:
        try:
            connection, _ = self._server.accept()
        except OSError:  # gone again
            return
        if len(self._plants) >= MAX_CONNECTIONS:  # the longest there makes room: idle strangers keep no plant out
            self._drop(next(plant for plant in self._plants if plant != self._admitted))
        connection.setblocking(False)
        if connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        plant = next(self._names).to_bytes(8, "little")
        self._plants[plant] = connection, self._framing()
        self._selector.register(connection, selectors.EVENT_READ, plant)

    def _read(self, plant: bytes, until_ns: int) -> list[bytes]:
        """The frames that end in what comes from this plant by then, looking without sleep."""
        connection, framing = self._plants[plant]
        try:
            data = read_by(connection.recv, PIECE_BYTES, until_ns)
        except OSError:
            data = b""
        if data:
            if plant == self._admitted:
                self._heard_ns = monotonic_ns()
            return framing.feed(data)
        if data is not None:
            self._drop(plant)
        return []

    def _drop(self, plant: bytes) -> None:
        connection, framing = self._plants.pop(plant)
        self._broken += framing.broken
        self._selector.unregister(connection)
        if plant == self._admitted:
            self._admitted = b""
        connection.close()
        self._waiting.append((plant, None))


def _send_all(connection: socket.socket, pieces: deque[bytes | memoryview], wait_s: float) -> bool:
    """Whether all of it left within `wait_s`: one who takes a byte now and then does not hold the device longer."""
    until_ns = monotonic_ns() + int(wait_s * 1e9)
    while True:
        push(connection.fileno(), pieces)
        if not pieces:
            return True
        if (left_ns := until_ns - monotonic_ns()) <= 0:
            return False
        select.select((), (connection,), (), left_ns * 1e-9)


def _unix(bind: str, spin_s: float, stack: contextlib.ExitStack) -> Connections:
    path = bind.removeprefix(unix.SCHEME)
    if path == "*":
        folder = _short_folder()
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        path = str(Path(folder) / "device")
    return _listen(unix.new_socket(), path, unix.SCHEME + path, Datagrams, spin_s, stack)


def _short_folder() -> str:
    """A new folder that only its owner may enter, where a socket's path is not too long; TMPDIR may be."""
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp"):
        if len(os.fsencode(parent)) + len("/hilbench-xxxxxxxx/device") <= LONGEST_PATH and os.access(parent, os.W_OK):
            return tempfile.mkdtemp(prefix="hilbench-", dir=parent)
    found = tempfile.gettempdir()
    raise LinkError(
        f"cannot make a socket in {found!r}: {LONG}; set TMPDIR to a shorter folder, or link.kind zmq, which needs none"
    )


def _stream(bind: str, spin_s: float, stack: contextlib.ExitStack) -> Connections:
    host, port, path = stream.split(bind)
    if path:
        return _listen(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM), path, bind, Cobs, spin_s, stack)
    server = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return _listen(server, (host, port), "", Cobs, spin_s, stack)


def _listen(
    server: socket.socket, where: str | tuple[str, int], address: str, framing: Callable[[], Framing], spin_s: float,
    stack: contextlib.ExitStack,
) -> Connections:  # fmt: skip
    stack.callback(server.close)
    if isinstance(where, str):
        make_way(where, server.type)
        server.bind(where)
        stack.callback(lambda: Path(where).unlink(missing_ok=True))
    else:
        server.bind(where)
        host, port, *_ = server.getsockname()
        address = f"stream://{f'[{host}]' if ':' in host else host}:{port}"
    server.listen(MAX_CONNECTIONS)
    server.setblocking(False)
    framing()  # a missing package is said before plants connect
    connections = Connections(server, address, framing, spin_s)
    stack.callback(connections.close)
    return connections
