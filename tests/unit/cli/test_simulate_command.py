"""`hilbench simulate` and `hilbench check NETWORK.nir`, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import nir
import numpy as np
import pytest
from nir_graphs import chain, lif, looped

from hilbench.cli import main
from hilbench.nal import Network, save
from hilbench.nal.rules.pes import PES

STATED = ("--dt-s", "1e-3", "--integrator", "euler", "--reset", "zero")


def call(*arguments: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    return end.value.code or 0


@pytest.fixture
def net(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A network of another tool in the working directory, and an input of 100 rows for it."""
    monkeypatch.chdir(tmp_path)
    nir.write(tmp_path / "net.nir", chain(lif()))
    (tmp_path / "x.csv").write_text("left,right\n" + "2.5,0\n" * 100)
    return "net.nir"


def test_a_foreign_network_is_fed_and_backends_are_compared(net: str, capsys: pytest.CaptureFixture) -> None:
    """Forward Euler with tau = 1/64 s and I = 2.5: v_k = 2.5 (1 - (1 - 0.064)^k) passes 1 at k = 8."""
    asked = ("simulate", net, "--input", "x.csv", *STATED, "--backend", "numba", "--backend", "reference")
    assert call(*asked, "--out", "out", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    n = 100 // 8
    assert [each["spikes"] for each in said["backends"].values()] == [{"n0": n}, {"n0": n}]
    assert said["comparisons"][0]["spikes_equal"]
    with np.load("out/numba.npz") as arrays:
        np.testing.assert_allclose(arrays["spikes/n0/t_s"], (np.arange(n) * 8 + 7) * 1e-3)
        assert not arrays["spikes/n0/neuron"].any()
    assert json.loads(Path("out/summary.json").read_text())["duration_s"] == 0.1
    assert call(*asked) == 0
    assert "none: all equal" in " ".join(capsys.readouterr().out.split())
    assert call(*asked, "--out", "out") == 2
    assert "holds files already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("net.nir", "--input", "x.csv"), "net.nir: no execution profile in this file, and nothing is guessed"),
        (("net.nir", "--input", "x.csv", *STATED, "--resets", "zero"), "--resets: no such option of simulate"),
        (("net.nir", *STATED), "duration_s: not given"),
        (("net.nir", "--input", "x.csv", *STATED, "--config", '{"loihi": {}}'), "--config: loihi: no such --backend"),
        (("net.nir", "--input", "x.csv", *STATED, "--config", "{"), "--config: found '{'; allowed: JSON, by backend"),
        (("net.nir", "--input", "x.csv", *STATED, "--modulators", "x.csv"), "--modulators: given without --learning"),
        (("none.nir", "--input", "x.csv"), "none.nir: no such file"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(net: str, arguments: tuple[str, ...], line: str, capsys: pytest.CaptureFixture) -> None:
    assert call("simulate", *arguments) == 2
    said = capsys.readouterr().err
    assert line in said
    assert said.count("\n") == 1


def test_check_explains_a_network(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    nir.write(tmp_path / "net.nir", looped())
    asked = ("check", str(tmp_path / "net.nir"), "--dt-s", "1e-3", "--integrator", "euler", "--reset", "subtract")
    assert call(*asked) == 2
    assert "recurrent_delay" in capsys.readouterr().err
    assert call(*asked, "--recurrent-delay", "1", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["neurons"], said["synapses"], said["loops"]) == (2, 6, [["n1"]])
    cells = said["populations"]["n1"]
    assert (cells["times_s"]["tau"], cells["levels"]["v_threshold"]) == ([1 / 64, 1 / 64], [1, 1])
    back = said["projections"]["back"]
    assert (back["weights"], back["density"], back["delay_steps"]) == ([0.5, 1.5], 0.75, [1, 1])
    assert back["constant_input"] == [0.25, 0.25]
    exact = said["backends"]["numba"]
    assert (set(exact["exact"]), exact["approximated"]) == ({"n1", "n0", "back"}, [])
    chip = said["backends"]["loihi"]["approximated"]
    assert "n1: a spike sets v to 0 and takes no threshold away" in chip
    assert said["backends"]["cortexm"]["approximated"] == chip
    assert "resets: found subtract" in said["targets"]["loihi1"]["broken"][0]
    assert said["targets"]["loihi2"]["broken"] == []
    assert call(*asked, "--recurrent-delay", "1") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "loop n1" in printed
    assert "backend numba runs it, all as stated" in printed


def test_check_says_who_refuses_a_network(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    net = Network(1e-3)
    net.input("x", 1, units=("rad",))
    net.lif("cells", 2, tau_s=0.01, refractory_s=2e-3)
    net.connect("x", "cells", [[1.0], [2.0]])
    net.readout("guess", 1, tau_s=0.01)
    net.connect("cells", "guess", [[0.0, 0.0]], rule=PES(learning_rate=1e-3, modulator="error"), name="decode")
    save(net, tmp_path / "net.nir")
    assert call("check", str(tmp_path / "net.nir"), "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["inputs"]["x"] == {"size": 1, "kind": "values", "units": ["rad"]}
    assert said["projections"]["decode"]["rule"] == "PES"
    assert said["modulators"]["error"]["size"] == 1
    assert said["populations"]["cells"]["times_s"]["refractory"] == [2e-3, 2e-3]
    assert "decode" in said["backends"]["loihi"]["refused"]
    assert said["backends"]["cortexm"]["refused"] == ""
    assert said["backends"]["lava"]["not_asked"]


def test_check_keeps_networks_and_scenarios_apart(net: str, capsys: pytest.CaptureFixture) -> None:
    assert call("check", "cartpole_ladder", "--dt-s", "1e-3") == 2
    assert "statements and --json are for networks" in capsys.readouterr().err
    assert call("check", net, *STATED, "--loop.seed", "1") == 2
    assert "a network has no fields of a scenario" in capsys.readouterr().err
