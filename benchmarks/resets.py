"""How much memory a robot holds on to over many resets: `python benchmarks/resets.py [SCENARIO ...] [--resets 1000]`.

Each scenario's plant, with the sensors that it carries there, runs in a process of its own. The first fifty resets come
before the count, for what is made once.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os

from hilbench.runs.build import make_plant
from hilbench.scenario.files import load, names

WARM_UP = 50


def resident_mb() -> float:
    """What this process holds in memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") * 1e-6


def growth_mb(name: str, n: int) -> float:
    """What a scenario's plant holds after `n` resets more than before them; a step follows each.

    Parameters
    ----------
    name : str
        The scenario's.
    n : int
    """
    plant = make_plant(load(name))
    try:
        for seed in range(n + WARM_UP):
            if seed == WARM_UP:
                before = resident_mb()
            plant.reset(seed=seed)
            plant.step(plant.plant_spec.safe_action)
        return resident_mb() - before
    finally:
        plant.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="scenarios; all that hilbench has when absent")
    parser.add_argument("--resets", type=int, default=1000)
    given = parser.parse_args()
    for name in given.names or names():
        with multiprocessing.get_context("spawn").Pool(1) as alone:
            print(
                f"{name:16} {alone.apply(growth_mb, (name, given.resets)):6.2f} MB over {given.resets} resets",
                flush=True,
            )


if __name__ == "__main__":
    main()
