"""The link over ZeroMQ: frames of docs/protocol.md to a device at an address, or to one it starts itself."""

from __future__ import annotations

import os
import select
from time import monotonic_ns
from typing import Annotated, Any

import zmq
from msgspec import Meta

from hilbench.bridge._client import FrameLink, Limits
from hilbench.bridge.sockets import tune
from hilbench.errors import LinkError

SLICE_MS = 100
"""How late the end of a device process may be noticed while waiting."""
_AT_ONCE, _EVENTS, _READABLE = int(zmq.NOBLOCK), int(zmq.EVENTS), int(zmq.POLLIN)


class Config(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the link over ZeroMQ."""

    address: Annotated[str, Meta(pattern=r"^(tcp|ipc)://.+")] | None = None
    """Where the device listens, as tcp://HOST:PORT or ipc://PATH; without one the link starts a device itself."""


class ZmqLink(FrameLink):
    """Reaches a device process over ZeroMQ, on this machine or another."""

    Config = Config
    name = "ZeroMQ"
    own_bind = "tcp://127.0.0.1:*"

    def __init__(self, config: Any, backend_kind: str, backend_config: dict[str, Any]) -> None:
        super().__init__(config, backend_kind, backend_config)
        # The device knows a plant by this again when libzmq has reconnected, or the link has itself: a device that was
        # silent for a while takes its own plant back at once, where another would wait for the lease.
        self._name = b"P" + os.urandom(15)

    def _connect(self) -> None:
        context = zmq.Context()
        socket = context.socket(zmq.DEALER)
        tune(socket, self._address)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.ROUTING_ID, self._name)
        try:
            socket.connect(self._address)
        except zmq.ZMQError as error:
            context.destroy()
            raise LinkError(f"cannot connect to {self._address!r}: {error.strerror}") from None
        self._context, self._socket = context, socket
        self._fd, self._slice_ms = socket.getsockopt(zmq.FD), 0

    def _disconnect(self) -> None:
        self._socket.close()
        self._context.term()

    def _write(self, frame: bytes) -> bool:
        try:
            self._socket.send(frame, _AT_ONCE)
        except zmq.Again:
            return False
        return True

    def _next(self, deadline_ns: int) -> bytes | None:
        """The next frame, or None at the deadline.

        A blocking receive is the fastest, but it counts in
        milliseconds and does not see a device process end, so it runs in slices and `_peek` waits for the rest.
        """
        while (left_ns := deadline_ns - monotonic_ns()) > 2_000_000:
            slice_ms = min(left_ns // 1_000_000, SLICE_MS)
            if slice_ms != self._slice_ms:
                self._socket.setsockopt(zmq.RCVTIMEO, slice_ms)
                self._slice_ms = slice_ms
            try:
                return self._socket.recv()
            except zmq.Again:
                self._check_device()
        return self._peek(deadline_ns)

    def _peek(self, deadline_ns: int) -> bytes | None:
        """The next frame within microseconds of the deadline, or None.

        The socket's descriptor signals changes, not messages, so its events are asked before every wait.
        """
        while not self._socket.getsockopt(_EVENTS) & _READABLE:
            left_ns = deadline_ns - monotonic_ns()
            if left_ns <= 0:
                self._check_device()
                return None
            select.select((self._fd,), (), (), left_ns * 1e-9)
        return self._socket.recv(_AT_ONCE)
