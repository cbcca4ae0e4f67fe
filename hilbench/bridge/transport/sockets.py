"""What the ZeroMQ sockets at both ends of a link have in common."""

from __future__ import annotations

import zmq

from hilbench.bridge.protocol.wire import FRAME_MAX_BYTES
from hilbench.bridge.transport.addresses import check_target, refusal
from hilbench.errors import LinkError

QUEUE = 64
"""Frames that may wait on either side: more than a loop has in flight, few enough to stay fresh."""
HEARTBEAT_MS = 1000
HEARTBEAT_TIMEOUT_MS = 5000
"""Silence after which a connection is dropped and made anew; a crowded machine may stall for a second."""


def tune(socket: zmq.Socket[bytes], address: str) -> None:
    """Bounds and liveness, before the socket meets its address.

    Parameters
    ----------
    socket : zmq.Socket
        Not bound and not connected yet.
    address : str
        Where it will be.
    """
    for option, value in (
        (zmq.RCVHWM, QUEUE),
        (zmq.SNDHWM, QUEUE),
        (zmq.MAXMSGSIZE, FRAME_MAX_BYTES),
        (zmq.IPV6, "[" in address),
    ):
        socket.setsockopt(option, value)
    if socket.type == zmq.DEALER:
        # Those who connect ask; those who listen answer, and drop whoever has not asked for as long. libzmq 4.3 ends
        # the process (`Assertion failed: !_io_error`) when it asks over a connection that broke while its queue was
        # full, which any stranger could bring about at a device that is busy.
        socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)
        socket.setsockopt(zmq.HEARTBEAT_TTL, HEARTBEAT_TIMEOUT_MS)


def dial(socket: zmq.Socket[bytes], address: str) -> None:
    """Have a socket connect, now or whenever somebody listens there. Raises LinkError for what is no address.

    Parameters
    ----------
    socket : zmq.Socket
        Tuned already.
    address : str
        Where the device is.
    """
    check_target(address)
    try:
        socket.connect(address)
    except zmq.ZMQError as error:
        what = refusal(error, "allowed: tcp://HOST:PORT, ipc://PATH")
        raise LinkError(f"cannot connect to {address!r}: {what}") from None
