"""Networks whose answer follows from theory, on both engines."""

from __future__ import annotations

from math import exp, log

import numpy as np
import pytest

from hilbench import plugins
from hilbench.controllers._population import PopulationConfig, rates_hz, tune
from hilbench.nal import Network
from hilbench.nal.rules.pes import PES
from hilbench.types import EVENT, Probes, Tick

TAU_S = 0.02


@pytest.fixture(params=["numba", "reference"])
def engine(request):
    cls = plugins.get("backends", request.param)
    return cls(cls.Config())


def spike_steps(engine, net: Network, values, n_steps: int) -> np.ndarray:
    """(k, 2): step and address of each spike of the population `a`, over one long tick."""
    engine.load(net, n_steps * net.dt_us, Probes(spikes=("a",)))
    found = engine.step(Tick(values=np.asarray(values, np.float32))).probe_events
    return np.stack([found["t_us"] // net.dt_us, found["address"]], axis=1)


@pytest.mark.parametrize("dt_s", [1e-3, 1e-5])
@pytest.mark.parametrize("refractory_steps", [0, 1, 3])
def test_lif_period_is_the_recurrences_and_near_the_continuous_one(engine, dt_s, refractory_steps):
    currents = np.float32([0.9, 1.05, 1.3, 2.0, 7.0, 300.0])
    net = Network(dt_s)
    net.input("x", 6)
    net.lif("a", 6, tau_s=TAU_S, refractory_s=refractory_steps * dt_s)
    net.connect("x", "a", np.eye(6))
    n_steps = round(0.14 / dt_s)
    spikes = spike_steps(engine, net, currents, n_steps)
    for i, current in enumerate(currents.astype(float)):
        fired = spikes[spikes[:, 1] == i, 0]
        if current < 1:
            assert fired.size == 0
            continue
        # v after n steps is J (1 - exp(-n dt / tau)); the first n above 1:
        continuous_s = -float(np.float32(TAU_S)) * log(1 - 1 / current)
        n = int(continuous_s / dt_s) + 1
        period = n + refractory_steps
        np.testing.assert_array_equal(fired, np.arange(n - 1, n_steps, period))
        assert 0 < period * dt_s - (continuous_s + refractory_steps * dt_s) <= dt_s


@pytest.mark.parametrize("reset", ["zero", "subtract", "value"])
def test_an_infinite_threshold_is_never_passed_and_leaves_the_others_alone(engine, reset):
    net = Network(1e-3)
    net.input("x", 2)
    net.lif("a", 2, tau_s=TAU_S, v_threshold=[np.inf, 1.0], reset=reset)
    net.connect("x", "a", np.eye(2))
    with np.errstate(all="raise"):
        spikes = spike_steps(engine, net, [5.0, 5.0], 100)
    assert set(spikes[:, 1].tolist()) == {1}


@pytest.mark.parametrize(("threshold", "first"), [(">", 4), (">=", 3)])
def test_the_instant_at_which_a_membrane_equals_its_threshold(engine, threshold, first):
    # An Euler step of dt / tau = 1/2 towards 2: v = 1, 1.5, 1.75, 1.875, all exact.
    net = Network(2.0**-6, "euler")
    net.input("x", 1)
    net.lif("a", 1, tau_s=2.0**-5, v_threshold=1.75, threshold_test=threshold)
    net.connect("x", "a", [[2]])
    assert spike_steps(engine, net, [1], 8)[0, 0] == first - 1


@pytest.mark.parametrize(("reset", "after"), [("value", -0.5), ("zero", 0.0), ("subtract", 3.0 - 1.25)])
def test_the_three_resets(engine, reset, after):
    net = Network(2.0**-6, "euler")
    net.input("x", 1, kind="events")
    net.lif("a", 1, tau_s=2.0**-5, v_threshold=1.25, v_reset=-0.5, reset=reset)
    net.connect("x", "a", [[6]])
    engine.load(net, 8 * net.dt_us, Probes(spikes=("a",)))
    kick = np.array([(0, 0)], EVENT)
    # 6 / 2 = 3 passes the threshold; then v = after / 2 each step, plus a second kick two steps on.
    late = np.array([(2 * net.dt_us, 0)], EVENT)
    reply = engine.step(Tick(events=np.concatenate([kick, late])))
    v, expected = 0.0, []
    for step in range(8):
        v = v / 2 + (3 if step in (0, 2) else 0)
        if v > 1.25:
            expected.append(step)
            v = {"value": -0.5, "zero": 0.0, "subtract": v - 1.25}[reset]
            assert step > 0 or v == after
    assert (reply.probe_events["t_us"] // net.dt_us).tolist() == expected


@pytest.mark.parametrize("integrator", ["exact", "euler"])
def test_readout_step_response(engine, integrator):
    net = Network(0.001, integrator)
    net.input("x", 1)
    net.readout("y", 1, tau_s=0.01, r=2.0)
    net.connect("x", "y", [[3]])
    engine.load(net, 1000, Probes())
    found = [engine.step(Tick(values=np.ones(1, np.float32))).values[0] for _ in range(50)]
    k = np.arange(1, 51)
    decay = exp(-0.1) if integrator == "exact" else 0.9
    np.testing.assert_allclose(found, 6 * (1 - decay**k), rtol=1e-6)


def test_a_spike_of_amplitude_one_over_dt_is_a_unit_impulse(engine):
    net = Network(0.0001, spike_amplitude=10_000.0)
    net.input("e", 1, kind="events")
    net.lif("a", 1, tau_s=1e-7)
    net.readout("y", 1, tau_s=0.05)
    net.connect("e", "a", [[2]])
    net.connect("a", "y", [[3]])
    engine.load(net, 1000, Probes())
    value = engine.step(Tick(events=np.array([(900, 0)], EVENT))).values[0]
    assert value == pytest.approx(3 / 0.05, rel=0.0011)  # half a step of decay: dt / 2 tau


@pytest.mark.parametrize("delay_steps", [0, 1, 2, 7, 23])
@pytest.mark.parametrize("delayed", ["events", "spikes"])
def test_a_delay_of_k_steps_delays_by_k(engine, delayed, delay_steps):
    net = Network(0.001)
    net.input("e", 1, kind="events")
    for name in ("a", "b"):
        net.lif(name, 1, tau_s=1e-6, output=True)
    net.connect("e", "a", [[2]], delay_steps=delay_steps if delayed == "events" else 0)
    net.connect("a", "b", [[2]], delay_steps=delay_steps if delayed == "spikes" else 0)
    engine.load(net, 5000, Probes())
    sent = [2, 3, 11]
    arrived: dict[int, list[int]] = {0: [], 1: []}
    for k in range(8):
        here = [((s - 5 * k) * 1000 + 999, 0) for s in sent if 5 * k <= s < 5 * k + 5]
        for t_us, address in engine.step(Tick(k, events=np.array(here, EVENT))).events.tolist():
            arrived[address].append(5 * k + t_us // 1000)
    late = [s + delay_steps for s in sent]
    assert arrived == {0: late if delayed == "events" else sent, 1: late}


def test_a_learnt_weight_reaches_a_delayed_spike_when_it_is_sent(engine):
    # One spike at step 0 over 2 steps of delay; the weight changes at steps 0 and 1 and acts on neither.
    net = Network(0.001)
    net.input("e", 1, kind="events")
    net.lif("a", 1, tau_s=1e-6)
    net.readout("y", 1, tau_s=1e-6)
    net.connect("e", "a", [[2]])
    net.connect("a", "y", [[5]], delay_steps=2, rule=PES(modulator="error", learning_rate=100.0))
    engine.load(net, 3000, Probes())
    reply = engine.step(Tick(events=np.array([(0, 0)], EVENT), modulators=np.ones(1, np.float32)))
    assert reply.values[0] == 5


def test_pes_weight_change_by_hand(engine):
    net = Network(0.001)
    net.input("x", 1)
    net.lif("a", 1, tau_s=1e-6)
    net.readout("y", 1, tau_s=0.1)
    net.connect("x", "a", [[2]])
    net.connect("a", "y", [[0]], rule=PES(modulator="error", learning_rate=0.5, pre_tau_s=0.01), name="w")
    engine.load(net, 1000, Probes(weights=("w",), weights_period_s=0.001))
    expected, rate = 0.0, 0.0
    for error in (0.5, -2.0, 0.0, 1.0):
        rate = rate * exp(-0.1) + (1 - exp(-0.1)) * 1000
        expected -= 0.5 * 0.001 * error * rate
        reply = engine.step(Tick(values=np.ones(1, np.float32), modulators=np.array([error], np.float32)))
        assert reply.probe_values[0] == pytest.approx(expected, rel=1e-5)


def test_pes_learns_a_communication_channel(engine):
    config = PopulationConfig(n_neurons=60)
    weights, bias = tune(config, 1, np.random.default_rng(1))
    net = Network(0.001, spike_amplitude=1000.0)
    net.input("x", 1)
    net.lif("a", 60, tau_s=config.tau_s, refractory_s=config.refractory_s)
    net.readout("y", 1, tau_s=0.02)
    net.connect("x", "a", weights, bias=bias)
    net.connect("a", "y", np.zeros((1, 60)), rule=PES(modulator="error", learning_rate=1e-3))
    engine.load(net, 1000, Probes())
    errors, y = [], 0.0
    for k in range(6000):
        x = np.sin(2 * np.pi * k / 2000)
        tick = Tick(k, values=np.array([x], np.float32), modulators=np.array([y - x], np.float32), learning=k < 4000)
        y = engine.step(tick).values[0]
        errors.append(abs(y - x))
    assert np.mean(errors[:100]) > 0.1
    assert np.mean(errors[4000:]) < 0.12  # with learning off: the weights hold what was learnt


def test_a_population_fires_at_the_rates_it_was_tuned_to(engine):
    config = PopulationConfig(n_neurons=40, dt_s=0.0001)
    weights, bias = tune(config, 2, np.random.default_rng(3))
    x = np.array([0.6, -0.8])
    net = Network(config.dt_s)
    net.input("x", 2)
    net.lif("a", 40, tau_s=config.tau_s, refractory_s=config.refractory_s)
    net.connect("x", "a", weights, bias=bias)
    fired = np.bincount(spike_steps(engine, net, x, 10_000)[:, 1], minlength=40)
    expected_hz = rates_hz(weights @ x + bias, config.tau_s, config.refractory_s)
    np.testing.assert_allclose(fired, expected_hz, atol=1 + 0.0001 * 200**2 / 2)  # a period is up to one step longer
    assert (expected_hz == 0).any()
    assert expected_hz.max() > 60


def test_a_poisson_neuron_fires_at_the_rate_that_its_input_says_up_to_once_a_step(engine):
    n_steps, n = 2000, 200
    rates_hz = np.float32([-5.0, 0.0, 20.0, 500.0, 950.0, 1000.0, 4000.0])
    net = Network(0.001)
    net.input("x", rates_hz.size)
    net.add("a", "poisson", n * rates_hz.size, output=True)
    net.connect("x", "a", np.kron(np.eye(rates_hz.size), np.ones((n, 1))))
    engine.load(net, n_steps * net.dt_us, Probes(spikes=("a",)))
    engine.reset(11, "none")
    address = engine.step(Tick(values=rates_hz)).probe_events["address"]
    found = np.bincount(address // n, minlength=rates_hz.size) / (n * n_steps)
    p = np.clip(rates_hz * net.dt_s, 0, 1)
    assert (np.abs(found - p) <= 1e-12 + 5 * np.sqrt(p * (1 - p) / (n * n_steps))).all()
