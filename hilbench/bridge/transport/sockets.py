"""What the ZeroMQ sockets at both ends of a link have in common."""

from __future__ import annotations

import select
from collections.abc import Callable
from time import monotonic_ns

import zmq

from hilbench.bridge.protocol.wire import FRAME_MAX_BYTES
from hilbench.bridge.transport.addresses import check_target, refusal
from hilbench.bridge.transport.spin import let_others_run
from hilbench.errors import LinkError

_EVENTS, _READABLE = int(zmq.EVENTS), int(zmq.POLLIN)
QUEUE = 64
"""Frames that may wait on either side: more than a loop has in flight, few enough to stay fresh."""
SILENCE_S = 5
"""Silence of the other machine after which a TCP connection is dropped, to be made anew."""
_OPTIONS = (
    (zmq.RCVHWM, QUEUE),
    (zmq.SNDHWM, QUEUE),
    (zmq.MAXMSGSIZE, FRAME_MAX_BYTES),
    # The system sees to the silence. libzmq's own heartbeats end the process of a ROUTER (`Assertion failed:
    # !_io_error`, 4.3) whose queue is full when the connection breaks: it answers one that it had already received.
    (zmq.TCP_KEEPALIVE, 1),
    (zmq.TCP_KEEPALIVE_IDLE, 1),
    (zmq.TCP_KEEPALIVE_INTVL, 1),
    (zmq.TCP_KEEPALIVE_CNT, SILENCE_S - 1),
    (zmq.TCP_MAXRT, 1000 * SILENCE_S),
)


def tune(socket: zmq.Socket[bytes], address: str) -> None:
    """Bounds and liveness, before the socket meets its address.

    Parameters
    ----------
    socket : zmq.Socket
        The socket.
    address : str
        Where it will bind or connect.
    """
    for option, value in (*_OPTIONS, (zmq.IPV6, "[" in address)):
        socket.setsockopt(option, value)


def sender(socket: zmq.Socket[bytes]) -> Callable[[bytes, int], object]:
    """A socket's `send` of bytes, flags second, past the arguments that pyzmq's own takes: it stands in every tick."""
    return super(zmq.Socket, socket).send


def look_by(socket: zmq.Socket[bytes], until_ns: int) -> bool:
    """Look without sleep, once at least, for a message; whether there is one by then.

    Others run between two looks: a thread of libzmq's brings the message, and may wait for this very core.

    Parameters
    ----------
    socket : zmq.Socket
        The socket.
    until_ns : int
        On this process's monotonic clock, in nanoseconds.
    """
    option = socket.getsockopt
    while not option(_EVENTS) & _READABLE:  # type: ignore[operator]  # this option is an int
        if monotonic_ns() >= until_ns:
            return False
        let_others_run()
    return True


def sleep_by(socket: zmq.Socket[bytes], until_ns: int) -> bool:
    """Sleep until there is a message, or until some microseconds after that instant; whether there is one.

    The socket's descriptor signals changes, not messages, so its events are asked before every wait.

    Parameters
    ----------
    socket, until_ns
        As in `look_by`.
    """
    while not socket.getsockopt(_EVENTS) & _READABLE:  # type: ignore[operator]  # this option is an int
        left_ns = until_ns - monotonic_ns()
        if left_ns <= 0:
            return False
        select.select((socket.fileno(),), (), (), left_ns * 1e-9)
    return True


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
