"""Folders whose names are no UTF-8, as archives of other systems leave them: every command works there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from blank import run_meta

from hilbench import load, make_plant
from hilbench.bridge.unix import Config, UnixLink
from hilbench.errors import ScenarioError, escaped
from hilbench.nal import Network, save
from hilbench.record.layout import ECHO_NAME
from hilbench.record.writer import Recorder
from hilbench.scenario.files import find
from hilbench.types import Probes

SHORT = ("--loop.duration_s", "0.02")
SUITE = """name = "odd"
summary = "beside its scenario"
scenarios = ["own.toml"]
controllers = ["lqr"]
seeds = [10000]
scored = false
set = { "loop.duration_s" = 0.02 }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder called café in Latin-1."""
    found = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        found.mkdir()
    except OSError:
        pytest.skip("this file system takes UTF-8 alone")
    return found


def call(*arguments: object, code: int = 0) -> str:
    """What a command prints to a terminal that is strict about UTF-8; one line to stderr at most."""
    strict = os.environ | {"PYTHONIOENCODING": "utf-8:strict"}
    command = [sys.executable, "-m", "hilbench", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, env=strict, timeout=120, check=False)
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    return os.fsdecode(done.stdout)


def test_a_run_and_an_evaluation_are_written_read_and_drawn(folder: Path) -> None:
    (folder / "own.toml").write_bytes(find("cartpole_ladder").read_bytes())
    (folder / "suite.toml").write_text(SUITE, "utf-8")
    run = ("run", folder / "own.toml", "--controller", "lqr", *SHORT, "--out", folder / "run", "--json")
    told = json.loads(call(*run))
    assert (told["run"], told["status"]) == (escaped(folder / "run"), "done")
    assert "equal bit for bit" in call("replay", folder / "run")
    assert str(folder / "runs") in call("evaluate", folder / "suite.toml", "--out", folder / "runs")
    for name in ("run", "runs"):
        page = folder / f"{name}.html"
        call("report", folder / name, "-o", page)
        assert page.stat().st_size > 100_000


def test_a_links_bare_echo_is_kept_there(folder: Path) -> None:
    with Recorder(folder / "run", run_meta()) as recorder:
        recorder.echo(np.arange(5))
    assert (folder / "run" / ECHO_NAME).stat().st_size > 0


def test_networks_are_saved_and_compiled(folder: Path) -> None:
    net = Network(1e-3)
    net.input("e", 2, kind="events")
    net.lif("a", 2, tau_s=0.02)
    net.connect("e", "a", np.ones((2, 2)), delay_steps=1)
    save(net, folder / "net.nir")
    assert "keeps every limit" in call("compile", folder / "net.nir", "--target", "loihi1")
    assert call("compile", folder / "none.nir", "--target", "loihi1", code=2) == ""


@pytest.mark.usefixtures("cortexm")
def test_firmware_is_built_there(folder: Path) -> None:
    test_networks_are_saved_and_compiled(folder)
    told = json.loads(call("build", "cortexm", folder / "net.nir", "-o", folder / "firmware", "--json"))
    assert told["folder"] == escaped(folder / "firmware")
    assert (folder / "firmware" / "firmware.elf").is_file()


@pytest.mark.timeout(240)
def test_a_device_is_reached_and_what_pybullet_cannot_read_is_one_line(folder: Path, monkeypatch) -> None:
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    net = Network(1e-3)
    net.lif("a", 2, tau_s=0.02)
    # The device compiles its kernels where nothing has done so before.
    with UnixLink(Config(start_timeout_s=200.0), "numba", {}) as link:
        assert link.load(net, 1000, Probes()).backend == "numba"
    plant = make_plant(load("cartpole_ladder"))
    with pytest.raises(ScenarioError) as error:
        plant.reset(seed=0)
    plant.close()
    text = str(error.value)
    assert text.startswith(escaped(folder))
    assert "not UTF-8, which PyBullet cannot read from" in text
    assert "TMPDIR" in text
    text.encode("utf-8")
