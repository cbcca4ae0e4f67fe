"""What a tick costs on each link, there and back: ZeroMQ and a Unix socket by bare echoes, the others by them.

A bare echo is two processes: over ZeroMQ a DEALER here and a ROUTER there, by TCP on loopback. Its sides sleep in
`recv`, as is usual; `no sleep` looks for messages until one comes, as hilbench's do, and so does the echo over a Unix
SEQPACKET socket. Every link but the one in process has a device process too, with
the backend `null`: what a link adds is frames, checks, session and clocks. Short runs of all take turns, because a
shared machine drifts; `paced` starts each trip at its own instant of a schedule.

    python benchmarks/link.py [--ticks 1000] [--rounds 20] [--rate-hz 1000] [--json FILE]
    python benchmarks/link.py --markdown runs/bench/link.json

Everything goes to runs/bench/link.json; `--json` writes it to a second place. Times are each side's p50 and ratios the
medians of the rounds' own ratios of p50, so less is better.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import socket
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter_ns, sleep
from typing import Any

import numpy as np
import zmq
from peers.environments import ROOT
from peers.tables import markdown, show

from hilbench import plugins
from hilbench.bridge.protocol.ticks import encode_tick
from hilbench.runs.provenance import provenance
from hilbench.types import LawProgram, Link, Port, Probes, Tick, to_builtins

PROGRAM = LawProgram("echo", {}, inputs=(Port("values", 8),), outputs=(Port("values", 2),))
WARM_UP = 100
TIMEOUT_NS = 5_000_000_000
OUT = ROOT / "runs" / "bench"
BARE, AWAKE, BARE_UNIX = "bare pyzmq echo", "the same, no sleep", "bare SEQPACKET echo"
PAIRS = (
    ("zmq", BARE, 1.2), ("zmq", AWAKE, None), ("unix", BARE_UNIX, 2.0), ("unix", "zmq", 0.2),
    ("stream", "zmq", None), ("inprocess", "zmq", None),
)  # fmt: skip
"""What is compared with what, and the most that the ratio may be."""
SPIN_NS = 2_000_000
"""How long a bare echo looks for the next message without sleep: beyond a tick at 1 kHz, within its own turn."""

_EVENTS, _READABLE = int(zmq.EVENTS), int(zmq.POLLIN)

Trip = Callable[[], None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ticks", type=int, default=1000, help="ticks per run")
    parser.add_argument("--rounds", type=int, default=20, help="how often all take their turn")
    parser.add_argument("--rate-hz", type=float, default=1000.0, help="rate of the paced runs")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="only print a file's table for the document")
    parser.add_argument("--echo", choices=(BARE, AWAKE), help=argparse.SUPPRESS)
    parser.add_argument("--unix-echo", type=int, metavar="FD", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.echo:
        echo(wait_for(args.echo))
    elif args.unix_echo is not None:
        unix_echo(socket.socket(fileno=args.unix_echo))
    elif args.markdown:
        print(markdown(json.loads(args.markdown.read_text("utf-8"))))
    else:
        result = measure(args.ticks, args.rounds, args.rate_hz)
        OUT.mkdir(parents=True, exist_ok=True)
        for path in filter(None, (OUT / "link.json", args.json)):
            path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
        show(result)


def wait_for(name: str) -> Callable[[zmq.Socket[bytes]], None]:
    """What a side of this bare echo does before `recv`."""

    def look(socket: zmq.Socket[bytes]) -> None:
        until_ns = perf_counter_ns() + SPIN_NS
        while not socket.getsockopt(_EVENTS) & _READABLE and perf_counter_ns() < until_ns:
            os.sched_yield()

    return look if name == AWAKE else lambda socket: None


def echo(wait: Callable[[zmq.Socket[bytes]], None]) -> None:
    """The bare peer: what comes goes back, until an empty message ends it."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        print(socket.bind_to_random_port("tcp://127.0.0.1"), flush=True)
        while True:
            wait(socket)
            parts = socket.recv_multipart()
            if not parts[1]:
                return
            socket.send_multipart(parts)


def unix_echo(end: socket.socket) -> None:
    """The same over a Unix socket, until its other end closes."""
    end.setblocking(False)
    last_ns = 0
    while True:
        try:
            data = end.recv(2**16)
        except BlockingIOError:
            if perf_counter_ns() - last_ns > SPIN_NS:
                select.select((end,), (), ())
            continue
        if not data:
            return
        end.send(data)
        last_ns = perf_counter_ns()


def measure(n_ticks: int, rounds: int, rate_hz: float) -> dict[str, Any]:
    """The results as `link.json` holds them."""
    found, load = to_builtins(provenance()), os.getloadavg()[0]
    host = found["host"] | {"load": load} | {key: found[key] for key in ("package_versions", "commit", "started_at")}
    rows = []
    with contextlib.ExitStack() as stack:
        trips = {name: stack.enter_context(bare_trip(name)) for name in (BARE, AWAKE)}
        trips[BARE_UNIX] = stack.enter_context(bare_unix_trip())
        trips |= {name: stack.enter_context(link_trip(name)) for name in sorted({name for name, *_ in PAIRS})}
        for mode, period_ns in (("back to back", 0), (f"paced at {rate_hz:g} Hz", int(1e9 / rate_hz))):
            rows += compare(mode, trips, n_ticks, rounds, period_ns)
    return {"host": host, "rows": rows, "growth": None, "large": None}


@contextlib.contextmanager
def bare_trip(name: str = BARE) -> Iterator[Trip]:
    wait = wait_for(name)
    data = encode_tick(Tick(values=np.zeros(8, np.float32)), 1)
    with (
        subprocess.Popen([sys.executable, __file__, "--echo", name], stdout=subprocess.PIPE) as peer,
        zmq.Context() as context,
        context.socket(zmq.DEALER) as socket,
    ):
        socket.connect(f"tcp://127.0.0.1:{int(peer.stdout.readline())}")

        def trip() -> None:
            socket.send(data)
            wait(socket)
            socket.recv()

        yield trip
        socket.send(b"")


@contextlib.contextmanager
def bare_unix_trip() -> Iterator[Trip]:
    data = encode_tick(Tick(values=np.zeros(8, np.float32)), 1)
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    command = [sys.executable, __file__, "--unix-echo", str(there.fileno())]
    with subprocess.Popen(command, pass_fds=[there.fileno()]), here:
        there.close()
        here.setblocking(False)

        def trip() -> None:
            here.send(data)
            while True:
                try:
                    here.recv(2**16)
                    return
                except BlockingIOError:
                    continue

        yield trip


@contextlib.contextmanager
def link_trip(name: str) -> Iterator[Trip]:
    kind = plugins.get("links", name)
    with kind(kind.Config(), "null", {}) as link:
        link.load(PROGRAM, 1000, Probes())
        link.reset(0, "none", 0)
        yield ticking(link)


def ticking(link: Link) -> Trip:
    tick = Tick(seq=-1, values=np.zeros(8, np.float32))

    def trip() -> None:
        tick.seq += 1
        link.send(tick)
        if link.receive(TIMEOUT_NS) is None:
            raise SystemExit(f"{link}: the device did not answer")

    return trip


def compare(mode: str, trips: dict[str, Trip], n_ticks: int, rounds: int, period_ns: int) -> list[dict[str, Any]]:
    """The rows of one mode: medians over the rounds of each run's p50, and of their ratios; p99 over all ticks."""
    taken: dict[str, list[np.ndarray]] = {name: [] for name in trips}
    for round_ in range(rounds):
        for name in sorted(trips, reverse=bool(round_ % 2)):
            taken[name].append(run(trips[name], n_ticks, period_ns) * 1e-9)
    p50 = {name: [float(np.median(times)) for times in runs] for name, runs in taken.items()}
    p99 = {name: float(np.percentile(np.concatenate(runs), 99)) for name, runs in taken.items()}
    rows = []
    for name, peer, target in PAIRS:
        ratio = statistics.median(mine / theirs for mine, theirs in zip(p50[name], p50[peer], strict=True))
        rows.append(
            {
                "work": f"a tick over {name}, {mode}", "peer": peer, "hilbench_s": statistics.median(p50[name]),
                "peer_s": statistics.median(p50[peer]), "ratio": ratio, "target": target,
                "met": None if target is None else ratio <= target, "n": rounds, "why": "",
                "counts": {"us at p99": [round(1e6 * p99[each], 1) for each in (name, peer)]},
            }
        )  # fmt: skip
    return rows


def run(trip: Trip, n_ticks: int, period_ns: int) -> np.ndarray:
    """Round-trip times in ns; with a period, each trip starts at its own instant of an absolute schedule."""
    for _ in range(WARM_UP):
        trip()
    times = np.empty(n_ticks)
    start = perf_counter_ns()
    for k in range(n_ticks):
        wait_ns = start + k * period_ns - perf_counter_ns()
        if wait_ns > 0:
            sleep(wait_ns * 1e-9)
        sent = perf_counter_ns()
        trip()
        times[k] = perf_counter_ns() - sent
    return times


if __name__ == "__main__":
    main()
