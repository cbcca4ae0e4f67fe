"""Runs the scenario of `examples/plugins` in each mode over each link, replays each run, and prints what came of it.

`python example_runs.py SCENARIO FOLDER`, where the example's package is installed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import hilbench
from hilbench.runs.replay import replay

MODES = {
    "lockstep": {},
    "delayed": {"loop.delay.s": 0.03},
    "realtime": {"loop.echo_s": 0.1},
}
LINKS = ("inprocess", "unix", "zmq")
SHORT = {"loop.duration_s": 1.0, "disturbances.slip.at_s": 0.5, "phases": {"before": [0.0, 0.5]}}


def main(scenario: str, folder: Path) -> None:
    """Print {"MODE LINK": facts} as JSON."""
    found = {}
    for mode, settings in MODES.items():
        for link in LINKS:
            out = folder / f"{mode}-{link}"
            overrides = {**SHORT, **settings, "loop.mode": mode, "link.kind": link}
            outcome = hilbench.run(scenario, out, overrides=overrides)
            run = hilbench.read_run(out)
            equal, n_ticks = replay(out, folder / f"{mode}-{link}-again")
            found[f"{mode} {link}"] = {
                "status": outcome.status,
                "backend": run.meta.load_report.backend,
                "clearance_m": hilbench.measure(run)["clearance"]["value"],
                "equal": equal,
                "ticks": n_ticks,
                "states": run.episodes[0]["state"].tolist(),
                "spikes": int(run.episodes[0]["spikes"].sum()),
                "code": sorted(run.meta.sources.code_sha256),
            }
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
