"""How much memory a plant holds on to over many resets: `python benchmarks/resets.py [KIND ...] [--resets 1000]`.

Each plant runs in a process of its own. The first fifty resets come before the count, for what is made once.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os

from hilbench import plugins

WARM_UP = 50


def resident_mb() -> float:
    """What this process holds in memory."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") * 1e-6


def _own() -> list[str]:
    """The plants that a process can make by their name alone."""
    found = {name: plugin for name, plugin in plugins.all_of("envs").items() if not plugin.foreign}
    return sorted(name for name, plugin in found.items() if getattr(plugin.load(), "env_id", ""))


def growth_mb(kind: str, n: int) -> float:
    """What a plant holds after `n` resets more than before them; a step follows each.

    Parameters
    ----------
    kind : str
        The plant's name.
    n : int
    """
    with plugins.get("envs", kind)(control_period_s=0.02) as plant:
        for seed in range(n + WARM_UP):
            if seed == WARM_UP:
                before = resident_mb()
            plant.reset(seed=seed)
            plant.step(plant.plant_spec.safe_action)
        return resident_mb() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kinds", nargs="*", help="plants; all that hilbench has when absent")
    parser.add_argument("--resets", type=int, default=1000)
    given = parser.parse_args()
    for kind in given.kinds or _own():
        with multiprocessing.get_context("spawn").Pool(1) as alone:
            print(
                f"{kind:16} {alone.apply(growth_mb, (kind, given.resets)):6.2f} MB over {given.resets} resets",
                flush=True,
            )


if __name__ == "__main__":
    main()
