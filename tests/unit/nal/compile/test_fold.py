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
from hilbench.nal.compile.fold import exact_parts, fold
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
    stated = {"dt_s": 1e-3, "integrator": "discrete", "reset": "zero", "threshold": ">=", "inputs": "events"}
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
    net.add("s", "sum", 2)
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
