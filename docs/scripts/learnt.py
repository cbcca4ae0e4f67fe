"""Makes scenarios/learnt/NAME.npz, which `hilbench enjoy NAME` starts from: what a scenario's learner learns in a run.

    python docs/scripts/learnt.py [NAME ...]

The run is the scenario's own with its change in it, with seed 100, which no result is of. Where a learner has a
gain, it learns more slowly here, and for longer: what it learns fast follows the path, and is of little use when it
learns no more.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from scenario_tables import scored

from hilbench.files import write_whole
from hilbench.nal.model.learnt import LEARNT
from hilbench.runs.run import run
from hilbench.scenario.files import load

ROOT = Path(__file__).parents[2]
STORE = ROOT / "scenarios" / "learnt"
SEED = 100
MOST_BYTES = 200_000
SETTINGS: dict[str, dict[str, float]] = {
    "arm7": {"controllers.pes_feedback.gain_per_s": 0.5, "loop.duration_s": 70.0},
    "arm_payload": {"controllers.pes.learning_rate": 7e-4, "loop.duration_s": 80.0},
    "beam": {"controllers.pes_feedback.gain_per_s": 0.5, "loop.duration_s": 80.0},
    "cartpole_track": {"controllers.pes_feedback.gain_per_s": 0.5, "loop.duration_s": 72.0},
    "ecg": {"loop.episodes": 20},
    "quad_hover": {"controllers.pes_feedback.gain_per_s": 0.5, "loop.duration_s": 75.0},
    "watermaze": {"loop.episodes": 48},
}
"""What is set for the run. The pool's ends before the platform is moved back, the lead's before it changes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="scenarios; every one with a change when absent")
    given = parser.parse_args()
    for name in given.names or scored():
        if name not in scored():
            parser.error(f"{name}: no scenario with a card and a change; allowed: {', '.join(scored())}")
        data = learnt_by(name)
        if len(data) > MOST_BYTES:
            raise SystemExit(f"{name}: {len(data)} bytes; allowed: {MOST_BYTES}")
        STORE.mkdir(exist_ok=True)
        write_whole(STORE / f"{name}.npz", data)
        print(f"wrote scenarios/learnt/{name}.npz ({len(data) / 1000:.0f} kB)")


def learnt_by(name: str) -> bytes:
    """The file that a run of a scenario leaves."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"loop.seed": SEED, "loop.keep_weights": True, **SETTINGS.get(name, {})}
        outcome = run(load(name, settings), Path(folder) / "run")
        if outcome.fault:
            raise SystemExit(f"{name}: {outcome.fault}")
        return (Path(folder) / "run" / LEARNT).read_bytes()


if __name__ == "__main__":
    main()
