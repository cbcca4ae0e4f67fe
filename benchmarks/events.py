"""What 50,000 events in a tick cost: on each link, in a record's rows, and on disk.

Two streams, each of 50 ticks of 20 ms with 50,000 events at random times, uniform over the tick and in order: `random
64x64`, whose addresses are uniform over 4096 pixels, and `one address`, which all events share.

- A link carries a tick to the backend `numba` and a reply back. Its network pools 8 x 8 pixels into each of 64 LIF
  neurons, in steps of 1 ms. `compute` is the device's own time for a tick, as a run's record has it; the whole trip
  stands below it. The floor of both is one copy of the tick's bytes in memory. All links and the copy take turns.
- `a row` is what the loop pays to keep a tick's events until their second is written, where the program was sent what
  the sensors told; its floor is one copy. `a second` is the writing of 50 such rows, in real time and compressed.
- `on disk` is the file of such a second, compressed, over what zstd makes of the same events as a raw array of 8 bytes
  each, at level 3.

    python benchmarks/events.py [--rounds 15] [--json FILE]

Everything goes to runs/bench/events.json; `--json` writes it to a second place. Times are medians over the rounds, and
ratios medians of the rounds' own ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np
import pyarrow as pa
from peers.environments import ROOT
from rich.console import Console
from rich.table import Table

from hilbench import plugins
from hilbench.nal import Network
from hilbench.record.columns import Widths
from hilbench.record.rows import EpisodeRows
from hilbench.record.streams import StreamWriter
from hilbench.runs.provenance import provenance
from hilbench.seeding import stream
from hilbench.types import EVENT, Events, Link, Probes, Tick, to_builtins

PERIOD_US, TICKS, EVENTS, SIDE = 20_000, 50, 50_000, 64
STREAMS = ("random 64x64", "one address")
LINKS = ("inprocess", "unix", "zmq")
SHAPE = Widths(obs=1, state=1, info=(), actions=1, steps=1, values_in=0, modulators=0, values_out=0)
MOST_COPIES, MOST_ON_DISK = 40, 1.1
"""The targets. A tick's `compute` was 38 to 39 copies before the record held what sensors told."""
OUT = ROOT / "runs" / "bench"
TIMEOUT_NS = 5_000_000_000
HEADER = ("what", "stream", "found", "beside", "ratio", "target", "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15, help="how often all take their turn")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results here too")
    args = parser.parse_args()
    result = measure(args.rounds)
    OUT.mkdir(parents=True, exist_ok=True)
    for path in filter(None, (OUT / "events.json", args.json)):
        path.write_text(json.dumps(result, indent=1) + "\n", "utf-8")
    table = Table(*HEADER, box=None)
    for row in result["rows"]:
        table.add_row(*row)
    Console().print(table)


def measure(rounds: int) -> dict[str, Any]:
    """The results as `events.json` holds them."""
    found, load = to_builtins(provenance()), os.getloadavg()[0]
    host = found["host"] | {"load": load} | {key: found[key] for key in ("package_versions", "commit", "started_at")}
    rows = []
    for name in STREAMS:
        ticks = made(name)
        rows += [(what, name, *cells) for what, *cells in (*over_links(ticks, rounds), *in_rows(ticks, rounds))]
        rows.append((*("on disk", name), *on_disk(ticks)))
    return {"host": host, "rows": rows}


def made(name: str) -> list[Events]:
    """A stream's ticks."""
    random, ticks = stream(0, "sensor"), []
    for _ in range(TICKS):
        events = np.full(EVENTS, SIDE * SIDE // 2, EVENT)
        events["t_us"] = np.sort(random.integers(0, PERIOD_US, EVENTS))
        if name != "one address":
            events["address"] = random.integers(0, SIDE * SIDE, EVENTS)
        ticks.append(events)
    return ticks


def pooling() -> Network:
    """Each of 64 neurons has a square of 8 x 8 pixels."""
    net, pixel = Network(dt_s=1e-3), np.arange(SIDE * SIDE)
    camera = net.input("camera", SIDE * SIDE, kind="events")
    cells = net.lif("cells", 64, tau_s=0.02)
    block = pixel // SIDE // 8 * 8 + pixel % SIDE // 8
    net.connect(camera, cells, (block == np.arange(64)[:, None]) * 0.01)
    net.output("cells", cells, kind="events")
    return net


def over_links(ticks: list[Events], rounds: int) -> list[tuple[str, ...]]:
    """The rows of each link's compute and trip."""
    net, rows = pooling(), []
    with contextlib.ExitStack() as stack:
        links = {name: stack.enter_context(opened(name, net)) for name in LINKS}
        compute_s, trip_s = ({name: [] for name in LINKS} for _ in range(2))
        copy_s, seq = [], 0
        for round_ in range(rounds):
            copy_s.append(copying(ticks))
            for name in sorted(LINKS, reverse=bool(round_ % 2)):
                one, two = trips(links[name], ticks, seq)
                compute_s[name].append(one)
                trip_s[name].append(two)
            seq += len(ticks)
    for name in LINKS:
        rows.append((f"compute, {name}", *cells(compute_s[name], copy_s, "a copy", MOST_COPIES)))
        rows.append((f"there and back, {name}", *cells(trip_s[name], copy_s, "a copy")))
    return rows


@contextlib.contextmanager
def opened(name: str, net: Network) -> Any:
    kind = plugins.get("links", name)
    with kind(kind.Config(), "numba", {}) as link:
        link.load(net, PERIOD_US, Probes())
        link.reset(0, "none", 0)
        yield link


def trips(link: Link, ticks: list[Events], first: int) -> tuple[float, float]:
    """The device's own time and the whole trip's, in s: medians over the ticks."""
    computed_ns, taken_ns = [], []
    for k, events in enumerate(ticks):
        start_ns = perf_counter_ns()
        link.send(Tick(first + k, events=events))
        if (reply := link.receive(TIMEOUT_NS)) is None:
            raise SystemExit(f"{link}: the device did not answer")
        taken_ns.append(perf_counter_ns() - start_ns)
        computed_ns.append(reply.compute_ns)
    return float(np.median(computed_ns)) * 1e-9, float(np.median(taken_ns)) * 1e-9


def copying(ticks: list[Events]) -> float:
    """One copy of a tick's events into memory that is there, in s: the median over the ticks."""
    taken_ns, there = [], np.zeros(EVENTS, np.uint64)
    for events in ticks:
        start_ns = perf_counter_ns()
        np.copyto(there, events.view(np.uint64))
        taken_ns.append(perf_counter_ns() - start_ns)
    return float(np.median(taken_ns)) * 1e-9


def in_rows(ticks: list[Events], rounds: int) -> list[tuple[str, ...]]:
    """The rows of what a record takes in memory and in writing."""
    copy_s, row_s, second_s = [], [], {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder:  # the first second's memory is new to the process
        kept(ticks, Path(folder) / "run", compress=False)
    for round_ in range(rounds):
        copy_s.append(copying(ticks))
        with tempfile.TemporaryDirectory() as folder:
            row, second_s_now = kept(ticks, Path(folder) / "run", compress=bool(round_ % 2))
        row_s.append(row)
        second_s[bool(round_ % 2)].append(second_s_now)
    whole_copy_s = [TICKS * one for one in copy_s]
    return [
        ("a row", *cells(row_s, copy_s, "a copy")),
        ("a second, real time", *cells(second_s[False], whole_copy_s, "50 copies")),
        ("a second, compressed", *cells(second_s[True], whole_copy_s, "50 copies")),
    ]


def kept(ticks: list[Events], folder: Path, compress: bool) -> tuple[float, float]:
    """A row's time, the median, and that of writing all of them, in s."""
    obs, state, taken_ns = np.zeros(1, np.float32), np.zeros(1), []
    folder.mkdir(parents=True, exist_ok=True)
    rows = EpisodeRows(lambda schema: StreamWriter(folder / "episode.arrow", schema, compress), SHAPE, TICKS)
    for k, events in enumerate(ticks):
        row = (k, k * PERIOD_US, False, False, 0, 0, 0, 0, 0.0, False, False, 0)
        start_ns = perf_counter_ns()
        rows.tick(row, Tick(k, events=events), obs, state, {}, events)
        taken_ns.append(perf_counter_ns() - start_ns)
    start_ns = perf_counter_ns()
    rows.flush(TICKS)
    wrote_ns = perf_counter_ns() - start_ns
    rows.close()
    return float(np.median(taken_ns)) * 1e-9, wrote_ns * 1e-9


def on_disk(ticks: list[Events]) -> tuple[str, ...]:
    """How large a second's file is, beside zstd of the raw array."""
    with tempfile.TemporaryDirectory() as folder:
        kept(ticks, Path(folder) / "run", compress=True)
        size = (Path(folder) / "run" / "episode_0000.arrow").stat().st_size
    raw = np.concatenate(ticks).tobytes()
    zstd = len(pa.Codec("zstd", compression_level=3).compress(raw))
    ratio = size / zstd
    met = "met" if ratio <= MOST_ON_DISK else "missed"
    return f"{size / 1e6:.2f} MB", f"{zstd / 1e6:.2f} MB, zstd", f"{ratio:.2f}", f"{MOST_ON_DISK}", met


def cells(mine_s: list[float], theirs_s: list[float], whose: str, most: float | None = None) -> tuple[str, ...]:
    """A row's cells: both times in ms, the ratio, and whether the target is met."""
    mine, theirs = statistics.median(mine_s), statistics.median(theirs_s)
    ratio = statistics.median(a / b for a, b in zip(mine_s, theirs_s, strict=False))
    target = ("", "") if most is None else (f"{most:g}", "met" if ratio <= most else "missed")
    return f"{mine * 1e3:.3g} ms", f"{theirs * 1e3:.3g} ms, {whose}", f"{ratio:.3g}", *target


if __name__ == "__main__":
    main()
