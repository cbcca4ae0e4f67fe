"""The quadrotor against Newton's and Euler's equations, its loop against rotations of SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from hilbench.controllers._feedback import FeedbackConfig, feedback_of
from hilbench.envs._hover import FRAME, rotation_of, thrusts_n, tilt_error, wrench
from hilbench.envs.quad_hover import LOST, STATE, QuadHover
from hilbench.errors import ScenarioError

G = 9.81
Z, VZ, ROLL, PITCH, YAW = (STATE.index(name) for name in ("z", "vz", "roll_rate", "pitch_rate", "yaw_rate"))
small = st.floats(-1.0, 1.0)


def thrown(thrusts, n_steps=100, **tables):
    """The state before and after `n_steps` of 1 ms with these thrusts asked for, without the inner loop."""
    with QuadHover(inner_loop=False, **tables) as quad:
        quad.reset(seed=3)
        before = quad.state()
        quad.advance(n_steps, thrusts)
        return before, quad.state()


def lagged(n_steps, asked, start=FRAME.mass_kg * G / 4):
    """A rotor's thrust in each step, from hovering on."""
    return asked + (start - asked) * np.exp(-0.001 * np.arange(1, n_steps + 1) / 0.02)


def test_it_falls_as_its_motors_stop():
    before, after = thrown([0.0] * 4)
    facing = Rotation.from_quat(before[3:7]).apply([0, 0, 1])
    impulse = 4 * lagged(100, 0.0).sum() * 0.001 / FRAME.mass_kg
    velocity = before[7:10] + facing * impulse - np.array([0, 0, G * 0.1])
    np.testing.assert_allclose(after[7:10], velocity, atol=1e-9)


@pytest.mark.parametrize(
    ("more", "rate"),
    [
        ([-1, -1, 1, 1], ROLL),  # the left rotors push more: the left side rises, about +x
        ([-1, 1, 1, -1], PITCH),  # the rear ones: the nose sinks, about +y
        ([-1, 1, -1, 1], YAW),
    ],
)
def test_rotors_turn_it_about_its_axes(more, rate):
    hover = FRAME.mass_kg * G / 4
    before, after = thrown(hover + 0.002 * np.array(more), 20)
    extra = (lagged(20, hover + 0.002) - hover).sum() * 0.001
    lever = FRAME.drag_m if rate == YAW else FRAME.arm_m
    expected = 4 * extra * lever / FRAME.inertia_kg_m2[rate - ROLL]
    np.testing.assert_allclose(after[rate] - before[rate], expected, rtol=1e-3)
    others = [axis for axis in (ROLL, PITCH, YAW) if axis != rate]
    assert abs(after[others]).max() < 0.02 * expected


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_push_accelerates_it_in_the_worlds_axes(sign):
    hover = [FRAME.mass_kg * G / 4] * 4
    _, still = thrown(hover)
    _, pushed = thrown(hover, disturbances={"wind": {"kind": "push", "force": {"x": 0.05 * sign, "y": 0.02}}})
    expected = np.array([0.05 * sign, 0.02, 0.0]) / FRAME.mass_kg * 0.1
    np.testing.assert_allclose(pushed[7:10] - still[7:10], expected, atol=1e-9)


def test_friction_of_its_axes_is_drag():
    table = {"air": {"kind": "joint_friction", "damping": {"x": 0.05, "y": 0.05, "z": 0.05}}}
    before, after = thrown([0.0] * 4, 400, disturbances=table)
    facing = Rotation.from_quat(before[3:7]).apply([0, 0, 1])
    velocity = before[7:10]
    for thrust in 4 * lagged(400, 0.0):
        force = facing * thrust - 0.05 * velocity - np.array([0, 0, FRAME.mass_kg * G])
        velocity = velocity + 0.001 * force / FRAME.mass_kg
    np.testing.assert_allclose(after[7:10], velocity, atol=1e-9)


def test_either_way_draws_signs_by_the_seed():
    table = {"wind": {"kind": "push", "force": {"x": 0.05, "y": 0.05}, "either_way": True}}
    with QuadHover(inner_loop=False, disturbances=table) as quad:
        found = set()
        for seed in range(20):
            quad.reset(seed=seed)
            found.add(tuple(quad.field_forces()))
    assert found == {(x, y, 0.0) for x in (-0.05, 0.05) for y in (-0.05, 0.05)}


def test_what_is_lost_mends_it():
    """Info's losses as the action: with them a weak motor and wind change nothing but how the motors start."""
    table = {
        "motor": {"kind": "actuator_gain", "factor": {"rear_left": 0.8}},
        "wind": {"kind": "push", "force": {"x": 0.04, "y": -0.03}},
    }
    finals = []
    for tables in ({}, table):
        with QuadHover(disturbances=tables) as quad:
            _, info = quad.reset(seed=5)
            for _ in range(8000):
                _, _, ended, _, info = quad.step([info[name] for name in LOST])
                assert not ended
            finals.append(info["position_error_m"])
    assert finals[1] == pytest.approx(finals[0], abs=1e-3)


def test_it_ends_when_it_has_fallen():
    with QuadHover(inner_loop=False, control_period_s=0.01) as quad:
        quad.reset(seed=0)
        for _ in range(80):
            _, _, ended, truncated, info = quad.step([0.0] * 4)
            if ended:
                break
    assert ended
    assert not truncated
    assert info["tilt_rad"] < 1.0
    assert quad.truth[2] < 0.05


def test_without_its_loop_controllers_of_a_residual_say_so():
    with QuadHover(inner_loop=False) as quad, pytest.raises(ScenarioError, match=r"set plant\.inner_loop = true"):
        feedback_of(FeedbackConfig(), quad.plant_spec, "pes_feedback")


@given(st.tuples(small, small, small, small).filter(lambda q: np.linalg.norm(q) > 0.1))
def test_rotations_are_those_of_scipy(quaternion):
    expected = Rotation.from_quat(quaternion).as_matrix()
    np.testing.assert_allclose(np.transpose(rotation_of(quaternion)), expected, atol=1e-9)


def test_what_a_sensor_that_is_off_shows_is_no_rotation():
    np.testing.assert_array_equal(rotation_of((0.0, 0.0, 0.0, 0.0)), np.eye(3))


@given(st.floats(-1.4, 1.4), st.sampled_from([0, 1, 2]))
def test_the_tilts_error_is_the_sine_about_an_axis(angle, axis):
    body = rotation_of(Rotation.from_rotvec(angle * np.eye(3)[axis]).as_quat())
    expected = np.sin(angle) * np.eye(3)[axis]
    np.testing.assert_allclose(tilt_error(body, (0.0, 0.0, G)), expected, atol=1e-12)


@given(st.floats(0.1, 0.4), st.tuples(small, small, small))
def test_rotors_do_what_is_asked_of_them_within_their_limits(lift, torques):
    asked = tuple(np.array(torques) * [5e-4, 5e-4, 3e-4])
    thrusts = thrusts_n(FRAME, lift, asked)
    if min(thrusts) > 0 and max(thrusts) < FRAME.most_n:
        found = wrench(FRAME, thrusts)
        assert found[0] == pytest.approx(lift)
        np.testing.assert_allclose(found[1], asked, atol=1e-12)
    assert all(0 <= thrust <= FRAME.most_n for thrust in thrusts)
