"""A relay: stands between plants and a device, and makes the link as bad as its Impairment says.

A plant meets a ROUTER, as at a device. The device meets each plant under the plant's own name. `impairment.py` decides
what becomes of a frame; this file does it to a real link.
"""

from __future__ import annotations

import contextlib
import re
import select
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from time import monotonic_ns

import numpy as np
import zmq
from numpy.typing import NDArray

from hilbench.bridge.device.router import Router, binding, open_router
from hilbench.bridge.device.server import check_bind, signals
from hilbench.bridge.impair.impairment import Counts, Impairment, Lane
from hilbench.bridge.protocol.wire import HEADER, MAGIC, Kind
from hilbench.bridge.transport.sockets import QUEUE, dial, tune
from hilbench.errors import LinkError

ADDRESS = re.compile(r"(tcp|ipc)://.+")
PLANTS_MAX = 16
"""Plants that are remembered; one more replaces the one that was silent longest."""
Traces = Mapping[str, NDArray[np.float64]]
"""The latencies, in seconds, of each way whose delay is a trace."""
_AT_ONCE, _EVENTS, _READABLE = int(zmq.NOBLOCK), int(zmq.EVENTS), int(zmq.POLLIN)


@dataclass
class Tally:
    """What became of the frames that came each way, and how often the connections were cut."""

    to_device: Counts = field(default_factory=Counts)
    to_plant: Counts = field(default_factory=Counts)
    cuts: int = 0


class _Plant:
    """A plant's two lanes, and its own connection to the device: a cut closes it, and what follows makes a new one."""

    def __init__(self, socket: zmq.Socket[bytes], impairment: Impairment, tally: Tally, traces_s: Traces) -> None:
        self.socket = socket
        self.out = Lane(impairment, "to_device", tally.to_device, traces_s.get("to_device"))
        self.back = Lane(impairment, "to_plant", tally.to_plant, traces_s.get("to_plant"))
        self.started = False
        """Whether its first tick has come."""

    def let_go(self) -> None:
        """Close its connection; what is on the way is dropped."""
        self.out.clear()
        self.back.clear()
        self.socket.close()


def impair_link(
    listen: str,
    device: str,
    impairment: Impairment,
    *,
    ready: Callable[[str], None],
    traces_s: Traces | None = None,
    insecure: bool = False,
    stop_fd: int | None = None,
) -> Tally:
    """Stand between plants that connect to `listen` and the device at `device`, until a signal ends it.

    Raises LinkError for an address that `serve` would not bind, and for one that cannot be a device's.

    Parameters
    ----------
    listen : str
        Where plants connect.
    device : str
        Where the device is.
    impairment : Impairment
        What is done to frames.
    ready : callable
        Is told the endpoint, with its real port, once plants can connect.
    traces_s : dict of str to (n,) float64, optional
        The latencies, in seconds, of each way whose delay is a trace.
    insecure : bool
        Whether it may listen beyond this machine without keys.
    stop_fd : int, optional
        A file descriptor; that it can be read ends the relay as a signal does.
    """
    check_bind(listen, insecure, takes_keys=False)
    for where, address in (("listen on", listen), ("reach a device at", device)):
        if not ADDRESS.fullmatch(address):
            raise LinkError(f"a relay cannot {where} {address!r}; allowed: tcp://HOST:PORT or ipc://PATH")
    if device == listen:
        raise LinkError(f"a relay cannot reach a device at {device!r}, where it listens itself")
    with signals() as signal_fd:
        ends = [signal_fd] if stop_fd is None else [signal_fd, stop_fd]
        relay = _Relay(device, impairment, traces_s or {}, ends)
        with _listening(listen) as plants:
            _dial(plants.socket.context, device, b"Sfirst").close()  # a malformed address is told before a plant comes
            ready(plants.address)
            cut = relay.run(plants.socket)
        while cut and relay.wait():
            with _listening(plants.address) as plants:
                cut = relay.run(plants.socket)
    return relay.tally


@contextlib.contextmanager
def _listening(bind: str) -> Iterator[Router]:
    with contextlib.ExitStack() as stack:
        with binding(bind):
            router = open_router(bind, None, stack)
        yield router


class _Relay:
    """The plants, and the cuts to come."""

    def __init__(self, device: str, impairment: Impairment, traces_s: Traces, ends: list[int]) -> None:
        self.tally = Tally()
        self._device, self._impairment, self._traces_s, self._ends = device, impairment, traces_s, ends
        self._plants: dict[bytes, _Plant] = {}
        self._cuts: list[tuple[int, int]] = []

    def run(self, router: zmq.Socket[bytes]) -> bool:
        """Pass frames on until a cut; False when one of the ends was readable before."""
        self._router = router
        router.setsockopt(zmq.ROUTER_MANDATORY, 1)  # a frame to a plant that is away is counted
        try:
            for name, plant in self._plants.items():
                plant.socket = self._connected(name)
            while not self._sleep(self._pass_on()):
                if self._cuts and self._cuts[0][0] <= monotonic_ns():
                    router.setsockopt(zmq.LINGER, 0)
                    return True
            return False
        finally:
            for plant in self._plants.values():
                plant.let_go()

    def wait(self) -> bool:
        """Let the cut pass; False when one of the ends was readable before it was over."""
        _, until_ns = self._cuts.pop(0)
        self.tally.cuts += 1
        left_s = max(0, until_ns - monotonic_ns()) * 1e-9
        return not select.select(self._ends, (), (), left_s)[0]

    def _pass_on(self) -> int | None:
        """Take what has come and give what is due; the next instant at which there is something to do."""
        now_ns = monotonic_ns()
        self._take(now_ns)
        instants = [start_ns for start_ns, _ in self._cuts[:1]]
        for name, plant in self._plants.items():
            for parts in plant.out.due(now_ns):
                _send(plant.socket, parts, self.tally.to_device)
            for parts in plant.back.due(now_ns):
                _send(self._router, [name, *parts], self.tally.to_plant)
            instants += [lane.next_ns for lane in (plant.out, plant.back) if lane.next_ns is not None]
        return min(instants, default=None)

    def _sleep(self, until_ns: int | None) -> bool:
        """Sleep until then or until a frame comes; whether one of the ends is readable.

        A poll of ZeroMQ's counts in milliseconds. Its descriptors count finer, but signal changes, not messages, so the
        sockets' events are asked before.
        """
        sockets = [self._router, *(plant.socket for plant in self._plants.values())]
        left_s = None if until_ns is None else max(0, until_ns - monotonic_ns()) * 1e-9
        if any(int(socket.getsockopt(_EVENTS)) & _READABLE for socket in sockets):
            left_s = 0
        readable = select.select([socket.FD for socket in sockets] + self._ends, (), (), left_s)[0]
        return any(fd in readable for fd in self._ends)

    def _take(self, now_ns: int) -> None:
        """Put the frames that have come into their lanes."""
        for name, *parts in _received(self._router):
            plant = self._plants.pop(name, None) or self._meet(name)
            self._plants[name] = plant  # the one heard last stands last
            self._put(plant.out, parts, now_ns)
            if not plant.started and _kind(parts) == Kind.TICK:
                plant.started = True
                plant.out.begin(now_ns)
                plant.back.begin(now_ns)
                self._cuts = [
                    (now_ns + round(cut.at_s * 1e9), now_ns + round((cut.at_s + cut.for_s) * 1e9))
                    for cut in self._impairment.cut
                ]
        for plant in self._plants.values():
            for parts in _received(plant.socket):
                self._put(plant.back, parts, now_ns)

    def _put(self, lane: Lane, parts: list[bytes], now_ns: int) -> None:
        kind = _kind(parts)
        fragile = self._impairment.handshakes or kind in (Kind.TICK, Kind.REPLY)
        lane.put(parts, now_ns, delayed=fragile or kind == Kind.ECHO, fragile=fragile)

    def _meet(self, name: bytes) -> _Plant:
        if len(self._plants) == PLANTS_MAX:
            self._plants.pop(next(iter(self._plants))).let_go()
        return _Plant(self._connected(name), self._impairment, self.tally, self._traces_s)

    def _connected(self, name: bytes) -> zmq.Socket[bytes]:
        # The device knows the plant by its own name; one that libzmq made up begins with a zero, which none may give.
        return _dial(self._router.context, self._device, name if name[0] else b"S" + name[1:])


def _dial(context: zmq.Context[zmq.Socket[bytes]], device: str, name: bytes) -> zmq.Socket[bytes]:
    socket = context.socket(zmq.DEALER)
    tune(socket, device)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.ROUTING_ID, name)
    try:
        dial(socket, device)
    except LinkError:
        socket.close()
        raise
    return socket


def _received(socket: zmq.Socket[bytes]) -> Iterator[list[bytes]]:
    """The messages that have come, but no more than a queue of them: others want their turn."""
    for _ in range(QUEUE):
        try:
            yield socket.recv_multipart(_AT_ONCE)
        except zmq.Again:
            return


def _send(socket: zmq.Socket[bytes], parts: list[bytes], counts: Counts) -> None:
    try:
        socket.send_multipart(parts, _AT_ONCE)
    except zmq.ZMQError as error:
        if error.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
            raise
        counts.dropped += 1
    else:
        counts.forwarded += 1


def _kind(parts: list[bytes]) -> int | None:
    """The kind of a frame that looks like one."""
    frame = parts[0]
    return frame[3] if len(frame) >= HEADER.size and frame.startswith(MAGIC) else None
