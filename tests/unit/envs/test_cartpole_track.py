"""The cart-pole's reference against the linear equations that it should obey, and what its info says."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.controllers._feedback import FeedbackConfig, Terms, feedback_of
from hilbench.envs.cartpole_track import FADE_S, CartpoleTrack


def test_the_reference_is_one_motion_of_the_linear_cart_pole_while_it_fades_in_and_after():
    """Of a rod, l = 2/3 of its length: theta'' l = g theta - x'', and each rate is its angle's derivative."""
    with CartpoleTrack(physics_step_s=0.001) as plant:
        plant.reset(seed=5)
        times = np.concatenate([np.arange(0.0, FADE_S, 0.01), np.arange(FADE_S, 20.0, 0.01)])
        x, xd, theta, thetad, xdd, thetadd = np.array([plant._refer(t) for t in times]).T
        length_m = 2 / 3 * plant.plant_spec.parameters["pole_m"]
    np.testing.assert_allclose(thetadd * length_m, 9.81 * theta - xdd, atol=1e-9)
    for signal, rate in ((x, xd), (xd, xdd), (theta, thetad), (thetad, thetadd)):
        central = (signal[2:] - signal[:-2]) / 0.02
        np.testing.assert_allclose(central, rate[1:-1], atol=2e-4)
    late = times > FADE_S
    flat = (x + length_m * theta)[late]
    assert np.abs(flat).max() < 0.4 + 0.15
    assert np.abs(flat).max() > 0.45
    assert not np.any([x[0], xd[0], theta[0], thetad[0], xdd[0], thetadd[0]])


def test_feed_forward_alone_drives_the_linear_cart_along_it():
    """(M + m) x'' + m L/2 theta'' is the force of the linear equations; the real plant adds a few per cent."""
    with CartpoleTrack() as plant:
        spec = plant.plant_spec
        terms = Terms(feedback_of(FeedbackConfig(), spec, "test"))
        obs, _ = plant.reset(seed=2)
        for _ in range(9000):
            obs, *_, info = plant.step(terms.command(obs.astype(float)))
        errors = []
        for _ in range(3000):
            obs, _, ended, _, info = plant.step(terms.command(obs.astype(float)))
            errors.append(info["x_error_m"])
    assert not ended
    assert np.sqrt(np.mean(np.square(errors))) < 0.012


def test_info_says_what_has_changed():
    tables = {
        "oil": {"kind": "joint_friction", "damping": {"slide": 2.0}, "at_s": 0.1},
        "off": {"kind": "sensor_bias", "bias": {"theta": 0.02}, "at_s": 0.1},
        "hose": {"kind": "hose", "joint": "slide", "stiffness": 3.0, "rest": 1.0, "at_s": 0.1},
    }
    with CartpoleTrack(disturbances=tables) as plant:
        _, info = plant.reset(seed=0)
        assert (info["friction_n_s_m"], info["theta_bias_rad"], info["field_n"]) == (0.0, 0.0, 0.0)
        for _ in range(101):
            obs, *_, info = plant.step([0.0])
    assert info["friction_n_s_m"] == 2.0
    assert info["theta_bias_rad"] == pytest.approx(0.02)
    assert info["field_n"] == pytest.approx(3.0 * (1.0 - info["x_m"]))
    assert obs[2] - info["theta_rad"] == pytest.approx(0.02, abs=1e-6)
    assert info["x_error_m"] == pytest.approx(abs(obs[4] - info["x_m"]), abs=1e-6)
