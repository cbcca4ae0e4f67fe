"""NIR files: networks come back whole, any NIR tool opens them, and bad files give one line, never a crash."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor

import nir
import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings
from network_equality import assert_equal
from random_networks import networks

from hilbench.errors import NetworkError
from hilbench.nal import Network, load, nir_file, save
from hilbench.nal.nir_file import from_nir, to_nir
from hilbench.nal.rules.pes import PES


def learner() -> Network:
    """One of everything that NIR does not say, and an output whose node's name another population has."""
    net = Network(0.001, "euler", spike_amplitude=1000.0, seed=7)
    net.input("x", 2, units=("rad", "rad/s"))
    net.input("e", 1, kind="events")
    net.lif("a", 3, tau_s=[0.02, 0.03, 0.04], v_reset=-0.5, refractory_s=0.002, threshold=">=", output=True)
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


def plain() -> nir.NIRGraph:
    nodes = {
        "i": nir.Input({"input": np.array([2])}),
        "w": nir.Linear(np.ones((2, 2))),
        "o": nir.Output({"output": np.array([2])}),
    }
    return nir.NIRGraph(nodes, [("i", "w"), ("w", "o")])


def foreign(path, kind: str) -> None:
    if kind == "plain":
        nir.write(path, plain())
    elif kind == "text":
        path.write_text("hello")
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "folder":
        path.mkdir()
    elif kind == "other HDF5":
        import h5py

        with h5py.File(path, "w") as file:
            file["numbers"] = np.ones(3)


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("plain", "no execution profile .* dt_s, integrator, reset, spike_amplitude, delays"),
        ("text", "not a readable NIR file"),
        ("empty", "not a readable NIR file"),
        ("other HDF5", "not a readable NIR file"),
        ("folder", "no such file"),
        ("absent", "no such file"),
    ],
)
def test_a_foreign_file_is_refused_in_one_line(tmp_path, kind, says):
    path = tmp_path / "foreign.nir"
    foreign(path, kind)
    with pytest.raises(NetworkError, match=says) as error:
        load(path)
    assert "\n" not in str(error.value)
    assert str(error.value).startswith(str(path))


def test_damaged_files_are_refused_or_still_whole(tmp_path):
    save(learner(), tmp_path / "whole.nir")
    raw = (tmp_path / "whole.nir").read_bytes()
    random = np.random.default_rng(2)
    files = [tmp_path / f"{i}.nir" for i in range(8)]
    for i, file in enumerate(files):
        damaged = bytearray(raw)
        for at in random.integers(0, 4000 if i % 2 else len(raw), 40):
            damaged[at] = random.integers(0, 256)
        file.write_bytes(damaged[: len(raw) // 2] if i == 0 else damaged)

    def outcome(file) -> str:
        try:
            return type(load(file)).__name__
        except NetworkError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(outcome, files))
    assert all(text == "Network" or (".nir: " in text and "\n" not in text) for text in outcomes)
    assert set(outcomes) != {"Network"}


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
        ({"version": 2}, "version"),
        ({"dt_s": -1.0}, "dt_s"),
        ({"dt_s": 0.0015e-3}, "microseconds"),
        ({"colour": "red"}, "colour"),
        ({"populations__b": {}}, "node 'b': named by the profile, absent from the graph"),
        ({"populations__learnt": {}, "projections__learnt": {}}, "node 'learnt': found Linear; allowed: LIF, LI"),
        ({"populations__x_to_a": {}}, "node 'x_to_a': found Affine; allowed: LIF, LI"),
        ({"populations__a__refractory_s": 0.0015}, "refractory_s"),
        ({"projections__a": {}}, "node 'a': found LIF; allowed: Affine, Linear"),
        ({"projections__e_to_a__rule": {"kind": "pess"}}, "did you mean 'pes'"),
        ({"projections__learnt__stored": "mask"}, "synapse mask"),
        ({"outputs__0__size": 4}, "no population gives 4 events"),
        ({"outputs__1": {"name": "a", "size": 3, "kind": "events"}}, "stands twice"),
        ({"inputs__0__size": 3}, "weights: found shape"),
    ],
)
def test_a_profile_that_does_not_fit_its_graph_is_refused(what, says):
    with pytest.raises(NetworkError, match=says) as error:
        from_nir(changed(**what))
    assert "\n" not in str(error.value)


def test_a_node_that_the_profile_does_not_state_is_not_dropped_in_silence():
    graph = to_nir(learner())
    graph.nodes["a2"] = graph.nodes["a"]
    with pytest.raises(NetworkError, match="node 'a2': absent from the profile"):
        from_nir(graph)


def test_an_edge_that_no_projection_stands_for_is_not_dropped_in_silence():
    graph = to_nir(learner())
    graph.edges.append(("a", "y"))
    with pytest.raises(NetworkError, match="edge from 'a' to 'y'"):
        from_nir(graph)


def test_an_edge_too_many_is_refused():
    graph = to_nir(learner())
    graph.edges.append(("e", "x_to_a"))
    with pytest.raises(NetworkError, match="node 'x_to_a': 2 edges in and 1 out"):
        from_nir(graph)


def test_a_profile_broken_in_the_file_is_told_by_the_reading_process(tmp_path):
    path = tmp_path / "net.nir"
    nir.write(path, changed(outputs__0__size=4))
    with pytest.raises(NetworkError, match=r"net\.nir: output 'a': no population gives 4 events of that name$"):
        load(path)


def test_a_projection_too_large_to_be_dense_is_refused_by_name(monkeypatch, tmp_path):
    monkeypatch.setattr(nir_file, "MAX_DENSE_ENTRIES", 5)
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
