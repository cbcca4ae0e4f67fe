"""How late a wait for an instant of a 1 kHz schedule ends: asleep, polling, or asleep and then polling.

`hybrid` polls for the stretch that `hilbench.loop.clock` measures at a run's start, `hybrid 80 us` for a fixed one.
Rounds alternate, because a shared machine drifts; `load` is how much of a processor it all takes, of which a fifth is
the work between two waits.

    python benchmarks/pace.py [--seconds 2] [--rounds 3] [--priority 50] [--json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from time import monotonic_ns, process_time_ns, sleep

import numpy as np

from hilbench.loop.clock import collector_frozen
from hilbench.loop.waiting import SPIN_NS, overslept_ns, spin_ns
from hilbench.machine.realtime_setup import granted
from hilbench.scenario.loop import LoopConfig

PERIOD_NS = 1_000_000
WORK_NS = 200_000
"""What a tick is busy for before it waits again."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="length of each schedule")
    parser.add_argument("--rounds", type=int, default=3, help="alternations")
    parser.add_argument("--priority", type=int, help="run with this priority of SCHED_FIFO")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    args = parser.parse_args()
    with granted(LoopConfig(realtime_priority=args.priority)) as rights:
        result = measure(round(args.seconds * 1e9) // PERIOD_NS, args.rounds)
    result["refused"] = rights.refused
    if args.json:
        print(json.dumps(result))
        return
    print(f"polled before an instant, as measured: {result['spin_us']:.0f} us  {result['refused'] or ''}")
    for name, figures in result["ways"].items():
        print(f"{name:14}", "  ".join(f"{what} {value:9.2f}" for what, value in figures.items()))


def measure(n: int, rounds: int) -> dict:
    """Figures of each way over all rounds, in microseconds."""
    polled_ns = spin_ns(overslept_ns(lambda ns: sleep(ns * 1e-9)))
    ways = {"sleep": 0, "hybrid 80 us": SPIN_NS, "hybrid": polled_ns, "spin": PERIOD_NS}
    late_ns: dict[str, list] = {name: [] for name in ways}
    used_ns = dict.fromkeys(ways, 0)
    for round_ in range(rounds):
        for name in sorted(ways, reverse=bool(round_ % 2)):
            before_ns = process_time_ns()
            late_ns[name].append(schedule_ns(n, ways[name]))
            used_ns[name] += process_time_ns() - before_ns
    figures = {name: _figures(np.concatenate(late_ns[name]), used_ns[name] / (rounds * n * PERIOD_NS)) for name in ways}
    return {"n": rounds * n, "spin_us": polled_ns / 1000, "ways": figures}


def schedule_ns(n: int, polled_ns: int, now_ns: Callable[[], int] = monotonic_ns) -> np.ndarray:
    """How late the waits for `n` instants ended, (n,) int64."""
    late_ns = np.zeros(n, np.int64)
    with collector_frozen(disabled=True):
        start_ns = now_ns() + PERIOD_NS
        for k in range(n):
            due_ns = start_ns + k * PERIOD_NS
            while (left_ns := due_ns - now_ns()) > 0:
                if left_ns > polled_ns:
                    sleep((left_ns - polled_ns) * 1e-9)
            late_ns[k] = -left_ns
            while now_ns() < due_ns + WORK_NS:
                pass
    return late_ns


def _figures(late_ns: np.ndarray, load: float) -> dict[str, float]:
    p50, p99, p999 = (float(np.quantile(late_ns, q)) / 1000 for q in (0.5, 0.99, 0.999))
    return {"p50_us": p50, "p99_us": p99, "p99.9_us": p999, "max_us": float(late_ns.max()) / 1000, "load": load}


if __name__ == "__main__":
    main()
