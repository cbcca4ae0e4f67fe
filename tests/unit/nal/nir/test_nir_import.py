"""Graphs of other tools: what is stated gives one network, and the same graph goes out again."""

from __future__ import annotations

import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from network_equality import assert_equal
from nir_graphs import STATED, chain, lif, looped, ones, port
from random_graphs import DT_S, graphs

from hilbench import plugins
from hilbench.errors import NetworkError
from hilbench.nal import Network, load, read, save
from hilbench.nal.nir import from_nir, read_with_notes
from hilbench.nal.nir.export import to_nir
from hilbench.nal.nir.graph import graph_of, tree_of
from hilbench.nal.nir.hdf5 import read_tree
from hilbench.types import EVENT, Empty, Probes, Tick

RELAXED = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def same_graph(found: nir.NIRGraph, expected: nir.NIRGraph) -> None:
    """The same nodes with the same numbers, and the same edges."""
    assert set(found.edges) == set(expected.edges)
    assert len(found.edges) == len(expected.edges)
    assert set(found.nodes) == set(expected.nodes)
    for name, node in expected.nodes.items():
        assert type(found.nodes[name]) is type(node)
        ours, theirs = found.nodes[name].to_dict(), node.to_dict()
        assert ours.keys() == theirs.keys()
        for key in ours:
            np.testing.assert_array_equal(ours[key], theirs[key], err_msg=f"{name}.{key}")
            assert np.asarray(ours[key]).dtype.kind == np.asarray(theirs[key]).dtype.kind


@RELAXED
@given(graph=graphs())
def test_any_graph_goes_out_as_it_came_in(tmp_path_factory, graph):
    path = tmp_path_factory.getbasetemp() / "random.nir"
    net = from_nir(graph, **STATED)
    written = to_nir(net)
    same_graph(written, graph)
    nir.write(path, written)
    same_graph(nir.read(path), graph)  # with the library's own checks of types
    assert_equal(from_nir(nir.read(path)), net)


@RELAXED
@given(graph=graphs())
def test_files_are_read_as_the_library_reads_them(tmp_path_factory, graph):
    path = tmp_path_factory.getbasetemp() / "random.nir"
    nir.write(path, graph)
    ours, theirs = graph_of(read_tree(path)), graph_of(tree_of(nir.read(path, type_check=False)))
    assert ours.edges == theirs.edges
    assert list(ours.nodes) == list(theirs.nodes)
    for name, node in ours.nodes.items():
        assert node.type == theirs.nodes[name].type
        assert node.settings == theirs.nodes[name].settings
        for key, value in node.arrays.items():
            np.testing.assert_array_equal(value, theirs.nodes[name].arrays[key], strict=True)


def test_the_round_trip_through_files(tmp_path):
    nir.write(tmp_path / "theirs.nir", looped())
    net = read(tmp_path / "theirs.nir", **STATED)
    save(net, tmp_path / "ours.nir")
    assert_equal(load(tmp_path / "ours.nir"), net)
    same_graph(nir.read(tmp_path / "ours.nir"), nir.read(tmp_path / "theirs.nir"))


def replies(net: Network, n_ticks: int = 12) -> list[tuple[list, list]]:
    backend = plugins.get("backends", "reference")(Empty())
    backend.load(net, 4 * net.dt_us, Probes())
    random = np.random.default_rng(3)
    values = sum(p.size for p in net.inputs if p.kind == "values")
    addresses = sum(p.size for p in net.inputs if p.kind == "events")
    found = []
    for seq in range(n_ticks):
        events = np.zeros(6 if addresses else 0, EVENT)
        events["address"] = random.integers(0, addresses or 1, events.size)
        tick = Tick(seq, events=events, values=random.integers(-4, 9, values).astype(np.float32))
        reply = backend.step(tick)
        found.append((reply.events.tolist(), reply.values.tolist()))
    return found


def test_a_chain_of_matrices_is_their_product():
    weight, scale = np.array([[1, 2], [3, -4], [5, 6]], np.float32), np.array([2, 3, 0.5], np.float32)
    last = np.array([[1, 0, 2], [0, 1, 1]], np.float32)
    net = from_nir(chain(nir.Linear(weight), nir.Scale(scale), nir.Affine(last, ones(2)), lif()), **STATED)
    short = from_nir(chain(nir.Affine(last @ np.diag(scale) @ weight, ones(2)), lif()), **STATED)
    assert [p.kind for p in net.populations.values()] == ["lif", "passthrough", "passthrough"]
    assert [p.kind for p in short.populations.values()] == ["lif"]
    assert replies(net) == replies(short)
    assert any(events for events, _ in replies(net))


def test_what_meets_is_added_and_what_forks_is_not():
    nodes = {
        "in": port(nir.Input, 2),
        "more": port(nir.Input, 2),
        "a": nir.Scale(2 * ones(2)),
        "b": nir.Scale(3 * ones(2)),
    }
    nodes |= {"sum": nir.Scale(ones(2)), "out": port(nir.Output, 2), "raw": port(nir.Output, 2)}
    edges = [("in", "a"), ("in", "b"), ("more", "b"), ("a", "sum"), ("b", "sum"), ("sum", "out"), ("in", "raw")]
    net = from_nir(nir.NIRGraph(nodes, edges, type_check=False), dt_s=DT_S)
    for _, values in replies(net, 3):
        x = np.array(values[2:])
        assert net.output_sources == {"out": "sum_out", "raw": "raw_in"}
        more = (np.array(values[:2]) - 5 * x) / 3
        assert np.all(more == np.round(more))
    random = np.random.default_rng(3)
    first = random.integers(-4, 9, 4).astype(float)
    np.testing.assert_allclose(replies(net, 1)[0][1], [*(5 * first[:2] + 3 * first[2:]), *first[:2]])


@pytest.mark.parametrize(("delay", "steps", "after_threshold"), [(1, 1, False), (0, 0, True)])
def test_a_loop_is_closed_as_stated(delay, steps, after_threshold):
    net = from_nir(looped(), **STATED | {"recurrent_delay": delay})
    back = net.projections["back"]
    assert (back.delay_steps, back.after_threshold) == (steps, after_threshold)
    others = [p for p in net.projections.values() if p is not back]
    assert all((p.delay_steps, p.after_threshold) == (0, False) for p in others)
    by_hand = Network(DT_S, "euler")
    by_hand.input("in", 2)
    by_hand.lif("n1", 2, tau_s=1 / 64, reset="subtract")
    by_hand.connect("in", "n1", [[3, 1], [0, 2]])
    by_hand.connect("n1", "n1", [[1.5, 0.5], [0, 1]], bias=0.25, delay_steps=steps, after_threshold=after_threshold)
    by_hand.output("out", "n1")
    assert replies(net) == replies(by_hand)


def test_a_loop_through_a_delay_needs_no_other():
    graph = looped(nir.Delay(np.array([0.002, 0.003], np.float32)))
    net = from_nir(graph, dt_s=DT_S, integrator="exact", reset="zero")
    np.testing.assert_array_equal(net.projections["back"].delay_steps, [2, 3])
    same_graph(to_nir(net), graph)


def test_a_loop_that_closes_before_a_matrix_can_have_a_delay_alone():
    graph = chain(nir.Linear(np.eye(2, dtype=np.float32)), lif())
    graph.edges.append(("n1", "n0"))
    net = from_nir(graph, **STATED)
    assert {name: p.delay_steps for name, p in net.projections.items()} == {"n0": 0, "in_to_n0_in": 0, "n1_to_n0_in": 1}
    with pytest.raises(NetworkError, match="recurrent_delay: found 0, but the loop closes at 'n0_in'"):
        from_nir(graph, **STATED | {"recurrent_delay": 0})


def test_a_delay_is_whole_steps_or_is_refused():
    with pytest.raises(NetworkError, match=r"node 'n0': delay: found 0.0015 s; allowed: whole steps of 0.001 s"):
        from_nir(chain(nir.Delay(np.array([0.001, 0.0015])), lif()), **STATED)
    with pytest.raises(NetworkError, match=r"node 'n0': delay: found -0.001 s"):
        from_nir(chain(nir.Delay(np.array([0.001, -0.001])), lif()), **STATED)


def test_a_nested_graph_is_its_nodes():
    inner = nir.NIRGraph(
        {"input": port(nir.Input, 2), "cell": lif(), "w": nir.Linear(np.eye(2)), "output": port(nir.Output, 2)},
        [("input", "cell"), ("cell", "w"), ("w", "cell"), ("cell", "output")], type_check=False,
    )  # fmt: skip
    net = from_nir(chain(nir.Linear(2 * np.eye(2)), inner, inner), **STATED)
    assert list(net.populations) == ["n1.cell", "n2.cell"]
    edges = {(p.source, p.target) for p in net.projections.values()}
    assert edges == {("in", "n1.cell"), *(2 * [("n1.cell", "n1.cell")]), ("n1.cell", "n2.cell"), ("n2.cell", "n2.cell")}
    assert_equal(from_nir(to_nir(net)), net)


def test_names_that_no_part_can_have_are_replaced():
    graph = chain(lif())
    graph.nodes = {{"n0": "the cells"}.get(name, name): node for name, node in graph.nodes.items()}
    graph.edges = [("in", "the cells"), ("the cells", "out")]
    assert list(from_nir(graph, **STATED).populations) == ["the_cells"]


def test_a_pooling_of_what_is_no_image_is_not_saved():
    pool = nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))
    image = from_nir(chain(pool, n_in=(1, 4, 4), n_out=(1, 2, 2)), dt_s=DT_S)
    net = Network(DT_S)
    net.input("in", 16)
    net.add("y", "li", 4, tau_s=0.1)
    net.connect("in", "y", image.projections["n0"].weights, name="pool", form=image.projections["n0"].form)
    with pytest.raises(NetworkError, match=r"projection 'pool': takes shape \(1, 4, 4\) and 'in' gives \(16,\)"):
        to_nir(net)


def test_every_convention_can_be_stated():
    graph = chain(nir.Linear(np.eye(2)), nir.IF(ones(2), 3 * ones(2)), nir.Threshold(ones(2)))
    net = from_nir(
        graph, dt_s=DT_S, integrator="discrete", reset="zero", threshold_test=">=", spikes="multiple",
        refractory_s=0.002, spike_amplitude="impulse", inputs={"in": "events"}, seed=5,
        nodes={"n0": {"delay_steps": [[1, 9], [9, 3]]}, "n1": {"v_floor": -3.0, "v_initial": [1.0, 2.0]},
               "n2": {"kind": "poisson"}},
    )  # fmt: skip
    cells = net.populations["n1"].behaviour
    assert (cells.integrator, cells.reset, cells.threshold_test, cells.spikes) == ("discrete", "zero", ">=", "multiple")
    assert (cells.refractory_s, cells.v_floor, net.spike_amplitude, net.seed) == (0.002, -3.0, 1000.0, 5)
    np.testing.assert_array_equal(net.populations["n1"].v_initial, [1, 2])
    assert (net.populations["n2"].kind, net.inputs[0].kind) == ("poisson", "events")
    np.testing.assert_array_equal(net.projections["n0"].delay_steps, [1, 3])
    assert_equal(from_nir(to_nir(net)), net)


def test_an_integer_neuron_fires_at_its_threshold_in_the_step_of_its_input():
    graph = chain(nir.Linear(np.eye(2)), nir.IF(ones(2), np.float32([2, 3])))
    net = from_nir(graph, dt_s=DT_S, integrator="discrete", reset="zero", threshold_test=">=", inputs="events")
    backend = plugins.get("backends", "reference")(Empty())
    backend.load(net, net.dt_us, Probes())
    two = np.array([(0, 0), (0, 0), (0, 1), (0, 1)], EVENT)
    assert backend.step(Tick(0, events=two)).events["address"].tolist() == [0]
    assert backend.step(Tick(1, events=two[2:3])).events["address"].tolist() == [1]


def test_graded_spikes_leave_as_values():
    net = from_nir(chain(lif()), **STATED, spikes="graded")
    assert net.outputs[0].kind == "values"


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({}, r"state dt_s \(.*, integrator \(exact, euler or discrete\), reset \(.*, recurrent_delay \(0 or 1, for the"
             r" loop from 'back' to 'n1'\): hilbench import FILE --dt-s ... --integrator ... --reset ... --recurr"),
        ({"dt_s": 1e-3, "reset": "zero", "integrator": "exact"}, r"guessed; state recurrent_delay \(0 or 1"),
        (STATED | {"integrator": "euelr"}, "integrator"),
        (STATED | {"recurrent_delay": 2}, "recurrent_delay"),
        (STATED | {"colour": 1}, "colour: nothing of this name can be stated"),
        (STATED | {"dt_s": 1.5e-6}, "whole number of microseconds"),
        (STATED | {"inputs": {"im": "events"}}, "inputs: found 'im'; allowed: in"),
        (STATED | {"nodes": {"n9": {}}}, "nodes: found 'n9'; allowed: back, in, n0, n1, out"),
        (STATED | {"nodes": {"n1": {"rest": 1}}}, "nodes: n1: found 'rest'.*did you mean 'reset'"),
        (STATED | {"nodes": {"n1": {"reset": "one"}}}, "node 'n1': reset: found 'one'"),
        (STATED | {"nodes": {"n1": {"kind": "poisson"}}}, "nodes: n1: found 'kind'"),
        (STATED | {"nodes": {"back": {"reset": "zero"}}}, "back: found 'reset'; allowed: after_threshold, delay_steps"),
        (STATED | {"nodes": {"back": {"delay_steps": -1}}}, "projection 'back'|delay_steps"),
        (STATED | {"refractory_s": 0.0005}, "refractory_s"),
        (STATED | {"reset_at": "next", "refractory_s": 0.001}, "found 0.001; allowed with reset_at 'next': 0"),
    ],
)  # fmt: skip
def test_what_is_stated_wrongly_or_not_at_all_is_one_line(stated, says):
    with pytest.raises(NetworkError, match=says) as error:
        from_nir(looped(), **stated)
    assert "\n" not in str(error.value)


def test_only_what_a_graph_needs_must_be_stated():
    net = from_nir(chain(nir.Scale(ones(2))), dt_s=DT_S)
    assert [p.kind for p in net.populations.values()] == ["passthrough"]


def test_a_profile_is_not_stated_over():
    with pytest.raises(NetworkError, match="carries an execution profile already"):
        from_nir(to_nir(from_nir(looped(), **STATED)), **STATED)


def test_notes_say_what_the_file_did_not(tmp_path):
    graph = chain(nir.Linear(np.eye(2) / 3), lif(tau=np.array([0.01, 0.5])))
    graph.nodes["n1"].metadata["colour"] = "red"
    graph.nodes["the end"], graph.edges[-1] = port(nir.Output, 1, 2), ("n1", "the end")
    del graph.nodes["out"]
    nir.write(tmp_path / "net.nir", graph)
    stated = STATED | {"nodes": {"n1": {"v_initial": np.array([0.5, 0])}}}
    net, notes = read_with_notes(tmp_path / "net.nir", stated)
    np.testing.assert_array_equal(net.populations["n1"].v_initial, [0.5, 0])
    assert notes == [
        "numbers are rounded to float32, 2 of weight: n0",
        "metadata is not kept: n1",
        "numbers are rounded to float32, 1 of tau: n1",
        "the shape of an Output is saved as (2,), not (1, 2): the end",
        "the node 'the end' is named the_end",
    ]


@st.composite
def conventions(draw):
    return {
        "integrator": draw(st.sampled_from(["exact", "euler", "discrete"])),
        "synapse_update": draw(st.sampled_from(["before", "after"])),
        "reset": draw(st.sampled_from(["value", "zero", "subtract"])),
        "reset_at": draw(st.sampled_from(["now", "next"])),
        "threshold_test": draw(st.sampled_from([">", ">="])),
        "spikes": draw(st.sampled_from(["single", "multiple", "graded"])),
        "recurrent_delay": 1,
        "inputs": draw(st.sampled_from(["values", "events"])),
    }


@RELAXED
@given(graph=graphs(), stated=conventions())
def test_every_statement_comes_back(graph, stated):
    net = from_nir(graph, dt_s=DT_S, **stated)
    assert_equal(from_nir(to_nir(net)), net)


def test_single_numbers_count_for_all_neurons():
    graph = chain(nir.Linear(np.eye(2)), nir.LIF(*(np.array(x, np.float32) for x in (0.1, 1, 0, 1, 0))))
    p = from_nir(graph, **STATED).populations["n1"]
    assert p.shape == (2,)
    np.testing.assert_array_equal(p.tau_s, np.float32([0.1, 0.1]))


@pytest.mark.parametrize(
    ("shape", "conv", "out"),
    [
        ((4, 5, 5), {"weight": np.ones((6, 2, 3, 3)), "groups": 2}, (6, 3, 3)),
        ((1, 5, 5), {"weight": np.ones((1, 1, 3, 2))}, (1, 3, 4)),
        ((1, 5, 5), {"weight": np.ones((1, 1, 3, 3)), "padding": "same"}, (1, 5, 5)),
        ((1, 5, 5), {"weight": np.ones((1, 1, 3, 3)), "dilation": (2, 1), "stride": (1, 2)}, (1, 1, 2)),
    ],
)
def test_a_convolution_has_the_shape_that_pytorch_gives_it(tmp_path, shape, conv, out):
    fields = {"input_shape": shape[1:], "stride": 1, "padding": 0, "dilation": 1, "groups": 1} | conv
    graph = chain(nir.Conv2d(**fields, bias=np.arange(out[0], dtype=np.float32)), n_in=shape, n_out=out)
    net = from_nir(graph, dt_s=DT_S)
    assert net.populations["n0_out"].shape == out
    nir.write(tmp_path / "net.nir", to_nir(net))
    same_graph(nir.read(tmp_path / "net.nir", type_check=False), graph)
    assert_equal(load(tmp_path / "net.nir"), net)


def test_a_delay_keeps_the_seconds_that_its_steps_do_not_give():
    graph = chain(nir.Delay(np.array([0.001, 0.00200000047], np.float32)), lif())
    net = from_nir(graph, **STATED)
    np.testing.assert_array_equal(net.projections["n0"].delay_steps, [1, 2])
    same_graph(to_nir(net), graph)
    assert_equal(from_nir(to_nir(net)), net)


def test_an_edge_that_does_more_than_an_edge_is_not_saved():
    net = from_nir(chain(lif()), **STATED)
    edge = net.projections["in_to_n0"]
    net.connect("in", "n0", 2 * edge.weights, name="twice", form=edge.form)
    with pytest.raises(NetworkError, match="projection 'twice': form 'identity'; allowed"):
        to_nir(net)
    net = from_nir(chain(lif()), **STATED)
    net.connect("in", "n0", edge.weights, name="twice", form=edge.form)
    with pytest.raises(NetworkError, match="'in' leads to 'n0' in two ways"):
        to_nir(net)
