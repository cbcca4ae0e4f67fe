"""A file under a preset: what the preset adds, what the user states over it, and what is refused."""

from __future__ import annotations

import nir
import numpy as np
import pytest

from hilbench.cli import main
from hilbench.errors import NetworkError
from hilbench.nal import load, read

ONES = np.ones(2, np.float32)


def save(path, tau: float, neuron=None) -> None:
    """Two neurons that feed themselves and two more."""
    lif = {"tau": tau * ONES, "r": ONES, "v_leak": 0 * ONES, "v_threshold": ONES, "v_reset": 0 * ONES}
    nodes = {
        "x": nir.Input({"input": np.array([2])}), "a": nir.LIF(**lif), "b": neuron or nir.LIF(**lif),
        "around": nir.Linear(np.eye(2)), "onward": nir.Linear(np.eye(2)), "y": nir.Output({"output": np.array([2])}),
    }  # fmt: skip
    edges = [("x", "a"), ("a", "around"), ("around", "a"), ("a", "onward"), ("onward", "b"), ("b", "y")]
    nir.write(path, nir.NIRGraph(nodes, edges))


@pytest.fixture
def file(tmp_path):
    save(tmp_path / "net.nir", 0.01)
    return tmp_path / "net.nir"


def test_a_preset_states_everything(file):
    net = read(file, preset="snntorch-zero")
    assert net.dt_s == 1e-4
    a, b = (net.populations[name].behaviour for name in "ab")
    assert (a.integrator, a.reset, a.reset_at, a.refractory_s) == ("euler", "zero", "now", 1e-4)  # it feeds itself
    assert (b.integrator, b.reset, b.reset_at, b.refractory_s) == ("euler", "zero", "now", 0)
    assert [net.projections[name].delay_steps for name in ("around", "onward")] == [1, 0]


@pytest.mark.parametrize("name", ["spyx", "lava-float"])
def test_delays_of_a_preset_count_once_around_a_loop(file, name):
    net = read(file, preset=name, dt_s=1e-3, tau_unit="s")
    assert [(net.projections[w].delay_steps, net.projections[w].after_threshold) for w in ("around", "onward")] == [
        (1, False)
    ] * 2


def test_what_is_stated_stands_over_the_preset(file):
    stated = {"dt_s": 1e-3, "reset": "value", "nodes": {"b": {"reset_at": "now"}, "onward": {"delay_steps": 3}}}
    net = read(file, preset="snntorch", **stated)
    a, b = (net.populations[name].behaviour for name in "ab")
    assert (net.dt_s, a.reset, a.reset_at, b.reset, b.reset_at) == (1e-3, "value", "next", "value", "now")
    assert net.projections["onward"].delay_steps == 3


@pytest.mark.parametrize(("unit", "tau_s"), [("s", 20), ("dt", 0.02), ("1/dt", 20_000)])
def test_the_unit_of_time_constants(tmp_path, unit, tau_s):
    save(tmp_path / "net.nir", 20)
    net = read(tmp_path / "net.nir", preset="sinabs", dt_s=1e-3, tau_unit=unit)
    np.testing.assert_allclose(net.populations["a"].tau_s, tau_s, rtol=1e-6)


@pytest.mark.parametrize(
    ("tau", "stated", "says"),
    [
        (0.01, {"preset": "nors"}, "preset: found 'nors'; .*did you mean 'norse'"),
        (0.01, {"preset": "nengo"}, "preset 'nengo' leaves the network step open; state dt_s"),
        (1e-5, {"preset": "norse"}, "node 'a': tau_s: found 1e-05; .*0.001 s or more.*tau_unit"),
    ],
)
def test_refusals(tmp_path, tau, stated, says):
    save(tmp_path / "net.nir", tau)
    with pytest.raises(NetworkError, match=says):
        read(tmp_path / "net.nir", **stated)


def test_a_kind_that_a_framework_has_not(tmp_path):
    save(tmp_path / "net.nir", 0.01, nir.I(ONES))
    with pytest.raises(NetworkError, match="node 'b': preset 'norse': this preset says nothing of a i; allowed: "):
        read(tmp_path / "net.nir", preset="norse")


def test_a_kind_that_a_framework_has_not_can_be_stated_in_full(tmp_path):
    save(tmp_path / "net.nir", 0.01, nir.I(ONES))
    net = read(tmp_path / "net.nir", preset="norse", nodes={"b": {"integrator": "exact"}})
    assert net.populations["b"].behaviour.integrator == "exact"
    assert net.populations["a"].behaviour == read(tmp_path / "net.nir", preset="norse", integrator="euler",
                                                  ).populations["a"].behaviour  # fmt: skip


def test_the_command_saves_what_a_preset_means(file, capsys):
    with pytest.raises(SystemExit) as end:
        main(["import", str(file), "--preset", "norse", "--out", str(file.with_name("out.nir"))])
    assert not end.value.code
    said = capsys.readouterr().out
    assert "norse" in said
    for what in ("euler", "reset value", "threshold_test >", "0.001 s"):
        assert what in said
    assert (
        load(file.with_name("out.nir")).populations["a"].behaviour
        == read(file, preset="norse").populations["a"].behaviour
    )
