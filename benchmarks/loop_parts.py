"""What a tick in lockstep is made of: a plain loop to which one part after the other is added, then hilbench's own.

Plant and controller are those of `loop.py`. A line shows how long a tick of that loop takes, and how much that is more
than the line before: medians over the rounds, in which all take turns. What hilbench's own loop has more than the plain
one is its clock, which replies are due, what is too old, and faults.

    python benchmarks/loop_parts.py [--ticks 9000] [--rounds 7]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path
from time import monotonic_ns
from typing import Any

import numpy as np
from loop import loop_run
from numpy.typing import NDArray

from hilbench.loop.agent import Agent
from hilbench.loop.episode import bounded
from hilbench.loop.loop import BATCH_ROWS
from hilbench.record.columns import Widths
from hilbench.record.reader import read_run
from hilbench.record.rows import EpisodeRows
from hilbench.record.writer import Recorder
from hilbench.runs.build import make_agent, make_plant
from hilbench.runs.run import run_meta
from hilbench.scenario.files import load
from hilbench.types import REPLIED

PARTS = ("plant", "encoder", "link, engine", "decoder, limits", "row", "reply's part", "applied, acted", "batches")
"""What each plain loop has more than the one before."""
TIMEOUT_NS = 1_000_000_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ticks", type=int, default=9000, help="ticks per run")
    parser.add_argument("--rounds", type=int, default=7, help="how often all take their turn")
    args = parser.parse_args()
    before: list[float] = []
    print(f"{'':16} {'us':>8} {'more, us':>10}")
    for name, taken in measure(args.ticks, args.rounds).items():
        more = statistics.median(a - b for a, b in zip(taken, before, strict=True)) if before else 0.0
        print(f"{name:16} {statistics.median(taken):8.2f} {more:10.2f}")
        before = taken


def measure(n_ticks: int, rounds: int) -> dict[str, list[float]]:
    """Microseconds per tick of each loop, one number for each round."""
    scenario = load("cartpole_ladder", {"loop.duration_s": n_ticks * 1e-3})
    plant = make_plant(scenario)
    taken: dict[str, list[float]] = {name: [] for name in (*PARTS, "hilbench's loop")}
    with tempfile.TemporaryDirectory() as folder, make_agent(scenario, plant.plant_spec) as agent:
        warm = Path(folder) / "warm"
        loop_run(scenario, plant, agent, warm)
        actions = read_run(warm).episodes[0]["actions"]
        for round_ in range(rounds):
            for level, name in enumerate(PARTS):
                run = Path(folder) / f"{round_}-{level}"
                with Recorder(run, run_meta(scenario, plant, agent), compress=True) as recorder:
                    rows = recorder.episode(Widths.of(plant, agent.control.program, 1), BATCH_ROWS)
                    taken[name].append(plain_run(plant, agent, rows, actions, level) / len(actions) / 1000)
            whole = loop_run(scenario, plant, agent, Path(folder) / str(round_))
            taken["hilbench's loop"].append(whole / len(actions) / 1000)
    plant.close()
    return taken


def plain_run(plant: Any, agent: Agent, rows: EpisodeRows, actions: NDArray[np.float64], level: int) -> int:
    """Nanoseconds of a loop with the parts up to `level`; without a decoder, with the actions of an earlier run."""
    spec, link, decoded = plant.plant_spec, agent.link, np.zeros(actions.shape[1])
    decode = agent.control.decoder.decode
    limits, given = tuple(zip(spec.action_low, spec.action_high, strict=True)), [tuple(a) for a in actions.tolist()]
    plant.reset(seed=0)
    agent.reset(0)
    start_ns = monotonic_ns()
    for k in range(len(given)):
        obs, reward, terminated, truncated, info = plant.observe()
        captured_ns, action = monotonic_ns(), given[k]
        if level > 0:
            tick = agent.encode(k, k * 1_000_000, obs, reward, info, False)
            encoded_ns = monotonic_ns()
        if level > 1:
            link.send(tick)
            sent_ns = monotonic_ns()
        if level > 3:
            row = (k, k * 1000, False, False, 0, captured_ns, encoded_ns, sent_ns, reward, terminated, truncated, 0)
            rows.tick(row, tick, obs, plant.state(), info)
        if level > 1:
            reply = link.receive(TIMEOUT_NS)
            arrived_ns = monotonic_ns()
        if level > 2:
            decode(reply.values, reply.events, decoded)
            action, clipped, not_finite = bounded(decoded.tolist(), limits, spec.safe_action)
            decoded_ns = monotonic_ns()
        if level > 4:
            rows.reply(reply, arrived_ns, decoded_ns, 0, False, clipped, not_finite)
        if level > 5:
            rows.applied(k, k, monotonic_ns())
        plant.advance(1, action)
        if level > 5:
            rows.acted(k, 0, action, REPLIED)
        if level > 6 and rows.opened >= rows.full_at:
            rows.flush(k + 1)
    if level > 6:
        rows.close()
    return monotonic_ns() - start_ns


if __name__ == "__main__":
    main()
