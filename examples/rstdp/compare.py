"""Runs the learner of rstdp.toml and its twin that does not learn, and then what was learnt, on seeds of their own.

    python examples/rstdp/compare.py               # ten seeds, about five minutes
    python examples/rstdp/compare.py --late        # every action a period late

Prints how many seconds the pole stayed up. Nothing was tuned on these seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

import hilbench

SCENARIO = Path(__file__).with_name("rstdp.toml")
SEEDS = range(10000, 11000, 100)
"""Of the runs; episode n of a run has the run's seed + n."""
PERIOD_S = 0.02
LATE = {"loop.mode": "delayed", "loop.delay": {"s": PERIOD_S}}


def stood_s(folder: Path, overrides: dict[str, Any]) -> NDArray[np.float64]:
    """How long the pole stayed up in each episode of a run, in s.

    Parameters
    ----------
    folder : Path
        Where the record goes.
    overrides : dict
        Settings instead of those in the file.
    """
    outcome = hilbench.run(SCENARIO, folder, overrides=overrides)
    if outcome.status != "done":
        raise SystemExit(outcome.fault)
    episodes = hilbench.read_run(folder).episodes
    return np.array([(~(rows["terminated"] | rows["truncated"])).sum() * PERIOD_S for rows in episodes])


def of_one_seed(seed: int, mode: dict[str, Any]) -> list[float]:
    """Means in s: the learner's first ten episodes and last twenty, its twin, and ten new episodes with the weights.

    Parameters
    ----------
    seed : int
        Of the run.
    mode : dict
        Settings for all of the runs.
    """
    frozen = {"loop.learning": False} | mode
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        learner = stood_s(folder / "learner", {"loop.seed": seed} | mode)
        twin = stood_s(folder / "twin", {"loop.seed": seed} | frozen)
        new = {"loop.seed": seed + 10_000, "loop.episodes": 10, "controller.weights": str(folder / "learner")}
        kept = stood_s(folder / "kept", new | frozen)
    minute = min(int(np.searchsorted(np.cumsum(learner), 60.0)), len(learner) - 1)
    found = learner[:10], learner[minute:], learner[-20:], twin, kept
    return [float(np.mean(values)) for values in found]


def main() -> None:
    """Print a line for each seed, and the means."""
    options = argparse.ArgumentParser(description="Compare a network that learns with one that does not.")
    options.add_argument("--late", action="store_true", help="every action acts a period late")
    mode = LATE if options.parse_args().late else {}
    print("seed   first 10   after 1 min   last 20   twin   kept, no learning")
    table = []
    for seed in SEEDS:
        table.append(of_one_seed(seed, mode))
        print(f"{seed}  " + "".join(f"{value:10.2f}" for value in table[-1]), flush=True)
    print("mean   " + "".join(f"{value:10.2f}" for value in np.mean(table, axis=0)))


if __name__ == "__main__":
    main()
