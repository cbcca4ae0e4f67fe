"""The hexapod: its gait, what it counts as an error, what its legs are told, and its feet's contacts as events."""

from __future__ import annotations

from math import atan2, cos, hypot, pi, sin

import msgspec
import numpy as np
import pytest

from hilbench.controllers._feedback import FeedbackConfig, feedback_of, teaching
from hilbench.controllers.lame_gait import LameGait, LameGaitConfig, LameGaitLaw
from hilbench.envs.beam import Beam
from hilbench.envs.hexapod_damage import GROUP, JOINTS, LEGS, SERVO_MOST_NM, SIDE, TOUCH, HexapodDamage
from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS

FEET = {"feet": {"kind": "delta", "entries": list(TOUCH), "threshold": 1.0}}


def walked(n_steps, action=(0.0,) * 6, seed=0, **tables):
    """Observations and infos of each millisecond, after 1.5 s without an action."""
    with HexapodDamage(**tables) as robot:
        robot.reset(seed=seed)
        robot.advance(1500, [0.0] * 6)
        found = [robot.step(action) for _ in range(n_steps)]
        names = robot.plant_spec.obs_names
    obs = np.array([each[0] for each in found], float)
    return {name: obs[:, column] for column, name in enumerate(names)}, [each[4] for each in found]


def limp(*legs):
    return {
        "limp": {
            "kind": "actuator_gain",
            "factor": {f"{leg}_{joint}": 0.0 for leg in legs for joint in ("hip", "knee")},
        }
    }


@pytest.fixture(scope="module")
def nominal():
    return walked(2000)


def test_the_nominal_gait_walks_straight_on_at_the_speed_asked_for(nominal):
    obs, infos = nominal
    assert np.mean(obs["speed"]) == pytest.approx(0.153, abs=0.003)
    assert abs(obs["heading"][-1] - obs["heading"][0]) < 0.02
    assert infos[-1]["walk_error_m_s"] < 0.003


def test_feet_are_in_the_air_where_they_swing_and_the_others_carry_it(nominal):
    """The middle foot always does; it rocks a little over the other two."""
    obs, _ = nominal
    for leg, group in enumerate(GROUP):
        carried, swing = obs[TOUCH[leg]] > 0, group * obs["phase_sin"]
        assert not carried[swing < -0.9].any()
        assert carried[swing > 0.9].mean() > (0.999 if LEGS[leg] in ("l2", "r2") else 0.2)


def test_its_error_is_of_the_means_over_a_cycle(nominal):
    obs, infos = nominal
    along = np.cumsum(obs["speed"]) * 0.001
    speed = (along[1999] - along[999]) / 1.0
    turn = np.unwrap(obs["heading"])[[999, 1999]]
    last = infos[1999]
    assert last["walk_m_s"] == pytest.approx(speed, abs=1e-6)
    assert last["turn_rad_s"] == pytest.approx(turn[1] - turn[0], abs=1e-6)
    assert last["walk_error_m_s"] == pytest.approx(hypot(speed - 0.153, 0.2 * (turn[1] - turn[0])), abs=1e-6)


def test_a_leg_that_stands_is_told_what_its_side_lacks():
    """By the mean speed as sensed over the cycle before, and the yaw rate with a lever of half a metre."""
    biased = {"bias": {"kind": "sensor_bias", "bias": {"speed": -0.1, "yaw_rate": 0.02}}}
    with HexapodDamage(disturbances=biased) as robot:
        obs, _ = robot.reset(seed=2)
        names, felt = list(robot.plant_spec.obs_names), [0.153] * 1000
        speed, rate, phase = (names.index(name) for name in ("speed", "yaw_rate", "phase_sin"))
        for _ in range(1300):
            expected = [
                0.153 - np.mean(felt) + side * 0.5 * obs[rate] if group * obs[phase] > 0 else 0.0
                for side, group in zip(SIDE, GROUP, strict=True)
            ]
            np.testing.assert_allclose(obs[names.index("lack_l1") :][:6], expected, atol=1e-6)
            felt = [*felt[1:], obs[speed]]
            obs, *_ = robot.step([0.0] * 6)


def test_longer_swings_on_the_left_turn_it_to_the_right():
    _, infos = walked(2000, (0.1, 0.1, 0.1, -0.1, -0.1, -0.1))
    assert infos[-1]["turn_rad_s"] < -0.02
    _, infos = walked(2000, (0.1,) * 6)
    assert infos[-1]["walk_m_s"] > 0.17


def test_a_limp_leg_gets_no_torque_and_costs_its_walk():
    _, infos = walked(3000, disturbances=limp("l3"))
    assert infos[-1]["left_l3"] == 0
    assert infos[-1]["left_l2"] == 1
    assert infos[-1]["walk_error_m_s"] > 0.02
    with HexapodDamage(disturbances=limp("l3")) as robot:
        robot.reset(seed=0)
        robot.advance(600, [0.0] * 6)
        at = JOINTS.index("l3_hip")
        assert robot.forces[at : at + 2] == [0.0, 0.0]
        assert any(robot.forces)


def test_servos_stay_within_their_torque():
    with HexapodDamage() as robot:
        robot.reset(seed=0)
        robot.advance(600, [0.0] * 6)
        for _ in range(50):
            robot.advance(1, [0.7, -0.7] * 3)
            assert max(map(abs, robot.forces)) <= SERVO_MOST_NM


def test_contacts_are_events_as_feet_land_and_leave():
    """Polarity 1 where a foot lands, 0 where it leaves."""
    with HexapodDamage(sensors=FEET) as robot:
        obs, _ = robot.reset(seed=1)
        first = robot.plant_spec.obs_names.index("touch_l1")
        n_events = 0
        for _ in range(2500):
            before = obs[first : first + 6]
            obs, *_ = robot.step([0.0] * 6)
            change = obs[first : first + 6] - before
            legs = np.flatnonzero(change)
            addresses = robot.events()["address"]
            np.testing.assert_array_equal(addresses, 2 * legs + (change[legs] > 0))
            n_events += addresses.size
    assert n_events >= 24, "each foot lands and leaves in each cycle"


def test_it_starts_on_its_feet():
    with HexapodDamage() as robot:
        obs, _ = robot.reset(seed=0)
        first = robot.plant_spec.obs_names.index("touch_l1")
        assert (obs[first : first + 6] == 1).all()


def test_on_its_back_the_episode_ends():
    with HexapodDamage() as robot:
        robot.reset(seed=0)
        assert not robot.step([0.0] * 6)[2]
        robot.place(robot.body, [0, 0, 0.1, 1.0, 0, 0, 0, *(0.0,) * 6])
        assert robot.step([0.0] * 6)[2]


def test_the_phase_at_a_change_is_drawn():
    phases = set()
    for seed in range(4):
        with HexapodDamage() as robot:
            obs, _ = robot.reset(seed=seed)
            names = robot.plant_spec.obs_names
            phases.add(round(atan2(obs[names.index("phase_sin")], obs[names.index("phase_cos")]), 3))
    assert len(phases) == 4


def test_its_feedback_is_what_each_leg_lacks():
    with HexapodDamage() as robot:
        spec = robot.plant_spec
        feedback = feedback_of(FeedbackConfig(), spec, "rbf")
    rows = np.array(feedback.feedback)
    for leg in range(6):
        assert spec.obs_names[np.flatnonzero(rows[leg])[0]] == f"lack_{LEGS[leg]}"
    assert rows.sum() == pytest.approx(6 * 0.02)
    assert feedback.inside
    nose = {"lack_nose": {"kind": "analog", "entries": ["speed"]}}
    with HexapodDamage(sensors=nose) as robot:
        assert len(feedback_of(FeedbackConfig(), robot.plant_spec, "rbf").feedback) == 6
    with HexapodDamage(inner_loop=False) as robot, pytest.raises(ScenarioError, match="needs a hexapod with its inner"):
        feedback_of(FeedbackConfig(), robot.plant_spec, "rbf")


def test_told_swings_its_legs_as_it_was_told():
    with HexapodDamage(disturbances={"weak": {"kind": "actuator_gain", "factor": {"l2_hip": 0.25}}}) as robot:
        swings = (0.1, 0.2, 0.3, -0.1, -0.2, 0.7)
        built = LameGait.build(LameGaitConfig(lame="l2", swings=swings, gain_per_s=0.0), robot.plant_spec, 10_000, 0)
        obs, info = robot.reset(seed=0)
    told = np.zeros(1)
    built.modulate(obs, NO_EVENTS, 0.0, info, told)
    assert told[0] == 0.25
    law = LameGaitLaw(msgspec.convert(built.program.config, LameGaitLaw.Config))
    law.reset(0)
    found = law.step(np.zeros(obs.size), told, True)
    np.testing.assert_allclose(found, 0.75 * np.array(swings))
    np.testing.assert_array_equal(law.step(np.zeros(obs.size), np.array([2.0]), True), 0.0)


def test_told_does_not_wind_up():
    """What its swings and its integral ask for beyond a limit is not asked for later."""
    with HexapodDamage() as robot:
        spec = robot.plant_spec
    built = LameGait.build(LameGaitConfig(lame="l3", swings=(0.5,) * 6, gain_per_s=50.0), spec, 10_000, 0)
    law = LameGaitLaw(msgspec.convert(built.program.config, LameGaitLaw.Config))
    law.reset(0)
    values, limp_now = np.zeros(len(spec.obs_names)), np.zeros(1)
    lacks = [name.startswith("lack_") for name in spec.obs_names]
    values[lacks] = 0.05
    for _ in range(5000):
        found = law.step(values, limp_now, True)
    np.testing.assert_allclose(found, 0.7)
    values[lacks] = -0.05
    assert (law.step(values, limp_now, True) < 0.7).all()


def test_what_is_beyond_its_limit_teaches_no_further():
    feedback, limit = np.array([1.0, -1.0, 1.0, -1.0]), np.full(4, 0.5)
    learnt = np.array([0.6, 0.6, 0.4, -0.5])
    np.testing.assert_array_equal(teaching(feedback, learnt, limit), [0.0, -1.0, 1.0, 0.0])


def test_headings_wrap():
    with HexapodDamage() as robot:
        robot.reset(seed=0)
        half = 0.999 * pi / 2
        robot.place(robot.body, [0, 0, 0.09, 0, 0, sin(half), cos(half), *(0.0,) * 6])
        obs, *_ = robot.step([0.0] * 6)
        assert abs(obs[5]) == pytest.approx(2 * half, abs=0.01)


def test_told_needs_a_hexapod():
    with Beam() as beam, pytest.raises(ScenarioError, match="'lame_gait' needs a hexapod, whose info states left_l3"):
        LameGait.build(LameGaitConfig(), beam.plant_spec, 10_000, 0)
