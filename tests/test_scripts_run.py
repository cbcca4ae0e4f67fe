"""Every script of the library's runs as it stands, from a folder of its own, and prints what it says it shows."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import hilbench

SCRIPTS = Path(__file__).parents[1] / "scenarios" / "scripts"


def start(name: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=110)


def output(name: str, folder: Path, *arguments: str) -> list[str]:
    """What a script prints, by line."""
    done = start(name, folder, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_load_and_run(tmp_path: Path) -> None:
    lines = output("load_and_run", tmp_path, "--out", "here")
    assert lines[0] == "cartpole-ladder, lqr: done; record in here"
    found = dict(line.split()[:2] for line in lines[1:])
    measured = hilbench.measure(hilbench.read_run(tmp_path / "here"))
    assert float(found["error_rms"]) == pytest.approx(measured["error_rms"]["value"], rel=1e-3)
    assert (float(found["survival"]), float(found["latency[p50]"])) == (2.0, 0.005)
    again = start("load_and_run", tmp_path, "--out", "here")
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == "hilbench: here: holds a run already; give another folder or remove it\n"


def test_read_a_run(tmp_path: Path) -> None:
    lines = output("read_a_run", tmp_path, "--out", "here")
    assert "observations: (1000, 8) q_1, q_2" in lines[1]
    spikes = hilbench.read_run(tmp_path / "here").episodes[0]["spikes"]
    assert float(lines[2].split()[-1]) == pytest.approx(spikes.mean())
    assert sum("before the load" in line for line in lines) == 2
    assert any(line.split()[:2] == ["obs.q_1", "obs.q_ref_1"] for line in lines)


def test_agent_in_a_gym_loop(tmp_path: Path) -> None:
    lines = output("agent_in_a_gym_loop", tmp_path, "--seconds", "0.5")
    assert lines == [f"seed {seed}: return 500 in 0.50 s: stood to the end" for seed in range(3)]
    assert list(tmp_path.iterdir()) == []


def test_vector_evaluation(tmp_path: Path) -> None:
    lines = output("vector_evaluation", tmp_path, "--envs", "3", "--seconds", "1")
    found = [re.fullmatch(r"(\w+) +pole +(\S+) m: returns ([\d ]+); mean survival (\S+) s", line) for line in lines]
    assert [line[1] for line in found] == ["lqr"] * 3 + ["random"] * 3
    for line in found:
        returns = [int(value) for value in line[3].split()]
        assert len(returns) == 3
        assert float(line[4]) == pytest.approx(sum(returns) / 3 * 0.02, abs=0.006)
        assert returns == [50] * 3 if line[1] == "lqr" else min(returns) < 50


def test_evaluate_a_suite(tmp_path: Path) -> None:
    lines = output("evaluate_a_suite", tmp_path, "--out", "here")
    summary = json.loads((tmp_path / "here" / "summary.json").read_text())
    rows = [[field.strip() for field in line.split("│")[1:-1]] for line in lines if line.startswith("│")]
    assert len(rows) == len(summary["cells"]) == 4
    for row, cell in zip(rows, summary["cells"], strict=True):
        error = cell["metrics"]["error_rms"]
        assert row[0] == cell["controller"]
        assert [float(number) for number in row[2:5]] == pytest.approx([error["iqm"], *error["ci95"]], rel=0.01)
        assert row[5:] == ["rad", "3"]


def test_sb3_policy(tmp_path: Path, sb3: Any) -> None:
    lines = output("sb3_policy", tmp_path, "--steps", "1024", "--out", "here")
    found = {tuple(line.split()[:2]): line.split()[2:] for line in lines}
    assert set(found) == {(who, what) for who in ("lqr", "ppo") for what in ("survival", "error_rms")}
    assert found["lqr", "survival"][:2] == ["2", "s"]
    summary = json.loads((tmp_path / "here" / "evaluation" / "summary.json").read_text())
    ppo = next(cell for cell in summary["cells"] if cell["controller"] == "ppo")
    assert ppo["backend"] == "law"
    assert ppo["failures"] == []
    assert float(found["ppo", "error_rms"][0]) == pytest.approx(ppo["metrics"]["error_rms"]["iqm"], rel=0.01)
    assert (tmp_path / "here" / "ppo.zip").is_file()
