"""Half an hour with faults: a robot at 1 kHz in real time over ZeroMQ, while its device and its link are maltreated.

The plant (`hilbench run arm_payload`, PES), the relay and the device have a process each. Every minute a fault
comes, in turn: the device is killed, stopped for 2 s, the connections cut for 2 s, 20 % of the frames lost for 5 s, and
a stranger sends garbage. A killed device is started anew at its address, with no weights.

    python benchmarks/soak.py [--minutes 30] [--every-s 60] [--json FILE]

Everything goes to runs/bench/soak.json. Exit code 1: a tick was lost or recorded twice, a fault left no trace, learnt
weights did not come back, memory grew by more than 16 MiB in a process, or descriptors were left open.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import numpy as np
import zmq
from peers.environments import ROOT
from rich.console import Console
from rich.table import Table

from hilbench.record.data import RunData
from hilbench.record.reader import read_run
from hilbench.runs.provenance import provenance
from hilbench.types import SAFE, to_builtins

RATE_HZ = 1000
AWAY_S, BURST_S, LOSS = 2.0, 5.0, 0.2
RESTART_S = 1.0
"""How long a killed device is away."""
WINDOW_S = 12.0
"""After a fault: how long its traces are looked for, and the device may be away."""
N_GARBAGE = 1000
GROWTH_MAX_BYTES = 16 * 2**20
"""From the second fifth of a process's life to its last one, medians: what an allocator may still be fetching."""
SETTLED = 20
"""Samples, one a second, from which on a process is old enough to be judged."""
OUT = ROOT / "runs" / "bench"
HILBENCH = (sys.executable, "-m", "hilbench")


@dataclass
class Watched:
    """A process, and what it held in every second of its life."""

    what: str
    popen: subprocess.Popen
    rss_bytes: list[int] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def sample(self) -> None:
        root = Path("/proc", str(self.popen.pid))
        try:
            pages, n = int((root / "statm").read_text().split()[1]), len(os.listdir(root / "fd"))
        except (OSError, IndexError):
            return  # it has just ended
        self.rss_bytes.append(pages * os.sysconf("SC_PAGE_SIZE"))
        self.descriptors.append(n)

    def held(self) -> dict[str, Any] | None:
        """Growth and slope after the first fifth; None for a life too short to say."""
        n = len(self.rss_bytes)
        if n < SETTLED:
            return None
        fifth = n // 5
        late, open_ = np.array(self.rss_bytes[fifth:], float), np.array(self.descriptors[fifth:], float)
        grown = float(np.median(open_[-fifth:]) - np.median(open_[:fifth]))
        return {
            "process": self.what, "seconds": n, "rss_bytes": int(np.median(late[-fifth:])),
            "growth_bytes": int(np.median(late[-fifth:]) - np.median(late[:fifth])),
            "slope_bytes_per_min": float(np.polyfit(np.arange(len(late)) / 60, late, 1)[0]),
            "descriptors": int(np.median(open_[-fifth:])), "descriptors_grown": int(grown),
        }  # fmt: skip


class Bench:
    """The three processes, and what is done to them."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._stack, self._folder = stack, folder
        self.watched: list[Watched] = []
        self.answered = 0
        self.bind = "tcp://127.0.0.1:*"
        self.serve()

    def start(self, what: str, *command: str, **options: Any) -> Watched:
        popen = self._stack.enter_context(subprocess.Popen([*HILBENCH, *command], **options))
        self._stack.callback(popen.kill)
        self.watched.append(Watched(what, popen))
        return self.watched[-1]

    def serve(self) -> None:
        """Start the device, always at the same address."""
        self.device = self.start("device", "serve", "--bind", self.bind, stdout=subprocess.PIPE, text=True)
        self.bind = self.device.popen.stdout.readline().split()[4]

    def impair(self, cuts: list[float], bursts: list[float]) -> str:
        """Start the relay; its address."""
        tables = [f"[[impairment.cut]]\nat_s = {at_s}\nfor_s = {AWAY_S}\n" for at_s in cuts]
        tables += [f"[[impairment.burst]]\nat_s = {at_s}\nfor_s = {BURST_S}\nloss = {LOSS}\n" for at_s in bursts]
        path = self._folder / "impairment.toml"
        path.write_text("[impairment]\nseed = 1\n" + "\n".join(tables), "utf-8")
        listen = ("--listen", "tcp://127.0.0.1:*", "--impairment", str(path))
        relay = self.start("relay", "impair", "--device", self.bind, *listen, stdout=subprocess.PIPE, text=True)
        return relay.popen.stdout.readline().split()[4]

    def run(self, address: str, seconds: float) -> Watched:
        """Start the plant."""
        settings = {
            "mode": "realtime", "duration-s": seconds, "period-s": 1 / RATE_HZ, "on-loss": "recover", "snapshot-s": 1.0
        }  # fmt: skip
        loop = [word for name, value in settings.items() for word in (f"--loop.{name}", str(value))]
        link = ("--link.kind", "zmq", "--link.address", address, "--link.timeout-s", "1.0")
        where = ("--out", str(self._folder / "run"), "--json")
        output = self._stack.enter_context((self._folder / "metrics.json").open("w"))
        return self.start("plant", "run", "arm_payload", "--controller", "pes", *loop, *link, *where, stdout=output)

    def kill(self) -> None:
        self.device.popen.kill()
        self.device.popen.wait()
        sleep(RESTART_S)
        self.serve()

    def stop(self) -> None:
        self.device.popen.send_signal(signal.SIGSTOP)
        sleep(AWAY_S)
        self.device.popen.send_signal(signal.SIGCONT)

    def garbage(self) -> None:
        """A stranger's frames: noise, and noise behind the header's first bytes; counts what the device answers."""
        rng = np.random.default_rng(0)
        with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
            stranger.setsockopt(zmq.LINGER, 0)
            stranger.connect(self.bind)
            for n in rng.integers(1, 400, N_GARBAGE).tolist():
                stranger.send((b"HB\x01" if n % 2 else b"") + rng.bytes(n))
                self.answered += bool(stranger.poll(100) and stranger.recv())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="how long the robot runs")
    parser.add_argument("--every-s", type=float, default=60.0, help="time between two faults, 20 s or more")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    args = parser.parse_args()
    if args.every_s < WINDOW_S + 8 or args.minutes * 60 < args.every_s:
        parser.error(f"--every-s: found {args.every_s:g}; allowed: {WINDOW_S + 8:g} to the whole time")
    folder = Path(tempfile.mkdtemp(prefix="hilbench-soak-"))
    result = soak(folder, args.minutes * 60, args.every_s)
    OUT.mkdir(parents=True, exist_ok=True)
    for path in filter(None, (OUT / "soak.json", args.json)):
        path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    show(result)
    if result["failed"]:
        print(f"the run is left in {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


def soak(folder: Path, seconds: float, every_s: float) -> dict[str, Any]:
    """The results as `soak.json` holds them."""
    kinds = ("kill", "stop", "cut", "loss", "garbage")
    plan = [(at_s, kinds[i % len(kinds)]) for i, at_s in enumerate(np.arange(every_s / 2, seconds - WINDOW_S, every_s))]
    with ExitStack() as stack:
        bench = Bench(stack, folder)
        address = bench.impair(*([float(at_s) for at_s, kind in plan if kind == which] for which in ("cut", "loss")))
        plant = bench.run(address, seconds)
        begun = _first_tick(folder / "run" / "episode_0000.arrow", plant)
        injected = [(at_s, getattr(bench, kind)) for at_s, kind in plan if kind in ("kill", "stop", "garbage")]
        _watch(bench, plant, begun, injected, begun + seconds)
        code = plant.popen.wait(300)
    run = read_run(folder / "run", ("seq", "skipped", "answered", "sources", "probe_values", "late"))
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))["metrics"]
    return judge(run, metrics, plan, seconds, code, bench)


def _first_tick(path: Path, plant: Watched) -> float:
    """Wait for the run's stream; the instant at which it was there."""
    until = monotonic() + 120
    while not path.exists():
        if plant.popen.poll() is not None or monotonic() > until:
            raise SystemExit("the plant did not start")
        sleep(0.01)
    return monotonic()


def _watch(bench: Bench, plant: Watched, begun: float, injected: list[tuple[float, Callable]], until: float) -> None:
    """Look at every process once a second, and do to them what is due."""
    second = begun
    while second < until and plant.popen.poll() is None:
        if injected and second - begun >= injected[0][0]:
            injected.pop(0)[1]()
        for watched in bench.watched:
            if watched.popen.poll() is None:
                watched.sample()
        second = max(second + 1, monotonic())
        sleep(max(0.0, second - monotonic()))


def judge(
    run: RunData, metrics: dict[str, Any], plan: list[tuple[float, str]], seconds: float, code: int, bench: Bench
) -> dict[str, Any]:
    """What the record says of the ticks, of every fault and of the processes, and what is wrong with it."""
    rows, expected = run.episodes[0], round(seconds * RATE_HZ)
    seen, times = np.unique(rows["seq"], return_counts=True)
    ticks = {
        "expected": expected, "recorded": len(rows["seq"]), "lost": int(expected - len(seen)),
        "twice": int((times > 1).sum()), "skipped": int(rows["skipped"].sum()),
        "unanswered": int((~rows["answered"] & ~rows["skipped"]).sum()), "late": int(rows["late"].sum()),
    }  # fmt: skip
    faults = [trace(run, at_s, kind, bench.answered) for at_s, kind in plan]
    held = [found for found in (each.held() for each in bench.watched) if found]
    failed = [f"the run ended with exit code {code}"] if code else []
    failed += [f"{ticks[name]} ticks {name}" for name in ("lost", "twice") if ticks[name]]
    failed += [f"{fault['kind']} at {fault['at_s']:g} s left no trace" for fault in faults if not fault["traced"]]
    failed += [f"{f['kind']} at {f['at_s']:g} s: weights not kept" for f in faults if f["weights_kept"] is False]
    for each in held:
        if each["growth_bytes"] > GROWTH_MAX_BYTES or each["descriptors_grown"] > 0:
            failed.append(f"{each['process']} grew: {each['growth_bytes']} B, {each['descriptors_grown']} descriptors")
    names = ("misses", "latency[p50]", "latency[p99]", "latency[p99.9]", "tip_error[rms]")
    found, load = to_builtins(provenance()), os.getloadavg()[0]
    host = found["host"] | {"load": load} | {key: found[key] for key in ("package_versions", "commit", "started_at")}
    return {
        "host": host,
        "seconds": seconds, "rate_hz": RATE_HZ, "ticks": ticks, "faults": faults, "processes": held,
        "recoveries": sum(fault.recovery is not None for fault in run.meta.faults), "losses": len(run.meta.faults),
        "metrics": {name: metrics[name] for name in names if name in metrics}, "failed": failed,
    }  # fmt: skip


def trace(run: RunData, at_s: float, kind: str, answered: int) -> dict[str, Any]:
    """What the record says of a fault, from the second before it on."""
    rows = run.episodes[0]
    first, last = round((at_s - 1) * RATE_HZ), round((at_s + WINDOW_S) * RATE_HZ)
    window = slice(first, last)
    lost = [fault for fault in run.meta.faults if first <= fault.tick < last]
    unanswered = int((~rows["answered"][window] & ~rows["skipped"][window]).sum())
    safe_s = float((rows["sources"][window] == SAFE).mean(axis=1).sum() / RATE_HZ)
    if kind == "loss":
        traced = unanswered > LOSS / 2 * BURST_S * RATE_HZ
    elif kind == "garbage":
        traced = not lost and answered > 0  # the device says no to each, and the run does not notice
    else:
        traced = bool(lost) and all("recovered" in fault for fault in lost) and safe_s > 0
    return {
        "kind": kind, "at_s": float(at_s), "traced": traced, "losses": len(lost),
        "recovered": [fault.get("recovered", "") for fault in lost], "unanswered": unanswered,
        "skipped": int(rows["skipped"][window].sum()), "safe_s": safe_s,
        "weights_kept": _kept(rows["probe_values"], lost) if lost else None,
    }  # fmt: skip


def _kept(norms: np.ndarray, lost: list[dict[str, Any]]) -> bool:
    """Whether the norm of the weights is, after a loss, near what it was before."""
    ticks = np.flatnonzero([len(each) > 0 for each in norms])
    before, after = ticks[ticks < lost[0]["tick"]], ticks[ticks > lost[-1]["tick"]]
    if not before.size or not after.size:
        return False
    was, now = (float(np.linalg.norm(norms[tick])) for tick in (before[-1], after[0]))
    return was > 0 and abs(now / was - 1) < 0.2


def show(result: dict[str, Any]) -> None:
    console = Console()
    table = Table("fault", "at s", "losses", "safe s", "skipped", "unanswered", "weights", "", box=None)
    for fault in result["faults"]:
        kept = {None: "", True: "kept", False: "lost"}[fault["weights_kept"]]
        numbers = (f"{fault['safe_s']:.2f}", str(fault["skipped"]), str(fault["unanswered"]))
        told = "on record" if fault["traced"] else "no trace"
        table.add_row(fault["kind"], f"{fault['at_s']:g}", str(fault["losses"]), *numbers, kept, told)
    console.print(table)
    table = Table("process", "for s", "RSS MiB", "growth MiB", "slope KiB/min", "descriptors", "more", box=None)
    for each in result["processes"]:
        sizes = (f"{each['rss_bytes'] / 2**20:.1f}", f"{each['growth_bytes'] / 2**20:+.2f}")
        numbers = (f"{each['slope_bytes_per_min'] / 2**10:+.1f}", str(each["descriptors"]))
        table.add_row(each["process"], str(each["seconds"]), *sizes, *numbers, f"{each['descriptors_grown']:+d}")
    console.print(table)
    console.print(", ".join(f"{name} {n}" for name, n in result["ticks"].items()))
    console.print(f"{result['losses']} losses of the device, {result['recoveries']} recoveries")
    console.print(", ".join(f"{name} {each['value']:.6g} {each['unit']}" for name, each in result["metrics"].items()))
    console.print("failed: " + "; ".join(result["failed"]) if result["failed"] else "nothing lost, nothing twice")


if __name__ == "__main__":
    sys.exit(main())
