"""A robot on two driven wheels: it drives as the kinematics of its wheels say, and its actuators can be disturbed."""

from __future__ import annotations

from math import exp, hypot, pi

import numpy as np
import pytest

from hilbench.envs import WHEELED_NAMES, WHEELED_UNITS, WHEELS, WheeledPlant
from hilbench.envs.disturbances import Traits
from hilbench.errors import ScenarioError
from hilbench.types import PlantSpec

SMALL = {"body_radius_m": 0.06, "track_m": 0.1, "wheel_radius_m": 0.025, "mass_kg": 0.5}
LARGE = {"body_radius_m": 0.18, "track_m": 0.3, "wheel_radius_m": 0.05, "mass_kg": 3.0}
LAG_S = 0.1


class Robot(WheeledPlant):
    """Nothing but a robot on a floor."""

    traits = Traits(sensors=WHEELED_NAMES, joints=WHEELS, actuators=WHEELS)
    obs_high = (1e3,) * 7

    @property
    def own_spec(self) -> PlantSpec:
        return PlantSpec(
            obs_names=WHEELED_NAMES, obs_units=WHEELED_UNITS, physics_step_s=self.config.physics_step_s,
            info_units={"t_s": "s"}, error="", parameters=self.parameters, **self.action_facts,
        )  # fmt: skip

    def pose(self, random):
        self.stand(0.3, -0.2, 0.5)
        return 0.0, 0.0

    def show(self):
        return self.sensed, 0.0, False, {"t_s": self.time_s}


@pytest.fixture(params=[(SMALL, 0.001), (LARGE, 0.001), (SMALL, 0.01), (LARGE, 0.01)], ids=str)
def robot(request):
    body, step_s = request.param
    with Robot(**body, wheel_lag_s=LAG_S, physics_step_s=step_s, control_period_s=step_s) as robot:
        robot.reset(seed=0)
        yield robot


def drive(robot, duration_s, left, right):
    """The named state at the end; {name: value}."""
    robot.advance(round(duration_s / robot.config.physics_step_s), [left, right])
    return dict(zip(WHEELED_NAMES, robot.state(), strict=True))


def test_it_stands_where_it_was_put(robot):
    now = drive(robot, 0.5, 0.0, 0.0)
    np.testing.assert_allclose([now["x"], now["y"], now["heading"]], [0.3, -0.2, 0.5], atol=1e-3)
    np.testing.assert_allclose([now["speed"], now["turn_rate"]], 0.0, atol=1e-3)


def test_it_drives_straight_as_fast_as_its_wheels(robot):
    begin = drive(robot, 1.0, 0.3, 0.3)
    end = drive(robot, 2.0, 0.3, 0.3)
    way = np.array([end["x"] - begin["x"], end["y"] - begin["y"]])
    assert hypot(*way) == pytest.approx(0.6, rel=0.02)
    np.testing.assert_allclose(way / hypot(*way), [np.cos(0.5), np.sin(0.5)], atol=0.01)
    np.testing.assert_allclose([end["speed"], end["left_wheel"], end["right_wheel"]], 0.3, rtol=0.02)


def test_it_spins_by_the_difference_of_its_wheels_over_the_track(robot):
    rate = 2 * 0.1 / robot.config.track_m
    begin = drive(robot, 1.0, -0.1, 0.1)
    end = drive(robot, 2.0, -0.1, 0.1)
    turned = (end["heading"] - begin["heading"] - rate * 2.0 + pi) % (2 * pi) - pi
    assert abs(turned) < 0.02 * rate * 2.0
    assert end["turn_rate"] == pytest.approx(rate, rel=0.02)
    assert hypot(end["x"] - begin["x"], end["y"] - begin["y"]) < 0.002


def test_a_faster_right_wheel_turns_it_to_the_left_on_a_circle(robot):
    drive(robot, 1.0, 0.1, 0.2)
    found = [drive(robot, 0.1, 0.1, 0.2) for _ in range(20)]
    assert np.mean([now["turn_rate"] for now in found]) == pytest.approx(0.1 / robot.config.track_m, rel=0.02)
    assert np.mean([now["speed"] for now in found]) == pytest.approx(0.15, rel=0.02)


def test_a_wheel_follows_its_command_with_a_lag_of_the_first_order(robot):
    drive(robot, 0.5, 0.0, 0.0)
    for n in range(1, 7):
        now = drive(robot, 0.05, 0.2, 0.2)
        assert now["speed"] == pytest.approx(0.2 * (1 - exp(-n * 0.05 / LAG_S)), abs=0.004)


def test_the_work_is_the_kinetic_energy_of_the_robot_and_its_wheels():
    with Robot(**LARGE, wheel_lag_s=0.3) as robot:
        robot.reset(seed=0)
        drive(robot, 2.0, 0.4, 0.4)
        # Two solid wheels of 3 % of the mass each turn as well: half a mass each in the speed of the rim.
        assert robot.work_j == pytest.approx(0.5 * 3.0 * (1 + 0.03) * 0.4**2, rel=0.05)


def test_disturbances_act_on_one_wheel_and_swap_both():
    weak = {"weak": {"kind": "actuator_gain", "factor": {"right": 0.5}}}
    with Robot(disturbances=weak) as robot:
        robot.reset(seed=0)
        now = drive(robot, 1.0, 0.2, 0.2)
    assert (now["left_wheel"], now["right_wheel"]) == pytest.approx((0.2, 0.1), rel=0.02)
    with Robot(disturbances={"crossed": {"kind": "motor_fault", "mode": "wrong", "order": "reversed"}}) as robot:
        robot.reset(seed=0)
        now = drive(robot, 1.0, 0.1, 0.2)
    assert (now["left_wheel"], now["right_wheel"]) == pytest.approx((0.2, 0.1), rel=0.02)
    assert now["turn_rate"] < 0


def test_an_episode_repeats_bit_for_bit():
    with Robot() as one, Robot() as other:
        other.reset(seed=3)
        drive(other, 0.3, -0.4, 0.7)
        for robot in (one, other):
            robot.reset(seed=0)
            drive(robot, 1.0, 0.5, 0.3)
        np.testing.assert_array_equal(one.state(), other.state())


def test_a_track_wider_than_the_body_is_refused():
    with Robot(track_m=0.3) as robot, pytest.raises(ScenarioError, match=r"plant.track_m: found 0.3; allowed: up to"):
        robot.reset(seed=0)
