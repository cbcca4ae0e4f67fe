"""Chains of linear nodes as other tools export them: one matrix, under the names that the user gave."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import nir
import numpy as np
import pytest

from hilbench.backends.loihi import Loihi, LoihiConfig
from hilbench.backends.reference import Reference
from hilbench.errors import NetworkError
from hilbench.nal import Network, read
from hilbench.nal.compile.fold import exact_parts, fold, folded_for
from hilbench.nal.compile.report import compile_network
from hilbench.nal.compile.target import load_target
from hilbench.nal.nir import from_nir
from hilbench.types import EVENT, Empty, Probes, Tick

RANDOM = np.random.default_rng(4)
FC, FC2 = (RANDOM.integers(0, 5, shape).astype(float) for shape in ((4, 8), (2, 4)))


def cells(n: int) -> nir.IF:
    return nir.IF(r=np.ones(n), v_threshold=np.full(n, 7.0))


def chain(tmp_path: Path, *middle: str, end: bool = True) -> Network:
    """Input (2, 2, 2) -> Flatten -> the middle -> IF (4) [-> Linear -> IF (2)]."""
    nodes = {
        "input": nir.Input({"input": np.array([2, 2, 2])}),
        "flatten": nir.Flatten({"input": np.array([2, 2, 2])}, start_dim=0, end_dim=-1),
        "fc": nir.Linear(FC),
        "scale": nir.Scale(np.array([1.0, 2.0, 1.0, 3.0])),
        "cells": cells(4),
        "fc2": nir.Linear(FC2),
        "last": cells(2),
        "output": nir.Output({"output": np.array([2])}),
    }
    way = ["input", "flatten", *middle, "cells", "fc2", *(["last"] if end else []), "output"]
    graph = nir.NIRGraph({name: nodes[name] for name in way}, list(pairwise(way)))
    nir.write(tmp_path / "net.nir", graph)
    stated = {"dt_s": 1e-3, "integrator": "discrete", "reset": "zero", "threshold_test": ">=", "inputs": "events"}
    return read(tmp_path / "net.nir", **stated)


def spikes(backend, net: Network) -> list[list[int]]:
    backend.load(net, 1000, Probes())
    backend.reset(0, "none")
    random, found = np.random.default_rng(3), []
    for k in range(200):
        active = np.flatnonzero(random.random(8) < 0.2)
        events = np.zeros(active.size, EVENT)
        events["address"] = active
        found.append(sorted(backend.step(Tick(k, events=events)).events["address"].tolist()))
    return found


@pytest.mark.parametrize(
    ("middle", "names"),
    [(("fc",), ["fc", "fc2"]), (("fc", "scale"), ["fc2", "fc+scale"])],
)
def test_a_chain_runs_on_loihi_under_the_users_names(tmp_path, middle, names):
    net = chain(tmp_path, *middle)
    assert sorted(fold(net).projections) == sorted(names)
    assert list(fold(net).populations) == ["cells", "last"]
    report = Loihi(LoihiConfig()).load(net, 1000, Probes())
    heads = {line.partition(": ")[0] for line in report.approximated}
    assert heads <= {*names, "cells", "last"}
    assert "flatten" in report.exact
    assert not any("out" in name for name in report.exact)


def test_it_computes_what_the_reference_does_two_steps_later(tmp_path):
    """All is exact but that a spike without delay acts in the next step: one of the events, one of the cells."""
    net = chain(tmp_path, "fc", "scale")
    expected, found = spikes(Reference(Empty()), net), spikes(Loihi(LoihiConfig()), net)
    assert sum(map(len, expected)) > 100
    assert found[2:] == expected[:-2]


def test_weights_are_recorded_where_they_are_a_matrix_of_their_own(tmp_path):
    net = chain(tmp_path, "fc")
    backend = Loihi(LoihiConfig())
    backend.load(net, 1000, Probes(weights=("fc",), weights_period_s=0.001))
    probed = backend.step(Tick()).probe_values
    np.testing.assert_allclose(probed, net.projections["fc"].weights.data, rtol=1e-6)
    scaled = chain(tmp_path, "fc", "scale")
    with pytest.raises(
        NetworkError, match=r"record.weights: found 'fc', which here is one matrix .* allowed: fc\+scale"
    ):
        Loihi(LoihiConfig()).load(scaled, 1000, Probes(weights=("fc",)))


def test_an_output_that_no_neuron_feeds_is_refused_by_its_own_name(tmp_path):
    with pytest.raises(NetworkError) as error:
        Loihi(LoihiConfig()).load(chain(tmp_path, "fc", end=False), 1000, Probes())
    assert str(error.value).startswith("output 'output': found the sum of 'fc2', which no neuron takes up; allowed on")
    assert "fc2_out" not in str(error.value)


def test_several_ways_through_one_relay_have_names_of_their_own():
    net = Network(1e-3)
    for name in ("e", "f"):
        net.input(name, 2, kind="events")
    net.add("s", "passthrough", 2)
    net.lif("a", 2, tau_s=0.02)
    net.lif("b", 2, tau_s=0.02)
    for name in ("e", "f"):
        net.connect(name, "s", np.eye(2), name=f"from_{name}", delay_steps=np.array([[1, 0], [0, 2]]))
    net.connect("s", "a", np.ones((2, 2)), name="w")
    net.connect("s", "b", np.ones((2, 2)), name="v")
    folded = fold(net)
    plain = {f"from_{source}+{name}" for source in "ef" for name in "wv"}
    assert len(folded.projections) == 8  # each way has two delays
    assert plain < set(folded.projections)
    assert {p.name for p in folded.projections.values()} == set(folded.projections)
    assert exact_parts(net, folded, ["e>from_e+w: off", "f>from_f+v@1: off"]) == ("a", "b")
    assert exact_parts(net, folded, ["from_e+w: off"]) == ("a", "b", "from_f", "v")


def drawn(nodes: dict[str, nir.NIRNode], edges: list[str], inputs: str = "events") -> Network:
    """A graph whose edges are written as "a b", of parts with two lines."""
    kinds = {"x": nir.Input({"input": np.array([2])}), "c": cells(2)} | nodes
    ends = {name: nir.Output({"output": np.array([2])}) for edge in edges for name in edge.split() if name[0] == "o"}
    graph = nir.NIRGraph(kinds | ends, [tuple(edge.split()) for edge in edges])
    return from_nir(graph, dt_s=1e-3, integrator="discrete", reset="zero", inputs=inputs)


def linear() -> nir.Linear:
    return nir.Linear(np.ones((2, 2)))


def test_a_loop_of_linear_nodes_is_named_by_its_nodes():
    """Only b and l are in it; neither relays nor folded projections have a name that a user gave."""
    nodes = {"a": linear(), "b": linear(), "w": linear(), "l": nir.Delay(np.full(2, 1e-3))}
    net = drawn(nodes, ["x a", "a b", "b l", "l b", "b w", "w c", "c o"])
    found = "found a loop of linear nodes without a neuron: 'b', 'l'; allowed"
    with pytest.raises(NetworkError, match=f"^network: {found} on backend 'loihi': a neuron in every loop$"):
        Loihi(LoihiConfig()).load(net, 1000, Probes())
    for target in ("loihi2", "cortexm4"):
        broken = [str(b) for b in compile_network(net, target, load_target(target)).broken]
        assert broken == [f"network: kinds: {found}: a neuron in every loop"]


@pytest.mark.parametrize("inputs", ["values", "events"])
@pytest.mark.parametrize(
    ("nodes", "edges", "says"),
    [
        ({}, ["x o2"], "the input 'x' itself, which the host must pass on"),
        ({"v": linear()}, ["x v", "v o2"], "a sum of inputs, which the host must add up"),
        ({}, ["x o2", "c o2"], "a sum of inputs and other outputs, which the host must add up"),
        ({"v": linear()}, ["c v", "v o2"], "a sum of other outputs, which the host must add up"),
    ],
)
def test_an_output_that_the_host_computes_says_of_what(inputs, nodes, edges, says):
    net = drawn({"w": linear()} | nodes, ["x w", "w c", "c o", *edges], inputs)
    assert compile_network(net, "loihi2", load_target("loihi2")).dropped == [f"output 'o2': {says}"]


def test_an_output_that_copies_an_input_is_refused_as_that():
    net = drawn({"w": linear()}, ["x w", "w c", "c o", "x o2"])
    with pytest.raises(NetworkError, match=r"^output 'o2': found the input 'x' itself, which no neuron takes up"):
        Loihi(LoihiConfig()).load(net, 1000, Probes())


def test_a_delay_is_part_of_the_name_of_what_it_is_folded_into():
    """So that what is said of the one is said of the other, and neither is called exact."""
    net = drawn({"w": linear(), "l": nir.Delay(np.full(2, 2e-3))}, ["x l", "l w", "w c", "c o"])
    folded = fold(net)
    assert list(folded.projections) == ["l+w"]
    assert exact_parts(net, folded, ["l+w: off"]) == ("c",)


@pytest.mark.parametrize("backend", ["loihi", "lava", "cortexm"])
def test_a_network_of_relays_alone_is_refused_where_they_are_folded(backend):
    net = Network(0.001)
    net.input("e", 3)
    net.add("relay", "passthrough", 3)
    net.connect("e", "relay", np.eye(3))
    with pytest.raises(NetworkError, match=f"network: found relays alone; allowed on backend '{backend}': a neuron"):
        folded_for(net, backend)
    with pytest.raises(NetworkError, match="found relays alone"):
        Loihi(LoihiConfig()).load(net, 1000, Probes())
