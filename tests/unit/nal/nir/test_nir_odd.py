"""Odd but legal graphs: each opens, comes back whole, or is refused in one line. Nothing is lost unsaid."""

from __future__ import annotations

import warnings

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from network_equality import assert_equal
from nir_graphs import STATED, chain, lif, ones, port, read, write

from hilbench.errors import NetworkError
from hilbench.nal import Network, save
from hilbench.nal.compile.report import compile_network
from hilbench.nal.compile.target import load_target
from hilbench.nal.nir import from_nir
from hilbench.nal.nir.graph import tree_of

EYE = np.eye(2, dtype=np.float32)
LOIHI1 = load_target("loihi1")
SHAPES = [(), (1,), (2,), (1, 2), (2, 1, 1), (0,), (7,)]
ARRAYS = {
    "LIF": {"tau": 0.1, "r": 1, "v_leak": 0, "v_threshold": 1, "v_reset": 0},
    "IF": {"r": 1, "v_threshold": 1, "v_reset": 0},
    "LI": {"tau": 0.1, "r": 1, "v_leak": 0},
    "I": {"r": 1},
    "CubaLI": {"tau_mem": 0.1, "tau_syn": 0.1, "r": 1, "v_leak": 0, "w_in": 1},
    "Threshold": {"threshold": 1},
    "Scale": {"scale": 2},
    "Delay": {"delay": 0.002},
}


def node(kind: str, shape: tuple[int, ...], **more) -> dict:
    return {"type": kind} | {key: np.full(shape, value, np.float32) for key, value in ARRAYS[kind].items()} | more


def in_and_out(kind: str, shape: tuple[int, ...]) -> dict:
    return {"type": kind, "shape": np.array(shape, int)}


def graph(nodes: dict, edges: list[tuple[str, str]], **more) -> dict:
    return {"type": "NIRGraph", "nodes": nodes, "edges": np.array(edges or np.empty((0, 2)), "S20")} | more


class Maker:
    """A file as a tree, and what must not be lost of it."""

    def __init__(self, draw) -> None:
        self.draw, self.nodes, self.edges = draw, {}, []
        self.kept: set[str] = set()
        self.said: set[str] = set()

    def often(self, usual: tuple[int, ...]) -> tuple[int, ...]:
        return self.draw(st.sampled_from([*[usual] * 12, (), (), *SHAPES]))

    def metadata(self, name: str) -> dict:
        if not self.draw(st.integers(0, 3)):
            self.said.add(name)
            return {"metadata": {"colour": self.draw(st.sampled_from(["red", 3, np.ones(2)]))}}
        return {}

    def dynamics(self, name: str, usual: tuple[int, ...]) -> dict:
        self.kept.add(name)
        return node(self.draw(st.sampled_from(list(ARRAYS))), self.often(usual)) | self.metadata(name)

    def subgraph(self, name: str, usual: tuple[int, ...], fed: bool, read: bool) -> dict:
        inner = {"i": in_and_out("Input", self.often(usual)), "o": in_and_out("Output", self.often(usual))}
        inner["n"] = self.dynamics(f"{name}.n", usual)
        self.said |= {f"{name}.i"} if not fed else set()
        self.said |= {f"{name}.o"} if not read else set()
        return graph(inner, [("i", "n"), ("n", "o")], **self.metadata(name))


@st.composite
def odd_files(draw):
    """A chain of nodes and graphs; now and then one stands beside it, which nothing feeds or nothing reads."""
    make, usual = Maker(draw), draw(st.sampled_from(SHAPES[:5]))
    make.nodes["x"] = in_and_out("Input", usual)
    before = "x"
    for i in range(draw(st.integers(1, 3))):
        if draw(st.booleans()):
            make.nodes[f"n{i}"] = make.dynamics(f"n{i}", usual)
        else:
            make.nodes[f"n{i}"] = make.subgraph(f"n{i}", usual, True, True)
        make.edges.append((before, before := f"n{i}"))
    make.nodes["y"] = in_and_out("Output", make.often(usual))
    make.edges.append((before, "y"))
    match draw(st.sampled_from(["", "", "alone", "unread"])):
        case "alone":
            make.nodes["beside"] = make.subgraph("beside", (2,), False, False)
        case "unread":
            make.nodes["beside"] = make.subgraph("beside", usual, True, False)
            make.edges.append(("x", "beside"))
    return graph(make.nodes, make.edges, **make.metadata("of the graph itself")), make.kept, make.said


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(made=odd_files())
def test_an_odd_file_opens_whole_or_is_refused_in_one_line(tmp_path_factory, made):
    tree, kept, said = made
    folder = tmp_path_factory.getbasetemp()
    write(folder / "odd.nir", {"node": tree})
    opens, found = attempt(read, folder / "odd.nir", STATED)
    event("opened" if opens else "refused")
    if not opens:
        assert "\n" not in found
        return
    net, notes = found
    named = {name for note in notes for name in note.partition(": ")[2].split(", ")}
    assert said <= named or any(note.endswith(" and more") for note in notes)
    save(net, folder / "ours.nir")
    written = nir.read(folder / "ours.nir")
    assert {name for name in written.nodes if not isinstance(written.nodes[name], nir.Input | nir.Output)} == kept
    again, _ = read(folder / "ours.nir", {})
    assert_equal(again, net)
    compiles, report = attempt(compile_network, again, "loihi1", LOIHI1)
    assert report.neurons if compiles else "no neurons" in report


def attempt(what, *arguments) -> tuple[bool, object]:
    """Whether it went well, and what came of it; a refusal's words. All else is a fault, and is raised."""
    try:
        return True, what(*arguments)
    except NetworkError as error:
        return False, str(error)


def opened(tmp_path, tree: dict, **more) -> tuple[Network, list[str]]:
    write(tmp_path / "net.nir", {"node": tree})
    net, notes = read(tmp_path / "net.nir", STATED | more)
    save(net, tmp_path / "ours.nir")
    nir.read(tmp_path / "ours.nir")
    assert_equal(read(tmp_path / "ours.nir", {})[0], net)
    return net, notes


def in_a_row(*nodes: dict, shape: tuple[int, ...]) -> dict:
    named = {"in": in_and_out("Input", shape)} | {f"n{i}": n for i, n in enumerate(nodes)}
    named["out"] = in_and_out("Output", shape)
    return graph(named, list(zip(named, list(named)[1:], strict=False)))


def test_a_delay_of_a_single_number_is_every_ones(tmp_path):
    """It ended in a traceback on save."""
    net, _ = opened(tmp_path, in_a_row(node("IF", (1,)), node("Delay", ()), shape=(1,)))
    assert net.projections["n1"].delay_steps == 2
    net, _ = opened(tmp_path, in_a_row(node("IF", (3,)), node("Delay", ()), shape=(3,)))
    assert (net.projections["n1"].delay_steps, net.projections["n1"].weights.shape) == (2, (3, 3))
    np.testing.assert_array_equal(nir.read(tmp_path / "ours.nir").nodes["n1"].delay, np.float32([0.002] * 3))


def test_a_scale_of_a_single_number_is_every_ones(tmp_path):
    net, _ = opened(tmp_path, in_a_row(node("Scale", ()), node("IF", (3,)), shape=(3,)))
    np.testing.assert_array_equal(net.projections["n0"].weights.toarray(), 2 * np.eye(3))


def test_a_shape_of_no_dimensions_is_one_number(tmp_path):
    net, _ = opened(tmp_path, in_a_row(node("Scale", ()), node("LIF", ()), node("Delay", ()), shape=()))
    assert [port.size for port in (*net.inputs, *net.outputs)] == [1, 1]
    assert net.populations["n1"].shape == (1,)
    wrong = in_a_row(node("LIF", (2,)), shape=())
    with pytest.raises(NetworkError, match=r"node 'in' gives shape \(1,\) and node 'n0' takes \(2,\)"):
        opened(tmp_path, wrong)


def test_a_bias_of_a_convolution_may_be_a_single_number(tmp_path):
    conv = nir.Conv2d((4, 4), np.ones((2, 1, 3, 3), np.float32), 1, 0, 1, 1, ones(2)).to_dict()
    conv["bias"] = np.float32(0.5)
    tree = in_a_row(conv, node("IF", (2, 2, 2)), shape=(2, 2, 2))
    tree["nodes"]["in"] = in_and_out("Input", (1, 4, 4))
    np.testing.assert_array_equal(opened(tmp_path, tree)[0].projections["n0"].bias, [0.5] * 8)


def nested(n_in: int, n_out: int, edges=(("i", "c"), ("c", "o"))) -> nir.NIRGraph:
    ports = {"i": port(nir.Input, n_in), "o": port(nir.Output, n_out)}
    return nir.NIRGraph(ports | {"c": lif()}, list(edges), type_check=False)


def test_what_an_inner_port_says_of_its_shape_is_a_note(tmp_path):
    tree = tree_of(chain(nir.Linear(EYE), nested(7, 9)))
    net, notes = opened(tmp_path, tree)
    assert net.populations["n1.c"].shape == (2,)
    assert notes == [
        "this Input of a graph within the graph says shape (7,) and gets (2,), which holds: n1.i",
        "this Output of a graph within the graph says shape (9,) and gets (2,), which holds: n1.o",
    ]
    assert opened(tmp_path, tree_of(chain(nir.Linear(EYE), nested(2, 2))))[1] == []


def test_inner_ports_without_edges_are_notes(tmp_path):
    tree = tree_of(chain(lif()))
    tree["nodes"]["sub"] = tree_of(nested(2, 2))
    assert opened(tmp_path, tree)[1] == [
        "nothing leads to this Input of a graph within the graph: sub.i",
        "nothing leads on from this Output of a graph within the graph: sub.o",
    ]


def test_what_a_graph_says_beside_its_nodes_is_a_note(tmp_path):
    tree = tree_of(chain(nir.Linear(EYE), nested(2, 2)))
    tree |= {"metadata": {"author": "me"}, "colour": 3}
    tree["nodes"]["n1"]["metadata"] = {"author": "me"}
    assert opened(tmp_path, tree)[1] == [
        "metadata is not kept: of the graph itself, n1",
        "colour is not kept: of the graph itself",
    ]
    own = from_nir(chain(lif()), **STATED)
    save(own, tmp_path / "own.nir")
    assert read(tmp_path / "own.nir", {})[1] == []  # the profile is no metadata of other tools


def test_a_neuron_that_never_fires_is_quantised_as_such():
    net = from_nir(chain(nir.Linear(EYE), lif(v_threshold=np.float32([1, np.inf]))), **STATED)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = compile_network(net, "loihi1", LOIHI1)
    assert report.populations[0].threshold < 0.01
