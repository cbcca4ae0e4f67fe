"""A backend that shows on its outputs whatever a link could get wrong, and a device in a thread that serves it."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from hilbench import plugins
from hilbench.bridge.device.server import serve
from hilbench.errors import NetworkError
from hilbench.types import EVENT, NO_EVENTS, Backend, LawProgram, Link, LoadReport, Port, Probes, Reply, Tick

if TYPE_CHECKING:
    import pytest

PERIOD_US = 1000
PROGRAM = LawProgram(
    "fake",
    {"gain": 0.1},
    inputs=(Port("obs", 3), Port("ears", 5, "events"), Port("more", 1)),
    outputs=(Port("torque", 2), Port("spikes", 4, "events")),
    modulators=(Port("error", 2),),
)
PROBES = Probes(spikes=("hidden",))


class ShowingConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of ShowingBackend."""

    report_as: str = "fake"
    fail_at: int = -1
    """The tick at which a step raises; none when negative."""
    refuse: str = ""
    """Why every program is refused; empty when none is."""


class ShowingBackend(Backend):
    """Outputs: a running state and the periods advanced. Every reply has views of the same arrays again."""

    Config = ShowingConfig

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.resets: list[tuple[int, str]] = []
        self.steps = 0
        self._reply, self._values = Reply(), np.zeros(2)
        self._counters, self._weights = np.zeros(5, np.uint64), np.zeros(1, np.float32)

    def load(self, program, period_us, probes):
        if self.config.refuse:
            raise NetworkError(self.config.refuse)
        self.loaded = program, period_us, probes
        self._weight = 0.0
        self.reset(0, "none")
        return LoadReport(self.config.report_as, exact=("all",), n_probe_values=1)

    def reset(self, seed, carry):
        self.resets.append((seed, carry))
        if carry != "all":
            self._state, self._advanced = float(seed % 7), 0
        if carry == "none":
            self._weight = 0.0

    def step(self, tick):
        if tick.seq == self.config.fail_at:
            raise RuntimeError("synapse on fire")
        self.steps += 1
        if tick.learning:
            self._weight += float(tick.modulators.sum())
        self._state = 0.9 * self._state + float(tick.values @ np.arange(1, 5)) + self._weight
        reply, n = self._reply, len(tick.events)
        self._values[:] = self._state / 3, self._advanced
        self._weights[0] = self._weight
        self._counters[:] = n, tick.seq, self._advanced, tick.learning, n
        reply.values, reply.counters, reply.probe_values = self._values[:], self._counters[:], self._weights[:]
        reply.events = np.zeros(n, EVENT) if n else NO_EVENTS
        reply.events["t_us"], reply.events["address"] = tick.events["t_us"], tick.events["address"] % 4
        reply.probe_events = reply.events[::2].copy()
        reply.energy_j = abs(self._state)
        return reply

    def advance(self, n_periods):
        self._advanced += n_periods

    def snapshot(self):
        return {"weights/w": np.array([self._weight]), "state": np.array([self._state, self._advanced])}

    def restore(self, arrays, carry):
        if arrays.keys() != {"weights/w", "state"}:
            raise NetworkError("state: found other names")
        if carry != "none":
            self._weight = float(arrays["weights/w"][0])
        if carry == "all":
            self._state, self._advanced = float(arrays["state"][0]), int(arrays["state"][1])


def ticks(n: int, seed: int = 0) -> Iterator[Tick]:
    """Ticks of PROGRAM with random values, modulators and events.

    Parameters
    ----------
    n : int
        How many.
    seed : int
    """
    rng = np.random.default_rng(seed)
    for seq in range(n):
        events = np.zeros(rng.integers(0, 9), EVENT)
        events["t_us"] = np.sort(rng.integers(0, PERIOD_US, len(events)))
        events["address"] = rng.integers(0, 5, len(events))
        values, modulators = rng.normal(size=4).astype(np.float32), rng.normal(size=2).astype(np.float32)
        yield Tick(seq, 1_000_000 * seq, bool(seq % 3), events, values, modulators)


def fields(reply: Reply) -> tuple[Any, ...]:
    """What of a Reply must not depend on the link, as bytes: everything but the clock's readings."""
    arrays = reply.counters, reply.events, np.asarray(reply.values, "f4"), reply.probe_events, reply.probe_values
    energy = np.float64(reply.energy_j).tobytes()
    return reply.seq, reply.t_ns, reply.prev_seq, energy, *(np.asarray(array).tobytes() for array in arrays)


def plug_in(monkeypatch: pytest.MonkeyPatch, **kinds: type[Backend]) -> None:
    """Make `plugins.get("backends", NAME)` find these classes, too.

    Parameters
    ----------
    monkeypatch : pytest.MonkeyPatch
    **kinds : type of Backend
        By name.
    """
    get = plugins.get
    monkeypatch.setattr(
        plugins, "get", lambda kind, name: kinds[name] if kind == "backends" and name in kinds else get(kind, name)
    )


def echo(link: Link, n_bytes: int, timeout_ns: int) -> bool | None:
    """Whether one echo came back in time; None where there is none.

    Parameters
    ----------
    link : Link
    n_bytes : int
        The size of its body.
    timeout_ns : int
    """
    until_ns = monotonic_ns() + timeout_ns
    if (number := link.send_echo(n_bytes)) is None:
        return None
    while (back := link.receive_echo(max(0, until_ns - monotonic_ns()))) is not None:
        if back == number:
            return True
    return False


@contextmanager
def no_leaks() -> Iterator[None]:
    """Fail when the block leaves a thread, a child process, or a descriptor (socket, pipe, context) behind."""
    before = _held()
    yield
    gc.collect()
    after = _held()
    assert after == before, f"close() leaves no thread, child or descriptor: found {after}, before {before}"


def _held() -> tuple[list[str], str, int]:
    children = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread that ends just now
            children.append(Path(task, "children").read_text())
    return sorted(thread.name for thread in threading.enumerate()), "".join(children), len(os.listdir("/proc/self/fd"))


@contextmanager
def serving(backend: Backend, bind: str = "tcp://127.0.0.1:*", **options: Any) -> Iterator[str]:
    """A device server in a thread; gives its address and leaves no thread behind.

    Parameters
    ----------
    backend : Backend
    bind : str
        Where it listens.
    **options : Any
        As `bridge.device.server.serve` has them.
    """
    with in_thread(lambda **ends: serve(backend, bind, **ends, **options)) as (address, _):
        yield address


@contextmanager
def in_thread(run: Callable[..., Any]) -> Iterator[tuple[str, list[Any]]]:
    """A server in a thread until the block is left; its address, and a list that then holds what it returned.

    Parameters
    ----------
    run : callable
        Serves; gets `ready`, to be called with the address, and `stop_fd`, which ends it when it is closed.
    """
    read_fd, write_fd = os.pipe()
    address: list[str] = []
    failure: list[BaseException] = []
    result: list[Any] = []
    up = threading.Event()

    def ready(bound: str) -> None:
        address.append(bound)
        up.set()

    def body() -> None:
        try:
            result.append(run(ready=ready, stop_fd=read_fd))
        except BaseException as error:
            failure.append(error)
        finally:
            up.set()

    thread = threading.Thread(target=body)
    thread.start()
    try:
        assert up.wait(10)
        assert not failure, failure
        yield address[0], result
    finally:
        os.close(write_fd)
        thread.join(10)
        os.close(read_fd)
        assert not thread.is_alive()
    assert not failure, failure
