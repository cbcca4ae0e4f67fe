"""Driving among obstacles: maps keep their gaps, rays agree with geometry, and episodes end as they say."""

from __future__ import annotations

import itertools
from math import cos, hypot, pi, sin

import numpy as np
import pytest

from hilbench.compiled.cache import kernels
from hilbench.envs._obstacles import GAP_M, HALF_M, blocked_pair, made_map
from hilbench.envs.lidar_nav import LidarNav

shares = kernels("hilbench.envs._ranges").shares
COARSE = {"physics_step_s": 0.01, "control_period_s": 0.05}


def border(found, i, n=120):
    """Points on the border of an obstacle, (n, 2)."""
    angles = np.linspace(-pi, pi, n, endpoint=False)
    around = np.stack((np.cos(angles), np.sin(angles)), axis=1)
    if found.radius_m[i]:
        return found.centre_m[i] + found.radius_m[i] * around
    reach = np.min(found.half_m[i] / np.maximum(np.abs(around), 1e-12), axis=1)
    return found.centre_m[i] + reach[:, None] * around


@pytest.mark.parametrize("number", range(4))
def test_a_map_has_its_obstacles_and_gaps_wide_enough(number):
    found = made_map(7, number)
    assert (found.radius_m > 0).sum() == (found.half_m > 0).all(axis=1).sum() == 12
    borders = [border(found, i) for i in range(24)]
    for one, other in itertools.combinations(borders, 2):
        assert np.hypot(*(one[:, None] - other[None]).transpose(2, 0, 1)).min() >= GAP_M - 1e-9


def test_clearance_is_the_distance_to_the_nearest_border():
    found, random = made_map(1, 2), np.random.default_rng(0)
    points = np.concatenate([border(found, i, 2000) for i in range(24)])
    for x, y in random.uniform(-4.9, 4.9, (200, 2)):
        near = min(np.hypot(*(points - (x, y)).T).min(), HALF_M - abs(x), HALF_M - abs(y))
        assert abs(found.clearance_m(x, y)) == pytest.approx(near, abs=0.01)
    for i in range(24):
        assert found.clearance_m(*found.centre_m[i]) < 0


def test_a_seed_makes_the_same_map_and_each_number_another():
    again = made_map.__wrapped__(3, 1)
    np.testing.assert_array_equal(made_map(3, 1).centre_m, again.centre_m)
    assert not np.array_equal(made_map(3, 2).centre_m, again.centre_m)
    assert not np.array_equal(made_map(4, 1).centre_m, again.centre_m)


def test_start_and_goal_are_free_and_the_straight_way_is_not():
    found, random = made_map(0, 0), np.random.default_rng(5)
    for _ in range(10):
        start, goal = blocked_pair(found, random)
        assert 5 < hypot(*(goal - start)) < 8.5
        assert min(found.clearance_m(*start), found.clearance_m(*goal)) >= 0.45
        way = start + (goal - start) * np.linspace(0, 1, 500)[:, None]
        assert min(found.clearance_m(*at) for at in way) < 0.06


def test_rays_meet_what_the_map_says_and_not_the_robot():
    with LidarNav(**COARSE) as plant:
        for seed in range(3):
            _, info = plant.reset(seed=seed)
            x, y = plant.state()[:2]
            angles = np.linspace(-pi, pi, 720, endpoint=False)
            begins = np.tile((x, y, 0.15), (720, 1))
            ways = np.stack((np.cos(angles), np.sin(angles), 0 * angles), axis=1)
            ranges_m = 12.0 * plant.rays(begins, begins + 12.0 * ways)
            body_m = plant.config.body_radius_m
            assert ranges_m.min() == pytest.approx(info["clearance_m"] + body_m, abs=0.01)
            ends = begins[:, :2] + ranges_m[:, None] * ways[:, :2]
            assert max(abs(plant._map.clearance_m(*end)) for end in ends) < 0.01


def test_level_rays_are_those_of_the_engine_and_others_are_left_to_it():
    """The engine's discs have 32 sides, so that they are smaller by up to r (1 - cos(pi / 32)) = 2.7 mm."""
    with LidarNav(**COARSE) as plant:
        random = np.random.default_rng(0)
        for seed in range(3):
            plant.reset(seed=seed)
            begins = np.concatenate((random.uniform(-4.9, 4.9, (400, 2)), np.full((400, 1), 0.15)), axis=1)
            begins = begins[[plant._map.clearance_m(*at[:2]) > 0.02 for at in begins]]
            angles = random.uniform(-pi, pi, len(begins))
            ways = np.stack((np.cos(angles), np.sin(angles), 0 * angles), axis=1)
            found, engine = (call(begins, begins + 2.0 * ways) for call in (plant.rays, super(LidarNav, plant).rays))
            assert (engine < 1).mean() > 0.5
            missed = np.abs(found - engine) > 0.05  # of a disc that is only grazed
            assert missed.mean() < 0.01
            assert np.abs(found - engine)[~missed].max() < 0.02
            slope = ways - (0.0, 0.0, 0.15)
            np.testing.assert_array_equal(
                plant.rays(begins, begins + 2.0 * slope), super(LidarNav, plant).rays(begins, begins + 2.0 * slope)
            )


@pytest.mark.parametrize(
    ("begin", "end", "share"),
    [
        ((0.0, 0.0), (4.0, 0.0), 0.5 - 0.4 / 4),  # a disc of 0.4 m at (2, 0)
        ((0.0, 0.2), (4.0, 0.2), 0.5 - np.sqrt(0.16 - 0.04) / 4),  # the same, not through its middle
        ((0.0, 0.41), (4.0, 0.41), 1.0),
        ((0.0, 0.0), (1.5, 0.0), 1.0),  # it ends before
        ((1.7, 0.1), (4.0, 0.1), 0.0),  # it begins inside
        ((0.0, 0.0), (-4.0, 0.0), 1.0),  # it looks away
        ((0.0, -2.0), (0.0, -4.0), 0.25),  # a box of 0.6 x 1 m at (0, -3)
        ((-1.0, -2.2), (1.0, -3.2), (1.0 - 0.3) / 2),  # slantwise, into its left side at y = -2.55
        ((0.31, -2.0), (0.31, -4.0), 1.0),
        ((0.0, -3.0), (0.0, -4.0), 0.0),
        ((4.0, 3.0), (6.0, 3.0), 0.5),  # the wall at x = 5
        ((0.0, -4.0), (2.0, -8.0), 0.25),
    ],
)
def test_a_ray_meets_discs_boxes_and_walls_where_geometry_has_it(begin, end, share):
    centre, half, radius = np.array([[2.0, 0.0], [0.0, -3.0]]), np.array([[0.0, 0.0], [0.3, 0.5]]), np.array([0.4, 0.0])
    found, limits = np.empty(1), (5.0, 0.1, 0.3)
    begins, ends = np.array([[*begin, 0.2]]), np.array([[*end, 0.2]])
    assert shares(begins, ends, centre, half, radius, *limits, found)
    assert found[0] == pytest.approx(share)
    for heights in ((0.1, 0.1), (0.3, 0.3), (0.2, 0.21)):
        begins[0, 2], ends[0, 2] = heights
        assert not shares(begins, ends, centre, half, radius, *limits, found)


def test_bearing_and_time_are_those_of_the_straight_way():
    with LidarNav(**COARSE) as plant:
        obs, info = plant.reset(seed=2)
        x, y, heading = plant.state()[:3]
        assert obs[0] == pytest.approx(info["goal_bearing"])
        assert abs(obs[0]) <= 1.0
        goal = np.array([x, y]) + info["goal_m"] * np.array([cos(heading + obs[0]), sin(heading + obs[0])])
        assert info["shortest_s"] == pytest.approx((info["goal_m"] - 0.4) / 0.5)
        plant.step([-0.2, 0.2])
        plant.advance(50, [-0.2, 0.2])
        obs, _, _, _, info = plant.observe()
        x, y, heading = plant.state()[:3]
        np.testing.assert_allclose(
            np.array([x, y]) + info["goal_m"] * np.array([cos(heading + obs[0]), sin(heading + obs[0])]),
            goal,
            atol=1e-5,
        )


@pytest.mark.parametrize(("left", "right"), [(0.2, 0.3), (0.45, 0.3), (-0.2, 0.2), (0.1, 0.6)])
def test_it_drives_and_turns_as_its_rims_say_at_the_scenario_s_step(left, right):
    """Behind a lag of 0.1 s both rims have gone v (t - 0.1 (1 - exp(-t / 0.1))), and the circle is closed."""
    with LidarNav(physics_step_s=0.0125, control_period_s=0.05) as plant:
        plant.reset(seed=2)
        x, y, heading = plant.state()[:3]
        plant.advance(80, [left, right])
        at_x, at_y, now, speed, turn_rate = plant.state()[:5]
    gone_s = 1.0 - 0.1 * (1 - np.exp(-10.0))
    turned, mean = (right - left) / 0.3 * gone_s, (left + right) / 2 * gone_s
    assert (now - heading - turned + pi) % (2 * pi) - pi == pytest.approx(0.0, abs=0.01 * max(1.0, abs(turned)))
    chord_m = 2 * mean / turned * np.sin(turned / 2)
    assert hypot(at_x - x, at_y - y) == pytest.approx(abs(chord_m), rel=0.01, abs=0.003)
    assert speed == pytest.approx((left + right) / 2, abs=0.005)
    assert turn_rate == pytest.approx((right - left) / 0.3, abs=0.02)


def test_straight_on_it_collides_for_every_straight_way_is_blocked():
    with LidarNav(**COARSE) as plant:
        for seed in range(4):
            obs, info = plant.reset(seed=seed)
            for _ in range(600):
                turn_m_s = 0.3 * float(obs[0])
                obs, reward, ended, _, info = plant.step([0.5 - turn_m_s, 0.5 + turn_m_s])
                assert abs(info["clearance_m"]) < 10
                if ended:
                    break
            assert (info["collided"], info["reached"]) == (1.0, 0.0)
            assert info["clearance_m"] < 0.01
            assert reward < -0.9


def test_a_careful_driver_reaches_its_goals():
    """Attracted by the goal, repelled by what rays meet."""
    angles = np.radians(-85 + 10 * np.arange(18))
    with LidarNav(**COARSE) as plant:
        for seed in range(3):
            _, info = plant.reset(seed=seed)
            for _ in range(1000):
                x, y, heading = plant.state()[:3]
                begins = np.tile((x, y, 0.15), (18, 1))
                ways = np.stack((np.cos(heading + angles), np.sin(heading + angles), 0 * angles), axis=1)
                ranges_m = 2.5 * plant.rays(begins, begins + 2.5 * ways)
                push = 0.5 * np.maximum(0.0, 1 - (ranges_m - 0.18) / 1.2) ** 2
                ahead = cos(info["goal_bearing"]) - 0.3 * (push * np.cos(angles)).sum()
                turn = np.arctan2(sin(info["goal_bearing"]) - (push * np.sin(angles)).sum(), ahead)
                slow = min(1.0, max(0.1, (ranges_m[7:11].min() - 0.28) / 0.6))
                v, w = 0.5 * max(0.1, cos(turn)) * slow, max(-2.0, min(2.0, 2.0 * turn))
                _, _, ended, _, info = plant.step([v - 0.15 * w, v + 0.15 * w])
                if ended:
                    break
            assert info["reached"] == 1.0
            assert info["t_s"] > info["shortest_s"]
            assert info["goal_m"] < 0.4
