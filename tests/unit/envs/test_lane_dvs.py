"""The lane: what the robot sees and counts, and how it leaves its lane and comes back."""

from __future__ import annotations

from math import sin

import numpy as np
import pytest

from hilbench.envs.lane_dvs import LANE_M, LINE, ROAD, TRACK, LaneDVS, road

BLIND = {"sensors": {}, "control_period_s": 0.02, "physics_step_s": 0.002}


def luminance(s_m: float, left_m: float) -> float:
    """The road's, at a place on the way round."""
    ground = road()
    _, n_y, n_x = ground.levels[0].tolist()
    x, y, _ = TRACK.pose(s_m, left_m)
    column, row = ((np.array([x, y]) - ground.facts[:2]) / ground.facts[2]).astype(int)
    return float(ground.texels[: n_y * n_x].reshape(n_y, n_x)[row, column])


@pytest.mark.parametrize("s_m", [1.2, 6.2, 13.2, 20.2, 45.2])
def test_lines_are_where_the_lane_has_them(s_m):
    for left_m in (-0.5, 0.5):
        assert luminance(s_m, left_m) == pytest.approx(LINE)
        assert luminance(s_m, left_m * 0.92) < 1.2 * ROAD
        assert luminance(s_m, left_m * 1.08) < 1.2 * ROAD
    assert luminance(s_m, 0.0) == pytest.approx(LINE)  # a dash
    assert luminance(s_m + 0.5, 0.0) == pytest.approx(ROAD, rel=0.11)  # a gap
    assert luminance(s_m, LANE_M) == pytest.approx(ROAD, rel=0.11)


def steer(plant: LaneDVS, n: int) -> list[dict[str, float]]:
    """The infos of some periods under PD on the true offset, with the curve fed forward."""
    found, turn = [], 0.0
    for _ in range(n):
        info = plant.step([turn])[4]
        k = info["curvature_per_m"]
        turn = -16 * info["offset_m"] - 6 * sin(info["heading_error_rad"]) + k / (1 - LANE_M * k)
        found.append(info)
    return found


def test_a_robot_that_knows_its_offset_keeps_to_its_lane_through_bends():
    with LaneDVS(**BLIND) as plant:
        plant.reset(seed=1)
        infos = steer(plant, 400)
    assert len({info["curvature_per_m"] for info in infos}) > 1
    assert np.mean([info["offset_error_m"] for info in infos]) < 0.02
    assert infos[-1]["departures"] == 0
    assert infos[-1]["progress_m"] == pytest.approx(8.0, rel=0.15)  # at 1 m/s, on a lane that is longer or shorter
    for info in infos:
        assert info["lane_error_m"] == pytest.approx(info["offset_m"] + 0.4 * sin(info["heading_error_rad"]))


def test_the_offset_is_that_of_the_closed_form():
    """On the first straight y is the distance to the left of the centreline, and the heading is that of the body."""
    with LaneDVS(**BLIND) as plant:
        for seed in range(100):
            obs, info = plant.reset(seed=seed)
            x, y, heading = plant.state()[:3]
            if abs(y) < 0.4 and -4 < x < 4:
                break
        assert info["offset_m"] == pytest.approx(y - LANE_M)
        assert info["heading_error_rad"] == pytest.approx(heading)
        np.testing.assert_allclose(obs[:2], [y - LANE_M, heading], rtol=1e-5)


def test_a_robot_that_leaves_its_lane_stands_a_second_and_is_put_back():
    with LaneDVS(**BLIND) as plant:
        plant.reset(seed=1)
        infos = [plant.step([2.0])[4] for _ in range(150)]
    left = next(i for i, info in enumerate(infos) if info["departures"])
    assert abs(infos[left]["offset_m"]) >= 0.25 > abs(infos[left - 1]["offset_m"])
    standing = infos[left : left + 50]
    assert {info["offset_error_m"] for info in standing} == {0.25}
    assert {info["lane_error_m"] for info in standing} == {0.0}
    assert abs(standing[35]["offset_m"]) > 0.25 > 0.03 >= abs(standing[45]["offset_m"])
    assert infos[left + 51]["offset_error_m"] < 0.05
    assert infos[left + 55]["progress_m"] > infos[left + 45]["progress_m"] == infos[left]["progress_m"]


def test_a_weak_wheel_pulls_to_its_side_and_is_told():
    weak = {"weak": {"kind": "actuator_gain", "factor": {"left": 0.85}}}
    with LaneDVS(**BLIND, disturbances=weak, sway_rad_s=0.0) as plant:
        plant.reset(seed=1)
        for _ in range(15):
            obs, *_, info = plant.step([0.0])
    assert (info["gain_left"], info["gain_right"]) == pytest.approx((0.85, 1.0))
    assert obs[3] == pytest.approx(0.15 / 0.16, rel=0.05)


def test_the_yaw_rate_that_disturbs_it_has_its_stated_size_and_time():
    with LaneDVS(**BLIND, sway_rad_s=0.3) as plant:
        plant.reset(seed=0)
        found = []
        for _ in range(20_000):
            found.append(plant._sway)
            plant._sway = plant._stay * plant._sway + plant._kick * plant._draw()
    found = np.array(found)
    assert found.std() == pytest.approx(0.3, rel=0.2)
    assert np.corrcoef(found[:-250], found[250:])[0, 1] == pytest.approx(np.exp(-1), abs=0.15)  # 0.5 s


def test_it_carries_an_event_camera_and_repeats_bit_for_bit():
    def watched() -> tuple[bytes, np.ndarray]:
        with LaneDVS(control_period_s=0.02, physics_step_s=0.002) as plant:
            assert plant.plant_spec.event_sensors[0].shape == (48, 64, 2)
            plant.reset(seed=5)
            told = []
            for _ in range(10):
                plant.step([0.5])
                told.append(plant.events())
            return plant.state().tobytes(), np.concatenate(told)

    (state, events), (again, events_again) = watched(), watched()
    assert state == again
    np.testing.assert_array_equal(events, events_again)
    assert events.size > 200
