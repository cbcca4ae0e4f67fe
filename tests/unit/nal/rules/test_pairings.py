"""Nearest-spike and inhibitory STDP against sums over spike times."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest

from hilbench import plugins
from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.rules.stdp_inhibitory import STDPInhibitory
from hilbench.nal.rules.stdp_nearest import STDPNearest
from hilbench.types import EVENT, Probes, Tick

DT_S, N_STEPS = 0.001, 400


@pytest.fixture(params=["numba", "reference"])
def engine(request):
    cls = plugins.get("backends", request.param)
    return cls(cls.Config())


def trains() -> tuple[list[int], list[int]]:
    """Steps of presynaptic and postsynaptic spikes; some fall into one step."""
    random = np.random.default_rng(4)
    pre, post = (np.flatnonzero(random.random(N_STEPS - 10) < 0.15).tolist() for _ in range(2))
    assert len({*pre} & {*post}) >= 3
    return pre, post


def change(engine, rule, pre, post, after_threshold=False, delay_steps=0, w=0.0) -> float:
    """What a weight has changed by after these spikes; its own synapse never makes the target fire."""
    net = Network(DT_S)
    net.input("pre", 1, kind="events")
    net.input("teacher", 1, kind="events")
    net.lif("post", 1, tau_s=1e-7, v_threshold=50.0)
    more = {"after_threshold": after_threshold, "delay_steps": delay_steps}
    net.connect("pre", "post", [[w]], rule=rule, name="w", **more)
    net.connect("teacher", "post", [[100]])
    engine.load(net, N_STEPS * net.dt_us, Probes(spikes=("post",)))
    both = [(1000 * step, line) for line, steps in enumerate((pre, post)) for step in steps]
    reply = engine.step(Tick(events=np.array(sorted(both), EVENT)))
    assert len(reply.probe_events) == len(post)
    return float(engine.snapshot()["weights/w"][0]) - w


@pytest.mark.parametrize("after_threshold", [False, True])
@pytest.mark.parametrize("delay_steps", [0, 4])
def test_each_spike_pairs_with_the_last_one_of_the_other_side(engine, after_threshold, delay_steps):
    """An arriving spike of the target's step comes before its spike, and after it where it acts after the test."""
    rule = STDPNearest(a_plus=0.01, a_minus=0.012, tau_plus_s=0.017, tau_minus_s=0.034, w_min=-10.0, w_max=10.0)
    pre, post = trains()
    arrivals, expected = [step + delay_steps for step in pre], 0.0
    for t in arrivals:
        earlier = [p for p in post if (p <= t if after_threshold else p < t)]
        expected -= 0.012 * exp(-(t - max(earlier)) / 34) if earlier else 0.0
    for t in post:
        earlier = [a for a in arrivals if (a < t if after_threshold else a <= t)]
        expected += 0.01 * exp(-(t - max(earlier)) / 17) if earlier else 0.0
    assert change(engine, rule, pre, post, after_threshold, delay_steps) == pytest.approx(expected, rel=1e-9)


def test_a_burst_counts_once_for_the_spike_that_follows_it(engine):
    rule = STDPNearest(a_plus=0.01, a_minus=0.0, w_max=10.0)
    once, burst = (change(engine, rule, pre, [20]) for pre in ([14], [5, 9, 12, 14]))
    assert burst == once == pytest.approx(0.01 * exp(-6 / 20))


@pytest.mark.parametrize("after_threshold", [False, True])
def test_inhibition_grows_by_pairs_of_either_order_and_falls_by_each_arriving_spike(engine, after_threshold):
    rule = STDPInhibitory(learning_rate=0.01, target_rate_hz=7.0, tau_s=0.025, w_min=-10.0)
    pre, post = trains()
    pairs = sum(exp(-abs(a - b) / 25) for a in pre for b in post)
    expected = 0.01 * (pairs - len(pre) * 2 * 7.0 * 0.025)
    found = change(engine, rule, pre, post, after_threshold, w=-5.0)
    assert -found == pytest.approx(expected, rel=1e-6)
    assert expected > 0.05


def test_inhibition_balances_excitation_at_the_target_rate(engine):
    """Vogels et al. (2011), Fig. 1: whatever the drive, each target neuron ends near the wanted rate."""
    random = np.random.default_rng(8)
    net = Network(DT_S)
    net.input("x", 1)
    net.input("inhibition", 40, kind="events")
    net.lif("post", 3, tau_s=0.02, r=1.0, refractory_s=0.002)
    net.connect("x", "post", np.ones((3, 1)), bias=[0.2, 0.5, 1.0])
    rule = STDPInhibitory(learning_rate=0.05, target_rate_hz=10.0, w_min=-40.0)
    net.connect("inhibition", "post", np.full((3, 40), -0.01), rule=rule, name="w")
    engine.load(net, 100_000, Probes(spikes=("post",)))
    counts = np.zeros(3)
    for k in range(150):
        steps, line = np.nonzero(random.random((100, 40)) < 0.02)
        events = np.array(list(zip(1000 * steps, line, strict=True)), EVENT)
        reply = engine.step(Tick(k, events=events, values=np.float32([1.0])))
        counts += np.bincount(reply.probe_events["address"], minlength=3) * (k >= 100)
    rates_hz = counts / 5.0
    np.testing.assert_allclose(rates_hz, 10, atol=3)
    strengths = -engine.snapshot()["weights/w"].reshape(40, 3).mean(axis=0)
    assert strengths[0] < strengths[1] < strengths[2]


def test_inhibition_may_not_turn_into_excitation():
    net = Network(DT_S)
    net.input("e", 1, kind="events")
    net.lif("a", 1, tau_s=0.02)
    for w_max in (0.5, None):
        with pytest.raises(NetworkError, match=r"w_max .*; allowed: 0 or less, for its weights inhibit"):
            net.connect("e", "a", [[0.0]], rule=STDPInhibitory(w_max=w_max))
