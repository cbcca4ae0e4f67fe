"""The device server: one backend behind an endpoint, until a signal or the end of its input.

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
from functools import partial
from time import monotonic_ns

from hilbench.bridge.device.device import Device
from hilbench.bridge.device.listeners import listening
from hilbench.bridge.device.router import LOOK_MS
from hilbench.bridge.device.watchdog import LOAD_TIMEOUT_S, Interrupted, Watchdog, watched
from hilbench.bridge.keys import DeviceKeys
from hilbench.bridge.protocol.wire import Kind
from hilbench.bridge.transport.listener import Listener
from hilbench.bridge.transport.spin import DEVICE_SPIN_S
from hilbench.errors import LinkError
from hilbench.types import Backend

KILLED = "hilbench: a signal, or the end of a time limit, came while the backend computed what cannot be interrupted"
_ANSWER = Device.answer.__code__
"""What a signal may interrupt: not a frame that is about to leave."""
_KIND_AT, _HELLO = 3, int(Kind.HELLO)
"""Where a frame's kind stands, and the one that opens a session."""


def serve(
    backend: Backend,
    bind: str,
    *,
    ready: Callable[[str], None],
    exit_with_stdin: bool = False,
    lease_s: float = 10.0,
    load_timeout_s: float = LOAD_TIMEOUT_S,
    keys: DeviceKeys | None = None,
    insecure: bool = False,
    spin_s: float = DEVICE_SPIN_S,
    stop_fd: int | None = None,
    clock_ns: Callable[[], int] = monotonic_ns,
) -> None:
    """Serve `backend` on the endpoint `bind` until SIGINT, SIGTERM, SIGHUP or an end that the caller chose.

    A backend that does not let itself be interrupted, when the time of a LOAD is over or a signal comes, is killed with
    its process; in a thread other than the main one neither holds. Raises LinkError when `bind` is not a loopback
    address or a path (unless there are `keys`, or `insecure`), or cannot be bound.

    Parameters
    ----------
    backend : Backend
        What runs the programs of plants.
    bind : str
        The endpoint.
    ready : callable
        Is told the endpoint, with its real port, once plants can connect.
    exit_with_stdin : bool
        Whether the end of standard input ends the device, so that one that a plant has started does not outlive it.
    lease_s : float
        A plant that is silent for so long, in seconds, makes room for another.
    load_timeout_s : float
        A LOAD that takes longer, in seconds, is refused.
    keys : DeviceKeys, optional
        The plants that may connect; any when absent.
    insecure : bool
        Whether other machines may reach it without keys.
    spin_s : float
        As in `listening`, in seconds.
    stop_fd : int, optional
        A file descriptor whose end ends the device too.
    clock_ns : callable
        The clock of leases, in nanoseconds.
    """
    check_bind(bind, insecure, keys is not None)
    ends = [] if stop_fd is None else [stop_fd]
    if exit_with_stdin:
        ends.append(sys.stdin.fileno())
    with (
        watched(KILLED) as watchdog,
        listening(bind, spin_s, keys) as listener,
        watchdog.obeying(_ANSWER),
    ):
        limit = partial(watchdog.limit, load_timeout_s)
        device = Device(backend, lease_s, clock_ns, lambda: listener.broken, limit)
        ready(listener.address)
        with contextlib.suppress(Interrupted):
            _answer(listener, device, ends, watchdog)
        if (farewell := device.farewell()) is not None:
            listener.send(*farewell)


def check_bind(bind: str, insecure: bool, has_keys: bool = False, takes_keys: bool = True) -> None:
    """Raise LinkError for an endpoint that is malformed, or that other machines can reach without keys.

    Parameters
    ----------
    bind : str
        The endpoint.
    insecure : bool
        Whether other machines may reach it without keys.
    has_keys : bool
        Whether only plants with keys may connect.
    takes_keys : bool
        Whether the message may propose keys.
    """
    transport, _, rest = bind.partition("://")
    host, _, port = rest.rpartition(":")
    if has_keys and transport in ("unix", "stream"):
        raise LinkError(f"cannot listen on {bind!r} with keys; allowed with keys: tcp://HOST:PORT, ipc://PATH")
    if (transport == "ipc" and rest) or (transport == "unix" and rest.startswith(("/", "*"))):
        return
    if transport == "stream" and rest.startswith("/"):
        return
    if transport not in ("tcp", "stream") or not host or not (port == "*" or (port.isdecimal() and int(port) < 2**16)):
        raise LinkError(
            f"cannot listen on {bind!r}; allowed: tcp://HOST:PORT (PORT may be *), "
            "ipc://PATH, unix:///PATH, stream://HOST:PORT or stream:///PATH"
        )
    if not (insecure or has_keys or _is_loopback(host)):
        keys = "tcp://HOST:PORT with --keys and --clients (`hilbench keys new`), " if takes_keys else ""
        raise LinkError(
            f"cannot listen on {bind!r}: anyone on that network could drive this device; "
            f"allowed: tcp://127.0.0.1:PORT, ipc://PATH, {keys}or --insecure on a network you trust"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _answer(listener: Listener, device: Device, ends: list[int], watchdog: Watchdog) -> None:
    """Answer until a signal comes, or one of the descriptors `ends` is readable and has nothing but an end to give.

    Blocking receives with a look at `ends` now and then: a poll over all of them costs every tick.
    """
    look_ns = 0
    while True:
        found = listener.receive()
        now_ns = monotonic_ns()
        if found is not None:
            plant, data = found
            if data is None:
                device.left(plant)
            elif (answer := device.answer(plant, data, now_ns)) is not None:
                if answer[_KIND_AT] == _HELLO:
                    listener.admit(plant)
                listener.send(plant, answer)
        if now_ns >= look_ns:
            if watchdog.signalled or any(not os.read(fd, 4096) for fd in select.select(ends, (), (), 0)[0]):
                return
            look_ns = now_ns + LOOK_MS * 1_000_000


@contextlib.contextmanager
def signals() -> Iterator[int]:
    """A file descriptor that SIGINT, SIGTERM and SIGHUP make readable; in a thread it never becomes so."""
    read_fd, write_fd = os.pipe()
    os.set_blocking(write_fd, False)
    before = {}
    try:
        if threading.current_thread() is threading.main_thread():
            under_nohup = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            # Python's own handlers run between two of its instructions: one that wrote to the pipe would not, for a
            # signal that comes just before a select.
            wakeup_fd = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
            for number in (signal.SIGINT, signal.SIGTERM, *(() if under_nohup else (signal.SIGHUP,))):
                before[number] = signal.signal(number, lambda *_: None)
        yield read_fd
    finally:
        if before:
            signal.set_wakeup_fd(wakeup_fd)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(read_fd)
        os.close(write_fd)
