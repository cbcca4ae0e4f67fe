"""What the ZeroMQ sockets at both ends of a link have in common."""

from __future__ import annotations

import zmq

from hilbench.bridge.wire import FRAME_MAX_BYTES

QUEUE = 64
"""Frames that may wait on either side: more than a loop has in flight, few enough to stay fresh."""
HEARTBEAT_MS = 1000
HEARTBEAT_TIMEOUT_MS = 5000
"""Silence after which a connection is dropped and made anew; a crowded machine may stall for a second."""


def tune(socket: zmq.Socket, address: str) -> None:
    """Bounds and liveness, before the socket meets its address."""
    for option, value in (
        (zmq.RCVHWM, QUEUE),
        (zmq.SNDHWM, QUEUE),
        (zmq.MAXMSGSIZE, FRAME_MAX_BYTES),
        (zmq.HEARTBEAT_IVL, HEARTBEAT_MS),
        (zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS),
        (zmq.IPV6, "[" in address),
    ):
        socket.setsockopt(option, value)
