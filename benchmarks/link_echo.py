"""Round trip of a tick over the ZeroMQ link against a bare pyzmq echo of the same bytes, in one run on one machine.

Both sides are two processes over TCP on loopback: DEALER here, ROUTER there. The link's device runs the backend
`null`, so the difference is what hilbench adds: frames, checks, session, clocks. Short runs of the two alternate,
because a shared machine drifts.

    python benchmarks/link_echo.py [--ticks 250] [--rounds 40] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Callable
from time import perf_counter_ns, sleep

import numpy as np
import zmq

from hilbench.bridge.ticks import encode_tick
from hilbench.bridge.zmq import ZmqLink
from hilbench.types import LawProgram, Port, Probes, Tick

PROGRAM = LawProgram("echo", {}, inputs=(Port("values", 8),), outputs=(Port("values", 2),))
WARM_UP = 20
TIMEOUT_NS = 5_000_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ticks", type=int, default=250, help="ticks per run")
    parser.add_argument("--rounds", type=int, default=40, help="alternations of bare echo and link")
    parser.add_argument("--rate-hz", type=float, default=1000.0, help="rate of the paced runs")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    parser.add_argument("--echo", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.echo:
        echo()
        return
    result = measure(args.ticks, args.rounds, int(1e9 / args.rate_hz))
    if args.json:
        print(json.dumps(result))
        return
    for name, row in result.items():
        figures = "  ".join(f"{key} {value:8.2f}" for key, value in row.items())
        print(f"{name:22} {figures}")


def echo() -> None:
    """The bare peer: what comes goes back, until stdin closes this process."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket:
        print(socket.bind_to_random_port("tcp://127.0.0.1"), flush=True)
        while (parts := socket.recv_multipart())[1]:
            socket.send_multipart(parts)


def measure(n_ticks: int, rounds: int, period_ns: int) -> dict[str, dict[str, float]]:
    """p50 and p99 in microseconds for both, back to back and paced, and their ratios."""
    command = [sys.executable, __file__, "--echo"]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as peer,
        zmq.Context() as context,
        context.socket(zmq.DEALER) as socket,
        ZmqLink(ZmqLink.Config(), "null", {}) as link,
    ):
        socket.connect(f"tcp://127.0.0.1:{int(peer.stdout.readline())}")
        link.load(PROGRAM, 1000, Probes())
        link.reset(0, "none", 0)
        trips = {"bare": bare_trip(socket), "link": link_trip(link)}
        result = {}
        for mode, period in (("back to back", 0), ("paced", period_ns)):
            result |= compare(mode, trips, n_ticks, rounds, period)
        socket.send(b"")
    return result


def bare_trip(socket: zmq.Socket) -> Callable[[], None]:
    data = encode_tick(Tick(values=np.zeros(8, np.float32)), 1)

    def trip() -> None:
        socket.send(data)
        socket.recv()

    return trip


def link_trip(link: ZmqLink) -> Callable[[], None]:
    tick = Tick(seq=-1, values=np.zeros(8, np.float32))

    def trip() -> None:
        tick.seq += 1
        link.send(tick)
        if link.receive(TIMEOUT_NS) is None:
            raise SystemExit("the device did not answer")

    return trip


def compare(mode: str, trips: dict, n_ticks: int, rounds: int, period_ns: int) -> dict[str, dict[str, float]]:
    """Medians over the rounds of each run's p50, of their ratios, and p99 over all ticks."""
    found: dict[str, list] = {name: [] for name in trips}
    for round_ in range(rounds):
        for name in sorted(trips, reverse=bool(round_ % 2)):
            found[name].append(run(trips[name], n_ticks, period_ns) / 1000)
    rows = {
        f"{name}, {mode}": {
            "p50_us": statistics.median(np.median(times) for times in runs),
            "p99_us": float(np.percentile(np.concatenate(runs), 99)),
        }
        for name, runs in found.items()
    }
    pairs = zip(found["link"], found["bare"], strict=True)
    ratio = statistics.median(np.median(link) / np.median(bare) for link, bare in pairs)
    p99s = [rows[f"{name}, {mode}"]["p99_us"] for name in ("link", "bare")]
    return {**rows, f"link / bare, {mode}": {"p50": float(ratio), "p99": p99s[0] / p99s[1]}}


def run(trip: Callable[[], None], n_ticks: int, period_ns: int) -> np.ndarray:
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
