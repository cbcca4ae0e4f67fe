"""What rounding erases: one large weight among small ones, told by every report that quantises."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.backends.loihi import Loihi, LoihiConfig
from hilbench.backends.reference import Reference
from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.compile.report import compile_network
from hilbench.nal.compile.target import load_target
from hilbench.nal.compile.zeros import Inputless, Zeros, check_zeros, too_many
from hilbench.nal.loihi.quantise import from_network
from hilbench.types import EVENT, Empty, Probes, Tick


def outweighed(large: float = 300.0, **more) -> Network:
    """20 x 12 weights of 0.2 to 0.6 and one that sets the scale: 300 / 255 / 2 = 0.588 is the least that is kept."""
    net = Network(0.001)
    net.input("e", 12, kind="events")
    net.lif("a", 20, tau_s=0.02, output=True)
    weights = np.random.default_rng(0).uniform(0.2, 0.6, (20, 12))
    weights[3, 4] = large
    net.connect("e", "a", weights, delay_steps=1, name="w", **more)
    return net


def kept(net: Network) -> np.ndarray:
    """Which weights stay, by the arithmetic of 8 bits with one sign."""
    weights = net.projections["w"].weights.toarray()
    return np.rint(weights / (weights.max() / 255)) != 0


def test_the_engine_says_what_it_erases_and_refuses_beyond_a_share():
    net = outweighed()
    there = kept(net)
    silent = np.flatnonzero(~there.any(axis=1)).tolist()
    assert there.sum() == 11
    assert len(silent) == 11
    made = from_network(net)
    assert made.zeros == [Zeros("w", 229, 240)]
    assert made.inputless == [Inputless("a", tuple(silent), 20)]
    assert np.array_equal(made.integers.projections["w"].weights.toarray() != 0, there)
    says = (
        r"projection 'w': 229 of 240 weights become 0; allowed: up to 50% \(zeros_max\); a: 11 of 20 neurons lose all"
    )
    with pytest.raises(NetworkError, match=says):
        Loihi(LoihiConfig()).load(net, 1000, Probes())
    report = Loihi(LoihiConfig(zeros_max=0.96)).load(net, 1000, Probes())
    assert report.warnings == (
        "w: 229 of 240 weights become 0",
        f"a: 11 of 20 neurons lose all their input: {', '.join(map(str, silent[:8]))}, ...",
    )
    assert set(report.warnings) < set(report.approximated)


def test_a_network_that_is_kept_is_not_warned_of():
    report = Loihi(LoihiConfig()).load(outweighed(0.5), 1000, Probes())
    assert report.warnings == ()
    assert from_network(outweighed(0.5)).zeros == [Zeros("w", 0, 240)]


def test_other_input_keeps_a_neuron():
    assert from_network(outweighed(bias=np.ones(20))).inputless == []
    net = outweighed()
    net.input("x", 1)
    net.connect("x", "a", np.ones((20, 1)))
    assert from_network(net).inputless == []
    few = outweighed()
    few.connect("e", "a", np.eye(20, 12), delay_steps=1, name="own")
    assert min(from_network(few).inputless[0].neurons) >= 12


def test_a_compiled_report_counts_the_same():
    net = outweighed()
    report = compile_network(net, "loihi1", load_target("loihi1"))
    (error,) = report.weights
    assert (error.zeros, error.of) == (229, 240)
    assert report.populations[0].inputless == tuple(np.flatnonzero(~kept(net).any(axis=1)))
    assert report.erased[0] == "w: 229 of 240 weights become 0"
    assert report.erased[1].startswith("a: 11 of 20 neurons lose all their input: ")
    assert compile_network(net, "cortexm4", load_target("cortexm4")).erased == []


def test_the_share_itself_is_allowed():
    zeros = [Zeros("w", 5, 10), Zeros("z", 0, 0)]
    assert too_many(zeros, 0.5) == []
    assert check_zeros(zeros, [], 0.5) == ("w: 5 of 10 weights become 0",)
    assert too_many(zeros, 0.49) == ["projection 'w': 5 of 10 weights become 0; allowed: up to 49% (zeros_max)"]


def apart(highest: float = 1e6, low: float = 1.0, **more) -> Network:
    """20 neurons: thresholds of `low`, and one that sets the scale."""
    net = Network(0.001)
    net.input("e", 4, kind="events")
    net.lif("a", 20, tau_s=0.02, v_threshold=np.r_[highest, np.full(19, low)], output=True, **more)
    net.connect("e", "a", np.random.default_rng(0).uniform(5, 9, (20, 4)), delay_steps=1, name="w")
    return net


@pytest.mark.parametrize("name", ["loihi1", "loihi2"])
def test_thresholds_that_become_0_are_counted_as_weights_are(name):
    report = compile_network(apart(), name, load_target(name))
    lost = Zeros("a", 19, 20, "thresholds")
    assert report.populations[0].lost == lost
    assert report.erased == ["a: 19 of 20 thresholds become 0, counted from the reset"]
    assert too_many([lost], 0.95) == []
    assert too_many([lost], 0.94) == [f"population 'a': {lost.lost}; allowed: up to 94% (zeros_max)"]
    assert compile_network(apart(100.0), name, load_target(name)).erased == []


def test_thresholds_that_fall_to_the_reset_are_counted():
    """From a reset of -5 on, thresholds of -4 are 1 high; those that are the reset itself, or infinite, are none."""
    report = compile_network(apart(1e6, -4.0, v_reset=-5.0, v_leak=-5.0), "loihi1", load_target("loihi1"))
    assert report.populations[0].lost == Zeros("a", 19, 20, "thresholds")
    never = compile_network(apart(np.inf), "loihi1", load_target("loihi1"))
    assert never.populations[0].lost == Zeros("a", 0, 19, "thresholds")
    assert compile_network(apart(), "cortexm4", load_target("cortexm4")).populations[0].lost.of == 0


def test_on_load_thresholds_are_kept_and_what_they_cost_is_told():
    """Weights onto the neuron of 1e6 are 9e-6 of its threshold, and become 0; the others fire as in the reference."""
    backends = Reference(Empty()), Loihi(LoihiConfig())
    events = np.array([(1000 * k, k % 4) for k in range(15)], EVENT)
    fired = []
    for backend in backends:
        report = backend.load(apart(), 20_000, Probes())
        backend.reset(0, "none")
        fired.append(backend.step(Tick(events=events)).events["address"])
    assert report.warnings == ("w: 4 of 80 weights become 0", "a: 1 of 20 neurons lose all their input: 0")
    assert fired[0].size > 19
    assert sorted(fired[0]) == sorted(fired[1])
