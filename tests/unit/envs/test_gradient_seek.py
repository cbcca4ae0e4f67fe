"""The gradient seeker against geometry: what noses smell, how fast it can find, and that it stays inside."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hilbench.envs.gradient_seek import GradientSeek

COARSE = {"physics_step_s": 0.02, "control_period_s": 0.02}
SWAP = {"swapped": {"kind": "sensor_fault", "mode": "wrong", "order": "reversed", "sensors": ["log_left", "log_right"]}}


def source_of(plant, info):
    """Where the source must be, from both noses without noise: where their circles meet, ahead or behind."""
    x, y, heading = plant.state()[:3]
    left_m, right_m = (math.exp(-info[name]) - plant.config.core_m for name in ("log_left", "log_right"))
    # Noses at +-h across: r_l^2 - r_r^2 = -4 h s, with s how far the source is to the left.
    half_m = plant.config.noses_m / 2
    side_m = (right_m**2 - left_m**2) / (4 * half_m)
    ahead_m = math.sqrt(max(0.0, left_m**2 - (side_m - half_m) ** 2))
    return [
        (x + sign * ahead_m * math.cos(heading) - side_m * math.sin(heading),
         y + sign * ahead_m * math.sin(heading) + side_m * math.cos(heading))
        for sign in (1, -1)
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_the_noses_smell_the_concentration_where_they_are(seed):
    with GradientSeek(noise=0.0, **COARSE) as plant:
        obs, info = plant.reset(seed=seed)
        x, y = plant.state()[:2]
        found = source_of(plant, info)
    assert obs.tolist() == pytest.approx([info["log_left"], info["log_right"]])
    assert 1.5 < info["distance_m"] < 3.5
    for at in found:
        assert math.hypot(at[0] - x, at[1] - y) == pytest.approx(info["distance_m"], abs=1e-6)
    assert min(max(abs(each) for each in at) for at in found) <= 1.7
    assert info["shortest_s"] == pytest.approx((info["distance_m"] - 0.3) / 0.2)


def test_noise_is_white_and_of_the_stated_size():
    with GradientSeek(noise=0.05) as plant, GradientSeek(noise=0.0) as quiet:
        for each in (plant, quiet):
            each.reset(seed=1)
        rows = np.array([[each.step([0.0, 0.0])[0] for each in (plant, quiet)] for _ in range(2000)])
    noise = rows[:, 0] - rows[:, 1]
    np.testing.assert_allclose(noise.std(axis=0), 0.05, rtol=0.06)
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.08
    assert abs(np.corrcoef(noise[1:, 0], noise[:-1, 0])[0, 1]) < 0.08


def test_it_drives_forward_no_faster_than_it_may_and_still_turns():
    with GradientSeek(**COARSE) as plant:
        plant.reset(seed=2)
        for action, speed, turn_rate in (([0.3, 0.3], 0.2, 0.0), ([0.25, 0.3], 0.2, 0.5), ([0.1, 0.14], 0.12, 0.4)):
            plant.advance(40, action)
            state = plant.state()
            assert state[3] == pytest.approx(speed, rel=0.02)
            assert state[4] == pytest.approx(turn_rate, rel=0.03, abs=0.01)


def test_whiskers_keep_it_inside_whatever_it_is_told():
    with GradientSeek(**COARSE) as plant:
        for seed in range(4):
            plant.reset(seed=seed)
            far_m = 0.0
            for _ in range(40):
                plant.advance(50, [0.2, 0.21])
                far_m = max(far_m, *np.abs(plant.state()[:2]))
            assert 1.85 < far_m < 2.0


def test_it_ends_where_the_source_is_found_and_no_sooner_than_the_straight_way_takes():
    finds = 0
    with GradientSeek(noise=0.0, **COARSE) as plant:
        for seed in range(8):
            obs, info = plant.reset(seed=seed)
            returned, ended = 0.0, False
            for _ in range(2000):
                turn_m_s = max(-0.1, min(0.1, 3.0 * float(obs[0] - obs[1])))
                obs, reward, ended, truncated, info = plant.step([0.2 - turn_m_s, 0.2 + turn_m_s])
                assert not truncated
                assert info["found"] == float(ended) == float(info["distance_m"] < 0.3)
                returned += reward
                if ended:
                    break
            finds += ended
            assert info["t_s"] >= info["shortest_s"]
            assert returned == pytest.approx(-info["t_s"])
    assert finds == 8


def test_swapped_noses_are_seen_by_the_controller_alone():
    with GradientSeek(**COARSE) as plain, GradientSeek(disturbances=SWAP, **COARSE) as swapped:
        (obs, info), (other, told) = (plant.reset(seed=4) for plant in (plain, swapped))
    assert other.tolist() == obs[::-1].tolist()
    assert (told["log_left"], told["log_right"]) == (info["log_left"], info["log_right"])


@pytest.mark.parametrize("step_s", [0.002, 0.01])
def test_a_coarser_physics_step_drives_the_same_way(step_s):
    ways = []
    for each_s in (step_s, 0.02):
        with GradientSeek(noise=0.0, control_period_s=0.02, physics_step_s=each_s) as plant:
            plant.reset(seed=1)
            for _ in range(150):
                plant.step([0.15, 0.2])
            assert np.abs(plant.state()[:2]).max() < 1.88  # the rim was not met
            ways.append(plant.state()[:3])
    np.testing.assert_allclose(ways[0], ways[1], atol=0.02)
