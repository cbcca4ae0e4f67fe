"""Every shipped scenario, under each of its controllers, resolves, builds and runs for 50 ticks."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.metrics import measure
from hilbench.record.reader import read_run
from hilbench.runs.run import run
from hilbench.scenario import files as scenarios

SEEDS = {"lidar_nav": 1}
"""Where even a robot that does not see drives for 50 ticks before it meets something."""
CASES = [(name, controller) for name in scenarios.names() for controller in scenarios.load(name).controllers]


@pytest.mark.parametrize(("name", "controller"), CASES)
def test_it_runs_for_50_ticks(tmp_path, name, controller):
    period_s = scenarios.load(name).loop.period_s
    overrides = {"loop.duration_s": 50 * period_s, "loop.episodes": 1, "loop.mode": "lockstep"}
    overrides |= {"link.kind": "inprocess", "loop.seed": SEEDS.get(name, 0)}
    found = scenarios.load(name, overrides, controller)
    assert run(found, tmp_path).status == "done"
    data = read_run(tmp_path)
    (rows,) = data.episodes
    assert len(rows["seq"]) == 50
    assert rows["answered"].all()
    assert not rows["not_finite"].any()
    assert np.isfinite(rows["state"]).all()
    assert rows["applied_step"].tolist() == (rows["seq"] * (rows["sources"].shape[1])).tolist()
    assert all(np.isfinite(m["value"]) for m in measure(data).values() if m["value"] is not None)
