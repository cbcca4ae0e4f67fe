"""Number formats: what can be written exactly stays, the rest moves by no more than the last place allows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.nal import Network
from hilbench.nal.compile.fold import fold
from hilbench.nal.compile.quantise import quantise
from hilbench.nal.compile.target import load_target, targets
from hilbench.testing.networks import networks


def onto_one(weights, kind="lif", **more) -> Network:
    net = Network(0.001)
    net.input("e", np.shape(weights)[1], kind="events")
    tau = {} if kind == "if" else {"tau_s": 0.02}
    net.add("a", kind, len(weights), **tau | more)
    net.connect("e", "a", weights, name="w")
    return net


def quantised(net: Network, name: str):
    found, weights, neurons = quantise(net, load_target(name))
    return found, {w.projection: w for w in weights}, {n.population: n for n in neurons}


def test_weights_on_the_grid_of_loihi_stay():
    net = onto_one([[254.0, -128.0, 2.0]], "li")
    found, weights, _ = quantised(net, "loihi1")
    assert weights["w"].max_abs < 1e-4
    assert found.projections["w"].weights.toarray() == pytest.approx(np.array([[254, -128, 2]]))


def test_mixed_signs_cost_loihi_the_last_bit():
    _, mixed, _ = quantised(onto_one([[254.0, -128.0, 1.0]], "li"), "loihi1")
    assert mixed["w"].max_abs == pytest.approx(1.0, rel=1e-3)
    assert mixed["w"].rms_relative == pytest.approx(1 / np.sqrt(254**2 + 128**2 + 1), rel=1e-3)
    _, same, _ = quantised(onto_one([[255.0, 128.0, 1.0]], "li"), "loihi1")
    assert same["w"].max_abs < 1e-4


def test_a_small_projection_beside_a_large_one_gets_an_exponent_of_its_own():
    net = onto_one([[256.0, -200.0]], "li")
    net.input("f", 2, kind="events")
    net.connect("f", "a", [[2.0, -1.5]], name="small")
    _, weights, _ = quantised(net, "loihi1")
    assert weights["w"].exponent == weights["small"].exponent + 7
    assert weights["small"].rms_relative < 0.01


def test_the_largest_threshold_sets_the_scale_where_weights_would_not():
    # A threshold of 2^17 makes the last place 1, and 2.4 takes 154 / 2^6 with the exponent that still holds it.
    net = onto_one([[1.0, 2.4]], "if", r=1.0, v_threshold=131071.0, integrator="discrete")
    found, _, neurons = quantised(net, "loihi1")
    assert found.projections["w"].weights.toarray() == pytest.approx(np.array([[1.0, 154 / 64]]))
    assert neurons["a"].threshold == pytest.approx(0, abs=1e-6)


def test_truenorth_scales_each_neuron_by_itself():
    net = onto_one([[1.0, 0.5], [1000.0, 3.0]], "li")
    _, weights, _ = quantised(net, "truenorth")
    assert weights["w"].max_abs <= 1000 / 255 / 2
    row = quantise(net, load_target("truenorth"))[0].projections["w"].weights.toarray()[0]
    assert row == pytest.approx([1.0, 0.5], abs=1 / 255)


def test_xylo_rounds_time_constants_to_shifts():
    found, _, neurons = quantised(onto_one([[1.0]], tau_s=0.020, integrator="euler", reset="subtract"), "xylo")
    assert found.populations["a"].tau_s == pytest.approx([0.016])  # 2^4 steps
    assert neurons["a"].tau == pytest.approx(0.2)
    # The effect of an input is kept: r (1 - decay) is what it was.
    assert found.populations["a"].r * 0.001 / 0.016 == pytest.approx(1.0 * 0.001 / 0.020)


def test_loihi_writes_a_leak_in_12_bits():
    _, _, neurons = quantised(onto_one([[1.0]], tau_s=0.001 * 4096 / 205, integrator="euler"), "loihi1")
    assert neurons["a"].tau == pytest.approx(0, abs=1e-6)
    _, _, slow = quantised(onto_one([[1.0]], tau_s=100.0, integrator="euler"), "loihi1")
    assert slow["a"].tau == pytest.approx(1 - 4.096 / 100)  # the slowest leak there is


def test_what_has_no_format_stays_as_it_is():
    net = onto_one([[0.123456, -7.0]])
    found, weights, neurons = quantised(net, "cortexm4")
    assert weights == {}
    assert (found.projections["w"].weights != net.projections["w"].weights).nnz == 0
    assert (neurons["a"].threshold, neurons["a"].tau) == (None, None)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(networks(), st.sampled_from(targets()))
def test_errors_are_those_of_the_network_that_comes_back(net, name):
    net = fold(net)
    found, weights, _ = quantise(net, load_target(name))
    for error in weights:
        before, after = (n.projections[error.projection].weights.data for n in (net, found))
        assert np.abs(after - before).max(initial=0) == pytest.approx(error.max_abs, rel=1e-3, abs=1e-6)
        assert 0 <= error.rms_relative <= 1  # 1: all that is so small became 0
    assert {p: q.size for p, q in found.populations.items()} == {p: q.size for p, q in net.populations.items()}
    assert all((q.tau_s > 0).all() for q in found.populations.values() if q.tau_s is not None)
