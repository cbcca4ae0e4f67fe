"""Ctrl-C while the command is still importing: one line, and the code of an interruption."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import hilbench

ROOT = Path(hilbench.__file__).parent.parent
AS_SCRIPT = "from hilbench.__main__ import main\n\nif __name__ == '__main__':\n    main()\n"


def interrupted_at(module: str, folder: Path, *command: str) -> subprocess.CompletedProcess:
    """A Python that is interrupted when it imports a module."""
    (folder / f"{module}.py").write_text("raise KeyboardInterrupt\n")
    path = os.pathsep.join([str(folder), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("module", ["gymnasium", "tyro", "rich"])
@pytest.mark.parametrize("command", [("-m", "hilbench"), ("-X", "utf8", "-m", "hilbench"), ("bin/hilbench",)])
def test_an_interruption_of_the_imports_is_one_line(module: str, command: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "hilbench").write_text(AS_SCRIPT)
    done = interrupted_at(module, tmp_path, *command, "check", "arm_payload")
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "hilbench: interrupted\n")


def test_whoever_imports_the_package_gets_the_interruption(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("try:\n    import hilbench\nexcept KeyboardInterrupt:\n    print('mine')\n")
    for command in (("mine.py",), ("-m", "mine"), ("-m", "mine", "hilbench"), ("mine.py", "-m", "hilbench")):
        done = interrupted_at("gymnasium", tmp_path, *command)
        assert (done.returncode, done.stdout, done.stderr) == (0, "mine\n", "")
