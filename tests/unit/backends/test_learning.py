"""Learning rules against the curves and equations of the papers they come from, on every engine."""

from __future__ import annotations

from itertools import product
from math import exp

import numpy as np
import pytest

from hilbench import plugins
from hilbench.nal import Network
from hilbench.nal.rules.homeostatic import Homeostatic
from hilbench.nal.rules.pes import PES
from hilbench.nal.rules.rstdp import RSTDP
from hilbench.nal.rules.stdp import STDP
from hilbench.nal.rules.triplet import Triplet
from hilbench.types import EVENT, Probes, Tick

ENGINES = ["numba", "reference"]
DT_S = 0.001


@pytest.fixture(params=ENGINES)
def engine(request):
    cls = plugins.get("backends", request.param)
    return cls(cls.Config())


def pair(rule, w=0.0, delay_steps=0, dt_s=DT_S) -> Network:
    """One synapse `w` too weak to make its target spike, and a line that makes it spike at once."""
    net = Network(dt_s)
    net.input("pre", 1, kind="events")
    net.input("teacher", 1, kind="events")
    net.lif("post", 1, tau_s=1e-7, v_threshold=5.0)
    net.connect("pre", "post", [[w]], rule=rule, delay_steps=delay_steps, name="w")
    net.connect("teacher", "post", [[10]])
    return net


def events(net, pre, post, n_steps):
    """Spikes at these steps, as one tick's events."""
    both = [(step * net.dt_us, line) for line, steps in enumerate((pre, post)) for step in steps if step < n_steps]
    return np.array(sorted(both), EVENT)


def weight_after(engine, net, pre, post, n_steps) -> float:
    engine.load(net, n_steps * net.dt_us, Probes(spikes=("post",)))
    reply = engine.step(Tick(events=events(net, pre, post, n_steps)))
    assert len(reply.probe_events) == len(post)
    return float(engine.snapshot()["weights/w"][0])


@pytest.mark.parametrize("delay_steps", [0, 4])
def test_the_stdp_window_is_recovered_by_pairing(engine, delay_steps):
    rule = STDP(a_plus=0.01, a_minus=0.012, tau_plus_s=0.017, tau_minus_s=0.034, w_min=-1.0)
    for apart in (-60, -20, -5, -1, 0, 1, 5, 20, 60):
        pre, post = 70, 70 + delay_steps + apart
        found = weight_after(engine, pair(rule, delay_steps=delay_steps), [pre], [post], 200)
        expected = 0.01 * exp(-apart / 17) if apart >= 0 else -0.012 * exp(apart / 34)
        assert found == pytest.approx(expected, rel=1e-5)


def test_every_spike_pairs_with_every_other(engine):
    random = np.random.default_rng(4)
    pre, post = (np.flatnonzero(random.random(400) < 0.1) for _ in range(2))
    rule = STDP(a_plus=0.01, a_minus=0.012, w_min=-10.0, w_max=10.0)
    pairs = [b - a for a, b in product(pre.tolist(), post.tolist())]
    expected = sum(0.01 * exp(-d / 20) if d >= 0 else -0.012 * exp(d / 20) for d in pairs)
    assert weight_after(engine, pair(rule), pre, post, 400) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("softness", [0.0, 0.4, 1.0])
def test_soft_bounds_shrink_changes_and_hard_ones_cut_them(engine, softness):
    rule = STDP(a_plus=0.1, a_minus=0.1, w_min=-1.0, w_max=3.0, softness=softness)
    for w, post in ((0.0, 20), (2.0, 20), (2.0, 10)):
        found = weight_after(engine, pair(rule, w), [15], [post], 40)
        ahead = 3.0 - w if post > 15 else w + 1.0
        expected = np.sign(post - 15) * 0.1 * exp(-5 / 20) * (ahead / 4) ** softness
        assert found - w == pytest.approx(expected, rel=1e-5)
    steps = np.arange(0, 1000, 10)
    most = weight_after(engine, pair(rule), steps, steps + 1, 1100)
    least = weight_after(engine, pair(rule), steps + 1, steps, 1100)
    if softness == 0:
        assert (most, least) == (3, -1)
    else:  # the closer a bound, the smaller the step towards it: pairs of both orders come to a balance
        assert -1 < least < most < 3


@pytest.mark.parametrize("softness", [0.4, 1.0])
@pytest.mark.parametrize("reward", [30.0, -30.0])
def test_soft_bounds_of_a_rule_that_moves_weights_in_every_step(engine, softness, reward):
    """With d the distance from the bound ahead as a share of the span: d' = -a d^softness, a = rate r c / span."""
    rule = RSTDP(
        modulator="reward", form="mstdpet", a_minus=0.0, tau_c_s=0.05, w_min=-1.0, w_max=3.0, softness=softness,
    )  # fmt: skip
    net, w = pair(rule, 0.5), 0.5
    engine.load(net, 400 * net.dt_us, Probes())
    engine.step(Tick(events=events(net, [10], [15], 400), modulators=np.array([reward], np.float32)))
    found = float(engine.snapshot()["weights/w"][0])
    gathered = abs(reward) * exp(-5 / 20) * (1 - exp(-(400 - 15) / 50)) / 4
    first = (3.0 - w) / 4 if reward > 0 else (w + 1.0) / 4
    left = first * exp(-gathered) if softness == 1 else max(0.0, first**0.6 - 0.6 * gathered) ** (1 / 0.6)
    assert found == pytest.approx(3.0 - 4 * left if reward > 0 else 4 * left - 1.0, abs=2e-3)


def triplet_sum(rule, pre, post) -> float:
    """The paper's eqs. 3 and 4 spike by spike, with every trace summed from the times."""

    def trace(times, before, tau_s):
        return sum(exp(-(before - t) * DT_S / tau_s) for t in times if t < before)

    w = 0.0
    for t in pre:
        o1, r2 = trace(post, t, rule.tau_minus_s), trace(pre, t, rule.tau_x_s)
        w -= o1 * (rule.a2_minus + rule.a3_minus * r2)
    for t in post:
        r1, o2 = trace(pre, t, rule.tau_plus_s), trace(post, t, rule.tau_y_s)
        w += r1 * (rule.a2_plus + rule.a3_plus * o2)
    return w


def test_triplets_depend_on_the_pairing_frequency_as_in_visual_cortex(engine):
    rule = Triplet(w_min=-10.0, w_max=10.0)
    found = {}
    for apart, hz in ((10, 5), (10, 20), (10, 50), (-10, 10), (-10, 50)):
        pre = 30 + np.arange(20) * 1000 // hz
        found[apart, hz] = weight_after(engine, pair(rule), pre, pre + apart, int(pre[-1]) + 20)
        assert found[apart, hz] == pytest.approx(triplet_sum(rule, pre, pre + apart), rel=1e-4, abs=1e-7)
    # Sjöström et al. (2001): potentiation needs frequency, and at 50 Hz the order no longer decides its sign.
    assert 0 < 2 * found[10, 5] < found[10, 20] < found[10, 50] / 2
    assert found[-10, 10] < 0 < found[-10, 50]


def rewarded(engine, net, pre, post, rewards, period_steps=10) -> float:
    """The weight after ticks with these rewards per second; spikes all fall in the first tick."""
    engine.load(net, period_steps * net.dt_us, Probes())
    for k, reward in enumerate(rewards):
        fall = events(net, pre, post, period_steps) if k == 0 else events(net, [], [], 0)
        engine.step(Tick(k, events=fall, modulators=np.array([reward], np.float32)))
    return float(engine.snapshot()["weights/w"][0])


@pytest.mark.parametrize(("pre", "post", "sign"), [([2], [7], 1.0), ([7], [2], -1.5)])
def test_dopamine_turns_an_earlier_pairing_into_weight(engine, pre, post, sign):
    net = pair(RSTDP(modulator="reward", w_min=-10.0, w_max=10.0))
    assert rewarded(engine, net, pre, post, [0.0] * 20) == 0
    delay_s = 0.5
    rewards = [0.0] * 50 + [100.0] + [0.0] * 100  # 100 / s over 10 ms: one unit of dopamine
    # c and n decay exponentially from the reward on: the integral of c n.
    expected = sign * exp(-0.005 / 0.02) * exp(-delay_s / 1.0) / (1 / 1.0 + 1 / 0.2)
    assert rewarded(engine, net, pre, post, rewards) == pytest.approx(expected, rel=0.02)


def test_dopamine_at_its_baseline_teaches_nothing_and_below_it_reverses(engine):
    def learnt(baseline, rewards):
        net = pair(RSTDP(modulator="reward", w_min=-10.0, w_max=10.0, baseline=baseline))
        return rewarded(engine, net, [2], [7], rewards)

    steady = [5.0 * 0.2] * 60  # 1 / s x tau_n: rises to 0.2
    assert learnt(1.0, steady) == pytest.approx(learnt(0.0, steady) + learnt(1.0, [0.0] * 60), rel=1e-4)
    assert learnt(1.0, [0.0] * 60) < 0 < learnt(0.0, steady)


@pytest.mark.parametrize("dt_s", [1e-3, 1e-4])
def test_mstdpet_gathers_reward_through_a_fading_eligibility(engine, dt_s):
    rule = RSTDP(modulator="reward", form="mstdpet", tau_c_s=0.025, a_minus=1.0, w_min=-10.0, w_max=10.0)
    steps = round(0.01 / dt_s)
    pre, post = [steps // 5], [steps // 2]
    # A reward r held from 10 ms to 40 ms: r x the fall of the eligibility's integral, whatever the step.
    found = rewarded(engine, pair(rule, dt_s=dt_s), pre, post, [0.0, 7.0, 7.0, 7.0, 0.0], steps)
    expected = 7.0 * exp(-0.003 / 0.02) * (exp(-0.005 / 0.025) - exp(-0.035 / 0.025))
    assert found == pytest.approx(expected, rel=0.03 if dt_s == 1e-3 else 0.003)


def homeostat(rule, bias) -> Network:
    net = Network(DT_S)
    n = len(bias)
    net.input("x", n)
    net.lif("a", n, tau_s=0.02, rule=rule)
    net.connect("x", "a", np.eye(n), bias=bias)
    return net


def test_homeostatic_thresholds_find_the_wanted_rate(engine):
    net = homeostat(Homeostatic(target_rate_hz=25.0, step=0.03), [1.5, 2.0, 3.0])
    engine.load(net, 1_000_000, Probes(spikes=("a",)))
    x = np.zeros(3, np.float32)
    for k in range(4):
        reply = engine.step(Tick(k, values=x))
    assert int(reply.counters[3]) == 3000
    np.testing.assert_allclose(np.bincount(reply.probe_events["address"], minlength=3), 25, atol=1)
    settled = engine.snapshot()["thresholds/a"]
    assert settled[0] < settled[1] < settled[2]
    # Frozen, and carried over to the next episode: thresholds stay, so the rate does.
    engine.reset(0, "weights")
    reply = engine.step(Tick(values=x, learning=False))
    np.testing.assert_array_equal(engine.snapshot()["thresholds/a"], settled)
    np.testing.assert_allclose(np.bincount(reply.probe_events["address"], minlength=3), 25, atol=1.5)
    engine.reset(0, "none")
    np.testing.assert_array_equal(engine.snapshot()["thresholds/a"], 1)


def test_thresholds_stay_within_their_bounds(engine):
    net = homeostat(Homeostatic(target_rate_hz=100.0, step=0.01, w_min=0.75, w_max=1.25), [0.0, 50.0])
    engine.load(net, 2_000_000, Probes())
    engine.step(Tick(values=np.zeros(2, np.float32)))
    np.testing.assert_array_equal(engine.snapshot()["thresholds/a"], [0.75, 1.25])


def test_pes_learns_changes_far_below_a_float32s_last_place(engine):
    """Each step moves a weight by less than 1e-12; one spike and a steady error make -learning_rate error / n."""
    n, rate, error = 1000, 1e-4, 0.125
    net = Network(1e-4)
    net.input("e", n, kind="events")
    net.readout("y", 1, tau_s=0.02)
    net.connect("e", "y", np.ones((1, n)), rule=PES(modulator="error", learning_rate=rate), name="w")
    engine.load(net, 10_000, Probes())
    spikes = np.array([(0, i) for i in range(n)], EVENT)
    for k in range(10):
        engine.step(Tick(k, events=spikes[: n if k == 0 else 0], modulators=np.array([error], np.float32)))
    change = engine.snapshot()["weights/w"].astype(np.float64) - 1
    np.testing.assert_allclose(change, -rate * error / n, rtol=1e-3)


def test_rstdp_learns_from_a_reward_of_a_hundredth(engine):
    rule = RSTDP(modulator="reward", form="mstdpet", learning_rate=1e-4, tau_c_s=0.025)
    found = rewarded(engine, pair(rule, w=0.5, dt_s=1e-4), [20], [50], [0.0, 0.01, 0.01, 0.01, 0.0], 100)
    expected = 1e-4 * 0.01 * exp(-0.003 / 0.02) * (exp(-0.005 / 0.025) - exp(-0.035 / 0.025))
    assert found - 0.5 == pytest.approx(expected, rel=0.003)


def acting_after_the_test(kind: str, rule) -> tuple[Network, int]:
    """`pair` whose input acts after the threshold test, and how many steps after the teacher its target fires."""
    net = Network(DT_S)
    net.input("pre", 1, kind="events")
    net.input("teacher", 1, kind="events")
    if kind == "after_threshold":
        net.lif("post", 1, tau_s=1e-7, v_threshold=5.0)
    else:
        seen = {"synapse": "delta"} if kind == "delta" else {"integrator": "euler", "synapse_update": "after"}
        net.add("post", "cuba_lif", 1, tau_s=0.001, tau_syn_s=0.001, v_threshold=5.0, **seen)
    net.connect("pre", "post", [[0.0]], rule=rule, after_threshold=kind == "after_threshold", name="w")
    net.connect("teacher", "post", [[20]])
    return net, int(kind != "after_threshold")


@pytest.mark.parametrize("kind", ["after_threshold", "delta", "updated after"])
@pytest.mark.parametrize("name", ["stdp", "triplet", "rstdp"])
def test_a_spike_that_acts_after_the_threshold_test_counts_as_later(engine, kind, name):
    """In pairs of one step it cannot have caused the target's spike; all other pairs are as they were."""
    bounds, taus = {"w_min": -1.0, "w_max": 1.0}, {"tau_plus_s": 0.017, "tau_minus_s": 0.034}
    rule = {
        "stdp": STDP(a_plus=0.01, a_minus=0.012, **taus, **bounds),
        "triplet": Triplet(a2_plus=0.01, a3_plus=0.5, a2_minus=0.012, a3_minus=0.5, **taus, **bounds),
        "rstdp": RSTDP(modulator="r", form="mstdpet", a_plus=0.01, a_minus=0.012, tau_c_s=1e9, **taus, **bounds),
    }[name]
    for apart in (-20, -1, 0, 1, 20):
        net, behind = acting_after_the_test(kind, rule)
        if name == "rstdp":  # all the eligibility that there is, by one unit of reward
            rewards = [0.0] * 3 + [1e9 / 0.2, 0.0]
            found = rewarded(engine, net, [70], [70 + apart - behind], rewards, 200)
        else:
            found = weight_after(engine, net, [70], [70 + apart - behind], 200)
        expected = 0.01 * exp(-apart / 17) if apart > 0 else -0.012 * exp(apart / 34)
        assert found == pytest.approx(expected, rel=1e-4)
