"""What `hilbench new` writes checks and runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from own_parts import ended

from hilbench.report.data import read as read_results


def lines(file: Path) -> int:
    return sum(not re.match(r"\s*(#|$)", line) for line in file.read_text().splitlines())


@pytest.mark.parametrize("kind", ["scenario", "plant", "controller"])
def test_a_start_runs_and_says_how(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended("new", kind, "my_first", "--out", tmp_path / "own folder") == 0
    said = capsys.readouterr().out.splitlines()
    files = {path.name for path in (tmp_path / "own folder").iterdir()}
    assert files == {"my_first.toml"} | ({"my_first.py"} if kind != "scenario" else set())
    assert said[:-1] == [f"Wrote {tmp_path}/own folder/{name}" for name in sorted(files, reverse=True)]
    assert all(lines(path) <= (40 if path.suffix == ".toml" else 45) for path in (tmp_path / "own folder").iterdir())
    for number, command in enumerate(re.findall("`hilbench (.+?)`", said[-1])):
        more = " --loop.duration-s 0.2 --out runs/a" if number else ""
        done = subprocess.run(
            f"{sys.executable} -m hilbench {command}{more}", shell=True, cwd=tmp_path, capture_output=True, text=True,
            timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    (cell,) = read_results([tmp_path / "runs" / "a"])[0].cells
    assert (cell.scenario, cell.failures) == ("my_first", [])


def test_a_controller_balances_the_pole(tmp_path: Path) -> None:
    """For 5 s, as its scenario says, within 0.1 rad."""
    import hilbench

    assert ended("new", "controller", "balancer", "--out", tmp_path) == 0
    words = [sys.executable, "-m", "hilbench", "run", "balancer.toml", "--trust", "--out", "run"]
    done = subprocess.run(words, cwd=tmp_path, timeout=300, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (episode,) = hilbench.read_run(tmp_path / "run").episodes
    assert len(episode["seq"]) == 500
    assert abs(episode["info.theta_error_rad"]).max() < 0.1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["robot", "x"], "new: found 'robot'; allowed: controller, plant, scenario"),
        (["plant", "My-Plant"], "new: found the name 'My-Plant'; allowed: a small letter, then"),
        (["plant", "json"], "new: Python has a module 'json' already"),
        (["controller", "numpy"], "new: Python has a module 'numpy' already"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(words, says, tmp_path: Path, capsys) -> None:
    assert ended("new", *words, "--out", tmp_path / "out") == 2
    assert capsys.readouterr().err.startswith(f"hilbench: {says}")
    assert not (tmp_path / "out").exists()


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine.py").write_text("# mine\n")
    assert ended("new", "plant", "mine", "--out", tmp_path) == 2
    assert "mine.py: is there already, and stays" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]
    assert (tmp_path / "mine.py").read_text() == "# mine\n"
