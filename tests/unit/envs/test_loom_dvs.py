"""Balls that come at a camera: when one meets the robot, what it fills, which dodge is in time, and who never hits."""

from __future__ import annotations

from math import asin, hypot, inf, pi, radians

import numpy as np
import pytest

from hilbench.envs._loom import BODY_M, KINDS, Trial, angle_rad, covered, dodged, drawn, nearest_m, texture, trembling
from hilbench.envs.loom_dvs import FOV_RAD, WALL_M, LoomDVS
from hilbench.errors import ScenarioError

STEPS = {"control_period_s": 0.01, "physics_step_s": 0.002}
BLIND = STEPS | {"sensors": {}}
"""Without its camera, which takes most of the time."""
HEAD_ON = Trial("approach", 0.2, (5.3, 0.0, 0.0), (-5.0, 0.0, 0.0), (1.0, 0.0), 1.5, 1.0, 1.0)
"""A ball of 0.2 m at 5 m/s, whose middle is 0.3 m from the robot's after 1 s."""


def played(plant, trial=None, alarm_s=inf, seed=0, episode=0):
    """The infos of an episode in which the robot is alarmed at an instant; of a trial where one is given."""
    plant.reset(seed=seed, options={"episode": episode})
    if trial is not None:
        plant._trial = trial
    infos, rewards = [plant.observe()[4]], []
    while True:
        _, reward, ended, _, info = plant.step([float(plant.time_s >= alarm_s - 1e-9)])
        infos.append(info)
        rewards.append(reward)
        if ended:
            return infos, rewards


def of_kind(plant, kind, n=1):
    """Seeds of `n` trials of a kind."""
    found = []
    for seed in range(400):
        plant.reset(seed=seed)
        if plant._trial.kind == kind:
            found.append(seed)
        if len(found) == n:
            return found
    raise AssertionError(kind)


def test_a_ball_meets_a_robot_that_stays_at_the_stated_instant():
    with LoomDVS(control_period_s=0.002, physics_step_s=0.002, sensors={}) as plant:
        infos, rewards = played(plant, HEAD_ON)
        assert infos[-1]["t_s"] == 1.0
        assert [info["collided"] for info in infos[-2:]] == [0.0, 1.0]
        for seed in of_kind(plant, "approach", 4):
            infos, rewards = played(plant, seed=seed)
            contact_s = infos[-1]["contact_s"]
            assert 1.2 <= contact_s <= 1.7
            assert 0 <= infos[-1]["t_s"] - contact_s <= 0.002 + 1e-9
            assert infos[-1]["collided"] == infos[-1]["failed"] == infos[-1]["target"] == 1.0
            assert sum(rewards) == -1.0


def test_the_angle_of_a_ball_and_how_fast_it_grows():
    theta, grows = angle_rad((2.0, 0.0, 0.0), (-5.0, 0.0, 0.0), 0.2)
    assert theta == pytest.approx(2 * asin(0.1))
    later, _ = angle_rad((2.0 - 5e-6, 0.0, 0.0), (-5.0, 0.0, 0.0), 0.2)
    assert grows == pytest.approx((later - theta) / 1e-6, rel=1e-4)
    assert theta / grows == pytest.approx(2.0 / 5.0, rel=0.01)  # tau, of a small angle
    assert angle_rad((-1.0, 0.0, 0.0), (-5.0, 0.0, 0.0), 0.2) == (0.0, 0.0)
    aside, _ = angle_rad((1.2, 1.6, 0.0), (0.0, 0.0, 0.0), 0.2)
    assert aside == pytest.approx(theta)


def test_the_plant_tells_the_angle_at_each_instant():
    with LoomDVS(**BLIND) as plant:
        infos, _ = played(plant, HEAD_ON)
        at = infos[50]
    assert at["theta_rad"] == pytest.approx(2 * asin(0.2 / (5.3 - 2.5)))
    assert at["theta_dot_rad_s"] == pytest.approx(2 * 0.2 * 5 / (2.8 * (2.8**2 - 0.04) ** 0.5))


@pytest.mark.parametrize(("alarm_s", "hit"), [(0.5, False), (0.88, False), (0.96, True), (0.99, True)])
def test_a_dodge_in_time_is_not_hit_and_one_too_late_is(alarm_s, hit):
    # Contact is after 1 s, and the ball is past 0.06 s later. 0.3 m aside need 10 ms + 0.14 s, of which that is a part.
    with LoomDVS(**BLIND) as plant:
        infos, rewards = played(plant, HEAD_ON, alarm_s)
    last = infos[-1]
    assert last["collided"] == float(hit)
    assert last["alarm"] == float(not hit)
    assert last["warning_s"] == pytest.approx(1.0 - alarm_s)
    assert sum(rewards) == -float(hit)


def test_a_dodge_goes_half_a_metre_and_stops():
    half_s = (0.5 / 30) ** 0.5
    assert dodged(-0.01, 0.5, 30.0) == (0.0, 0.0)
    assert dodged(half_s, 0.5, 30.0) == pytest.approx((0.25, 30 * half_s))
    assert dodged(2 * half_s, 0.5, 30.0) == pytest.approx((0.5, 0.0))
    assert dodged(9.0, 0.5, 30.0) == (0.5, 0.0)
    with LoomDVS(**BLIND) as plant:
        plant.reset(seed=of_kind(plant, "light")[0])
        for _ in range(10):
            obs, *_ = plant.step([1.0])
        # Alarmed at 0, pushed from 10 ms on: at 100 ms it has been for 90.
        assert obs[:2].tolist() == pytest.approx([0.5 * 30 * 0.09**2, 30 * 0.09])


def test_only_half_an_alarm_or_more_counts_and_only_once():
    with LoomDVS(**BLIND) as plant:
        plant.reset(seed=0)
        assert plant.step([0.49])[4]["alarmed"] == 0.0
        assert plant.step([0.5])[4]["alarmed"] == 1.0
        began_s = plant._alarmed_s
        plant.step([0.0])
        plant.step([1.0])
        assert plant._alarmed_s == began_s == 0.01


@pytest.mark.parametrize("kind", KINDS[1:])
def test_what_is_no_approach_never_hits_whether_it_is_dodged_or_not(kind):
    with LoomDVS(**BLIND) as plant:
        for seed in of_kind(plant, kind, 6):
            for alarm_s in (inf, 0.0, 0.8, 1.3):
                infos, rewards = played(plant, seed=seed, alarm_s=alarm_s)
                last = infos[-1]
                assert (last["collided"], last["target"], last["contact_s"]) == (0.0, 0.0, -1.0)
                assert last["t_s"] == 2.0
                assert last["failed"] == last["alarm"] == -sum(rewards) == float(alarm_s < inf)


def test_trials_are_drawn_in_their_shares_and_within_their_limits():
    random = np.random.default_rng(0)
    trials = [drawn(random, 0.5, (0.02, 0.06)) for _ in range(4000)]
    share = {kind: np.mean([trial.kind == kind for trial, _ in trials]) for kind in KINDS}
    assert share["approach"] == pytest.approx(0.5, abs=0.03)
    for kind in KINDS[1:]:
        assert share[kind] == pytest.approx(0.125, abs=0.02)
    assert not any(quiet.comes for _, quiet in trials)
    for trial, _ in trials[:500]:
        assert 0.1 <= trial.radius_m <= 0.3
        if trial.comes:
            speed = -trial.velocity_m_s[0]
            assert 0.02 <= trial.radius_m / speed <= 0.06
            ball_m = trial.ball_m(trial.contact_s)
            assert hypot(*ball_m) == pytest.approx(trial.radius_m + BODY_M)
            assert hypot(*ball_m[1:]) <= 0.5 * (trial.radius_m + BODY_M) + 1e-9


def test_a_ball_that_passes_between_two_instants_is_found():
    assert nearest_m((1.0, 0.3, 0.0), (-1.0, 0.3, 0.0)) == pytest.approx(0.3)
    assert nearest_m((2.0, 0.0, 0.0), (1.0, 0.0, 0.0)) == 1.0
    assert nearest_m((1.0, 0.0, 0.0), (1.0, 0.0, 0.0)) == 1.0


def test_in_a_drought_nothing_comes_and_other_trials_are_as_they_were():
    drought = {"dry": {"kind": "drought", "at_episode": 5, "until_episode": 9}}
    with LoomDVS(**BLIND) as plain, LoomDVS(**BLIND, disturbances=drought) as dry:
        for seed in range(12):
            plain.reset(seed=seed, options={"episode": seed})
            dry.reset(seed=seed, options={"episode": seed})
            if 5 <= seed < 9:
                assert not dry._trial.comes
            if not 5 <= seed < 9 or not plain._trial.comes:
                assert dry._trial == plain._trial


def test_a_light_step_changes_the_light_alone():
    trial = HEAD_ON._replace(kind="light", brighter=1.6)
    assert [trial.light(t_s) for t_s in (0.0, 1.0, 1.01, 1.02, 2.0)] == pytest.approx([1, 1, 1.3, 1.6, 1.6])


def events_of(plant, seed):
    plant.reset(seed=seed)
    found = []
    while True:
        ended = plant.step([0.0])[2]
        found.append(plant.events())
        if ended:
            return np.concatenate(found)


def test_the_same_seed_gives_the_same_events_and_another_one_others():
    with LoomDVS(**STEPS) as plant, LoomDVS(**STEPS) as other:
        first = events_of(plant, 3)
        events_of(plant, 4)
        assert events_of(plant, 3).tobytes() == first.tobytes() == events_of(other, 3).tobytes()
        assert events_of(plant, 4).tobytes() != first.tobytes()


def test_a_ball_that_comes_gives_ever_more_events_and_thresholds_that_drift_fewer():
    scaled = {"drift": {"kind": "event_threshold", "scale": 1.75}}
    misty = {"mist": {"kind": "lighting", "contrast": 0.4}}
    counts = []
    for disturbances in ({}, scaled, misty):
        with LoomDVS(**STEPS, disturbances=disturbances) as plant:
            plant.reset(seed=3)
            plant._trial = HEAD_ON
            plant._scene.bodies[0, 4:7], plant._scene.bodies[0, 8:10] = 0.2, 1.5
            each = []
            for _ in range(95):
                info = plant.step([0.0])[4]
                each.append(len(plant.events()))
            counts.append(np.array(each).reshape(19, 5).sum(axis=1))
            assert (info["thresholds"], info["contrast"]) == (
                1.75 if disturbances is scaled else 1.0, 0.4 if disturbances is misty else 1.0,
            )  # fmt: skip
    plain, drifted, mist = counts
    assert plain[-1] > plain[-2] > 2 * plain[:10].mean()
    assert drifted[-3:].sum() < 0.7 * plain[-3:].sum()
    assert mist[-3:].sum() < 0.7 * plain[-3:].sum()


def test_the_camera_sees_a_ball_where_it_is():
    eye = {"eye": {"kind": "dvs", "fov_rad": FOV_RAD, "rays": 1}}
    for place in ((2.0, 0.5, 0.3), (1.5, -0.4, -0.6)):
        trial = HEAD_ON._replace(start_m=place, velocity_m_s=(0.0, 0.0, 0.0), luminance=50.0, contact_s=inf)
        with LoomDVS(**STEPS | {"sensors": eye}, tremble_px=0.0) as plant:
            plant.reset(seed=0)
            plant._trial = trial
            plant._scene.bodies[0, 4:7], plant._scene.bodies[0, 8:10] = 0.2, 50.0
            plant.step([0.0])
            seen = plant._rack.sensors["eye"].image > 25
        assert (seen ^ covered(place, 0.2, 64, FOV_RAD)).mean() < 0.005
        assert seen.sum() > 30


def test_the_camera_trembles_about_straight_ahead_and_up_stays_up():
    from hilbench.compiled.cache import kernels

    kernels("hilbench.envs.sensors._dvs.render")
    from hilbench.envs.sensors._dvs.rays import look

    with LoomDVS(**BLIND, tremble_px=5.0) as plant:
        plant.reset(seed=1)
        plant.step([0.0])
        left, up = np.tan(plant.truth[2:])
        view = np.empty((4, 3))
        getattr(look, "py_func", look)(np.array(plant.camera("front")), view)
    forward = np.array([up, left, -1.0])
    assert view[0].tolist() == pytest.approx([0.0, 0.0, WALL_M])
    assert view[1] == pytest.approx(forward / np.linalg.norm(forward))
    assert view[3] @ [1.0, 0.0, 0.0] > np.cos(radians(10))
    assert abs(view[3] @ [0.0, 1.0, 0.0]) < 0.02


def test_the_robot_feels_how_its_camera_trembles():
    with LoomDVS(**BLIND) as plant:
        plant.reset(seed=2)
        felt = np.array([plant.step([0.0])[0][2:] for _ in range(190)])
    assert 0.0003 < felt.std() < 0.01
    assert len(np.unique(felt[:, 0])) > 100


def test_trembling_has_the_stated_size():
    noise = trembling(np.random.default_rng(0), 200_000, 0.002)
    assert noise.std(axis=0) == pytest.approx(np.ones(2), rel=0.06)
    assert np.corrcoef(noise[:-25, 0], noise[25:, 0])[0, 1] == pytest.approx(2 / np.e, rel=0.1)


def test_the_wall_has_the_stated_contrast():
    wall = texture(np.random.default_rng(0), 128, 4, 0.2)
    assert np.log(wall).std() == pytest.approx(0.2, rel=0.05)
    assert (wall[::4] == wall[3::4]).all()


def test_a_picture_shows_the_ball_and_how_it_went():
    with LoomDVS(**BLIND, render_mode="rgb_array") as plant:
        assert plant.render() is None
        plant.reset(seed=0)
        plant._trial = HEAD_ON
        plant.step([0.0])
        robot = tuple(plant.render()[316, 384])
        for _ in range(60):
            plant.step([0.0])
        middle = plant.render()[52 + 128, 24 + 128]
        assert middle.tolist() == [191] * 3  # a luminance of 1.5
        for _ in range(60):
            plant.step([0.0])
        assert plant.observe()[4]["collided"]
        assert tuple(plant.render()[316, 384]) not in (robot, (246, 246, 242))


def test_another_camera_is_refused_in_a_line():
    with LoomDVS(**BLIND) as plant:
        plant.reset(seed=0)
        with pytest.raises(ScenarioError, match=r"^camera: found 'rear'; "):
            plant.camera("rear")
    with pytest.raises(ScenarioError, match=r"^plant.approaches|approaches"):
        LoomDVS(approaches=2.0)


def test_the_field_of_view_is_that_of_its_eye():
    assert pytest.approx(pi / 3) == FOV_RAD
