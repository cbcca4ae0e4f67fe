"""Networks of whole numbers on Loihi's integers: the reference's spikes in every step, whether > or >= is stated."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.backends.loihi import Loihi, LoihiConfig
from hilbench.backends.reference import Reference
from hilbench.nal import Network
from hilbench.nal.loihi.quantise import from_network
from hilbench.types import EVENT, Empty, Probes, Tick

DT_S, DT_US = 1e-3, 1000
N_EVENTS, N = 4, 12


def whole(threshold: str, seed: int = 0, high: float = 10.0, unit: float = 1.0, **more) -> Network:
    """Integrators that only add whole numbers of `unit`: spikes depend on what happens at the threshold itself."""
    random = np.random.default_rng(seed)
    net = Network(DT_S)
    net.input("e", N_EVENTS, kind="events")
    stated = {"integrator": "discrete", "reset": "zero", "v_threshold": high * unit} | more
    net.add("a", "if", N, threshold_test=threshold, output=True, **stated)
    net.connect("e", "a", unit * random.integers(-3, 6, (N, N_EVENTS)), delay_steps=1)
    net.connect("a", "a", unit * random.integers(-4, 4, (N, N)), delay_steps=2, name="loop")
    return net


def raster(backend, net: Network, n_steps: int) -> np.ndarray:
    """(n_steps, N) spikes under random events."""
    backend.load(net, DT_US, Probes())
    backend.reset(0, "none")
    random, rows = np.random.default_rng(1), []
    for k in range(n_steps):
        active = np.flatnonzero(random.random(N_EVENTS) < 0.4)
        events = np.zeros(active.size, EVENT)
        events["address"] = active
        rows.append(np.bincount(backend.step(Tick(k, events=events)).events["address"], minlength=N))
    return np.array(rows)


def loaded(net: Network, **config):
    return Loihi(LoihiConfig(**config)).load(net, DT_US, Probes())


@pytest.mark.parametrize("threshold", [">", ">="])
def test_every_step_is_the_references(threshold):
    net = whole(threshold)
    expected = raster(Reference(Empty()), net, 1501)
    assert expected.sum() > 2000
    assert np.array_equal(raster(Loihi(LoihiConfig()), net, 1501), expected)
    report = loaded(net)
    assert report.approximated == ()
    assert report.exact == ("a", "e_to_a", "loop")


def test_the_two_comparisons_differ_here():
    found = [raster(Loihi(LoihiConfig()), whole(threshold), 300).sum() for threshold in (">", ">=")]
    assert found[0] < found[1]


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    threshold=st.sampled_from([">", ">="]),
    high=st.integers(1, 60),
    unit=st.sampled_from([1.0, 0.25, 64.0, 3.0]),
    bias=st.integers(-2, 2),
    initial=st.integers(-5, 0),
    refractory=st.integers(0, 3),
    seed=st.integers(0, 2**32 - 1),
)
def test_whole_networks_are_exact(threshold, high, unit, bias, initial, refractory, seed):
    more = {"v_initial": unit * initial, "refractory_s": DT_S * refractory}
    net = whole(threshold, seed, high, unit, **more)
    net.connect("e", "a", np.zeros((N, N_EVENTS)), bias=np.full(N, bias * unit), delay_steps=1, name="constant")
    assert loaded(net).approximated == ()
    assert np.array_equal(raster(Loihi(LoihiConfig()), net, 60), raster(Reference(Empty()), net, 60))


def test_thresholds_may_differ_between_neurons():
    # One register holds the thresholds of all, so weights are counted in parts of their own neuron's: 360360 parts.
    assert "of it, not >=: v moves on no grid" in lines(whole(">=", v_threshold=np.arange(4, 4 + N)))
    two = whole(">=", v_threshold=np.resize([6, 9], N))
    assert loaded(two).approximated == ()
    assert np.array_equal(raster(Loihi(LoihiConfig()), two, 500), raster(Reference(Empty()), two, 500))


def test_a_reset_to_a_value_counts_from_there():
    net = whole(">=", reset="value", v_reset=-2.0)
    assert loaded(net).approximated == ()
    assert np.array_equal(raster(Loihi(LoihiConfig()), net, 500), raster(Reference(Empty()), net, 500))


def lines(net: Network, **config) -> str:
    return "\n".join(loaded(net, **config).approximated)


def test_tenths_are_tenths_and_it_is_said():
    assert "a: its input is read in whole parts of 1/10 of its threshold: off by up to" in lines(whole(">=", unit=0.1))


def test_where_v_keeps_to_no_grid_it_is_said():
    leaky = Network(DT_S)
    leaky.input("e", N_EVENTS, kind="events")
    leaky.lif("a", N, tau_s=0.02, threshold_test=">=", output=True)
    leaky.connect("e", "a", np.ones((N, N_EVENTS)), delay_steps=1)
    assert "of it, not >=: v moves on no grid" in lines(leaky)
    assert "of it, not >=" in lines(whole(">=", high=10.1234))
    assert "of it, not >=" in lines(whole(">="), weight_bits=2, zeros_max=1.0)  # too few bits for these weights
    assert "a: a spike" not in lines(whole(">", high=10.1234))


def test_a_weight_that_reaches_the_threshold_of_a_leaky_neuron_makes_it_fire():
    net = Network(DT_S, integrator="discrete")
    net.input("e", 1, kind="events")
    net.lif("a", 1, tau_s=0.02, threshold_test=">=", reset="zero", output=True)
    net.connect("e", "a", [[1.0]], delay_steps=1)
    for backend in (Reference(Empty()), Loihi(LoihiConfig())):
        backend.load(net, DT_US, Probes())
        backend.reset(0, "none")
        events = np.zeros(1, EVENT)
        assert [len(backend.step(Tick(k, events=events)).events) for k in range(4)] == [0, 1, 1, 1]


def test_a_threshold_of_few_steps_is_not_lowered_where_v_keeps_to_no_grid():
    net = Network(DT_S, integrator="euler")
    net.input("e", 200, kind="events")
    net.lif("a", 1, tau_s=0.002, threshold_test=">=", output=True)
    net.connect("e", "a", np.full((1, 200), 50.0), delay_steps=1)
    # With all 200 inputs v must stay below 2^23: 2^23 / (200 x 50 / 2) / 64 = 26 steps of 64 to the threshold.
    integers, said, *_ = from_network(net)
    assert 13 <= integers.populations["a"].vth <= 26
    assert "a: a spike needs v > v_threshold, not >=: v moves on no grid that the chip can hold" in said
