"""The beam against the equations of a hinge, its motors and its reference against their closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from hilbench.envs.beam import Beam

INERTIA, DAMPING, TIP_M, TIP_KG, G = 0.009, 0.01, 0.2, 0.0001, 9.81


def motion(torque_nm, payload_kg=0.0, gain=1.0, field=lambda q: 0.0, start=(0.0, 0.0)):
    """Angle and rate after 0.5 s: I q'' = torque + field - damping q' - weight, the torque behind a lag of 20 ms."""
    tip_kg = TIP_KG + payload_kg
    inertia = INERTIA + tip_kg * TIP_M**2 + 1e-7

    def derivative(t, y):
        motor = gain * torque_nm * (1 - np.exp(-t / 0.02))
        weight = tip_kg * G * TIP_M * np.cos(y[0])
        return [y[1], (motor + field(y[0]) - DAMPING * y[1] - weight) / inertia]

    return solve_ivp(derivative, (0.0, 0.5), start, rtol=1e-10, atol=1e-12).y[:, -1]


def wind(q):
    return 0.15 * np.sin(2 * np.pi * q + 0.4) + 0.05 * np.sin(2 * np.pi * q / 0.5 - 1.0)


@pytest.mark.parametrize(
    ("tables", "theory"),
    [
        ({}, {}),
        ({"load": {"kind": "payload", "mass_kg": 0.08}}, {"payload_kg": 0.08}),
        ({"weak": {"kind": "actuator_gain", "factor": 0.6}}, {"gain": 0.6}),
        (
            {
                "wind": {
                    "kind": "force_field",
                    "joint": "hinge",
                    "amplitude": [0.15, 0.05],
                    "wavelength": [1.0, 0.5],
                    "phase_rad": [0.4, -1.0],
                }
            },
            {"field": wind},
        ),
    ],
    ids=["free", "load", "weak motors", "wind"],
)
def test_motion_is_that_of_the_equation(tables, theory):
    with Beam(disturbances=tables, physics_step_s=1e-4) as beam:
        beam.reset(seed=0)
        beam.advance(5000, [0.1])
        # The engine's step is of first order: at 0.1 ms angle and rate, up to 5 rad/s, are off by some 1e-3.
        np.testing.assert_allclose(beam.state(), motion(0.1, **theory), atol=4e-3)


def test_motors_follow_with_a_lag_of_20_ms():
    with Beam() as beam:
        beam.reset(seed=0)
        torques = [beam.step([0.3])[4]["torque_nm"] for _ in range(60)]
    np.testing.assert_allclose(torques, 0.3 * (1 - np.exp(-np.arange(1, 61) / 20)), rtol=1e-9)


def test_the_command_is_limited_and_what_is_left_of_a_weak_motor_is_told():
    with Beam(disturbances={"weak": {"kind": "actuator_gain", "factor": 0.6, "at_s": 0.5}}) as beam:
        _, info = beam.reset(seed=0)
        assert info["motor_gain"] == 1.0
        for _ in range(1000):
            info = beam.step([5.0])[4]
    assert info["torque_nm"] == pytest.approx(0.6 * 0.6)
    assert info["motor_gain"] == pytest.approx(0.6)


def test_the_reference_is_the_critically_damped_model_of_its_set_points():
    """Between set-points: gap (1 + pole t) exp(-pole t) from rest, with pole = 2 / filter_s; 0.6 s is six tenths."""
    with Beam(hold_s=5.0, filter_s=0.5) as beam:
        first, _ = beam.reset(seed=3)
        target = first[4] / 16.0
        beam.advance(700, [0.0])
        _, _, *reference = beam.observe()[0].astype(float)
        beam.advance(4300, [0.0])
        after = beam.observe()[0].astype(float)
    t, pole = 0.7, 4.0
    decay = np.exp(-pole * t)
    expected = target * np.array([1 - (1 + pole * t) * decay, pole**2 * t * decay, pole**2 * (1 - pole * t) * decay])
    np.testing.assert_allclose(reference, expected, rtol=1e-5)
    assert abs(target) < 0.8
    # At 5 s it has settled, and the next set-point pulls with pole^2 times its distance.
    assert after[2] == pytest.approx(target, abs=1e-5)
    assert abs(after[4]) > 0.1


def test_set_points_are_spread_evenly_over_their_range():
    with Beam(hold_s=0.1, filter_s=0.05) as beam:
        beam.reset(seed=0)
        targets = []
        for _ in range(400):
            beam.advance(99, [0.0])
            targets.append(beam.observe()[0][2])
            beam.advance(1, [0.0])
    # The filter has come within 10 % of the step. Four standard errors of the mean and of the deviation.
    assert abs(np.mean(targets)) < 4 * 0.46 / 20
    assert np.std(targets) == pytest.approx(0.8 / np.sqrt(3), rel=0.15)
    assert np.abs(targets).max() < 0.8


def test_the_error_is_that_of_the_true_angle():
    bias = {"off": {"kind": "sensor_bias", "bias": {"q": 0.1}}}
    with Beam(disturbances=bias) as beam:
        obs, info = beam.reset(seed=0)
        assert obs[0] == pytest.approx(0.1)
        assert info["angle_error_rad"] == 0.0
        obs, reward, *_, info = beam.step([0.3])
        assert info["angle_error_rad"] == pytest.approx(abs(obs[2] - (obs[0] - 0.1)), abs=1e-7)
        assert reward == -info["angle_error_rad"]
