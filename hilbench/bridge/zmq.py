"""The link over ZeroMQ: frames of docs/protocol.md to a device at an address, or to one it starts itself."""

from __future__ import annotations

import os
from time import monotonic_ns
from typing import Annotated, Any

import zmq
from msgspec import Meta
from zmq.utils.monitor import recv_monitor_message

from hilbench.bridge.client.client import FrameLink, Limits
from hilbench.bridge.keys import read_pair, read_public
from hilbench.bridge.protocol.handshakes import Hello
from hilbench.bridge.transport.addresses import LINKS
from hilbench.bridge.transport.sockets import dial, look_by, sender, sleep_by, tune
from hilbench.bridge.transport.spin import spin_ns
from hilbench.errors import LinkError

SLICE_MS = 100
"""How late the end of a device process may be noticed while waiting."""
_EVENTS_OF_A_CONNECTION = (
    zmq.EVENT_CONNECTED
    | zmq.EVENT_HANDSHAKE_SUCCEEDED
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
_AT_ONCE = int(zmq.NOBLOCK)


class Config(Limits, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the link over ZeroMQ."""

    address: Annotated[str, Meta(pattern=r"^(tcp|ipc)://.+", description=LINKS)] | None = None
    """Where the device listens, as tcp://HOST:PORT or ipc://PATH; without one the link starts a device itself."""
    keys: str | None = None
    """Folder of this side's keys, from `hilbench keys new`, for a device that is served with keys."""
    server_key: str | None = None
    """File of that device's public key."""

    def __post_init__(self) -> None:
        if (self.keys is None) != (self.server_key is None):
            raise ValueError("keys and server_key belong together; expected both, or none")
        if self.keys is not None and self.address is None:
            raise ValueError("keys are for a device that runs elsewhere; expected an address too")


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
        known = self.config.keys and (read_pair(self.config.keys), read_public(self.config.server_key))
        context = zmq.Context()
        socket = context.socket(zmq.DEALER)
        tune(socket, self._address)
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.ROUTING_ID, self._name)
        if known:
            (public, secret), server = known
            socket.setsockopt(zmq.CURVE_PUBLICKEY, public)
            socket.setsockopt(zmq.CURVE_SECRETKEY, secret)
            socket.setsockopt(zmq.CURVE_SERVERKEY, server)
        self._monitor: zmq.Socket[bytes] | None = socket.get_monitor_socket(_EVENTS_OF_A_CONNECTION)
        self._reached = self._shook_hands = self._broken_off = False
        try:
            dial(socket, self._address)
        except LinkError:
            context.destroy()
            raise
        self._context, self._socket, self._send = context, socket, sender(socket)
        self._spin_ns, self._slice_ms = spin_ns(self.config.spin_s), 0

    def _disconnect(self) -> None:
        self._unwatch()
        self._socket.close()
        self._context.term()

    def _meet(self) -> Hello:
        hello = super()._meet()
        self._unwatch()
        return hello

    def _watch(self) -> None:
        """Take in how connecting and ZeroMQ's own handshakes went. Raises LinkError when this side's key is refused."""
        while self._monitor is not None and self._monitor.poll(0):
            event = recv_monitor_message(self._monitor)["event"]
            if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
                raise LinkError(
                    f"{self._address}: this device refused the key in {self.config.keys}; copy the file *.pub from "
                    "there to the folder that `hilbench serve --clients` names, and start the device again"
                )
            self._reached = True
            if event != zmq.EVENT_CONNECTED:
                self._shook_hands = event == zmq.EVENT_HANDSHAKE_SUCCEEDED
                self._broken_off = not self._shook_hands

    def _unwatch(self) -> None:
        """Nobody reads the events after the handshake, and libzmq would keep them."""
        if self._monitor is not None:
            self._socket.disable_monitor()
            self._monitor.close()
            self._monitor = None

    def _silence(self) -> str:
        self._watch()
        if self._monitor is None or self._shook_hands:  # it has answered HELLO, or at least shaken hands
            return super()._silence()
        if not self._reached:
            return f"{super()._silence()} Nothing listens at that address"
        if not self._broken_off:
            return "what listens there speaks no ZeroMQ; is it a device, and served on a tcp:// or ipc:// address?"
        if self.config.keys is None:
            return (
                "it ends every connection without keys; set link.keys and link.server_key (`hilbench keys new`), "
                "or mend the address when no device is there"
            )
        return f"it is not the device of {self.config.server_key}, or is served without keys; compare the *.pub files"

    def _write(self, frame: bytes) -> bool:
        try:
            self._send(frame, _AT_ONCE)
        except zmq.Again:
            return False
        return True

    def _next(self, deadline_ns: int) -> bytes | None:
        """The next frame, or None at the deadline.

        Who looks without sleep is not woken. After that a blocking receive is the fastest, but it counts in
        milliseconds and does not see a device process end, so it runs in slices and `sleep_by` waits for the rest.
        """
        if self._spin_ns and look_by(self._socket, min(deadline_ns, monotonic_ns() + self._spin_ns)):
            return self._socket.recv(_AT_ONCE)
        while (left_ns := deadline_ns - monotonic_ns()) > 2_000_000:
            slice_ms = min(left_ns // 1_000_000, SLICE_MS)
            if slice_ms != self._slice_ms:
                self._socket.setsockopt(zmq.RCVTIMEO, slice_ms)
                self._slice_ms = slice_ms
            try:
                return self._socket.recv()
            except zmq.Again:
                self._check_device()
                self._watch()
        if sleep_by(self._socket, deadline_ns):
            return self._socket.recv(_AT_ONCE)
        self._check_device()
        return None
