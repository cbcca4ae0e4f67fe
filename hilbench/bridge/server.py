"""The device server: one backend behind a ZeroMQ ROUTER, until a signal or the end of its input.

It must not know what frames mean; `device.py` does.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import select
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from time import monotonic_ns

import zmq

from hilbench.bridge.device import Device
from hilbench.bridge.sockets import tune
from hilbench.errors import LinkError
from hilbench.types import Backend

LOOK_MS = 100
"""How long a signal or the end of stdin may wait."""
LINGER_MS = 200
"""How long a farewell may take to leave."""
_AT_ONCE = int(zmq.NOBLOCK)  # plain integers: to join two flags on every tick takes a microsecond
_MORE = int(zmq.NOBLOCK | zmq.SNDMORE)


def serve(
    backend: Backend,
    bind: str,
    *,
    ready: Callable[[str], None],
    exit_with_stdin: bool = False,
    lease_s: float = 10.0,
    insecure: bool = False,
    stop_fd: int | None = None,
    clock_ns: Callable[[], int] = monotonic_ns,
) -> None:
    """Serve `backend` on the endpoint `bind` until SIGINT, SIGTERM or an end that the caller chose.

    `ready` is told the endpoint, with its real port, once plants can connect. With `exit_with_stdin` the end of
    standard input ends the device, so one that a plant has started does not outlive it; `stop_fd` does the same for
    any file descriptor. A plant that is silent for `lease_s` makes room for another. Raises LinkError when `bind` is
    not a loopback address or a path (unless `insecure`), or cannot be bound.
    """
    check_bind(bind, insecure)
    device = Device(backend, lease_s, clock_ns)
    ends = [] if stop_fd is None else [stop_fd]
    if exit_with_stdin:
        ends.append(sys.stdin.fileno())
    with bound(bind) as socket, signals() as signal_fd:
        ready(socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0"))
        _answer(socket, device, [signal_fd, *ends])
        if (farewell := device.farewell()) is not None:
            socket.send_multipart(farewell, _AT_ONCE)


def check_bind(bind: str, insecure: bool) -> None:
    """Raise LinkError for an endpoint that is malformed, or that other machines can reach."""
    transport, _, rest = bind.partition("://")
    host, _, port = rest.rpartition(":")
    if transport == "ipc" and rest:
        return
    if transport != "tcp" or not host or not (port == "*" or (port.isdecimal() and int(port) < 2**16)):
        raise LinkError(f"cannot listen on {bind!r}; allowed: tcp://HOST:PORT (PORT may be *) or ipc://PATH")
    if not insecure and not _is_loopback(host):
        raise LinkError(
            f"cannot listen on {bind!r}: anyone on that network could drive this device, and keys (CURVE) come in a "
            "later version; allowed: tcp://127.0.0.1:PORT, ipc://PATH, or --insecure on a network you trust"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _answer(socket: zmq.Socket, device: Device, ends: list[int]) -> None:
    """Answer until one of the descriptors `ends` is readable and has nothing but an end, or a signal, to give.

    Blocking receives with a look at `ends` now and then: a poll over all of them costs every tick.
    """
    look_ns = 0
    while True:
        try:
            plant, data = socket.recv(), _rest(socket)
        except zmq.Again:
            now_ns = monotonic_ns()
        else:
            now_ns = monotonic_ns()
            answer = device.answer(plant, data, now_ns)
            if answer is not None:
                socket.send(plant, _MORE)
                socket.send(answer, _AT_ONCE)
        if now_ns >= look_ns:
            if any(fd == ends[0] or not os.read(fd, 4096) for fd in select.select(ends, (), (), 0)[0]):
                return
            look_ns = now_ns + LOOK_MS * 1_000_000


def _rest(socket: zmq.Socket) -> bytes:
    """The one part that follows its sender's address; a message of more parts reads as an empty frame."""
    data = socket.recv()
    while socket.getsockopt(zmq.RCVMORE):
        socket.recv()
        data = b""
    return data


@contextlib.contextmanager
def bound(bind: str) -> Iterator[zmq.Socket]:
    """A ROUTER on that endpoint. Raises LinkError when it cannot be bound."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        tune(socket, bind)
        socket.setsockopt(zmq.LINGER, LINGER_MS)
        socket.setsockopt(zmq.RCVTIMEO, LOOK_MS)
        socket.setsockopt(zmq.ROUTER_HANDOVER, 1)  # a plant that reconnects keeps its session
        try:
            socket.bind(bind)
        except zmq.ZMQError as error:
            raise LinkError(f"cannot listen on {bind!r}: {error.strerror}") from None
        yield socket


@contextlib.contextmanager
def signals() -> Iterator[int]:
    """A file descriptor that SIGINT and SIGTERM make readable; in a thread it never becomes so."""
    read_fd, write_fd = os.pipe()
    before = {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                before[number] = signal.signal(number, lambda *_: os.write(write_fd, b"x"))
        yield read_fd
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(read_fd)
        os.close(write_fd)
