"""The example package of plug-ins: installed, held against its own contract tests, run, replayed and in a report."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "plugins"
SCENARIO = EXAMPLE / "arena.toml"
RUNS = [f"{mode} {link}" for mode in ("lockstep", "delayed", "realtime") for link in ("inprocess", "unix", "zmq")]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that has the package, built from its pyproject.toml; nothing is fetched."""
    site = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site)]
    done = run([sys.executable, "-m", "pip", "install", *options, str(EXAMPLE)], dict(os.environ))
    assert done.returncode == 0, done.stderr
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(site), str(ROOT), *sys.path]))}


def run(command: list[str], env: dict[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, cwd=cwd, capture_output=True, text=True, timeout=400)


def hilbench(*arguments: str, env: dict[str, str], cwd: Path) -> str:
    done = run([sys.executable, "-m", "hilbench", *arguments], env, cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.timeout(420)
def test_its_own_tests_pass(environment):
    """Its parts keep what `hilbench.testing` asks of their kinds."""
    done = run([sys.executable, "-m", "pytest", "-q", "-p", "no:nengo", "-p", "no:cacheprovider"], environment, EXAMPLE)
    assert done.returncode == 0, done.stdout[-3000:]
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) > 90


def test_every_part_is_listed_with_its_first_line(environment, tmp_path):
    text = " ".join(hilbench("list", env={**environment, "COLUMNS": "300"}, cwd=tmp_path).split())
    for name in ("diff_drive", "wheel_slip", "motion_onset", "wheels", "braitenberg", "tiny_lif", "clearance"):
        assert re.search(rf"\b{name}\b[^a-z]+[A-Z]", text), name


@pytest.fixture(scope="module")
def runs(environment, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What came of the scenario's runs, by mode and link."""
    folder = tmp_path_factory.mktemp("runs")
    script = str(ROOT / "tests" / "helpers" / "example_runs.py")
    done = run([sys.executable, script, str(SCENARIO), str(folder)], environment, folder)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.timeout(420)
@pytest.mark.parametrize("which", RUNS)
def test_it_runs_in_every_mode_over_every_link_and_replays_bit_for_bit(runs, which):
    found = runs[which]
    assert (found["status"], found["backend"], found["equal"]) == ("done", "tiny_lif", True)
    assert found["ticks"] == 50
    assert found["spikes"] > 100
    assert 0 < found["clearance_m"] < 2.5
    assert "hilbench_diffdrive" in found["code"]


@pytest.mark.timeout(420)
def test_a_link_changes_no_state_and_a_delay_does(runs):
    for mode in ("lockstep", "delayed"):
        assert runs[f"{mode} inprocess"]["states"] == runs[f"{mode} unix"]["states"] == runs[f"{mode} zmq"]["states"]
    assert runs["lockstep zmq"]["states"] != runs["delayed zmq"]["states"]


def test_its_metric_stands_in_table_and_report(environment, tmp_path):
    said = hilbench("run", str(SCENARIO), "--out", "run", "--loop.duration-s", "2.0", env=environment, cwd=tmp_path)
    assert re.search(r"clearance\b\D+0\.\d+.+ m ", said)
    hilbench("report", "run", "--out", "report.html", env=environment, cwd=tmp_path)
    page = (tmp_path / "report.html").read_text("utf-8")
    headings = re.findall(r"<th[^>]*>(.*?)</th>", page, re.S)
    assert any("clearance" in heading for heading in headings)
    assert any("clearance" in heading and "least" in heading for heading in headings)
