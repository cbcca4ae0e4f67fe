"""Parts named MODULE:NAME: a module beside a scenario is imported where its user says so, and nowhere else."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from msgspec import structs
from own_parts import LEARNER, LEAVES, ended, forgotten, started

import hilbench
from hilbench import modules, plugins
from hilbench.errors import PluginError, ScenarioError
from hilbench.nal.model.codec import rule_from_dict
from hilbench.record.reader import read_meta
from hilbench.record.sealed import write_sealed
from hilbench.runs.given import recorded_scenario
from hilbench.scenario.resolved import ReportConfig
from hilbench.studies.plan import Planner
from hilbench.studies.suite import cells, load_suite

SHORT = {"loop.duration_s": 0.1}
METRIC = """
import numpy as np
from hilbench.metrics import Measure, column, metric

@metric("N", "lower")
def force_peak(run):
    return {"": Measure(float(np.abs(column(run, "actions")).max()), 1)}

def no_metric(run):
    return {}
"""
LINE = "which is no installed plug-in: to run its code, add --trust (from Python: trust=True), if you trust that code"


@pytest.fixture(autouse=True)
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with forgotten():
        yield


def test_a_plant_beside_its_scenario_runs_where_it_is_trusted(tmp_path: Path) -> None:
    file, left = started("plant", "own_cart", tmp_path / "mine", tmp_path / "left"), tmp_path / "left"
    with pytest.raises(ScenarioError) as found:
        hilbench.run(file, "runs/a", overrides=SHORT)
    assert str(found.value) == f"{file}: plant.kind: found 'own_cart:OwnCart', {LINE}"
    assert not left.exists()
    assert hilbench.run(file, "runs/a", overrides=SHORT, trust=True).status == "done"
    assert left.exists()
    assert sys.path[-1] == str(tmp_path / "mine"), "behind everything else"


def test_a_name_is_no_installed_plug_in_without_a_colon_or_where_it_stands(tmp_path: Path) -> None:
    found = hilbench.load("cartpole_ladder", {"plant.kind": "hilbench.envs.cartpole_ladder:CartpoleLadder"})
    assert found.modules == ()
    with pytest.raises(ScenarioError, match=r"plant.kind: no envs plug-in 'a b:C'; allowed: arm7, arm_payload"):
        hilbench.load("cartpole_ladder", {"plant.kind": "a b:C"})
    for kind, name in (("laws", "os:system"), ("laws", "hilbench.bridge.zmq:ZMQ"), ("envs", "json:JSONDecoder")):
        with pytest.raises(PluginError, match="is no installed plug-in"):
            plugins.get(kind, name)


@pytest.mark.parametrize(
    "field",
    [
        "plant.kind", "plant.id", "backend.kind", "link.kind", "controllers.lqr.kind", "controllers.lqr.backend.kind",
        "disturbances.x.kind", "controllers.lqr.encoders.observation.kind", "report.metrics",
    ],
)  # fmt: skip
def test_every_field_that_names_code_is_refused_before_anything_of_it_is_imported(tmp_path: Path, field: str) -> None:
    (tmp_path / "own_code.py").write_text(LEAVES.format(marker=str(tmp_path / "left")))
    name = "own_code:Thing" if field != "report.metrics" else ["error_rms", "own_code:thing[p50]"]
    with pytest.raises(ScenarioError, match=rf"{field}: found 'own_code:\w+', {LINE[:20]}"):
        hilbench.load("cartpole_ladder", {field: name})
    assert not (tmp_path / "left").exists()


def test_an_environment_of_a_module_beside_its_scenario_is_a_plant_where_it_is_trusted(tmp_path: Path) -> None:
    lines = ["import gymnasium", "from gymnasium.envs.classic_control import PendulumEnv"]
    lines += ["gymnasium.register('OwnPendulum-v0', entry_point=PendulumEnv)"]
    (tmp_path / "own_envs.py").write_text("\n".join(lines))
    text = 'name = "own"\nsummary = "s"\ncontroller = "random"\nplant.kind = "gymnasium"\n'
    text += 'plant.id = "own_envs:OwnPendulum-v0"'
    (tmp_path / "own.toml").write_text(text + "\nloop = { period_s = 0.05 }\ncontrollers.random.kind = 'random'\n")
    with pytest.raises(ScenarioError, match=r"plant\.id: found 'own_envs:OwnPendulum-v0', which is no installed"):
        hilbench.load("own.toml")
    assert hilbench.run("own.toml", "runs/a", overrides={"loop.duration_s": 0.5}, trust=True).status == "done"
    assert "own_envs" in hilbench.read_run("runs/a").meta.sources.code_sha256


def test_trust_of_one_scenario_is_no_trust_of_another(tmp_path: Path) -> None:
    file = started("plant", "own_slider", tmp_path)
    hilbench.load(file, trust=True)
    with pytest.raises(ScenarioError, match=r"plant.kind: found 'own_slider:OwnSlider'"):
        hilbench.load(file)
    with pytest.raises(PluginError, match="'json:JSONDecoder' is no installed plug-in"):
        plugins.get("laws", "json:JSONDecoder")


def test_what_is_wrong_with_a_module_is_one_line(tmp_path: Path) -> None:
    file = started("plant", "own_sled", tmp_path / "mine")
    text = file.read_text()
    for named, says in (
        ("no_such_module:X", f"'no_such_module:X' does not load: ModuleNotFoundError.*; looked for in {tmp_path}/mine"),
        ("own_sled:Sled", "'own_sled:Sled' does not load: AttributeError: module 'own_sled' has no attribute 'Sled'"),
        ("own_sled:gymnasium", "plug-in 'own_sled:gymnasium' has no Config"),
    ):
        file.write_text(text.replace("own_sled:OwnSled", named))
        with pytest.raises(ScenarioError, match=f"plant.kind: {says}"):
            hilbench.load(file, trust=True)


def test_two_modules_of_a_name_in_two_folders_are_refused(tmp_path: Path) -> None:
    one, other = (started("plant", "own_twin", tmp_path / name) for name in ("one", "other"))
    hilbench.load(one, trust=True)
    hilbench.load(one, trust=True)
    with pytest.raises(ScenarioError, match=r"own_twin: found in .*/one and in .*/other; a process imports one"):
        hilbench.load(other, trust=True)


def test_a_scenario_takes_its_trust_along_to_another_process(tmp_path: Path) -> None:
    scenario = hilbench.load(started("plant", "own_truck", tmp_path / "mine"), SHORT, trust=True)
    (tmp_path / "s.pickle").write_bytes(pickle.dumps(scenario))
    code = (
        "import pickle, sys, hilbench; sys.path.append('mine');"
        "print(hilbench.run(pickle.load(open('s.pickle', 'rb')), 'out').status)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.split() == ["done"]


@pytest.mark.parametrize("link", ["inprocess", "unix"])
def test_a_law_of_an_own_controller_runs_on_every_device_that_a_run_starts(tmp_path: Path, link: str) -> None:
    file = started("controller", "own_law", tmp_path / "mine")
    states = []
    for controller in ("own_law", "lqr"):
        overrides = SHORT | {"link.kind": link}
        run = hilbench.run(file, f"runs/{controller}", overrides=overrides, controller=controller, trust=True)
        assert run.status == "done"
        states.append(hilbench.read_run(f"runs/{controller}").episodes[0]["state"])
    assert np.allclose(*states, atol=1e-3), "its gains are those of LQR, rounded"


@pytest.mark.parametrize(("backend", "link"), [("reference", "inprocess"), ("reference", "unix"), ("numba", "unix")])
def test_a_learning_rule_of_an_own_module_learns_on_a_device(tmp_path: Path, backend: str, link: str) -> None:
    file = started("controller", "own_learner", tmp_path / "mine")
    (tmp_path / "mine" / "own_learner.py").write_text(LEARNER)
    file.write_text(file.read_text().replace(":OwnLearner", ":Learner").replace("gains =", "# gains ="))
    overrides = SHORT | {"link.kind": link, "backend.kind": backend, "record.weights": ["grown"]}
    assert hilbench.run(file, "runs/a", overrides=overrides, trust=True).status == "done"
    values = hilbench.read_run("runs/a").episodes[0]["values_out"]
    assert np.abs(values[-1]).max() > np.abs(values[0]).max(), "weights grew from 0"
    assert "own_learner" in json.loads(Path("runs/a/run.json").read_text())["sources"]["code_sha256"]


def serve(*options: str, folder: Path) -> subprocess.Popen:
    words = [
        sys.executable,
        "-m",
        "hilbench",
        "serve",
        "--backend",
        "law",
        "--bind",
        "unix:///" + str(folder / "d")[1:],
    ]
    return subprocess.Popen(
        [*words, "--exit-with-stdin", *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=folder
    )


@pytest.mark.parametrize("trusted", [False, True])
def test_a_device_imports_what_a_program_names_only_where_it_is_served_with_trust(
    tmp_path: Path, trusted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plant's side trusts its own module; the device, in a folder with a module of that name, has its own say."""
    folder = tmp_path / "d"
    folder.mkdir()
    file = started("controller", "own_guest", tmp_path / "mine")
    marked = (tmp_path / "mine" / "own_guest.py").read_text() + LEAVES.format(marker=str(folder / "left"))
    (folder / "own_guest.py").write_text(marked)
    monkeypatch.chdir(tmp_path / "mine")
    overrides = SHORT | {"link.kind": "unix", "link.address": f"unix://{folder}/d"}
    with serve(*(["--trust"] if trusted else []), folder=folder) as device:
        assert device.stdin
        assert device.stdout
        assert device.stdout.readline().startswith("hilbench: serving")
        if trusted:
            assert hilbench.run(file, "runs/a", overrides=overrides, trust=True).status == "done"
        else:
            with pytest.raises(Exception, match=r"'own_guest:OwnGuestLaw' is no installed plug-in: .* --trust"):
                hilbench.run(file, "runs/a", overrides=overrides, trust=True)
        device.stdin.close()
        device.wait(30)
    assert (folder / "left").exists() is trusted


def test_a_network_that_names_a_rule_of_a_module_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "own_rule.py").write_text(LEAVES.format(marker=str(tmp_path / "left")))
    modules.allow(["another"], str(tmp_path))
    with pytest.raises(Exception, match="rule: 'own_rule:Mine' is no installed plug-in"):
        rule_from_dict({"kind": "own_rule:Mine"})
    assert not (tmp_path / "left").exists()


def suite(file: Path, **more: object) -> dict:
    own = {"name": "own", "summary": "s", "scenarios": [str(file)], "controllers": ["random"], "seeds": [1, 2]}
    return own | {"set": SHORT | {"report.metrics": ["own_metrics:force_peak", "return"]}} | more


def test_a_suite_runs_and_measures_own_modules_in_its_workers_and_its_report_shows_them(tmp_path: Path) -> None:
    file = started("plant", "own_wagon", tmp_path / "mine")
    (tmp_path / "mine" / "own_metrics.py").write_text(METRIC)
    with pytest.raises(ScenarioError, match=r"plant.kind: found 'own_wagon:OwnWagon'"):
        hilbench.evaluate(suite(file), "out", workers=2)
    assert not Path("out").exists()
    (cell,) = hilbench.evaluate(suite(file), "out", workers=2, trust=True).cells
    assert not cell.failures
    assert 0 < cell.metrics["own_metrics:force_peak"].iqm <= 10.0
    assert "--trust" in cell.command.split()
    with forgotten():
        assert ended("report", "out", "-o", "page.html") == 0
    assert "force peak" in Path("page.html").read_text()


def test_a_run_prints_own_metrics_and_a_report_of_it_says_that_it_computes_none(tmp_path: Path, capsys) -> None:
    file = started("plant", "own_lorry", tmp_path)
    (tmp_path / "own_metrics.py").write_text(METRIC)
    words = ["--loop.duration-s", "0.1", "--report.metrics", '["own_metrics:force_peak"]', "--out", "runs/a"]
    assert ended("run", file, *words, "--trust", "--json") == 0
    out = capsys.readouterr().out
    assert json.loads(out[out.index("{") :])["metrics"]["own_metrics:force_peak"]["unit"] == "N"
    assert ended("report", "runs/a", "-o", "page.html") == 0
    assert "own_metrics:force_peak: not computed with these runs" in Path("page.html").read_text()
    words[3] = '["own_metrics:no_metric"]'
    assert ended("run", file, *words, "--trust") == 2
    assert "report.metrics: found 'own_metrics:no_metric'; allowed: a function under @metric" in capsys.readouterr().err


def test_code_of_an_own_module_decides_the_key_of_a_run_and_what_is_reported_does_not(tmp_path: Path) -> None:
    def key(**more: object) -> str:
        planner = Planner(tmp_path / "out")
        planner.lines(cells(load_suite(suite(file, seeds=[1], **more)), trust=True))
        (job,) = planner.jobs.values()
        return job.key

    file = started("plant", "own_barrow", tmp_path)
    (tmp_path / "own_barrow.py").write_text("import own_helper\n" + (tmp_path / "own_barrow.py").read_text())
    (tmp_path / "own_helper.py").write_text("X = 1\n")
    (tmp_path / "own_metrics.py").write_text(METRIC)
    before = key()
    assert key(set=SHORT) == before
    for name in ("own_barrow", "own_helper"):
        (tmp_path / f"{name}.py").write_text((tmp_path / f"{name}.py").read_text() + "# changed\n")
        assert key() != before
        before = key()


def test_a_replay_and_a_meter_ask_again_and_find_the_module_where_the_scenario_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = started("plant", "own_dolly", tmp_path / "mine", tmp_path / "left")
    hilbench.run(file, "runs/a", overrides=SHORT, trust=True)
    (tmp_path / "left").unlink()
    words = [sys.executable, "-m", "hilbench", "replay", "runs/a", "--out", "runs/b"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert done.stderr == f"hilbench: runs/a: run.json: plant.kind: found 'own_dolly:OwnDolly', {LINE}\n"
    assert not (tmp_path / "left").exists()
    done = subprocess.run([*words, "--trust"], capture_output=True, text=True, timeout=120)
    assert "equal bit for bit" in done.stdout, done.stderr


READERS = """
import hilbench
from hilbench.cli import main
run = hilbench.read_run("runs/a")
hilbench.measure(run)
hilbench.frame(run)
for words in ["report runs/a -o p.html", "report out -o p.html", "list", "evaluate own.toml --out out"]:
    try:
        main(words.split())
    except SystemExit as end:
        assert not end.code, (words, end.code)
"""


def test_what_only_reads_results_imports_nothing_that_they_name(tmp_path: Path) -> None:
    """Both results name a module that would leave a file, on Python's own path."""
    (tmp_path / "evil.py").write_text(LEAVES.format(marker=str(tmp_path / "left")))
    (tmp_path / "own.toml").write_text(
        'name = "own"\nsummary = "s"\nscenarios = ["cartpole_ladder"]\ncontrollers = ["lqr"]\nseeds = [1]\n'
        '[set]\n"loop.duration_s" = 0.05\n'
    )
    hilbench.evaluate("own.toml", "out", workers=1)
    assert ended("run", "cartpole_ladder", "--controller", "lqr", "--loop.duration-s", "0.05", "--out", "runs/a") == 0
    for folder in (Path("runs/a"), *Path("out/runs").iterdir()):
        meta = read_meta(folder)
        for table in (meta.scenario.plant, *meta.scenario.controllers.values(), meta.scenario.backend):
            table["kind"] = "evil:Part"
        scenario = structs.replace(meta.scenario, report=ReportConfig(metrics=("evil:metric",)))
        write_sealed(folder / "run.json", structs.replace(meta, scenario=scenario, scenario_folder=str(tmp_path)))
    summary = json.loads(Path("out/summary.json").read_text())
    summary["cells"][0] |= {"backend": "evil:Part", "metrics_to_show": ["evil:metric"]}
    summary["cells"][0]["metrics"]["evil:metric"] = summary["cells"][0]["metrics"]["error_rms"]
    Path("out/summary.json").write_text(json.dumps(summary))
    paths = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    words, own = [sys.executable, "-c", READERS], os.environ | {"PYTHONPATH": paths}
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=own)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "left").exists()
    with pytest.raises(ScenarioError, match=r"'evil:Part' does not load: AttributeError"):
        recorded_scenario(read_meta(Path("runs/a")), "runs/a", trust=True)
    assert (tmp_path / "left").exists(), "what runs it again with trust does import it"
