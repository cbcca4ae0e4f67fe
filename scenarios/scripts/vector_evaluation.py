"""Cart-poles side by side in a Gymnasium vector env, one Agent for each: how long which pole stands."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from itertools import product

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import hilbench
from hilbench.cli import guard

PERIOD_S = 0.02
POLES_M = (1.0, 0.25, 0.05)


def main() -> None:
    """For each controller and pole one episode in each env: the return of each, and their mean survival."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--envs", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2.0, help="longest episode")
    parser.add_argument("--controllers", nargs="+", default=["lqr", "random"], help="of the scenario's")
    args = parser.parse_args()
    steps = round(args.seconds / PERIOD_S)
    for controller, pole_m in product(args.controllers, POLES_M):
        found = returns(controller, pole_m, args.envs, steps)
        each = " ".join(f"{value:3.0f}" for value in found)
        print(f"{controller:8} pole {pole_m:4} m: returns {each}; mean survival {found.mean() * PERIOD_S:.2f} s")


def returns(controller: str, pole_m: float, n_envs: int, steps: int) -> NDArray:
    """The return of each env's first episode, (n_envs,); env i starts from seed i."""
    scenario = hilbench.load("cartpole_ladder", {"loop.period_s": PERIOD_S, "plant.pole_m": pole_m}, controller)
    plant = {"control_period_s": PERIOD_S, "pole_m": pole_m, "force_n": scenario.plant.config.force_n}
    with ExitStack() as stack:
        envs = gym.make_vec("hilbench:hilbench/CartPoleLadder-v0", n_envs, vectorization_mode="sync", **plant)
        stack.callback(envs.close)
        plant_spec = envs.envs[0].unwrapped.plant_spec
        agents = [stack.enter_context(hilbench.make_agent(scenario, plant_spec)) for _ in range(n_envs)]
        obs, _ = envs.reset(seed=list(range(n_envs)))
        found, alive, start = np.zeros(n_envs), np.ones(n_envs, bool), np.ones(n_envs, bool)
        for _ in range(steps):
            actions = [agent.predict(obs[i], episode_start=start[i])[0] for i, agent in enumerate(agents)]
            obs, rewards, terminated, truncated, _ = envs.step(np.array(actions))
            found += rewards * alive
            # An env that has ended starts anew by itself; its first episode alone counts here.
            start = terminated | truncated
            alive &= ~start
    return found


if __name__ == "__main__":
    guard(main)
