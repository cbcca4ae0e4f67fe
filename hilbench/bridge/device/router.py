"""A device's end of ZeroMQ: a ROUTER, and who may reach it.

It must not know what frames mean.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from time import monotonic_ns

import zmq

from hilbench.bridge.keys import DeviceKeys
from hilbench.bridge.transport.addresses import make_way, refusal
from hilbench.bridge.transport.listener import Listener
from hilbench.bridge.transport.sockets import look_by, sender, sleep_by, tune
from hilbench.bridge.transport.spin import Rhythm
from hilbench.errors import LinkError

LOOK_MS = 100
"""How long a receive waits."""
_LOOK_NS = LOOK_MS * 1_000_000
LINGER_MS = 200
"""How long a farewell, or the rest of a frame, may take to leave."""
DOMAIN = "hilbench"
"""Whom libzmq asks about when it asks whether a key may enter."""
_AT_ONCE = int(zmq.NOBLOCK)  # plain integers: to join two flags on every tick takes a microsecond
_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)


class Router(Listener):
    """ZeroMQ's own queues, heartbeats and reconnections."""

    broken = 0  # a message comes whole or not at all

    def __init__(self, socket: zmq.Socket[bytes], spin_s: float) -> None:
        self.address = socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
        self.socket = socket
        self._send = sender(socket)
        self._rhythm = Rhythm(spin_s)
        self._heard_ns = 0  # when the admitted plant was, and the rhythm does not know of it yet
        self._admitted = b""

    def receive(self) -> tuple[bytes, bytes] | None:
        """A message of more parts than its sender's address and one more reads as an empty frame."""
        socket = self.socket
        self._expect()
        try:
            plant, part = socket.recv(), socket.recv(copy=False)
        except zmq.Again:
            return None
        if plant == self._admitted:
            self._heard_ns = monotonic_ns()
        if not part.more:  # to ask the socket itself takes longer
            return plant, part.bytes
        while part.more:
            part = socket.recv(copy=False)
        return plant, b""

    def _expect(self) -> None:
        """Be awake while the admitted plant's next frame is about to come; what comes before wakes it."""
        if self._heard_ns:  # the answer has left
            self._rhythm.heard(self._heard_ns)
            self._heard_ns = 0
        begin_ns, end_ns = self._rhythm.window_ns()
        now_ns = monotonic_ns()
        if begin_ns - _LOOK_NS <= now_ns < end_ns and not (now_ns < begin_ns and sleep_by(self.socket, begin_ns)):
            look_by(self.socket, min(end_ns, max(begin_ns, now_ns) + _LOOK_NS))

    def send(self, plant: bytes, frame: bytes) -> None:
        try:
            self._send(plant, _MORE)
            self._send(frame, _AT_ONCE)
        except zmq.Again:
            pass

    def admit(self, plant: bytes) -> None:
        """Expect its next frame; libzmq bounds every message alike."""
        self._admitted = plant


@contextlib.contextmanager
def binding(bind: str) -> Iterator[None]:
    """Whatever refuses this endpoint, as a LinkError that says what to do."""
    try:
        yield
    except (OSError, zmq.ZMQError) as error:
        on_a_path = bind.partition("://")[2].startswith("/")
        what = refusal(error, "is its folder there, and yours?" if on_a_path else "choose another address")
        raise LinkError(f"cannot listen on {bind!r}: {what}") from None


def open_router(bind: str, keys: DeviceKeys | None, stack: contextlib.ExitStack, spin_s: float = 0.0) -> Router:
    """Bind a ROUTER to a tcp:// or ipc:// endpoint. Raises OSError or ZMQError when that fails.

    Parameters
    ----------
    bind : str
        The endpoint.
    keys : DeviceKeys or None
        The device's keys and who may connect; None for anyone.
    stack : ExitStack
        Releases the socket, its context and its file.
    spin_s : float
        As in `listening`, in seconds.
    """
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
    path = bind.removeprefix("ipc://")
    is_file = path != bind and not path.startswith(("*", "@"))
    if is_file:
        make_way(path, socket.SOCK_STREAM)  # libzmq takes the place of whatever is there, be it a text or a device
    router.bind(bind)
    if is_file:
        stack.callback(lambda: Path(path).unlink(missing_ok=True))
    return Router(router, spin_s)


def _admit_only(
    clients: frozenset[bytes], context: zmq.Context[zmq.Socket[bytes]], stack: contextlib.ExitStack
) -> None:
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
