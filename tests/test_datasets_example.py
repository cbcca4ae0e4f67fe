"""The scenarios of public data sets: whole runs, twins and replays on small files that are made up in their formats."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import data_sets
import numpy as np
import pytest
from data_sets import aedat31, packet

from hilbench import load, make_plant, read_run, run
from hilbench.cli import main
from hilbench.envs.dvs_gesture import DvsGesture
from hilbench.errors import ScenarioError
from hilbench.runs.replay import replay
from hilbench.studies.suite import cells, load_suite

EXAMPLES = Path(__file__).parents[1] / "examples" / "datasets"
CHANGES = {"shd": "speakers", "dvs_gesture": "light", "mit_bih": "patients"}
EPISODES, N = 2, 5


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Writes a scenario's data set beside a copy of it, and gives the scenario's path."""
    folder = tmp_path_factory.mktemp("datasets")
    for path in EXAMPLES.glob("*.toml"):
        shutil.copy(path, folder)

    def make(name: str) -> Path:
        scenario = load(path := folder / f"{name}.toml")
        if not (folder / str(scenario.plant.config.folder)).exists():
            WRITERS[name](folder / str(scenario.plant.config.folder), scenario)
        return path

    return make


def write_shd(folder, scenario):
    after = scenario.disturbances["speakers"]["sources"]
    data_sets.shd(folder, {"shd_train.h5": scenario.plant.config.sources, "shd_test.h5": after})


def write_dvs_gesture(folder, scenario):
    after = scenario.disturbances["light"]["sources"]
    data_sets.dvs_gesture(folder, 1, [*scenario.plant.config.sources, *after])


def write_mit_bih(folder, scenario):
    data_sets.mit_bih(folder, [str(name) for name in (*PATIENTS["plant.sources"], 103)], n_beats=14)


PATIENTS = {"plant.sources": [101, 106], "disturbances.patients.sources": [103]}
"""As many records as a test has time for."""
WRITERS = {"shd": write_shd, "dvs_gesture": write_dvs_gesture, "mit_bih": write_mit_bih}


def short(name: str) -> dict[str, object]:
    """Two episodes of some samples, the change before the second."""
    settings = {"loop.episodes": EPISODES, "plant.n_samples": N, f"disturbances.{CHANGES[name]}.at_episode": 1}
    return settings | {"loop.seed": 3} | (PATIENTS if name == "mit_bih" else {})


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("controller", ["stream_pes", "linear", "told"])
def test_a_run_of_a_few_trials_ends_well_and_is_of_whom_it_should_be(made, tmp_path, name, controller):
    path = made(name)
    outcome = run(path, tmp_path / "run", overrides=short(name), controller=controller)
    assert (outcome.status, outcome.fault) == ("done", "")
    found = read_run(tmp_path / "run")
    rows = found.episodes
    assert len(rows) == EPISODES
    for episode in rows:
        assert episode["info.decided"].sum() == N
        assert sum(map(len, episode["sensor_events"])) > 50
        if controller == "told":
            assert episode["info.correct"][episode["info.decided"] == 1].all()
    first = int(rows[0]["info.sample"].max()), int(rows[1]["info.sample"].min())
    assert name != "shd" or first[0] < 200 <= first[1]  # ten speakers with twenty words each come first
    equal, n = replay(tmp_path / "run", tmp_path / "replay")
    assert equal
    assert n


def test_the_command_runs_one_and_reports_it_beside_its_twin(made, tmp_path):
    path, settings = made("shd"), short("shd")
    options = ["--controller", "linear"]
    options += [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    done = hilbench("run", path, *options, "--json", "--out", tmp_path / "learner")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    run(path, tmp_path / "twin", overrides=settings | {"loop.learning": False}, controller="linear")
    both = [read_run(tmp_path / which).episodes[0]["info.sample"] for which in ("learner", "twin")]
    np.testing.assert_array_equal(*both)
    with pytest.raises(SystemExit) as end:
        main(["report", str(tmp_path / "learner"), str(tmp_path / "twin"), "-o", str(tmp_path / "page.html")])
    assert end.value.code in (0, None)
    assert "ear" in (tmp_path / "page.html").read_text("utf-8")


def hilbench(*words):
    command = [sys.executable, "-m", "hilbench", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=110)


def test_without_the_files_there_is_one_line(tmp_path):
    for path in EXAMPLES.glob("*.toml"):
        shutil.copy(path, tmp_path)
    done = hilbench("check", tmp_path / "shd.toml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "shd.toml: plant.folder: found no folder 'SHD'" in done.stderr
    for name in CHANGES:
        with pytest.raises(ScenarioError, match=rf"{name}.toml: plant.folder: found no folder"):
            make_plant(load(tmp_path / f"{name}.toml"))


def test_a_file_that_is_cut_off_ends_a_run_with_one_line(made, tmp_path):
    """Also where it is met in the middle of a run: each gesture but one, the first, is in a file of its own."""
    shutil.copy(made("dvs_gesture"), tmp_path)
    folder = tmp_path / "DvsGesture"
    folder.mkdir()
    for light in ("lab", "natural"):
        for label in range(1, 12):
            table = f"class,startTime_usec,endTime_usec\n{label},1000,900000\n"
            (folder / f"user{label:02d}_{light}_labels.csv").write_text(table)
            whole = aedat31(packet([(2000, label, label, 1)]))
            (folder / f"user{label:02d}_{light}.aedat").write_bytes(whole if label == 1 else whole[:-1])
    overrides = {"plant.sources": ["lab"], "plant.n_samples": 11, "loop.episodes": 1}
    options = [word for key, value in overrides.items() for word in (f"--{key}", str(value))]
    seed = next(seed for seed in range(200) if begins_with_the_first(tmp_path, seed))
    words = ("run", tmp_path / "dvs_gesture.toml", "--controller", "guess", *options, "--seed", seed)
    done = hilbench(*words, "--out", tmp_path / "run")
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if "aedat" in line]
    assert "found 7 bytes of its 8; the file is cut off or damaged" in line
    assert "Traceback" not in done.stderr


def begins_with_the_first(folder: Path, seed: int) -> bool:
    """Whether the first sample of a seed's episode can be read."""
    with DvsGesture(folder=str(folder / "DvsGesture"), sources=["lab"], n_samples=11) as plant:
        try:
            plant.reset(seed=seed)
        except ScenarioError:
            return False
    return True


def test_the_suite_is_one_and_every_scenario_can_be_in_it():
    suite = load_suite(EXAMPLES / "suite.toml")
    assert cells(suite)
    for name in CHANGES:
        scenario = load(EXAMPLES / f"{name}.toml")
        assert scenario.score.change == CHANGES[name]
        assert set(suite.controllers) | {"count"} <= set(scenario.controllers)
