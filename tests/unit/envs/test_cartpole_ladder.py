"""The cart-pole against theory: growth rates, momentum, the end of an episode."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.envs.cartpole_ladder import CartpoleLadder
from hilbench.errors import ScenarioError


def constants(plant):
    p = plant.plant_spec.parameters
    half_m = p["pole_m"] / 2
    swing = p["pole_inertia_kg_m2"] + p["pole_kg"] * half_m**2
    total_kg = p["cart_kg"] + p["pole_kg"]
    fall = p["pole_kg"] * half_m * p["gravity_m_s2"]
    rate_hz = np.sqrt(total_kg * fall / (total_kg * swing - (p["pole_kg"] * half_m) ** 2))
    return total_kg, p["pole_kg"] * half_m, rate_hz


@pytest.mark.parametrize(("pole_m", "published"), [(1.0, 3.97), (0.25, 7.95), (0.05, 17.8)])
def test_upright_pole_falls_at_the_analytic_rate(pole_m, published):
    with CartpoleLadder(pole_m=pole_m, physics_step_s=1e-4, control_period_s=1e-4) as plant:
        plant.reset(seed=1)
        rate = constants(plant)[2]
        assert rate == pytest.approx(published, rel=3e-3)
        start = plant.state()[2]
        assert 0 < abs(start) < 0.05
        steps = round(1.0 / rate / 1e-4)
        plant.advance(steps, [0.0])
        # From rest and near upright, theta = theta_0 cosh(rate t).
        assert plant.state()[2] == pytest.approx(start * np.cosh(rate * steps * 1e-4), rel=3e-3)


def test_lean_force_and_speed_have_the_documented_signs():
    with CartpoleLadder() as plant:
        plant.reset(seed=1)
        plant.advance(20, [10.0])
        x_m, xd, _, thetad = plant.state()
    assert x_m > 0
    assert xd > 0
    assert thetad < 0


@pytest.mark.parametrize("damping", [0.0, 2.0])
def test_momentum_is_what_force_and_friction_gave(damping):
    tables = {"rust": {"kind": "joint_friction", "damping": {"slide": damping}}}
    with CartpoleLadder(disturbances=tables) as plant:
        plant.reset(seed=1)
        total_kg, arm_kg_m, _ = constants(plant)
        plant.advance(200, [5.0])
        x_m, xd, theta, thetad = plant.state()
    momentum = total_kg * xd + arm_kg_m * thetad * np.cos(theta)
    # A velocity motor left on would hold the cart: momentum 0.
    assert momentum == pytest.approx(5.0 * 0.2 - damping * x_m, rel=5e-3)


def test_weak_motor_is_half_the_force():
    states = []
    for force, tables in ((8.0, {"weak": {"kind": "actuator_gain", "factor": 0.5}}), (4.0, {})):
        with CartpoleLadder(disturbances=tables) as plant:
            plant.reset(seed=3)
            plant.advance(150, [force])
            states.append(plant.state())
            assert plant.observe()[4]["force_n"] == 4.0
    np.testing.assert_array_equal(*states)


def test_episode_ends_when_the_pole_has_fallen_and_stays_ended():
    with CartpoleLadder(pole_m=0.1) as plant:
        plant.reset(seed=1)
        for _ in range(2000):
            _, reward, terminated, truncated, info = plant.step([0.0])
            assert terminated == (info["theta_error_rad"] > 0.6)
            assert reward == float(not terminated)
            assert not truncated
            if terminated:
                break
        plant.advance(5000, [0.0])
        assert plant.observe()[2]
        assert not plant.reset(seed=1)[1]["theta_error_rad"] > 0.05
        assert not plant.observe()[2]


def test_episode_ends_near_the_end_of_the_rail_and_the_cart_stops_there():
    with CartpoleLadder() as plant:
        plant.reset(seed=1)
        while not plant.observe()[2]:
            # Keeps the pole leaning by some 4 degrees, so the cart runs away under it.
            theta, thetad = plant.state()[2:]
            plant.advance(1, [40 * (theta - 0.05) + 10 * thetad])
            assert plant.time_s < 10.0
        x_m, _, theta, _ = plant.state()
        assert x_m == pytest.approx(2.35, abs=0.01)
        assert abs(theta) < 0.2
        plant.advance(2000, [20.0])
        assert plant.state()[0] == pytest.approx(2.4, abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ({"pole_m": 0.0}, "plant.pole_m: found 0.0, expected `float` > 0.02"),
        (
            {"pole_mm": 0.5},
            "plant.pole_mm: no such field; allowed: force_n, physics_step_s, pole_m; did you mean 'pole_m'?",
        ),
        (
            {"control_period_s": 0.0015},
            "control_period_s: found 0.0015 s, expected a whole number of physics steps of 0.001 s",
        ),
        (
            {"physics_step_s": 0.0000305},
            "plant.physics_step_s: found 3.05e-05 s, expected a whole number of microseconds",
        ),
        ({"render_mode": "human"}, "render_mode: found 'human'; allowed: rgb_array"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments, line):
    with pytest.raises(ScenarioError) as caught:
        CartpoleLadder(**arguments)
    assert str(caught.value).startswith(line)
