"""Finds the weights and delays of two neurons that balance CartPole-v1, by random changes of random networks.

    python examples/cartpole/search.py --seed 1 --out examples/cartpole/cartpole.nir

Its only teacher is how many steps the pole stays up. It starts from random networks until one of them balances for 60
steps on the average, then changes one to three numbers at a time and keeps what is no worse: a (1+1) evolution
strategy. It plays the tuning seeds 0 to 19. On every other one its actions come a period late, as they do in real time:
CartPole-v1 has one physics step a period. The ten seeds of the example's test are 10000 to 10009.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilbench import load, make_agent, make_plant
from hilbench.controllers.network import around
from hilbench.nal import Network, save

HERE = Path(__file__).parent
TUNING_SEEDS = range(20)
STAGES = (200, 1000, 4000, 15_000)
"""A network plays the next, longer stage when it got through the one before on every seed."""
LARGEST_WEIGHT, LARGEST_DELAY = 7, 8
STEP_S = 0.001

Genes = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Weights and delays, in steps, both (2, 8): of each output neuron, from each address of the encoder."""


def network(genes: Genes) -> Network:
    """Two neurons without leak. Their threshold is 0, and tested only when an event arrives."""
    weights, delays = genes
    net = Network(STEP_S, integrator="discrete")
    net.input("spikes", 8, kind="events")
    net.add(
        "neurons", "if", 2, r=1.0, v_threshold=0.0, v_reset=0.0, reset="zero", fires="on_arrival", synapse="delta"
    )  # fmt: skip
    net.connect("spikes", "neurons", weights.astype(float), delay_steps=delays, name="weights")
    net.output("push", "neurons")
    return net


def random_genes(random: np.random.Generator) -> Genes:
    """Any weights but 0, and any delays."""
    size = random.integers(1, LARGEST_WEIGHT + 1, (2, 8))
    return size * random.choice([-1, 1], (2, 8)), random.integers(1, LARGEST_DELAY + 1, (2, 8))


def changed(genes: Genes, random: np.random.Generator) -> Genes:
    """The same genes but for one to three of them, which are drawn anew."""
    weights, delays = genes[0].copy(), genes[1].copy()
    new_weights, new_delays = random_genes(random)
    for _ in range(random.integers(1, 4)):
        place = tuple(random.integers((2, 8)))
        if random.random() < 0.7:
            weights[place] = new_weights[place]
        else:
            delays[place] = new_delays[place]
    return weights, delays


class Game:
    """CartPole-v1 as the scenario file has it, played by one network after another."""

    def __init__(self, scenario: str) -> None:
        self._scenario = load(scenario)
        self._plant = make_plant(self._scenario)
        self._config = self._scenario.chosen.config

    def score(self, genes: Genes) -> float:
        """The mean number of steps over the tuning seeds, in the longest stage that the network came to."""
        spec, period_us = self._plant.plant_spec, self._scenario.period_us
        control = around(network(genes), self._config, spec, period_us)
        mean = 0.0
        with make_agent(self._scenario, spec, control) as agent:
            for stage in STAGES:
                mean = float(np.mean([self._steps(agent, seed, stage) for seed in TUNING_SEEDS]))
                if mean < stage:
                    break
        return mean

    def _steps(self, agent, seed: int, most: int) -> int:
        obs, _ = self._plant.reset(seed=seed)
        agent.reset(seed)
        late, action = seed % 2, 0
        for step in range(most):
            before, action = action, agent.act(obs)
            obs, _, terminated, _, _ = self._plant.step(before if late else action)
            if terminated:
                return step
        return most


def search(random: np.random.Generator, game: Game, limit_s: float) -> Iterator[tuple[float, Genes]]:
    """Better and better networks, with their scores, until one of them is never down, or the time is over."""
    best, best_score, end_s = random_genes(random), -1.0, time.monotonic() + limit_s
    while best_score < STAGES[-1] and time.monotonic() < end_s:
        genes = changed(best, random) if best_score >= 60 else random_genes(random)
        score = game.score(genes)
        if score > best_score:
            yield score, genes
        if score >= best_score:
            best, best_score = genes, score


def main() -> None:
    """Search, print each step forward, and save the last."""
    options = argparse.ArgumentParser(description="Find a network that balances CartPole-v1.")
    options.add_argument("--seed", type=int, default=1, help="of the search")
    options.add_argument("--limit-s", type=float, default=1800.0, help="when to stop at the latest")
    options.add_argument("--out", type=Path, default=HERE / "cartpole.nir", help="where to save the network")
    given = options.parse_args()
    game = Game(str(HERE / "cartpole.toml"))
    for score, genes in search(np.random.default_rng(given.seed), game, given.limit_s):
        save(network(genes), given.out)
        print(f"{score:8.0f} steps of {STAGES[-1]} on the average of {len(TUNING_SEEDS)} seeds", flush=True)


if __name__ == "__main__":
    main()
