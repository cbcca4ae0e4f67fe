"""The pool against geometry: where trials start, how it swims, when a trial ends, and where the platform is."""

from __future__ import annotations

from math import atan2, cos, hypot, pi, sin

import numpy as np
import pytest

from hilbench.envs.watermaze import Watermaze

COARSE = {"physics_step_s": 0.02, "control_period_s": 0.02}
PLATFORM_M = 0.28 * cos(pi / 4)
MOVED = {"moved": {"kind": "goal_turn", "at_episode": 2, "until_episode": 4}}


def swim(plant, towards, most=4000):
    """Infos and rewards of a trial in which it swims to a place."""
    infos, rewards = [], []
    for _ in range(most):
        way = np.subtract(towards, plant.state()[:2])
        _, reward, ended, _, info = plant.step(0.2 * way / (np.hypot(*way) + 1e-9))
        infos.append(info)
        rewards.append(reward)
        if ended:
            break
    return infos, rewards


def test_four_seeds_in_a_row_start_from_the_four_winds():
    with Watermaze(**COARSE) as plant:
        for first in (0, 4, 20_000):
            angles = [atan2(*plant.reset(seed=seed)[0][1::-1]) % (2 * pi) for seed in range(first, first + 4)]
            away = [hypot(*plant.reset(seed=seed)[0][:2]) for seed in range(first, first + 4)]
            quarters = np.array(angles) / (pi / 2)
            assert sorted(np.rint(quarters).astype(int) % 4) == [0, 1, 2, 3]
            assert np.abs(quarters - np.rint(quarters)).max() <= 0.1 / (pi / 2) + 1e-6
            np.testing.assert_allclose(away, 0.45, rtol=1e-6)


def test_the_order_of_starts_differs_from_block_to_block():
    with Watermaze(**COARSE) as plant:
        orders = set()
        for n in range(12):
            starts = [plant.reset(seed=4 * n + k)[0] for k in range(4)]
            orders.add(tuple(round(atan2(start[1], start[0]) / (pi / 2)) % 4 for start in starts))
    assert len(orders) > 4


def test_the_way_is_speed_times_time_and_the_wall_stops_what_leads_outwards():
    with Watermaze(**COARSE) as plant:
        start = plant.reset(seed=1)[0][:2].astype(float)
        inwards = -start / np.hypot(*start)
        plant.advance(50, (0.1 * inwards).tolist())
        np.testing.assert_allclose(plant.state()[:2], start + 0.1 * inwards, atol=1e-6)
        plant.reset(seed=1)
        plant.advance(50, (10 * inwards).tolist())  # each component is limited, then the speed
        assert hypot(*(plant.state()[:2] - start)) == pytest.approx(0.2, rel=1e-6)
        plant.advance(300, (-0.2 * inwards).tolist())
        assert hypot(*plant.state()[:2]) == pytest.approx(0.5)
        along = np.array([-inwards[1], inwards[0]])
        before = plant.state()[:2]
        plant.advance(1, (0.2 * along).tolist())
        assert hypot(*(plant.state()[:2] - before)) == pytest.approx(0.004, rel=1e-3)
        assert hypot(*plant.state()[:2]) == pytest.approx(0.5)


@pytest.mark.parametrize("seed", range(4))
def test_the_straight_way_takes_the_shortest_time_and_is_rewarded_once(seed):
    with Watermaze(**COARSE) as plant:
        obs, info = plant.reset(seed=seed)
        straight_s = (hypot(obs[0] - PLATFORM_M, obs[1] - PLATFORM_M) - 0.06) / 0.2
        assert info["shortest_s"] == pytest.approx(straight_s + 1.0, abs=1e-6)
        infos, rewards = swim(plant, (PLATFORM_M, PLATFORM_M))
    assert straight_s <= infos[-1]["latency_s"] < straight_s + 0.04
    assert infos[-1]["t_s"] == pytest.approx(infos[-1]["latency_s"] + 1.0)
    assert infos[-1]["found"] == 1
    assert infos[-1]["distance_m"] < 0.06
    assert sum(rewards) == 1
    assert rewards.index(1.0) == round(infos[-1]["latency_s"] / 0.02) - 1


def test_who_finds_nothing_is_taken_out_and_rests():
    with Watermaze(search_s=2.0, **COARSE) as plant:
        plant.reset(seed=0)
        infos, rewards = swim(plant, (-PLATFORM_M, -PLATFORM_M))
        assert plant.state()[2:].tolist() == [0.0, 0.0]
    assert infos[-1]["t_s"] == pytest.approx(3.0)
    assert infos[-1]["latency_s"] == pytest.approx(2.0)
    assert infos[-1]["found"] == sum(rewards) == 0
    assert infos[-1]["distance_m"] == infos[100]["distance_m"]  # it stays where it was taken out


def test_no_platform_is_found_on_the_way_back_after_the_search():
    """In the pause nothing moves, so nothing is found."""
    with Watermaze(search_s=0.5, pause_s=5.0, **COARSE) as plant:
        plant.reset(seed=0)
        infos, _ = swim(plant, (PLATFORM_M, PLATFORM_M))
    assert infos[-1]["found"] == 0


def test_the_platform_moves_to_the_other_side_and_back():
    goals = []
    with Watermaze(disturbances=MOVED, **COARSE) as plant:
        for episode in range(6):
            info = plant.reset(seed=episode, options={"episode": episode})[1]
            goals.append((info["goal_x_m"], info["goal_y_m"]))
    here, there = (PLATFORM_M,) * 2, (-PLATFORM_M,) * 2
    np.testing.assert_allclose(goals, [here, here, there, there, here, here], atol=1e-12)


def test_a_goal_turns_by_any_angle_and_on_a_ramp():
    turned = {"turned": {"kind": "goal_turn", "turn_rad": pi / 2, "ramp_s": 1.0}}
    with Watermaze(disturbances=turned, **COARSE) as plant:
        plant.reset(seed=0)
        for k, share in ((0, 0.0), (25, 0.5), (25, 1.0), (10, 1.0)):
            plant.advance(k, [0.0, 0.0])
            info = plant.observe()[4]
            angle = pi / 4 + share * pi / 2
            assert (info["goal_x_m"], info["goal_y_m"]) == pytest.approx((0.28 * cos(angle), 0.28 * sin(angle)))


@pytest.mark.parametrize("step_s", [0.002, 0.01])
def test_a_finer_physics_step_swims_the_same_way(step_s):
    ways = []
    for each_s in (step_s, 0.02):
        with Watermaze(physics_step_s=each_s, control_period_s=0.02) as plant:
            plant.reset(seed=3)
            for k in range(100):
                plant.step([-0.1 * cos(0.1 * k), 0.1 * sin(0.1 * k)])
            ways.append(plant.state()[:2])
    np.testing.assert_allclose(ways[0], ways[1], atol=1e-9)


def test_the_picture_shows_the_platform_and_the_swimmer_where_they_are():
    with Watermaze(render_mode="rgb_array", **COARSE) as plant:
        plant.reset(seed=0)
        picture = plant.render().astype(int)
        x, y = plant.state()[:2]
    assert picture.shape == (400, 480, 3)
    assert (picture[round(200 - 360 * PLATFORM_M), round(240 + 360 * PLATFORM_M)] == 255).all()
    swimmer = picture[round(200 - 360 * y), round(240 + 360 * x)]
    assert swimmer[2] > swimmer[0] + 100  # blue
    assert (picture[200, 240] == [196, 216, 228]).all()  # water
