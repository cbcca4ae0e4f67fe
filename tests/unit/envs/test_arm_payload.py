"""The arm against rigid-body theory, and its inner loop against the same loop closed from outside."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from hilbench.envs.arm_payload import ArmPayload


def dynamics(plant_spec, payload_kg: float = 0.0, damping=(0.0, 0.0), torque_nm=(0.0, 0.0)):
    """The arm's equation of motion from its plant_spec (Spong, Robot Modeling and Control: two-link planar arm)."""
    p = plant_spec.parameters
    tip_kg = p["tip_kg"] + payload_kg
    a, b = p["length_1_m"], p["length_2_m"]
    inertia_1 = p["inertia_1_kg_m2"] + (p["mass_2_kg"] + tip_kg) * a**2
    inertia_2 = p["inertia_2_kg_m2"] + tip_kg * b**2 + p["tip_inertia_kg_m2"]
    coupling = a * (p["mass_2_kg"] * p["centre_2_m"] + tip_kg * b)
    weight_1 = p["gravity_m_s2"] * (p["mass_1_kg"] * p["centre_1_m"] + (p["mass_2_kg"] + tip_kg) * a)
    weight_2 = p["gravity_m_s2"] * (p["mass_2_kg"] * p["centre_2_m"] + tip_kg * b)

    def gravity(q):
        elbow = weight_2 * np.cos(q[0] + q[1])
        return np.array([weight_1 * np.cos(q[0]) + elbow, elbow])

    def derivative(_, y):
        q, qd = y[:2], y[2:]
        cross = coupling * np.cos(q[1])
        mass = [[inertia_1 + inertia_2 + 2 * cross, inertia_2 + cross], [inertia_2 + cross, inertia_2]]
        spin = coupling * np.sin(q[1]) * np.array([-qd[1] * (2 * qd[0] + qd[1]), qd[0] ** 2])
        return [*qd, *np.linalg.solve(mass, torque_nm - spin - gravity(q) - np.multiply(damping, qd))]

    return derivative, gravity


@pytest.mark.parametrize(
    ("tables", "theory"),
    [
        ({}, {}),
        ({"load": {"kind": "payload", "mass_kg": 1.5}}, {"payload_kg": 1.5}),
        (
            {"one": {"kind": "payload", "mass_kg": 0.5}, "two": {"kind": "payload", "mass_kg": 1.0}},
            {"payload_kg": 1.5},
        ),
        ({"oil": {"kind": "joint_friction", "damping": [0.8, 0.3]}}, {"damping": (0.8, 0.3)}),
        ({"oil": {"kind": "joint_friction", "damping": 0.5}}, {"damping": (0.5, 0.5)}),
        ({"weak": {"kind": "actuator_gain", "factor": {"torque_1": 0.5}}}, {"torque_nm": (4.0, 3.0)}),
    ],
    ids=["free", "payload", "two payloads", "friction list", "friction", "weak motor"],
)
def test_motion_is_that_of_the_equations(tables, theory):
    action = (8.0, 3.0) if "weak" in tables else (0.0, 0.0)
    with ArmPayload(inner_loop=False, disturbances=tables, physics_step_s=1e-4) as arm:
        arm.reset(seed=0)
        derivative, _ = dynamics(arm.plant_spec, **theory)
        exact = solve_ivp(derivative, (0.0, 0.25), arm.state(), rtol=1e-10, atol=1e-12).y[:, -1]
        arm.advance(2500, action)
        # The engine's step is of first order: at 0.1 ms the speeds, up to 20 rad/s, are off by some 1e-3.
        np.testing.assert_allclose(arm.state(), exact, atol=8e-3)


def test_payload_needs_exactly_its_static_torque():
    load = {"kind": "payload", "mass_kg": 1.5, "at_s": 0.005}
    with ArmPayload(inner_loop=False, disturbances={"load": load}) as arm:
        arm.reset(seed=0)
        q = arm.state()[:2]
        light, heavy = (dynamics(arm.plant_spec, payload_kg=kg)[1](q) for kg in (0.0, 1.5))
        arm.advance(5, light)
        np.testing.assert_allclose(arm.state()[2:], 0, atol=1e-9)
        arm.advance(1, heavy)
        np.testing.assert_allclose(arm.state()[2:], 0, atol=1e-9)
        arm.advance(1, light)
        assert np.abs(arm.state()[2:]).max() > 1e-3


def test_pd_arm_is_good_until_the_payload_and_bad_after():
    tables = {"load": {"kind": "payload", "mass_kg": 1.5, "at_s": 20.0}}
    with ArmPayload(control_period_s=0.01, disturbances=tables) as arm:
        arm.reset(seed=0)
        error_m = np.array([arm.step((0.0, 0.0))[4]["tip_error_m"] for _ in range(3000)])
    before, after = (np.sqrt(np.mean(error_m[span] ** 2)) for span in (slice(1500, 2000), slice(2500, 3000)))
    assert 0.005 < before < 0.008
    assert 0.1 < after < 0.3


def test_inner_loop_is_pd_with_nominal_gravity_at_every_step():
    noise = {"noise": {"kind": "sensor_noise", "std": {"q_1": 0.002, "qd_2": 0.05}}}
    residual = np.array([1.0, -2.0])
    with ArmPayload(disturbances=noise) as inner, ArmPayload(inner_loop=False, disturbances=noise) as outer:
        p = inner.plant_spec.parameters
        gravity = dynamics(inner.plant_spec)[1]
        inner.reset(seed=4)
        obs, _ = outer.reset(seed=4)
        inner.advance(300, residual)
        for _ in range(300):
            q, qd, q_ref, qd_ref = obs.astype(float).reshape(4, 2)
            kp, kd = (np.array([p[f"{gain}_1"], p[f"{gain}_2"]]) for gain in ("kp", "kd"))
            torque = kp * (q_ref - q) + kd * (qd_ref - qd) + gravity(q) + residual
            obs = outer.step(torque)[0]
        # Not bit for bit: the outer loop reads float32.
        np.testing.assert_allclose(inner.state(), outer.state(), atol=1e-4)
        assert np.abs(inner.state() - [0.4, 0.6, 0, 0]).max() > 0.1


def test_total_torque_is_limited():
    with ArmPayload(kp_1=1000.0, kd_1=0.0, kp_2=0.0, kd_2=0.0) as arm:
        arm.reset(seed=0)
        info = arm.step((60.0, -60.0))[4]
    assert abs(info["torque_1_nm"]) == 60.0
    assert abs(info["torque_2_nm"]) < 60.0


def test_work_is_torque_times_mean_speed_and_never_shrinks():
    with ArmPayload() as arm:
        _, info = arm.reset(seed=0)
        assert info["work_j"] == 0.0
        work_j = 0.0
        for _ in range(200):
            before = arm.state()[2:]
            info = arm.step((0.0, 0.0))[4]
            torque = np.array([info["torque_1_nm"], info["torque_2_nm"]])
            work_j += np.abs(torque * (before + arm.state()[2:]) / 2).sum() * 0.001
    assert info["work_j"] == pytest.approx(work_j, rel=1e-12)
    assert work_j > 0.1


def test_info_tells_the_torque_of_fields_at_each_joint():
    table = {"joint": "shoulder", "amplitude": [6.0], "wavelength": [0.4], "phase_rad": [0.3]}
    with ArmPayload(disturbances={"ripple": {"kind": "force_field", **table}}) as arm, ArmPayload() as calm:
        arm.reset(seed=0)
        arm.advance(100, [0.0, 0.0])
        info = arm.observe()[4]
        assert info["field_1_nm"] == pytest.approx(6.0 * np.sin(2 * np.pi / 0.4 * arm.state()[0] + 0.3))
        assert info["field_2_nm"] == 0.0
        calm.reset(seed=0)
        assert (calm.observe()[4]["field_1_nm"], calm.observe()[4]["field_2_nm"]) == (0.0, 0.0)
