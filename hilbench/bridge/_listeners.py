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
from typing import Protocol

import zmq

from hilbench.bridge import stream, unix
from hilbench.bridge._spin import Rhythm, poller, readable_by
from hilbench.bridge.framing import PIECE_BYTES, Cobs, Datagrams, Framing
from hilbench.bridge.keys import DeviceKeys
from hilbench.bridge.sockets import tune
from hilbench.errors import LinkError

LOOK_MS = 100
"""How long a receive waits."""
LINGER_MS = 200
"""How long a farewell, or the rest of a frame, may take to leave."""
MAX_CONNECTIONS = 16
DOMAIN = "hilbench"
"""Whom libzmq asks about when it asks whether a key may enter."""
_AT_ONCE = int(zmq.NOBLOCK)  # plain integers: to join two flags on every tick takes a microsecond
_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)


class Listener(Protocol):
    address: str
    """Where plants reach it, with its real port or path."""

    def receive(self) -> tuple[bytes, bytes | None] | None:
        """The next frame and who sent it; None for one whose connection has ended. None when nothing comes."""

    def send(self, plant: bytes, frame: bytes) -> None:
        """Send without waiting; what a plant has no room for is lost."""

    def admit(self, plant: bytes) -> None:
        """Let this plant, which has opened a session, send long frames."""


@contextlib.contextmanager
def listening(bind: str, spin_s: float, keys: DeviceKeys | None = None) -> Iterator[Listener]:
    """Listen on an endpoint that `server.check_bind` let pass. Raises LinkError when it cannot be bound.

    Around the instant at which its plant's next frame is expected a Unix socket or a byte stream is looked at without
    sleep, from `spin_s` before to `spin_s` after.
    """
    with contextlib.ExitStack() as stack:
        try:
            listener = _listener(bind, spin_s, keys, stack)
        except (OSError, zmq.ZMQError) as error:
            raise LinkError(f"cannot listen on {bind!r}: {error.strerror}") from None
        yield listener


def _listener(bind: str, spin_s: float, keys: DeviceKeys | None, stack: contextlib.ExitStack) -> Listener:
    match bind.partition("://")[0]:
        case "unix":
            return _unix(bind, spin_s, stack)
        case "stream":
            return _stream(bind, spin_s, stack)
    return _router(bind, keys, stack)


class Router:
    """ZeroMQ's own queues, heartbeats and reconnections."""

    def __init__(self, socket: zmq.Socket) -> None:
        self.address = socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
        self.socket = socket

    def receive(self) -> tuple[bytes, bytes] | None:
        try:
            return self.socket.recv(), self._rest()
        except zmq.Again:
            return None

    def _rest(self) -> bytes:
        """The one part that follows its sender's address; a message of more parts reads as an empty frame."""
        data = self.socket.recv()
        while self.socket.getsockopt(zmq.RCVMORE):
            self.socket.recv()
            data = b""
        return data

    def send(self, plant: bytes, frame: bytes) -> None:
        try:
            self.socket.send(plant, _MORE)
            self.socket.send(frame, _AT_ONCE)
        except zmq.Again:
            pass

    def admit(self, plant: bytes) -> None:
        pass  # libzmq bounds every message alike


class Connections:
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
        self._admitted, self._poll = b"", select.poll()

    def receive(self) -> tuple[bytes, bytes | None] | None:
        if not self._waiting:
            begin_ns, end_ns = self._rhythm.window_ns()
            now_ns = monotonic_ns()
            if now_ns >= end_ns:
                self._look(LOOK_MS * 1e-3)
            elif now_ns < begin_ns:
                self._look(min(LOOK_MS * 1e-3, (begin_ns - now_ns) * 1e-9))
            elif readable_by(self._poll, end_ns):
                self._read(self._admitted)
        return self._waiting.popleft() if self._waiting else None

    def _look(self, timeout_s: float) -> None:
        """Wait for whoever comes first."""
        for key, _ in self._selector.select(timeout_s):
            if key.data is None:
                self._accept()
            elif key.data in self._plants:  # else it has just made room
                self._read(key.data)

    def send(self, plant: bytes, frame: bytes) -> None:
        if plant not in self._plants:
            return
        connection, framing = self._plants[plant]
        try:
            wait_s = LINGER_MS * 1e-3 if plant == self._admitted else 0.0  # a stranger may not hold the plant up
            if not _send_all(connection, framing.pack(frame), wait_s):
                self._drop(plant)
        except OSError:
            self._drop(plant)

    def admit(self, plant: bytes) -> None:
        if plant in self._plants:
            connection, framing = self._plants[plant]
            framing.admit()
            self._admitted, self._poll = plant, poller(connection.fileno())

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

    def _read(self, plant: bytes) -> None:
        connection, framing = self._plants[plant]
        try:
            data = connection.recv(PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            if plant == self._admitted:
                self._rhythm.heard(monotonic_ns())
            self._waiting.extend((plant, frame) for frame in framing.feed(data))
        else:
            self._drop(plant)

    def _drop(self, plant: bytes) -> None:
        connection, _ = self._plants.pop(plant)
        self._selector.unregister(connection)
        if plant == self._admitted:
            self._admitted, self._poll = b"", select.poll()
        connection.close()
        self._waiting.append((plant, None))


def _send_all(connection: socket.socket, pieces: list[bytes], wait_s: float) -> bool:
    """Whether a frame left, or had no room at all; False when it was cut off in the middle."""
    begun = False
    for piece in pieces:
        left = memoryview(piece)
        while left:
            try:
                left = left[connection.send(left) :]
                begun = True
            except BlockingIOError:
                if not begun:
                    return True
                if not select.select((), (connection,), (), wait_s)[1]:
                    return False
    return True


def _router(bind: str, keys: DeviceKeys | None, stack: contextlib.ExitStack) -> Router:
    context = stack.enter_context(zmq.Context())
    if keys is not None:
        _admit_only(keys.clients, context, stack)
    router = stack.enter_context(context.socket(zmq.ROUTER))
    tune(router, bind)
    router.setsockopt(zmq.LINGER, LINGER_MS)
    router.setsockopt(zmq.RCVTIMEO, LOOK_MS)
    router.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a plant that reconnects keeps its session
    if keys is not None:
        router.setsockopt(zmq.CURVE_SERVER, 1)
        router.setsockopt(zmq.CURVE_SECRETKEY, keys.pair.secret)
        router.setsockopt(zmq.ZAP_DOMAIN, DOMAIN.encode())
        router.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)  # nobody to ask, nobody enters
    router.bind(bind)
    return Router(router)


def _admit_only(clients: frozenset[bytes], context: zmq.Context, stack: contextlib.ExitStack) -> None:
    """Answer libzmq when it asks, in the middle of a handshake, whether a key may enter (ZAP, ZeroMQ RFC 27)."""
    from zmq.auth.thread import ThreadAuthenticator  # brings asyncio: for those who use keys

    class AllowList:
        @staticmethod
        def callback(domain: str, key: bytes) -> bool:
            return key in clients

    authenticator = ThreadAuthenticator(context)
    authenticator.configure_curve_callback(DOMAIN, AllowList)
    authenticator.start()
    stack.callback(authenticator.stop)


def _unix(bind: str, spin_s: float, stack: contextlib.ExitStack) -> Connections:
    path = bind.removeprefix(unix.SCHEME)
    if path == "*":
        folder = tempfile.mkdtemp(prefix="hilbench-")  # only its owner may enter
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        path = str(Path(folder) / "device")
    return _listen(unix.new_socket(), path, unix.SCHEME + path, Datagrams, spin_s, stack)


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
        _unlink_if_dead(where, server.type)
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


def _unlink_if_dead(path: str, kind: int) -> None:
    """Remove the socket that a killed device left; one that is alive stays, and `bind` then says so."""
    if not Path(path).is_socket():
        return
    with socket.socket(socket.AF_UNIX, kind) as probe:
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
        except OSError:
            pass
