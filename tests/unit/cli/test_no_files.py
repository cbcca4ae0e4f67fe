"""A pipe, a socket, a device or a folder in place of a file: one line says what it is, and nothing waits for ever."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from blank import run_meta

from hilbench.bridge.keys import read_public
from hilbench.cli import main
from hilbench.controllers._vecnormalize import beside, read_statistics
from hilbench.controllers.sb3 import SB3, SB3Config
from hilbench.errors import HilbenchError
from hilbench.nal import Network, save
from hilbench.nal.model.learnt import read_learnt
from hilbench.record.recordings import read
from hilbench.record.traces import link_latencies_s
from hilbench.runs.digests import digest_of_file
from hilbench.scenario.files import load

pytestmark = pytest.mark.timeout(60)
STATED = ("--dt-s", "1e-3", "--integrator", "euler", "--reset", "zero")
PLANT = run_meta().plant_spec
PIPE = "a pipe (FIFO)"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a network, and with a run's folder whose run.json is a pipe."""
    monkeypatch.chdir(tmp_path)
    net = Network(1e-3)
    net.input("x", 1)
    net.lif("cells", 1, tau_s=0.02)
    net.connect("x", "cells", [[2.0]])
    save(net, tmp_path / "net.nir")
    (tmp_path / "run").mkdir()
    os.mkfifo(tmp_path / "run" / "run.json")
    (tmp_path / "evaluation").mkdir()
    os.mkfifo(tmp_path / "evaluation" / "summary.json")
    (tmp_path / "traced.toml").write_text('[impairment]\ndelay = { kind = "trace", run = "trace.txt" }')
    return tmp_path


def make(path: Path, kind: str) -> None:
    if kind == PIPE:
        os.mkfifo(path)
    elif kind == "a folder":
        path.mkdir()
    elif kind == "a socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    else:
        path.symlink_to(os.devnull)


KINDS = [PIPE, "a folder", "a socket", "a character device"]
COMMANDS: dict[str, tuple[str, ...]] = {
    "x.toml": ("check", "x.toml"),
    "scenario": ("run", "scenario"),
    "program.toml": ("program", "program.toml"),
    "suite.toml": ("evaluate", "suite.toml"),
    "x.nir": ("check", "x.nir"),
    "y.nir": ("import", "y.nir", *STATED, "--out", "out.nir"),
    "z.nir": ("compile", "z.nir", "--target", "loihi1"),
    "x.csv": ("simulate", "net.nir", "--input", "x.csv"),
    "x.npy": ("simulate", "net.nir", "--input", "x.npy"),
    "x.npz": ("simulate", "net.nir", "--input", "x.npz"),
    "p.toml": ("check", "net.nir", "--profile", "p.toml"),
    "impair.toml": ("impair", "--device", "tcp://127.0.0.1:5555", "--impairment", "impair.toml"),
    "trace.txt": ("impair", "--device", "tcp://127.0.0.1:5555", "--impairment", "traced.toml"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_given_in_place_of_a_file_is_named(name: str, kind: str, capsys: pytest.CaptureFixture) -> None:
    make(Path(name), kind)
    with pytest.raises(SystemExit) as end:
        main(COMMANDS[name])
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert said.count("\n") == 1
    if (name, kind) != ("trace.txt", "a folder"):  # a run's folder is what may be given there
        assert kind in said


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "a folder"])
def test_what_is_given_in_place_of_a_folder_is_named(kind: str, capsys: pytest.CaptureFixture) -> None:
    make(Path("x"), kind)
    for command in (["report", "x"], ["run", "cartpole_ladder", "--out", "x"], ["simulate", "net.nir", "--out", "x"]):
        with pytest.raises(SystemExit) as end:
            main(command)
        said = capsys.readouterr().err
        assert (end.value.code, said.count("\n")) == (2, 1)
        assert kind in said


@pytest.mark.parametrize("command", [["replay", "run"], ["events", "run"], ["meter", "run"], ["report", "evaluation"]])
def test_a_pipe_in_a_folder_of_results_is_named(command: list[str], capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as end:
        main(command)
    said = capsys.readouterr().err
    assert end.value.code == 2
    assert (PIPE in said) or ("neither an evaluation (summary.json) nor a run" in said)


READERS: dict[str, Callable[[Path], object]] = {
    "e.npz": read, "e.npy": read, "e.aedat4": read, "learnt.npz": read_learnt,
    "trace": lambda p: link_latencies_s(p, ""), "a.pub": read_public, "vec.pkl": read_statistics,
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_a_pipe_in_place_of_any_other_file_is_named(name: str) -> None:
    make(path := Path(name), PIPE)
    with pytest.raises((HilbenchError, ValueError), match=re.escape(PIPE)):
        READERS[name](path)


def test_a_pipe_in_place_of_a_policy_is_named(sb3: None) -> None:
    make(Path("policy.zip"), PIPE)
    with pytest.raises(HilbenchError, match=re.escape(PIPE)):
        SB3.build(SB3Config(path="policy.zip"), PLANT, 1000, 0)


def test_a_pipe_beside_a_policy_or_among_sources_is_passed_over() -> None:
    make(Path("vecnormalize.pkl"), PIPE)
    assert beside(Path("policy.zip")) == ()
    assert digest_of_file(Path("vecnormalize.pkl")) == f"not readable: it is {PIPE}; allowed: a regular file"


def test_a_folder_that_is_called_as_a_shipped_scenario_does_not_hide_it() -> None:
    make(Path("cartpole_ladder"), "a folder")
    assert load("cartpole_ladder").name == load("cartpole_ladder.toml").name == "cartpole-ladder"
