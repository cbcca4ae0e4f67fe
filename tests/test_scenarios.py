"""Every shipped scenario runs for 50 ticks under each of its controllers, and is repeated bit for bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from optional import MISSING

from hilbench.metrics import measure
from hilbench.record.reader import read_run
from hilbench.runs.build import make_plant
from hilbench.runs.replay import replay
from hilbench.runs.run import run
from hilbench.scenario import files as scenarios

RUN_THEM = """
import json, sys
from pathlib import Path
from hilbench.runs.run import run
from hilbench.scenario import files

for name, overrides, folder in json.load(sys.stdin):
    run(files.load(name, overrides), Path(folder))
"""
SAME = ("state", "obs", "actions", "reward", "values_in", "modulators", "values_out", "spikes", "weight_updates")
SEEDS = {"lidar_nav": 1}
"""Where even a robot that does not see drives for 50 ticks before it meets something."""
FOLLOWING = {"arm7", "arm_payload", "beam", "cartpole_track", "hexapod_damage", "quad_hover"}
"""Robots that follow a reference, which their observations have."""
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


def changing(name):
    """Two episodes of 20 ticks, in each or between which the scenario's change comes."""
    found = scenarios.load(name)
    overrides = {"loop.duration_s": 20 * found.loop.period_s, "loop.episodes": 2, "link.kind": "inprocess"}
    for each, table in found.disturbances.items():
        when = {"at_episode": 1} if "at_episode" in table else {"at_s": 10 * found.loop.period_s}
        overrides |= {f"disturbances.{each}.{field}": value for field, value in when.items()}
    return overrides


def test_every_scenario_is_the_same_in_another_process_and_after_replay(tmp_path):
    given = [
        (name, changing(name), str(tmp_path / "there" / name)) for name in scenarios.names() if name not in MISSING
    ]
    env = {**os.environ, "PYTHONHASHSEED": "8" if os.environ.get("PYTHONHASHSEED") == "7" else "7"}
    there = subprocess.run([sys.executable, "-c", RUN_THEM], input=json.dumps(given), text=True, env=env, timeout=100)
    assert there.returncode == 0
    for name, overrides, folder in given:
        here = tmp_path / "here" / name
        assert run(scenarios.load(name, overrides), here).status == "done"
        one, other = read_run(here).episodes, read_run(folder).episodes
        ticks = [len(rows["seq"]) for rows in one]
        assert [len(rows["seq"]) for rows in other] == ticks
        assert min(ticks) > 10, "the change comes after 10 ticks, or between the episodes"
        for mine, theirs in zip(one, other, strict=True):
            for column in set(SAME) & set(mine):  # what has no width has no column
                assert np.array_equal(mine[column], theirs[column], equal_nan=True), (name, column)
        assert replay(here, tmp_path / "again" / name) == (True, sum(ticks)), name


@pytest.mark.parametrize("name", [name for name in scenarios.names() if name not in MISSING])
def test_a_robot_whose_sensors_are_off_shows_the_same_whatever_is_true(name):
    """Cameras, ears, lidars and all others of each scenario, in two episodes of which one has weak motors.

    They differ in their seeds too, where those decide no reference: a reference is no sensor, and goes on.
    """
    off = {"disturbances.off": {"kind": "sensor_fault", "mode": "off"}}
    weak = {"disturbances.weak_too": {"kind": "actuator_gain", "factor": 0.5}}
    seen, states = [], []
    for seed, overrides in ((1, off), (1 if name in FOLLOWING else 2, off | weak)):
        scenario = scenarios.load(name, overrides)
        plant = make_plant(scenario)
        try:
            low, high = plant.action_space.low, plant.action_space.high
            action = np.where(np.isfinite(high - low), low + 0.4 * (high - low), 0.4).astype(np.float32)
            rows = [plant.reset(seed=seed)[0].tobytes()]
            for _ in range(20):
                rows.append(plant.step(action)[0].tobytes())
                rows += [plant.events().tobytes()] if hasattr(plant, "events") else []
            states.append(plant.state().tolist())
        finally:
            plant.close()
        seen.append(rows)
    assert seen[0] == seen[1]
    assert states[0] != states[1]
