"""A backend that shows on its outputs everything a link could get wrong, and that can be slow, failing or odd.

Run as a script it is a device process: `python bridge_fakes.py --backend fake --bind ... --config '{...}'`.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic_ns

import msgspec
import numpy as np

from hilbench import plugins
from hilbench.bridge.device.server import serve
from hilbench.bridge.impair.relay import impair_link
from hilbench.errors import NetworkError
from hilbench.types import EVENT, NO_EVENTS, Backend, LawProgram, LoadReport, Port, Probes, Reply, Tick

PERIOD_US = 1000
PROGRAM = LawProgram(
    "fake",
    {"gain": 0.1},
    inputs=(Port("obs", 3), Port("ears", 5, "events"), Port("more", 1)),
    outputs=(Port("torque", 2), Port("spikes", 4, "events")),
    modulators=(Port("error", 2),),
)
PROBES = Probes(spikes=("hidden",))


class FakeBackend(Backend):
    """Outputs: a running state and the periods advanced. Every reply has views of the same arrays again."""

    class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        report_as: str = "fake"
        fail_at: int = -1
        refuse: str = ""
        hang: str = ""
        """What never ends, `python` between two instructions and `compiled` within one, and where: `load.python`."""

    def __init__(self, config):
        super().__init__(config)
        self.resets, self.steps = [], 0
        self._reply, self._values = Reply(), np.zeros(2)
        self._counters, self._weights = np.zeros(5, np.uint64), np.zeros(1, np.float32)

    def load(self, program, period_us, probes):
        self._hang("load")
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
        self._hang("step")
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

    def _hang(self, where):
        while self.config.hang == f"{where}.python":
            pass
        if self.config.hang == f"{where}.compiled":
            sum(itertools.repeat(0))  # in C, without a look at signals or other threads

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


def ticks(n, seed=0):
    """`n` ticks of PROGRAM with random values, modulators and events."""
    rng = np.random.default_rng(seed)
    for seq in range(n):
        events = np.zeros(rng.integers(0, 9), EVENT)
        events["t_us"] = np.sort(rng.integers(0, PERIOD_US, len(events)))
        events["address"] = rng.integers(0, 5, len(events))
        values, modulators = rng.normal(size=4).astype(np.float32), rng.normal(size=2).astype(np.float32)
        yield Tick(seq, 1_000_000 * seq, bool(seq % 3), events, values, modulators)


def fields(reply):
    """What of a Reply must not depend on the link, as bytes: everything but the clock's readings."""
    arrays = reply.counters, reply.events, np.asarray(reply.values, "f4"), reply.probe_events, reply.probe_values
    energy = np.float64(reply.energy_j).tobytes()
    return reply.seq, reply.t_ns, reply.prev_seq, energy, *(np.asarray(array).tobytes() for array in arrays)


def plug_in(monkeypatch, **kinds):
    """Make `plugins.get("backends", name)` find these classes too."""
    get = plugins.get
    monkeypatch.setattr(
        plugins, "get", lambda kind, name: kinds[name] if kind == "backends" and name in kinds else get(kind, name)
    )


@contextmanager
def no_leaks():
    """Fail when the block leaves a thread, a child process, or a descriptor (socket, pipe, context) behind."""
    before = _held()
    yield
    gc.collect()
    assert _held() == before


def _held():
    children = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread that ends just now
            children.append(Path(task, "children").read_text())
    return sorted(thread.name for thread in threading.enumerate()), "".join(children), len(os.listdir("/proc/self/fd"))


@contextmanager
def serving(backend, bind="tcp://127.0.0.1:*", **options):
    """A device server in a thread; yields its endpoint and leaves no thread behind."""
    with _in_thread(lambda **ends: serve(backend, bind, **ends, **options)) as (endpoint, _):
        yield endpoint


@contextmanager
def impairing(device, impairment, listen="tcp://127.0.0.1:*", **options):
    """A relay in a thread; yields its endpoint and a list that holds its tally once the block has been left."""
    with _in_thread(lambda **ends: impair_link(listen, device, impairment, **ends, **options)) as found:
        yield found


@contextmanager
def _in_thread(run):
    read_fd, write_fd = os.pipe()
    endpoint, failure, result, up = [], [], [], threading.Event()

    def ready(address):
        endpoint.append(address)
        up.set()

    def body():
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
        yield endpoint[0], result
    finally:
        os.close(write_fd)
        thread.join(10)
        os.close(read_fd)
        assert not thread.is_alive()
    assert not failure, failure


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--backend")
    parser.add_argument("--bind")
    parser.add_argument("--exit-with-stdin", action="store_true")
    parser.add_argument("--config", default="{}")
    parser.add_argument("--load-timeout-s", type=float, default=120.0)
    args = parser.parse_args()
    if args.backend == "dumb":
        sys.exit("first line\nno such backend: dumb")
    backend = FakeBackend(msgspec.convert(json.loads(args.config), FakeBackend.Config))

    def ready(address):
        print(f"hilbench: serving {args.backend} on {address} (pid {os.getpid()})", flush=True)

    serve(
        backend, args.bind, ready=ready, exit_with_stdin=args.exit_with_stdin, load_timeout_s=args.load_timeout_s
    )  # fmt: skip


if __name__ == "__main__":
    main()


def echo(link, n_bytes, timeout_ns):
    """Whether one echo came back in time; None where there is none."""
    until_ns = monotonic_ns() + timeout_ns
    if (number := link.send_echo(n_bytes)) is None:
        return None
    while (back := link.receive_echo(max(0, until_ns - monotonic_ns()))) is not None:
        if back == number:
            return True
    return False
