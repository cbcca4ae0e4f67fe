"""Modulators and gates that a network makes itself, gains per target neuron, a reward's mean, and shared thresholds."""

from __future__ import annotations

import numpy as np
import pytest
from network_equality import assert_equal

from hilbench import plugins
from hilbench.errors import NetworkError
from hilbench.nal import Network, load, save
from hilbench.nal.compile.host_part import beside_chip
from hilbench.nal.compile.report import compile_network
from hilbench.nal.compile.target import load_target
from hilbench.nal.model.codec import pack, unpack
from hilbench.nal.rules.eprop import EProp
from hilbench.nal.rules.homeostatic import Homeostatic
from hilbench.nal.rules.pes import PES
from hilbench.nal.rules.rstdp import RSTDP
from hilbench.nal.rules.stdp import STDP
from hilbench.types import EVENT, Probes, Tick

DT_S, PERIOD_STEPS = 0.001, 10
WIDE = {"w_min": -10.0, "w_max": 10.0}


@pytest.fixture(params=["numba", "reference"])
def engine(request):
    cls = plugins.get("backends", request.param)
    return cls(cls.Config())


def lines(n: int = 1, n_post: int = 1) -> Network:
    """Event lines `pre`, a line that makes all of `post` spike, and a value port `r`."""
    net = Network(DT_S, seed=3)
    net.input("r", 1)
    net.input("pre", n, kind="events")
    net.input("teacher", 1, kind="events")
    net.lif("post", n_post, tau_s=1e-7, v_threshold=5.0)
    net.connect("teacher", "post", np.full((n_post, 1), 10.0))
    return net


def mstdpet(**more) -> RSTDP:
    return RSTDP(form="mstdpet", a_minus=1.0, tau_c_s=0.025, **WIDE, **more)


def run(engine, net, values, modulators=None, learning=True):
    """Ticks with these values, pairs of pre and post in the first one. Returns the weights after each tick."""
    engine.load(net, PERIOD_STEPS * net.dt_us, Probes())
    n_pre = net.port("pre").size
    pairs = np.array([*((2000, i) for i in range(n_pre)), (5000, n_pre)], EVENT)
    found = []
    for k, value in enumerate(values):
        signal = np.zeros(0, np.float32) if modulators is None else np.atleast_1d(np.float32(modulators[k]))
        events = pairs if k == 0 else pairs[:0]
        engine.step(Tick(k, learning=learning, events=events, values=np.float32([value]), modulators=signal))
        found.append(engine.snapshot()["weights/w"].copy())
    return np.array(found)


RELAYS = {
    "passthrough": {"kind": "passthrough"},
    "readout": {"kind": "li", "tau_s": 1e-7, "r": 1.0},
}


@pytest.mark.parametrize("relay", RELAYS)
def test_a_population_modulates_as_a_port_does_one_step_later(engine, relay):
    """The same rewards, through a port in the same step or through a population whose value counts in the next one."""
    rewards = np.random.default_rng(5).normal(0, 3, 6)
    inside, outside = lines(), lines()
    inside.add("critic", size=1, **RELAYS[relay])
    inside.connect("r", "critic", [[1.0]])
    inside.connect("pre", "post", [[0.5]], rule=mstdpet(modulator="critic", modulator_is="population"), name="w")
    assert inside.modulators == ()
    outside.connect("pre", "post", [[0.5]], rule=mstdpet(modulator="r"), name="w")
    found = run(engine, inside, rewards)[:, 0]
    # The eligibility of one pair by hand; in each step it is multiplied by the reward of the step before.
    decay, step, dt_s = np.exp(-1 / 25), 0, DT_S
    c, w, expected = 0.0, 0.5, []
    heard = 0.0
    for reward in rewards:
        for _ in range(PERIOD_STEPS):
            c = decay * c + (np.exp(-3 / 20) / 0.025 if step == 5 else 0.0)
            w += dt_s * heard * c
            heard, step = float(np.float32(reward)), step + 1
        expected.append(w)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    through_port = run(engine, outside, np.zeros(6), rewards)[:, 0]
    assert np.abs(through_port - found).max() > 1e-4  # a step apart
    np.testing.assert_allclose(through_port, found, atol=0.2)


def test_a_spiking_population_modulates_by_its_spikes_per_second(engine):
    """One spike counts 1 / dt for one step, so it is one unit of reward, in the step after it."""
    net = lines()
    net.lif("dopamine", 1, tau_s=1e-7, v_threshold=0.5)
    net.connect("teacher", "dopamine", [[1.0]], delay_steps=10, name="late")
    rule = mstdpet(modulator="dopamine", modulator_is="population", learning_rate=0.25)
    net.connect("pre", "post", [[0.5]], rule=rule, name="w")
    found = run(engine, net, np.zeros(4))[:, 0]
    # The pair stands at 3 ms apart; the spike at step 15 is heard in step 16, 11 steps after the pairing.
    expected = 0.5 + 0.25 * np.exp(-3 / 20) / 0.025 * np.exp(-11 / 25)
    np.testing.assert_allclose(found, [0.5, expected, expected, expected], rtol=1e-9)


def test_a_td_error_is_made_of_filtered_rates_and_the_reward(engine):
    """It is r + a weighted fast and slow rate of a critic; the weight follows the delta that NumPy computes."""
    net = lines()
    net.lif("critic", 3, tau_s=0.02, v_threshold=1.0)
    net.connect("r", "critic", [[1.2], [2.0], [4.0]])
    for name, tau_s in (("fast", 0.05), ("slow", 0.2)):
        net.add(name, "li", 1, tau_s=tau_s, r=1 / (tau_s * 3))
        net.connect("critic", name, [[1.0, 1.0, 1.0]])
    net.add("delta", "passthrough", 1)
    for source, weight in (("r", 1.0), ("fast", 0.7), ("slow", -0.9)):
        net.connect(source, "delta", [[weight]])
    net.output("delta", "delta")
    net.connect("pre", "post", [[0.5]], rule=mstdpet(modulator="delta", modulator_is="population"), name="w")
    engine.load(net, net.dt_us, Probes())
    w, c, heard, decay, deltas = 0.5, 0.0, 0.0, np.exp(-1 / 25), []
    for k in range(300):
        events = np.array({2: [(0, 0)], 5: [(0, 1)]}.get(k, []), EVENT)
        reply = engine.step(Tick(k, events=events, values=np.float32([np.sin(k / 20) + 1])))
        c = decay * c + (np.exp(-3 / 20) / 0.025 if k == 5 else 0.0)
        w += DT_S * heard * c
        heard = float(reply.values[0])
        deltas.append(heard)
        assert engine.snapshot()["weights/w"][0] == pytest.approx(w, rel=1e-6)
    assert np.std(deltas) > 0.1


def test_pes_learns_an_error_that_the_network_makes(engine):
    """A forward model: the readout follows a value that the network alone compares it with."""
    net = Network(DT_S)
    net.input("x", 1)
    net.lif("cells", 20, tau_s=0.02, r=5.0)
    net.connect("x", "cells", np.linspace(0.3, 1, 20)[:, None])
    net.readout("y", 1, tau_s=0.02)
    net.add("error", "passthrough", 1, output=True)
    net.connect("x", "error", [[-1.0]])
    net.connect("y", "error", [[1.0]], delay_steps=1)
    rule = PES(modulator="error", modulator_is="population", learning_rate=1.0)
    net.connect("cells", "y", np.zeros((1, 20)), rule=rule, name="w")
    engine.load(net, 10_000, Probes())
    errors = [float(engine.step(Tick(k, values=np.float32([1.5]))).values[1]) for k in range(300)]
    assert errors[0] < -1.3
    assert abs(np.mean(errors[-50:])) < 0.05


@pytest.mark.parametrize("inside", [False, True])
def test_gains_give_each_target_neuron_its_own_mixture(engine, inside):
    gain = ((1.0, 0.0), (-1.0, 0.0), (0.5, 2.0))
    net, modulators = lines(1, 3), [3.0, -0.5]
    net.add("pair", "passthrough", 2)
    net.connect("r", "pair", [[3.0], [-0.5]])
    where = {"modulator": "pair", "modulator_is": "population"} if inside else {"modulator": "told"}
    net.connect("pre", "post", np.zeros((3, 1)), rule=mstdpet(modulator_gain=gain, **where), name="w")
    found = run(engine, net, np.ones(3), None if inside else [modulators] * 3)[-1]
    assert found[0] > 0.1
    np.testing.assert_allclose(found / found[0], np.array(gain) @ modulators / 3.0, rtol=1e-6)


def test_opposite_gains_of_one_reward_are_a_number_each(engine):
    net = lines(1, 2)
    net.connect("pre", "post", np.zeros((2, 1)), rule=mstdpet(modulator="e", modulator_gain=(1.0, -1.0)), name="w")
    assert [(port.name, port.size) for port in net.modulators] == [("e", 1)]
    left, right = run(engine, net, np.zeros(3), [2.0] * 3)[-1]
    assert left == pytest.approx(-right)
    assert left > 0.1


def test_mstdpet_takes_the_rewards_running_mean_from_it(engine):
    """The mean by its own difference equation: b of a step is that of the rewards before it."""
    rewards = np.random.default_rng(2).normal(2, 1, 8)
    net = lines()
    net.connect("pre", "post", [[0.5]], rule=mstdpet(modulator="m", baseline_tau_s=0.03), name="w")
    found = run(engine, net, np.zeros(8), rewards)[:, 0]
    c, w, b, step, expected = 0.0, 0.5, 0.0, 0, []
    for m in np.float32(rewards).tolist():
        for _ in range(PERIOD_STEPS):
            c = np.exp(-1 / 25) * c + (np.exp(-3 / 20) / 0.025 if step == 5 else 0.0)
            w += DT_S * (m - b) * c
            b += (1 - np.exp(-1 / 30)) * (m - b)
            step += 1
        expected.append(w)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    # A reward that never changes teaches nothing once the mean has found it.
    late = lines()
    late.connect("pre", "post", [[0.5]], rule=mstdpet(modulator="m", baseline_tau_s=1e-5), name="w")
    assert run(engine, late, np.zeros(3), [5.0] * 3)[-1, 0] == pytest.approx(0.5)


@pytest.mark.parametrize("spiking", [False, True])
def test_a_gate_lets_a_rule_act_while_its_population_is_above_a_value(engine, spiking):
    net = lines()
    if spiking:
        net.lif("gate", 1, tau_s=1e-7, v_threshold=0.5)
    else:
        net.add("gate", "passthrough", 1)
    net.connect("r", "gate", [[1.0]])
    rule = mstdpet(modulator="m", gate="gate", gate_above=100.0 if spiking else 0.5)
    net.connect("pre", "post", [[0.5]], rule=rule, name="w")
    free = lines()
    free.connect("pre", "post", [[0.5]], rule=mstdpet(modulator="m"), name="w")
    gates = [0, 0, 0.8, 0.8, 0.4, 0.8]
    found, ungated = run(engine, net, gates, [3.0] * 6)[:, 0], run(engine, free, gates, [3.0] * 6)[:, 0]
    moved, free_moved = np.diff(found, prepend=0.5), np.diff(ungated, prepend=0.5)
    # The eligibility has gone on while the gate was shut; a gate is heard a step late, so one step of ten is shut.
    late = 1 - np.exp(-np.arange(1, 11) / 25)[0:1] / np.exp(-np.arange(1, 11) / 25).sum()
    if spiking:  # 0.4 is below its threshold too
        assert moved[4] == pytest.approx(free_moved[4] * (1 - late[0]))
    np.testing.assert_allclose(moved[[0, 1, 3]], [0, 0, free_moved[3]], rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(moved[[2, 5]], free_moved[[2, 5]] * late, rtol=1e-9)


def crowd(bias, **more) -> Network:
    net = Network(DT_S)
    n = len(bias)
    net.input("r", 1)
    net.lif("a", n, tau_s=0.02, rule=Homeostatic(step=0.03, **more))
    net.connect("r", "a", np.zeros((n, 1)), bias=bias)
    return net


def test_a_shared_threshold_finds_the_populations_mean_rate(engine):
    net = crowd([1.2, 2.0, 4.0], target_rate_hz=25.0, rate_of="a")
    engine.load(net, 1_000_000, Probes(spikes=("a",)))
    for k in range(5):
        reply = engine.step(Tick(k, values=np.zeros(1, np.float32)))
    rates = np.bincount(reply.probe_events["address"], minlength=3)
    thresholds = engine.snapshot()["thresholds/a"]
    assert (thresholds == thresholds[0]).all()  # one threshold for all
    assert rates.mean() == pytest.approx(25, abs=1)
    assert rates[0] < 15 < 35 < rates[2]  # each alone is not at the target
    assert int(reply.counters[3]) == 3000


def test_thresholds_can_follow_another_populations_rate_and_have_a_gate(engine):
    """By the equation: step (mean spikes - rate dt) in each step, while the gate is open."""
    net = Network(DT_S)
    net.input("r", 1)
    net.input("pre", 2, kind="events")
    net.add("any", "threshold", 2, v_threshold=0.5)
    net.connect("pre", "any", np.eye(2))
    net.add("gate", "passthrough", 1)
    net.connect("r", "gate", [[1.0]])
    net.lif("a", 2, tau_s=0.02, v_threshold=[1.0, 2.0],
            rule=Homeostatic(target_rate_hz=10.0, step=0.25, rate_of="any", gate="gate"))  # fmt: skip
    engine.load(net, 10_000, Probes())
    fall = np.array([(1000, 0), (1000, 1), (4000, 1)], EVENT)
    engine.step(Tick(0, events=fall, values=np.float32([1])))
    found = engine.snapshot()["thresholds/a"]
    # Step 0 is shut, for the gate is heard a step late; one step has two of two spikes and one has one.
    np.testing.assert_allclose(found, np.array([1.0, 2.0]) + 0.25 * (1.5 - 9 * 10 * DT_S), rtol=1e-12)
    engine.step(Tick(1, events=fall, values=np.float32([-1])))
    engine.step(Tick(2, events=fall, values=np.float32([-1])))
    np.testing.assert_allclose(engine.snapshot()["thresholds/a"], found - 0.25 * 10 * DT_S, rtol=1e-12)


def test_a_snapshot_goes_on_with_what_rules_hear(engine):
    net = lines()
    net.add("critic", "li", 1, tau_s=0.1)
    net.connect("r", "critic", [[1.0]])
    rule = mstdpet(modulator="critic", modulator_is="population", gate="critic", gate_above=0.05)
    net.connect("pre", "post", [[0.5]], rule=rule, name="w")
    run(engine, net, [1.0, 2.0, -1.0])
    saved = engine.snapshot()
    engine.step(Tick(3, values=np.float32([5.0])))
    expected = engine.snapshot()["weights/w"].copy()
    engine.reset(0, "none")
    engine.restore(saved, "all")
    engine.step(Tick(3, values=np.float32([5.0])))
    np.testing.assert_array_equal(engine.snapshot()["weights/w"], expected)
    assert expected[0] != saved["weights/w"][0]


def with_everything() -> Network:
    net = lines(1, 2)
    net.add("critic", "li", 2, tau_s=0.1)
    net.connect("r", "critic", np.ones((2, 1)))
    net.add("gate", "passthrough", 1)
    net.connect("r", "gate", [[1.0]])
    rule = mstdpet(modulator="critic", modulator_is="population", modulator_gain=((1.0, 0.5), (-1.0, 0.0)),
                   gate="gate", gate_above=0.25, baseline_tau_s=0.5)  # fmt: skip
    net.connect("pre", "post", [[0.5], [0.25]], rule=rule, name="w")
    net.lif("calm", 2, tau_s=0.02, rule=Homeostatic(target_rate_hz=5.0, rate_of="calm"))
    return net


def test_rules_that_hear_the_network_are_kept_in_files_and_cross_the_wire(tmp_path):
    net = with_everything()
    save(net, tmp_path / "net.nir")
    assert_equal(load(tmp_path / "net.nir"), net)
    assert_equal(unpack(pack(net)), net)
    assert net.heard() == ["critic", "gate"]


TWO = ((1.0, 0.0), (0.0, 1.0))
REFUSED = {
    "no population": (
        mstdpet(modulator="critik", modulator_is="population"),
        "'critik', no population; .*did you mean 'critic'",
    ),
    "its size": (mstdpet(modulator="critic", modulator_is="population"), "a modulator of 1 values; 'critic' has 2"),
    "no modulator": (STDP(modulator_gain=TWO), "has modulator_gain and takes no modulator"),
    "nothing inside": (STDP(modulator_is="population"), "modulator_is 'population' and no modulator"),
    "rows": (mstdpet(modulator="m", modulator_gain=((1.0,),)), "of 1 rows .* allowed: 2 rows"),
    "ragged": (mstdpet(modulator="m", modulator_gain=((1.0,), (1.0, 2.0))), "of equal length"),
    "NaN": (mstdpet(modulator="m", modulator_gain=(float("nan"), 1.0)), "modulator_gain"),
    "gate": (STDP(gate="gat"), "has gate 'gat', no population; .*did you mean 'gate'"),
    "gate's size": (STDP(gate="critic"), "needs a gate of 1 neuron; 'critic' has 2"),
    "baseline": (RSTDP(modulator="m", baseline_tau_s=1.0), "baseline_tau_s and form 'dopamine'"),
    "feedback": (EProp(modulator="m", readout="out", modulator_gain=TWO), "has a feedback of its own"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_signals_that_cannot_be_had_are_refused_in_one_line(case):
    rule, says = REFUSED[case]
    net = with_everything()
    net.lif("cells", 2, tau_s=0.02, reset="subtract")
    net.readout("y", 2, tau_s=0.1)
    net.connect("cells", "y", np.ones((2, 2)), name="out")
    target = "cells" if case == "feedback" else "post"
    with pytest.raises(NetworkError, match=says) as error:
        net.connect("pre", target, [[0.5], [0.5]], rule=rule, name="new")
    assert "\n" not in str(error.value)
    assert net.modulators == ()


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (Homeostatic(target_rate_hz=1.0, rate_of="critic"), "rate_of 'critic', no population that spikes"),
        (Homeostatic(target_rate_hz=1.0, gate="post"), "needs a gate of 1 neuron"),
        (Homeostatic(target_rate_hz=1.0, modulator_gain=(1.0,)), "moves thresholds, by no modulator"),
    ],
)
def test_what_a_rule_of_thresholds_cannot_hear(rule, says):
    with pytest.raises(NetworkError, match=says):
        with_everything().lif("z", 2, tau_s=0.02, rule=rule)


def test_targets_and_backends_refuse_what_a_rule_hears_by_name():
    found = "\n".join(map(str, compile_network(with_everything(), "loihi2", load_target("loihi2")).broken))
    for what in ("the population 'critic' as its modulator", "modulator_gain", "the gate 'gate'", "baseline_tau_s"):
        assert f"found RSTDP with {what}; allowed: RSTDP" in found
    net = lines()
    net.readout("y", 1, tau_s=0.1)
    net.readout("error", 1, tau_s=0.1)
    net.connect("post", "y", [[0.0]], rule=PES(modulator="error", modulator_is="population"), name="pes")
    with pytest.raises(NetworkError, match="'pes': rule: found PES with the population 'error' as its modulator; allo"):
        beside_chip(net, "cortexm")
