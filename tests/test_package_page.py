"""The package of docs/extending.md, made from the blocks of the page: installed, tested, run and reported on."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "extending.md").read_text("utf-8")
PAGE = TEXT.partition("## A package, start to finish")[2]
TESTS = re.search(r"^## Test your parts\n.*?^```python\n(.*?)^```", TEXT, re.M | re.S)[1]
FILES = dict(re.findall(r"^`([\w/.]+)`:\n\n```\w+\n(.*?)^```", PAGE, re.M | re.S))
COMMANDS = re.findall(r"^    ((?:pip|python|hilbench) .+)$", PAGE, re.M)


def test_the_page_has_files_and_commands():
    assert set(FILES) == {
        "pyproject.toml", "my_slider/__init__.py", "my_slider/plant.py", "my_slider/controller.py", "test_slider.py",
        "slide.toml",
    }  # fmt: skip
    assert [command.split()[0] for command in COMMANDS] == ["pip", "python", *["hilbench"] * 5]


@pytest.mark.timeout(400)
def test_the_package_of_the_page_is_installed_tested_run_and_reported_on(tmp_path):
    folder, site = tmp_path / "slider", tmp_path / "site"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(site), str(ROOT), *sys.path]))}
    pip = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(site), "."]
    for command in (pip, *(arguments(command) for command in COMMANDS[1:])):
        done = subprocess.run(
            [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
    assert "after" in (folder / "report.html").read_text("utf-8")


def arguments(command: str) -> list[str]:
    """The arguments of Python that stand for a command line."""
    program, *rest = shlex.split(command)
    more = ["-q", "-p", "no:nengo", "-p", "no:cacheprovider"] if "pytest" in rest else []
    return [*(rest if program == "python" else ["-m", "hilbench", *rest]), *more]


@pytest.mark.timeout(400)
def test_the_tests_of_the_page_pass_and_one_can_be_left_out(tmp_path):
    (tmp_path / "test_page.py").write_text(f"{TESTS}\n\n    test_a_seed_decides_what_it_gives = None\n", "utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), *sys.path]))}
    command = [sys.executable, "-m", "pytest", "-rA", "-q", "-p", "no:nengo", "-p", "no:cacheprovider", "test_page.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "TestLatency::test_a_reset_forgets_the_episode_before" in done.stdout
    assert "test_a_seed_decides_what_it_gives" not in done.stdout
