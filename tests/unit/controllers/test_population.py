"""Tuned populations: rates and their inverse, and readouts that decode what they were solved for."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.backends.reference import Reference
from hilbench.controllers._population import PopulationConfig, rates_hz, solve_readout, stepped_rates_hz, tune
from hilbench.errors import ScenarioError
from hilbench.nal import Network
from hilbench.types import Empty, Probes, Tick

CONFIG = PopulationConfig(n_neurons=400)


def test_rates_are_the_inverse_of_tuning():
    weights, bias = tune(CONFIG, 1, np.random.default_rng(0))
    gain, encoder = np.abs(weights[:, 0]), np.sign(weights[:, 0])
    at_one = rates_hz(weights @ np.ones(1) * encoder + bias, CONFIG.tau_s, CONFIG.refractory_s)
    assert at_one.min() >= 100
    assert at_one.max() <= 200
    assert np.ptp(at_one) > 95
    intercept = (1 - bias) / gain
    assert (np.abs(intercept) <= 0.9).all()
    for above, fires in ((1e-6, True), (-1e-6, False)):
        rates = rates_hz(gain * (intercept + above) + bias, CONFIG.tau_s, CONFIG.refractory_s)
        assert ((rates > 0) == fires).all()


def test_a_known_rate():
    # 1 / (2 ms - 20 ms ln(1 - 1/2))
    assert rates_hz(np.array([2.0, 1.0, 0.0, -3.0]), 0.02, 0.002) == pytest.approx([63.04, 0, 0, 0], abs=0.01)


def test_encoders_are_unit_vectors_in_any_dimension():
    weights, bias = tune(CONFIG, 4, np.random.default_rng(0))
    gain = np.linalg.norm(weights, axis=1)
    rates = rates_hz(gain + bias, CONFIG.tau_s, CONFIG.refractory_s)
    assert rates.min() >= 100
    assert rates.max() <= 200


def test_a_readout_decodes_the_function_it_was_solved_for():
    weights, bias = tune(CONFIG, 1, np.random.default_rng(0))
    x = np.linspace(-1, 1, 200)[:, None]
    activity = rates_hz(x @ weights.T + bias, CONFIG.tau_s, CONFIG.refractory_s)
    decoders = solve_readout(activity, np.hstack([x, x**2]))
    assert decoders.shape == (2, 400)
    np.testing.assert_allclose(activity @ decoders.T, np.hstack([x, x**2]), atol=0.03)


@pytest.mark.parametrize("rates", [{"rate_low_hz": 250.0}, {"rate_high_hz": 500.0}, {"rate_high_hz": 2000.0}])
def test_rates_that_no_neuron_has_are_refused(rates):
    with pytest.raises(ScenarioError, match="allowed: low <= high < 1 / refractory_s"):
        tune(PopulationConfig(**rates), 1, np.random.default_rng(0))


def test_rates_of_a_network_with_steps_are_those_it_has() -> None:
    """Spikes of 4 s of the reference backend, from constant currents; an interval is a whole number of steps."""
    config = PopulationConfig()
    current = np.linspace(1.05, 9.0, 12)
    net = Network(config.dt_s, spike_amplitude=1 / config.dt_s, seed=0)
    x = net.input("x", 1, units=("1",))
    neurons = net.lif("neurons", 12, tau_s=config.tau_s, refractory_s=config.refractory_s)
    out = net.readout("out", 12, tau_s=config.dt_s / 1000, units=("1",) * 12)
    net.connect(x, neurons, np.zeros((12, 1)), bias=current)
    net.connect(neurons, out, np.eye(12))
    backend = Reference(Empty())
    backend.load(net, 1000, Probes())
    backend.reset(0, "none")
    spikes = sum(backend.step(Tick(k, values=np.zeros(1, np.float32))).values * config.dt_s for k in range(4000))
    np.testing.assert_allclose(spikes / 4, stepped_rates_hz(current, config), atol=0.25)
