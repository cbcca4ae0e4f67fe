"""The examples: scenarios and networks of a user's own, in every mode, in process and on devices of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from load_script import load_script
from network_equality import assert_equal
from numpy.typing import NDArray

from hilbench import load, measure, read_run, run
from hilbench.nal import read, save

EXAMPLES = Path(__file__).parents[1] / "examples"
FOLDERS = ("cartpole", "pendulum", "rstdp")
PERIODS = 20


def scenario_of(folder: str) -> Path:
    return EXAMPLES / folder / f"{folder}.toml"


def short(folder: str, to: Path, **overrides) -> dict[str, NDArray]:
    """The columns of an episode of a few periods, or fewer where the plant ends it."""
    period_s = load(scenario_of(folder)).loop.period_s
    overrides = {"loop.duration_s": PERIODS * period_s, "loop.episodes": 1} | overrides
    outcome = run(scenario_of(folder), to, overrides=overrides)
    assert (outcome.status, outcome.fault) == ("done", "")
    (rows,) = read_run(to).episodes
    live = ~(rows["terminated"] | rows["truncated"])
    assert live.sum() >= 8
    return {name: column[live] if isinstance(column, np.ndarray) else column for name, column in rows.items()}


def survived(to: Path, **overrides) -> NDArray:
    """How many periods each episode of R-STDP lasted."""
    assert run(scenario_of("rstdp"), to, overrides=overrides).status == "done"
    ends = [rows["terminated"] | rows["truncated"] for rows in read_run(to).episodes]
    return np.array([(~end).sum() for end in ends])


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_scenario_has_forty_lines_at_most(folder):
    """Lines that are neither empty nor comments."""
    lines = scenario_of(folder).read_text("utf-8").splitlines()
    assert sum(bool(line.strip()) and not line.lstrip().startswith("#") for line in lines) <= 40
    assert load(scenario_of(folder)).chosen.kind == "network"


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_plant_waits_or_gets_its_actions_a_period_late_and_a_device_gives_the_same(tmp_path, folder):
    """These plants have one physics step a period, so that a delay of any part of it costs all of it."""
    period_s = load(scenario_of(folder)).loop.period_s
    delayed = {"loop.mode": "delayed", "loop.delay": {"s": period_s}}
    for late, mode in enumerate(({}, delayed)):
        here = short(folder, tmp_path / f"here{late}", **mode)
        assert here["answered"].all()
        acted = here["applied_step"][: len(here["seq"]) - late]
        np.testing.assert_array_equal(acted, here["seq"][: len(acted)] + late)
        there = short(folder, tmp_path / f"there{late}", **mode, link={"kind": "unix"})
        for name in ("obs", "actions", "spikes"):
            np.testing.assert_array_equal(here[name], there[name], name)
        assert here["spikes"].sum() > 0


@pytest.mark.parametrize("folder", FOLDERS)
@pytest.mark.parametrize("kind", ["zmq", "unix"])
def test_in_real_time_over_a_link(tmp_path, folder, kind):
    rows = short(folder, tmp_path / "run", **{"loop.mode": "realtime", "loop.echo_s": 0.0}, link={"kind": kind})
    assert rows["answered"].sum() >= len(rows["seq"]) - 2  # the machine may be busy
    assert np.isfinite(rows["actions"]).all()


def test_the_pendulum_is_swung_up_and_held(tmp_path):
    """Ten seeds that training did not see; random torques have about -1200, the law that was imitated has -110."""
    found = {}
    for controller in ("trained", "random"):
        run(scenario_of("pendulum"), tmp_path / controller, overrides={"loop.seed": 10000}, controller=controller)
        found[controller] = measure(read_run(tmp_path / controller))["return"]
    assert [found[name]["n"] for name in found] == [10, 10]
    assert found["trained"]["value"] > -200
    assert found["random"]["value"] < -900
    held = [episode["obs"][-20:, 0].min() for episode in read_run(tmp_path / "trained").episodes]
    assert min(held) > 0.9  # the cosine of the angle, over the last second of each episode


def test_the_network_that_learns_is_what_its_script_makes(tmp_path):
    save(load_script(EXAMPLES / "rstdp" / "make_network.py").network(), tmp_path / "made.nir")
    assert_equal(read(EXAMPLES / "rstdp" / "rstdp.nir"), read(tmp_path / "made.nir"))


def test_rstdp_learns_from_falls_and_its_twin_does_not_and_weights_are_handed_on(tmp_path):
    overrides = {"loop.seed": 10100, "loop.episodes": 40}
    learner = survived(tmp_path / "learner", **overrides)
    twin = survived(tmp_path / "twin", **overrides, **{"loop.learning": False})
    assert twin.mean() < 20
    assert learner[:10].mean() < 50
    assert learner[-10:].mean() > 100
    overrides = {"loop.seed": 20000, "loop.episodes": 10, "loop.start_from": str(tmp_path / "learner")}
    second = survived(tmp_path / "second", **overrides, **{"loop.learning": False})
    assert second.mean() > 100
