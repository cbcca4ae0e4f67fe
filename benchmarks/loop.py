"""The lockstep loop against the bare `env.step` loop, in one run on one machine.

The plant is the cart-pole with a period of 1 ms. `bare` steps it with the actions that a recorded run applied, so both
go the same way; `agent` adds the controller (`lif_lqr`, 256 LIF neurons, backend `numba`, in process) as a plain
Gymnasium loop would; `loop` is the whole of hilbench: the loop and every row recorded, compressed, on disk. Runs
alternate, and the median over the rounds is given, because a shared machine drifts.

    python benchmarks/loop.py [--ticks 9000] [--rounds 7] [--json]
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic_ns, perf_counter_ns
from typing import Any

from hilbench.loop.agent import Agent
from hilbench.loop.loop import Loop
from hilbench.loop.virtual import Lockstep
from hilbench.record.reader import read_run
from hilbench.record.writer import Recorder
from hilbench.runs.build import make_agent, make_plant
from hilbench.runs.run import run_meta
from hilbench.scenario.files import load
from hilbench.scenario.resolved import Scenario

TARGET = 2.4
"""What the whole loop may cost, as a multiple of the bare one."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ticks", type=int, default=9000, help="ticks per run")
    parser.add_argument("--rounds", type=int, default=7, help="alternations of bare, agent and loop")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    args = parser.parse_args()
    result = measure(args.ticks, args.rounds)
    if args.json:
        print(json.dumps(result))
        return
    for name, figure in result.items():
        print(f"{name:16} {figure:8.2f}")
    print(f"{'target':16} {TARGET:8.2f}")


def measure(n_ticks: int, rounds: int) -> dict[str, float]:
    """Median microseconds per tick of each loop, and the median ratios to the bare one."""
    scenario = load("cartpole_ladder", {"loop.duration_s": n_ticks * 1e-3})
    plant = make_plant(scenario)
    taken: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, make_agent(scenario, plant.plant_spec) as agent:
        run = Path(folder) / "warm"
        loop_run(scenario, plant, agent, run)
        actions = list(read_run(run).episodes[0]["actions"])
        for round_ in range(rounds):
            loops: dict[str, Callable[[], float]] = {
                "bare": lambda: bare_run(plant, actions),
                "agent": lambda: agent_run(plant, agent, len(actions)),
                "loop": lambda number=round_: loop_run(scenario, plant, agent, Path(folder) / str(number)),
            }
            for name in sorted(loops, reverse=bool(round_ % 2)):
                taken.setdefault(name, []).append(loops[name]() / len(actions) / 1000)
    plant.close()
    ratios = {
        f"{name} / bare": statistics.median(a / b for a, b in zip(taken[name], taken["bare"], strict=True))
        for name in ("agent", "loop")
    }
    return {f"{name}_us": statistics.median(taken[name]) for name in ("bare", "agent", "loop")} | ratios


def bare_run(plant: Any, actions: list) -> float:
    plant.reset(seed=0)
    start = perf_counter_ns()
    for action in actions:
        plant.step(action)
    return perf_counter_ns() - start


def agent_run(plant: Any, agent: Agent, n_ticks: int) -> float:
    obs, info = plant.reset(seed=0)
    agent.reset(0)
    reward = 0.0
    start = perf_counter_ns()
    for _ in range(n_ticks):
        obs, reward, _, _, info = plant.step(agent.act(obs, reward, info))
    return perf_counter_ns() - start


def loop_run(scenario: Scenario, plant: Any, agent: Agent, folder: Path) -> float:
    """From the first observation, by the record's own stamp, until the last row is on disk: without resets."""
    with Recorder(folder, run_meta(scenario, plant, agent), compress=True) as recorder:
        Loop(plant, agent, scenario.loop, recorder, Lockstep(1)).run()
        recorder.end_episode()
        end_ns = monotonic_ns()
    return float(end_ns - read_run(folder).episodes[0]["captured_ns"][0])


if __name__ == "__main__":
    main()
