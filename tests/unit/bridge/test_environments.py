"""Environments of devices: how a Python is found, what is refused, and that nothing half-made stays. None is made."""

from __future__ import annotations

import pwd
import subprocess
import sys
from pathlib import Path

import pytest

from hilbench.bridge import environments
from hilbench.bridge.zmq import Config, ZmqLink
from hilbench.cli import main
from hilbench.errors import LinkError
from hilbench.types import LawProgram, Port, Probes

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
RECIPE = environments.Recipe(python=HERE, packages=("./no-such-folder",), checks=("json",))


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch) -> Path:
    """Environments stand in a folder of the test's own; `mine` needs the Python that runs the tests."""
    monkeypatch.setenv("HILBENCH_ENVIRONMENTS", str(tmp_path / "environments"))
    monkeypatch.setenv(f"HILBENCH_PYTHON{HERE.replace('.', '')}", sys.executable)
    monkeypatch.setitem(environments.RECIPES, "mine", RECIPE)
    return tmp_path / "environments" / "mine"


def test_where_environments_stand(monkeypatch, tmp_path):
    monkeypatch.delenv("HILBENCH_ENVIRONMENTS")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert environments.folder_of("lava") == tmp_path / "hilbench" / "environments" / "lava"
    monkeypatch.setenv("XDG_DATA_HOME", "")
    assert environments.folder_of("lava") == Path.home() / ".local/share/hilbench/environments/lava"
    with pytest.raises(LinkError, match="found 'lave'; allowed: lava, mine; did you mean 'lava'"):
        environments.folder_of("lave")


def test_a_user_without_a_home_is_told_which_variable_to_set(monkeypatch):
    def nobody(uid):
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for name in ("HOME", "XDG_DATA_HOME", "HILBENCH_ENVIRONMENTS", f"HILBENCH_PYTHON{HERE.replace('.', '')}"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(LinkError, match=r"'lava': this user has no home folder; name .* in HILBENCH_ENVIRONMENTS"):
        environments.folder_of("lava")
    monkeypatch.setenv("HILBENCH_ENVIRONMENTS", "~/environments")
    with pytest.raises(LinkError, match="found '~/environments'; name an absolute path in HILBENCH_ENVIRONMENTS"):
        environments.folder_of("lava")
    with pytest.raises(LinkError, match=r"found no Python 2\.9"):
        environments.find_python("2.9")


def test_a_damaged_marker_is_none(folder):
    (folder / "made-from.txt").parent.mkdir(parents=True)
    (folder / "made-from.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(LinkError, match="run `hilbench device install mine`"):
        environments.python_of("mine")


def test_a_python_of_another_version_is_none(monkeypatch):
    with pytest.raises(LinkError, match=r"found no Python 2\.9 .*uv python install 2\.9"):
        environments.find_python("2.9")
    monkeypatch.setenv("HILBENCH_PYTHON29", sys.executable)
    with pytest.raises(LinkError, match=r"HILBENCH_PYTHON29: found '.*'; expected the path of a Python 2\.9"):
        environments.find_python("2.9")
    assert environments.find_python(HERE) == sys.executable


def test_pyenvs_newest_is_found_and_pythons_that_do_not_run_are_passed_over(monkeypatch, tmp_path):
    monkeypatch.delenv(f"HILBENCH_PYTHON{HERE.replace('.', '')}")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    for patch, text in (("9", f'#!/bin/sh\nexec {sys.executable} "$@"\n'), ("10", "#!/bin/sh\nexit 1\n")):
        python = tmp_path / "versions" / f"{HERE}.{patch}" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(text)
        python.chmod(0o755)
    assert environments.find_python(HERE) == str(tmp_path / "versions" / f"{HERE}.9" / "bin" / "python")


def test_what_fails_half_way_is_removed_and_told(folder):
    with pytest.raises(LinkError, match=r"cannot install into .*no-such-folder"):
        environments.install("mine")
    assert not folder.exists()


def test_pips_own_errors_are_told_and_not_its_last_lines(folder, monkeypatch):
    said = (
        "WARNING: Retrying after connection broken by\n  ERROR: No matching distribution found for x\nerror\n╰─> above"
    )

    def run(command, **_):
        return subprocess.CompletedProcess(command, int("pip" in command), said if "pip" in command else HERE)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(LinkError) as refused:
        environments.install("mine")
    told = "ERROR: No matching distribution found for x; no package index could be reached"
    assert str(refused.value) == f"cannot install into {folder}: {told}"


def test_an_interruption_removes_what_is_half_made(folder, monkeypatch):
    def run(command, **_):
        folder.mkdir(parents=True)
        raise KeyboardInterrupt

    monkeypatch.setattr(environments, "find_python", lambda version: sys.executable)
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(KeyboardInterrupt):
        environments.install("mine")
    assert not folder.exists()


def test_a_failure_keeps_the_environment_that_was_there(folder):
    folder.mkdir(parents=True)
    (folder / "made-from.txt").write_text("as before")
    for _ in range(2):
        with pytest.raises(LinkError, match="cannot install into"):
            environments.install("mine", again=True)
        assert [file.name for file in folder.parent.iterdir()] == ["mine"]
        assert (folder / "made-from.txt").read_text() == "as before"
    folder.rename(folder.with_name(".mine-before"))  # as a process leaves it that is killed
    folder.mkdir()
    with pytest.raises(LinkError, match="cannot install into"):
        environments.install("mine", again=True)
    assert (folder / "made-from.txt").read_text() == "as before"


def test_what_a_killed_installation_had_not_yet_removed_is_never_put_back(folder):
    """It was killed when the new one was whole already."""
    folder.mkdir(parents=True)
    (folder / "made-from.txt").write_text("the new one")
    folder.with_name(".mine-before").mkdir()
    with pytest.raises(LinkError, match="cannot install into"):
        environments.install("mine", again=True)
    assert (folder / "made-from.txt").read_text() == "the new one"
    assert [file.name for file in folder.parent.iterdir()] == ["mine"]


def test_what_is_made_is_not_made_again_unless_it_is_asked_for(folder, monkeypatch):
    ran = []

    def run(command, **_):
        ran.append(list(map(str, command)))
        folder.mkdir(parents=True, exist_ok=True)
        return subprocess.CompletedProcess(command, 0, HERE)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(LinkError, match="run `hilbench device install mine`"):
        environments.python_of("mine")
    environments.install("mine")
    pip = next(command for command in ran if "pip" in command)
    assert "./no-such-folder" in pip
    assert environments.python_of("mine") == folder / "bin" / "python"
    n = len(ran)
    environments.install("mine")
    assert len(ran) == n
    environments.install("mine", again=True)
    assert len(ran) > n
    monkeypatch.setitem(environments.RECIPES, "mine", environments.Recipe(HERE, ("other==1.0",), ()))
    with pytest.raises(LinkError, match="made for another hilbench: run `hilbench device install mine`"):
        environments.python_of("mine")


def test_a_link_to_a_device_without_its_environment_says_how_to_get_it():
    program = LawProgram("null", {}, (Port("x", 1),), (Port("u", 1),))
    with ZmqLink(Config(), "lava", {}) as link, pytest.raises(LinkError, match="run `hilbench device install lava`"):
        link.load(program, 1000, Probes())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(("instal", "lava"), "did you mean 'install'"), (("install", "lave"), "did you mean 'lava'")],
)
def test_what_the_command_refuses(arguments, says, capsys):
    with pytest.raises(SystemExit) as end:
        main(["device", *arguments])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert says in said
