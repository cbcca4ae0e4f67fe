"""What a run leaves behind, as numpy arrays and as one pandas frame. It makes a short run first, to have one."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import hilbench
from hilbench.cli import guard


def main() -> None:
    """Run the arm for two episodes of 1 s, then read them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/read_a_run"), help="folder for the run's record")
    folder = parser.parse_args().out
    overrides = {"loop.duration_s": 1.0, "loop.episodes": 2, "disturbances.load.at_s": 0.5}
    hilbench.run("arm_payload", folder, overrides=overrides, controller="pes")

    # Arrays: an episode is a dict of columns with a row per tick; `meta` is what run.json says.
    run = hilbench.read_run(folder)
    episode = run.episodes[0]
    print(
        "recorded by hilbench", run.meta.provenance.package_versions["hilbench"], "with", run.meta.load_report.backend
    )
    print("observations:", episode["obs"].shape, ", ".join(run.meta.plant_spec.obs_names))
    print("spikes per tick:", episode["spikes"].mean())
    norms = np.concatenate(episode["probe_values"])
    print(f"norm of the learnt weights, at the beginning and the end: {norms[0]:.3g}, {norms[-1]:.3g}")

    # A frame: all episodes in one table, vectors spread under the plant's own names.
    table = hilbench.frame(run)
    table["half"] = np.where(table["info.t_s"] < 0.5, "before the load", "after the load")
    error_mm = table["info.tip_error_m"] * 1e3
    print(error_mm.groupby([table["episode"], table["half"]]).agg(["mean", "max"]).round(1))
    print(table[["obs.q_1", "obs.q_ref_1", "action.torque_1", "n_probe_values"]].describe().loc[["mean", "min", "max"]])


if __name__ == "__main__":
    guard(main)
