"""Networks as NIR files with a profile: they come back whole, any NIR tool opens them, and misfits give one line."""

from __future__ import annotations

import json
import os

import nir
import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from network_equality import assert_equal

from hilbench.errors import NetworkError
from hilbench.nal import Network, load, save
from hilbench.nal.nir import export, from_nir
from hilbench.nal.nir.export import to_nir
from hilbench.nal.rules.pes import PES
from hilbench.testing.networks import networks


def learner() -> Network:
    """One of everything that NIR does not say, and an output whose node's name another population has."""
    net = Network(0.001, "euler", spike_amplitude=1000.0, seed=7)
    net.input("x", 2, units=("rad", "rad/s"))
    net.input("e", 1, kind="events")
    net.lif("a", 3, tau_s=[0.02, 0.03, 0.04], v_reset=-0.5, refractory_s=0.002, threshold_test=">=", output=True)
    net.lif("a_output", 2, tau_s=0.02, reset="subtract")
    net.readout("y", 2, tau_s=0.1, units=("N m", "N m"))
    net.connect("x", "a", [[1, 0], [0, 2], [0, 0]], bias=[1, 2, 3])
    net.connect("e", "a", [[0], [1], [0]], delay_steps=4)
    net.connect("a", "a_output", np.ones((2, 3)), delay_steps=1)
    some = scipy.sparse.coo_array(([0.0, 2.0], ([0, 0], [0, 2])), shape=(2, 3))  # a stored 0, and a last row of none
    net.connect("a", "y", some, rule=PES(modulator="error", learning_rate=0.5), name="sparse_learnt")
    net.connect("a_output", "y", np.zeros((2, 2)), rule=PES(modulator="error"), name="learnt")
    return net


def test_a_file_gives_the_network_back(tmp_path):
    path = tmp_path / "net.nir"
    save(learner(), path)
    assert_equal(load(path), learner())
    assert os.listdir(tmp_path) == ["net.nir"]


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(net=networks())
def test_random_networks_come_back_bit_for_bit(tmp_path_factory, net):
    path = tmp_path_factory.getbasetemp() / "random.nir"
    save(net, path)
    assert_equal(from_nir(nir.read(path, type_check=False)), net)  # nir infers no types where no input is connected


def test_any_nir_tool_opens_what_is_saved(tmp_path):
    path = tmp_path / "net.nir"
    save(learner(), path)
    graph = nir.read(path)
    kinds = sorted(type(node).__name__ for node in graph.nodes.values())
    assert kinds == sorted(["Input"] * 2 + ["LIF"] * 2 + ["LI"] + ["Affine"] + ["Linear"] * 4 + ["Output"] * 2)
    np.testing.assert_array_equal(graph.nodes["x_to_a"].weight, [[1, 0], [0, 2], [0, 0]])
    np.testing.assert_array_equal(graph.nodes["a"].tau, np.float32([0.02, 0.03, 0.04]))
    assert {("x", "x_to_a"), ("x_to_a", "a")} <= set(graph.edges)
    profile = json.loads(graph.metadata["hilbench"])
    assert (profile["dt_s"], profile["integrator"], profile["projections"]["e_to_a"]["delay_steps"]) == (
        0.001, "euler", 4,
    )  # fmt: skip


def changed(**what) -> nir.NIRGraph:
    """The learner's graph with its profile changed at some paths, as in populations__a__reset."""
    graph = to_nir(learner())
    profile = json.loads(graph.metadata["hilbench"])
    for path, value in what.items():
        *way, last = path.split("__")
        node = profile
        for key in way:
            node = node[int(key) if isinstance(node, list) else key]
        node[int(last) if isinstance(node, list) else last] = value
    graph.metadata["hilbench"] = json.dumps(profile)
    return graph


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ({"version": 3}, "version: found 3; allowed: 1, 2"),
        ({"dt_s": -1.0}, "dt_s"),
        ({"dt_s": 0.0015e-3}, "microseconds"),
        ({"colour": "red"}, "colour"),
        ({"populations__b": {}}, "node 'b': named by the profile, absent from the graph"),
        ({"populations__learnt": {}}, "node 'learnt': found Linear; allowed: CubaLI, CubaLIF, I, IF"),
        ({"populations__a__behaviour": {"refractory_s": 0.0015}}, "refractory_s"),
        ({"populations__a__behaviour": {"tau_s": 1}}, "'tau_s' is no behaviour; allowed: adapt_step"),
        ({"populations__a__shape": [2, 2]}, r"node 'a': found shape \(3,\); its profile says \(2, 2\)"),
        ({"populations__a__kind": "poisson"}, "node 'a': found LIF; allowed: Threshold"),
        ({"populations__a__kind": "passthrough"}, "node 'a': absent from the profile"),
        ({"projections__e_to_a__target": "b"}, "target: found 'b'"),
        ({"projections__e_to_a__target": "a_output"}, "weights: found shape"),
        ({"projections__e_to_a__form": "scale"}, "node 'e_to_a': found Linear; allowed: Scale"),
        ({"projections__e_to_a__form": "identity"}, "node 'e_to_a': absent from the profile"),
        ({"projections__e_to_a__delay_steps": "array"}, "projection 'e_to_a': its delays are missing"),
        ({"projections__e_to_a__rule": {"kind": "pess"}}, "did you mean 'pes'"),
        ({"projections__learnt__stored": "mask"}, "synapse mask"),
        ({"outputs__a__port__size": 4}, "output 'a': 'a' has 3 values"),
        ({"outputs__a__source": "y"}, "output 'a': 'y' gives values"),
        ({"outputs__a__node": "x"}, "node 'x': found Input; allowed: Output"),
        ({"inputs__x__port__size": 3}, "node 'x': found shape \\(2,\\); its port has 3 values"),
        ({"modulators__0__size": 3}, "modulator 'error' has 3 values"),
        ({"modulators__0__name": "other"}, "modulators"),
    ],
)
def test_a_profile_that_does_not_fit_its_graph_is_refused(what, says):
    with pytest.raises(NetworkError, match=says) as error:
        from_nir(changed(**what))
    assert "\n" not in str(error.value)


def test_a_file_of_hilbench_0_1_opens_still(tmp_path):
    net = Network(0.001, "euler", spike_amplitude=1000.0, seed=7)
    net.input("x", 2, units=("rad", "rad/s"))
    net.lif("a", 3, tau_s=[0.02, 0.03, 0.04], refractory_s=0.002, reset="subtract", threshold_test=">=", output=True)
    net.readout("y", 2, tau_s=0.1, units=("N m", "N m"))
    net.connect("x", "a", [[1, 0], [0, 2], [0, 0]], bias=[1, 2, 3], delay_steps=4)
    net.connect("a", "y", np.zeros((2, 3)), rule=PES(modulator="error"), name="learnt")
    graph = to_nir(net)
    ports = {"units": ["N m", "N m"], "kind": "values"}
    profile = {
        "version": 1, "dt_s": 0.001, "integrator": "euler", "spike_amplitude": 1000.0, "seed": 7,
        "inputs": [{"name": "x", "size": 2, "kind": "values", "units": ["rad", "rad/s"]}],
        "outputs": [{"name": "a", "size": 3, "kind": "events", "units": []}, {"name": "y", "size": 2, **ports}],
        "populations": {
            "a": {"refractory_s": 0.002, "reset": "subtract", "threshold_test": ">="},
            "y": {"refractory_s": 0.0, "reset": "value", "threshold_test": ">"},
        },
        "projections": {
            "x_to_a": {"delay_steps": 4, "rule": None, "stored": "nonzero"},
            "learnt": {
                "delay_steps": 0, "stored": "all",
                "rule": {"kind": "pes", "modulator": "error", "learning_rate": 1e-4, "pre_tau_s": 0.005},
            },
        },
    }  # fmt: skip
    graph.metadata["hilbench"] = json.dumps(profile)
    nir.write(tmp_path / "old.nir", graph)
    assert_equal(load(tmp_path / "old.nir"), net)


def test_a_node_that_the_profile_does_not_state_is_not_dropped_in_silence():
    graph = to_nir(learner())
    graph.nodes["a2"] = graph.nodes["a"]
    with pytest.raises(NetworkError, match="node 'a2': absent from the profile"):
        from_nir(graph)


def test_an_edge_that_no_projection_stands_for_is_not_dropped_in_silence():
    graph = to_nir(learner())
    graph.edges.append(("a", "y"))
    with pytest.raises(NetworkError, match="edge from 'a' to 'y': absent from the profile"):
        from_nir(graph)


def test_an_edge_too_many_is_refused():
    graph = to_nir(learner())
    graph.edges.append(("e", "x_to_a"))
    with pytest.raises(NetworkError, match="edge from 'e' to 'x_to_a': absent from the profile"):
        from_nir(graph)


def test_an_edge_that_is_gone_is_refused():
    graph = to_nir(learner())
    graph.edges.remove(("x", "x_to_a"))
    with pytest.raises(NetworkError, match="edge from 'x' to 'x_to_a': absent from the graph"):
        from_nir(graph)


def test_a_profile_broken_in_the_file_is_told_by_the_reading_process(tmp_path):
    path = tmp_path / "net.nir"
    nir.write(path, changed(outputs__a__port__size=4))
    with pytest.raises(NetworkError, match=r"net\.nir: output 'a': 'a' has 3 values$"):
        load(path)


def test_a_projection_too_large_to_be_dense_is_refused_by_name(monkeypatch, tmp_path):
    monkeypatch.setattr(export, "MAX_DENSE_ENTRIES", 5)
    with pytest.raises(NetworkError, match=r"projection 'x_to_a': .* 3 x 2 is too large"):
        save(learner(), tmp_path / "net.nir")
    assert os.listdir(tmp_path) == []


def test_a_save_that_fails_leaves_the_old_file_and_nothing_else(monkeypatch, tmp_path):
    path = tmp_path / "net.nir"
    save(learner(), path)
    before = path.read_bytes()

    def full(draft, graph):
        with open(draft, "wb") as file:
            file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(nir, "write", full)
    with pytest.raises(NetworkError, match="cannot be written \\(No space left on device\\)"):
        save(learner(), path)
    assert os.listdir(tmp_path) == ["net.nir"]
    assert path.read_bytes() == before


def test_saving_into_no_folder_is_refused(tmp_path):
    with pytest.raises(NetworkError, match="cannot be written"):
        save(learner(), tmp_path / "none" / "net.nir")
