"""The script that makes the environment of Lava: what it refuses, and that it does nothing twice."""

from __future__ import annotations

import subprocess
import sys

import make_environment
import pytest


def test_without_a_python_310_it_says_so_in_one_line_and_makes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HILBENCH_PYTHON310", str(tmp_path / "python3.10"))
    folder = tmp_path / "lava"
    assert make_environment.main(folder) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert f"found none (tried {tmp_path / 'python3.10'}); allowed: a Python 3.10" in said
    assert not folder.exists()


@pytest.mark.skipif(sys.version_info[:2] == (3, 10), reason="this Python is a 3.10")
def test_another_python_is_no_310(monkeypatch):
    monkeypatch.setenv("HILBENCH_PYTHON310", sys.executable)
    assert make_environment.candidates() == [sys.executable]
    assert not make_environment.is_python310(sys.executable)


def test_what_is_made_is_not_made_again(tmp_path, monkeypatch):
    def run(*_, **__):
        raise AssertionError("it ran something")

    monkeypatch.setattr(subprocess, "run", run)
    made = tmp_path / "made-from.txt"
    made.write_text("\n".join(make_environment.PACKAGES) + "\n", "utf-8")
    assert make_environment.main(tmp_path) == 0
    made.write_text("lava-nc==0.9.0\n", "utf-8")
    with pytest.raises(AssertionError, match="it ran something"):
        make_environment.main(tmp_path)
