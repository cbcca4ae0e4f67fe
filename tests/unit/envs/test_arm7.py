"""The arm of seven joints against its geometry, the weights of its links, and its own equations of motion."""

from __future__ import annotations

from pathlib import Path
from string import Template

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import hilbench.envs
from hilbench.controllers._feedback import FeedbackConfig, feedback_of
from hilbench.envs._engine import World
from hilbench.envs.arm7 import CENTRE_RAD, FOOT_M, LENGTH_M, LIMIT_NM, LOAD, SWING_RAD, Arm7, tip
from hilbench.errors import ScenarioError

G = 9.81
MASSES_KG = (3.0, 3.0, 2.5, 2.5, 1.5, 1.5, 0.5)


@pytest.fixture
def torques(tmp_path):
    """The inverse dynamics of the arm's file with a tip of a mass."""
    text = Template((Path(hilbench.envs.__file__).parent / "urdf" / "arm7.urdf.template").read_text())
    world = World()
    world.begin(0.001)

    def of(tip_kg):
        path = tmp_path / f"{tip_kg}.urdf"
        path.write_text(text.substitute(tip_kg=tip_kg))
        return world.inverse_dynamics(world.load(path, True, (0, 0, 0), (0, 0, 0, 1)))

    yield of
    world.close()


@pytest.mark.parametrize("seed", range(5))
def test_the_tip_is_where_rotations_put_it(seed):
    angles = np.random.default_rng(seed).uniform(-np.pi, np.pi, 7)
    place, turned = np.array([0.0, 0.0, FOOT_M]), Rotation.identity()
    for number, (angle, length) in enumerate(zip(angles, LENGTH_M, strict=True)):
        turned = turned * Rotation.from_euler("y" if number % 2 else "z", angle)
        place = place + turned.apply([0, 0, length])
    np.testing.assert_allclose(tip(angles.tolist()), place, atol=1e-12)


def test_a_level_arm_weighs_on_its_second_joint_as_its_links_say(torques):
    ends = np.cumsum(LENGTH_M[1:])
    centres = ends - np.array(LENGTH_M[1:]) / 2
    moment = np.dot(MASSES_KG[1:], centres) + 0.05 * ends[-1]
    still = [0.0] * 7
    found = torques(0.05)([0, np.pi / 2, 0, 0, 0, 0, 0], still, still)
    assert found[1] == pytest.approx(-G * moment, rel=1e-6)
    assert abs(found[0]) < 1e-9


def test_a_mass_at_the_tip_takes_the_torque_of_a_point(torques):
    """Torque = J' m (g + a), with the tip's Jacobian and acceleration by differences of its place."""
    t, step, kg = 0.7, 1e-4, 2.0
    speeds, phases = np.linspace(0.8, 1.6, 7), np.arange(7.0)

    def at(t):
        return np.array(CENTRE_RAD) + np.array(SWING_RAD) * np.sin(speeds * t + phases)

    q, qd = at(t), np.array(SWING_RAD) * speeds * np.cos(speeds * t + phases)
    qdd = -np.array(SWING_RAD) * speeds**2 * np.sin(speeds * t + phases)
    places = [np.array(tip(at(t + offset).tolist())) for offset in (-step, 0.0, step)]
    acceleration = (places[0] - 2 * places[1] + places[2]) / step**2
    bumps = 1e-6 * np.eye(7)
    jacobian = np.array([np.subtract(tip(q + bump), tip(q - bump)) / 2e-6 for bump in bumps])
    expected = jacobian @ (kg * np.add(acceleration, [0, 0, G]))
    motion = q.tolist(), qd.tolist(), qdd.tolist()
    found = np.subtract(torques(0.05 + kg)(*motion), torques(0.05)(*motion))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_info_says_of_the_load_carries_it():
    table = {
        "load": {"kind": "payload", "mass_kg": 2.0, "at_s": 0.5},
        "gear": {"kind": "force_field", "joint": "joint_2", "amplitude": [5.0], "wavelength": [1.0], "at_s": 1.0},
    }
    with Arm7(disturbances=table) as arm:
        _, info = arm.reset(seed=1)
        errors = []
        for _ in range(6000):
            _, _, _, _, info = arm.step([info[name] for name in LOAD])
            errors.append(info["tip_error_m"])
    assert max(errors[5000:]) < 0.001, "0.2 m without it"
    assert info["payload_kg"] == 2.0


def test_torques_stay_within_their_limits():
    with Arm7(inner_loop=False) as arm:
        arm.reset(seed=0)
        arm.advance(1, [1e6] * 7)
        assert arm.forces == list(LIMIT_NM)


def test_both_worlds_are_released_and_built_again():
    arm = Arm7()
    first, _ = arm.reset(seed=4)
    arm.close()
    arm.close()
    again, _ = arm.reset(seed=4)
    np.testing.assert_array_equal(first, again)
    arm.close()


def test_without_its_loop_controllers_of_a_residual_say_so():
    with Arm7(inner_loop=False) as arm, pytest.raises(ScenarioError, match="needs an arm with its inner loop"):
        feedback_of(FeedbackConfig(), arm.plant_spec, "rbf")
