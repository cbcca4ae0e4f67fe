"""Classical laws against textbook answers and an arm derived a second way."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs

from hilbench import plugins
from hilbench.controllers._arm import ArmModel, State, arm_model, command_nm
from hilbench.controllers.adaptive import AdaptiveLaw, AdaptiveLawConfig, regressor
from hilbench.controllers.lqr import LQRConfig, LQRLaw, cart_pole_gain, gain, linear_cart_pole
from hilbench.controllers.pid import PIDLaw, PIDLawConfig
from hilbench.errors import ScenarioError
from hilbench.types import NO_VALUES


@pytest.fixture(scope="module")
def arm() -> ArmModel:
    with plugins.get("envs", "arm_payload")() as plant:
        return arm_model(plant.plant_spec, "test")


@pytest.fixture(scope="module")
def cart_pole():
    with plugins.get("envs", "cartpole_ladder")() as plant:
        return plant.plant_spec


def test_lqr_of_the_double_integrator():
    k = gain([[0, 1], [0, 0]], [[0], [1]], np.eye(2), [[1]])
    np.testing.assert_allclose(k, [[1, np.sqrt(3)]], rtol=1e-9)


def test_the_linear_cart_pole_falls_as_theory_says_and_its_gain_holds_it(cart_pole):
    a, b = linear_cart_pole(cart_pole, "test")
    p = cart_pole.parameters
    m, half_m, total = p["pole_kg"], p["pole_m"] / 2, p["pole_kg"] + p["cart_kg"]
    # Equations of motion at upright, solved as they stand: mass matrix (xdd, thetadd) = (force, gravity torque).
    mass = np.array([[total, m * half_m], [m * half_m, p["pole_inertia_kg_m2"] + m * half_m**2]])
    np.testing.assert_allclose(b[[1, 3], 0], np.linalg.solve(mass, [1, 0]), rtol=1e-9)
    np.testing.assert_allclose(
        a[[1, 3], 2], np.linalg.solve(mass, [0, m * p["gravity_m_s2"] * half_m]), rtol=1e-9
    )  # fmt: skip
    k = cart_pole_gain(LQRConfig(), cart_pole, "test")
    assert np.linalg.eigvals(a).real.max() > 1
    assert np.linalg.eigvals(a - b @ k[None]).real.max() < 0


@pytest.mark.parametrize("costs", [(0.0, 0.0, 0.0, 0.0), (0.0, 1.0, 10.0, 0.1)])
def test_lqr_costs_without_an_optimum_are_refused(cart_pole, costs):
    with pytest.raises(ScenarioError, match=r"state_cost: no gain .* holds the cart-pole"):
        cart_pole_gain(LQRConfig(state_cost=costs), cart_pole, "lqr")


def test_the_lqr_law_stays_within_its_limit():
    law = LQRLaw(LQRLaw.Config(gain=(2.0, 0.0, 1.0, 0.0), limit=10.0))
    law.reset(0)
    for obs, expected in (((1, 0, 1, 0), -3), ((9, 0, 0, 0), -10), ((-9, 0, 0, 0), 10)):
        assert law.step(np.float32(obs), NO_VALUES, True).tolist() == [expected]


def test_the_integral_is_clamped_and_unwinds_at_once(arm):
    law = PIDLaw(PIDLawConfig(arm=arm, ki=100.0, limit_nm=2.0, period_s=0.01))
    law.reset(0)
    away = np.float32([0, 0, 0, 0, 0.5, -0.5, 0, 0])
    for _ in range(100):
        law.step(away, NO_VALUES, True)
    assert law.integral_nm == (2.0, -2.0)
    law.step(-away, NO_VALUES, True)
    assert law.integral_nm == pytest.approx((1.5, -1.5))


def kinetic(arm: ArmModel, q) -> np.ndarray:
    """The mass matrix from the links' Jacobians: each centre of mass and the tip, in the plane."""
    (c1, s1), (c12, s12) = ((np.cos(x), np.sin(x)) for x in (q[0], q[0] + q[1]))
    l1 = arm.length_1_m

    def jacobian(first_m: float, second_m: float) -> np.ndarray:
        return np.array(
            [
                [-first_m * s1 - second_m * s12, -second_m * s12],
                [first_m * c1 + second_m * c12, second_m * c12],
            ]
        )

    bodies = (
        (arm.mass_1_kg, jacobian(arm.centre_1_m, 0), arm.inertia_1_kg_m2 - arm.mass_1_kg * arm.centre_1_m**2, (1, 0)),
        (arm.mass_2_kg, jacobian(l1, arm.centre_2_m), arm.inertia_2_kg_m2 - arm.mass_2_kg * arm.centre_2_m**2, (1, 1)),
        (arm.tip_kg, jacobian(l1, arm.length_2_m), arm.tip_inertia_kg_m2, (1, 1)),
    )
    return sum(m * j.T @ j + i * np.outer(w, w) for m, j, i, w in bodies)


def potential(arm: ArmModel, q) -> float:
    s1, s12 = np.sin(q[0]), np.sin(q[0] + q[1])
    heights = (
        (arm.mass_1_kg, arm.centre_1_m * s1),
        (arm.mass_2_kg, arm.length_1_m * s1 + arm.centre_2_m * s12),
        (arm.tip_kg, arm.length_1_m * s1 + arm.length_2_m * s12),
    )
    return arm.gravity_m_s2 * sum(m * h for m, h in heights)


def slope(function, q) -> np.ndarray:
    """Central differences of `function` along each joint, last axis."""
    step = 1e-5
    moves = np.eye(2) * step
    return np.stack([(function(q + d) - function(q - d)) / (2 * step) for d in moves], axis=-1)


def coriolis(arm: ArmModel, q, qd) -> np.ndarray:
    """C(q, qd) from Christoffel symbols of the mass matrix."""
    dm = slope(lambda at: kinetic(arm, at), q)
    symbols = (dm + dm.transpose(0, 2, 1) - dm.transpose(2, 1, 0)) / 2
    return np.einsum("ijk,k->ij", symbols, qd)


def true_parameters(arm: ArmModel) -> np.ndarray:
    """What the law starts from, with the gravity moments that it counts from nominal."""
    law = AdaptiveLaw(AdaptiveLawConfig(arm=arm, period_s=0.001))
    law.reset(0)
    inner = arm.mass_1_kg * arm.centre_1_m + (arm.mass_2_kg + arm.tip_kg) * arm.length_1_m
    outer = arm.mass_2_kg * arm.centre_2_m + arm.tip_kg * arm.length_2_m
    assert law.parameters[3:].tolist() == [0, 0]
    return law.parameters + np.array([0, 0, 0, arm.gravity_m_s2 * inner, arm.gravity_m_s2 * outer])


@pytest.mark.parametrize("seed", range(5))
def test_the_regressor_is_the_arms_equation_of_motion(arm, seed):
    q, qd, rate, acceleration = np.random.default_rng(seed).normal(0, 2, (4, 2))
    s = State(*q, *qd, 0, 0, 0, 0)
    found = regressor(s, tuple(rate), tuple(acceleration)) @ true_parameters(arm)
    gravity = slope(lambda at: potential(arm, at), q)
    expected = kinetic(arm, q) @ acceleration + coriolis(arm, q, qd) @ rate + gravity
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-8)
    level = arm.__class__(**{**{f: getattr(arm, f) for f in arm.__struct_fields__}, "inner_loop": 0.0})
    still = State(*q, 0, 0, *q, 0, 0)
    np.testing.assert_allclose(command_nm(level, still), gravity, rtol=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_the_rate_of_the_mass_matrix_less_twice_the_regressors_coriolis_is_skew(arm, seed):
    q, qd = np.random.default_rng(seed).normal(0, 2, (2, 2))
    s, a = State(*q, *qd, 0, 0, 0, 0), true_parameters(arm)
    a[3:] = 0
    c = np.stack([regressor(s, tuple(e), (0.0, 0.0)) @ a for e in np.eye(2)], axis=1)
    rate = slope(lambda at: kinetic(arm, at), q) @ qd
    skew = rate - 2 * c
    np.testing.assert_allclose(skew + skew.T, 0, atol=1e-7)
    assert np.abs(skew).max() > 1e-3


def test_who_knows_the_change_takes_fields_off_and_adds_the_payload(arm):
    values = np.float32([0.3, 0.8, 0.4, -0.2, 0.5, 0.6, 0.1, 0.3])

    def torques(told, knows_change=True):
        law = AdaptiveLaw(AdaptiveLawConfig(arm=arm, period_s=0.001, knows_change=knows_change))
        law.reset(0)
        return law.step(values, np.array(told), False)

    nominal = torques([], knows_change=False)
    np.testing.assert_allclose(torques([0.0, 0.0, 0.0]), nominal)
    np.testing.assert_allclose(torques([0.0, 2.5, -0.7]), nominal - [2.5, -0.7])
    # The payload's share is what the same law has of an arm whose tip is heavier, inertia and weight beyond nominal.
    heavier = AdaptiveLaw(AdaptiveLawConfig(arm=structs.replace(arm, tip_kg=arm.tip_kg + 1.5), period_s=0.001))
    heavier.reset(0)
    weight_nm = 1.5 * arm.gravity_m_s2 * arm.length_2_m * np.cos(1.1)
    weights_nm = [weight_nm + 1.5 * arm.gravity_m_s2 * arm.length_1_m * np.cos(0.3), weight_nm]
    expected = heavier.step(values, NO_VALUES, False) + weights_nm
    np.testing.assert_allclose(torques([1.5, 0.0, 0.0]), expected, rtol=1e-5)


def test_the_learning_bit_stops_the_adaptive_parameters(arm):
    law = AdaptiveLaw(AdaptiveLawConfig(arm=arm, period_s=0.001))
    law.reset(0)
    obs = np.float32([0.1, 0.2, 0.3, 0.4, 0.5, 0.4, 0.7, 0.2])
    before = law.parameters.copy()
    law.step(obs, NO_VALUES, False)
    np.testing.assert_array_equal(law.parameters, before)
    law.step(obs, NO_VALUES, True)
    assert (law.parameters != before).all()
    law.reset(0)
    np.testing.assert_array_equal(law.parameters, before)


def test_the_adaptive_law_learns_a_load_it_only_feels_as_gravity(arm):
    # At rest below the reference, the gravity moments grow until they would lift the arm.
    law = AdaptiveLaw(AdaptiveLawConfig(arm=arm, period_s=0.001))
    law.reset(0)
    below = np.float32([0.0, 0.0, 0, 0, 0.1, 0.1, 0, 0])
    torques = np.array([law.step(below, NO_VALUES, True) for _ in range(100)])
    assert (np.diff(torques, axis=0) > 0).all()
