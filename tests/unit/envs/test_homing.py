"""The robot that goes home against closed forms: arcs, what it senses, and what its error is."""

from __future__ import annotations

import math

import numpy as np
import pytest

from hilbench.envs.homing import Homing

COARSE = {"physics_step_s": 0.02, "control_period_s": 0.02}
SET_OUT_S = 25.0


def led_out(plant, seed=0):
    """Reset the plant and let it be led out; what it shows then."""
    plant.reset(seed=seed)
    plant.advance(round((SET_OUT_S + plant.config.outbound_s) / plant.config.physics_step_s), [0.0, 0.0])
    return plant.observe()


@pytest.mark.parametrize(("turn", "speed"), [(0.8, 0.25), (-2.0, 0.1), (1e-9, 0.3)])
def test_it_drives_along_an_arc(turn, speed):
    with Homing(outbound_s=2.0, **COARSE) as plant:
        led_out(plant)
        x, y, heading = plant.state()[:3]
        plant.advance(150, [turn, speed])
        found, t_s, radius_m = plant.state(), 3.0, speed / turn
    assert found[2] - heading == pytest.approx(turn * t_s)
    assert found[0] - x == pytest.approx(radius_m * (math.sin(found[2]) - math.sin(heading)), abs=1e-4)
    assert found[1] - y == pytest.approx(radius_m * (math.cos(heading) - math.cos(found[2])), abs=1e-4)


def test_it_looks_to_both_sides_and_ends_where_it_began():
    sides = []
    with Homing(**COARSE) as plant:
        for seed in range(8):
            _, info = plant.reset(seed=seed)
            first = info["heading_rad"]
            plant.advance(50 + 300, [2.0, 0.3])  # 1 s at rest, and half of the first turn to and fro
            sides.append(plant.observe()[4]["heading_rad"] - first)
            plant.advance(900, [2.0, 0.3])
            info = plant.observe()[4]
            assert info["heading_rad"] == pytest.approx(first, abs=1e-6)
            assert info["distance_m"] == info["path_m"] == 0.0
    np.testing.assert_allclose(np.abs(sides), 1.2 * 12 / math.pi, rtol=1e-3)  # the integral of half a sine
    assert min(sides) < 0 < max(sides)


def test_the_way_out_winds_as_stated():
    with Homing(outbound_s=1500.0, **COARSE) as plant:
        plant.reset(seed=3)
        plant.advance(1250, [0.0, 0.0])
        rows = np.array([(plant.advance(1, [0.0, 0.0]), plant.state()[3:7])[1] for _ in range(75_000)])
        path_m = plant.observe()[4]["path_m"]
    speed, turn, gyro, odometer = rows.T
    # Over 1500 s there are about 500 independent turns, 150 speeds and 750 errors of each sense.
    assert turn.std() == pytest.approx(0.4, rel=0.12)
    assert np.corrcoef(turn[75:], turn[:-75])[0, 1] == pytest.approx(math.exp(-1), abs=0.12)
    assert (speed.mean(), speed.std()) == pytest.approx((0.2, 0.05), rel=0.2)
    assert speed.min() >= 0.05
    assert path_m == pytest.approx(speed.sum() * 0.02)
    for told, true, floor in ((gyro, turn, 0.1), (odometer, speed, 0.04)):
        off = told - true
        assert off.std() == pytest.approx(0.05 * math.hypot(np.sqrt(np.mean(true**2)), floor), rel=0.12)
        relative = (off / true)[np.abs(true) > 2 * floor]
        assert relative.std() == pytest.approx(0.05, rel=0.15)
    slow = odometer / speed - 1
    white = (0.04 / speed) ** 2  # of its variance, which no later error shares
    share = 1 / (1 + white.mean())
    assert np.corrcoef(slow[50:], slow[:-50])[0, 1] == pytest.approx(share * math.exp(-1), abs=0.12)


def test_the_sky_shows_the_heading_until_clouds_hide_it():
    with Homing(sky_noise_rad=0.05, **COARSE) as plant:
        plant.reset(seed=4)
        seen, truth = [], []
        for _ in range(1249):
            obs, _, _, _, info = plant.step([0.0, 0.0])
            seen.append(obs[2:4])
            truth.append(info["heading_rad"])
        hidden = plant.step([0.0, 0.0])[0][2:4]
    cosine, sine = np.array(seen).T
    np.testing.assert_allclose(np.hypot(cosine, sine), 1.0, rtol=1e-6)
    off = np.angle((cosine + 1j * sine) * np.exp(-1j * np.array(truth)))
    assert off.mean() == pytest.approx(0.0, abs=0.005)
    assert off.std() == pytest.approx(0.05, rel=0.08)
    assert hidden.tolist() == [0.0, 0.0]


def test_it_says_that_it_is_home_by_standing():
    with Homing(**COARSE) as plant:
        _, out, ended, _, info = led_out(plant)
        assert (info["returning"], info["home"], ended) == (1.0, 0.0, False)
        assert out == pytest.approx(-info["home_error_percent"])  # what it would return if it were cut off here
        _, moved, ended, _, _ = plant.step([0.5, 0.2])
        assert not ended
        before = plant.state()[:3].tolist()
        _, stood, ended, _, info = plant.step([0.5, 0.01])
        x, y = plant.state()[:2]
        assert plant.state()[:3].tolist() == before
    assert ended
    assert info["home"] == 1.0
    assert info["path_m"] == pytest.approx(12.0, rel=0.25)
    assert -(out + moved + stood) == pytest.approx(info["home_error_percent"])
    assert info["home_error_percent"] == pytest.approx(100 * math.hypot(x, y) / info["path_m"])


def test_it_ends_after_the_longest_way_back():
    with Homing(outbound_s=5.0, return_s=3.0, **COARSE) as plant:
        returned = led_out(plant)[1]
        plant.advance(149, [1.0, 0.2])
        _, reward, ended, _, _ = plant.observe()
        assert plant.observe()[1] == reward  # asking twice gives the same
        assert not ended
        returned += reward
        _, reward, ended, _, info = plant.step([1.0, 0.2])
    assert ended
    assert info["home"] == 0.0
    assert returned + reward == pytest.approx(-info["home_error_percent"])


def test_a_drifted_gyro_is_sensed_and_the_info_is_not_touched():
    drift = {"drift": {"kind": "sensor_fault", "mode": "wrong", "sensors": ["gyro"], "gain": 0.8, "at_episode": 1}}
    with Homing(disturbances=drift, **COARSE) as plant:
        for episode, gain in ((0, 1.0), (1, 0.8)):
            plant.reset(seed=5, options={"episode": episode})
            plant.advance(1500, [0.0, 0.0])
            obs, _, _, _, info = plant.observe()
            assert obs[0] == pytest.approx(gain * info["gyro_rad_s"], rel=1e-5)
            assert obs[1] == pytest.approx(info["odometer_m_s"], rel=1e-5)


def test_the_picture_has_both_ways_in_their_colours():
    with Homing(render_mode="rgb_array", **COARSE) as plant:
        led_out(plant)
        plant.advance(200, [0.3, 0.3])
        picture = plant.render()
        x, y = plant.state()[:2]
    assert picture.shape == (360, 480, 3)
    pixels = picture.reshape(-1, 3).tolist()
    assert pixels.count([122, 150, 190]) > 200  # 12 m of 4 cm a pixel, less what crosses itself
    assert pixels.count([233, 120, 50]) > 40
    column, row = round(240 + x / 0.04), round(180 - y / 0.04)
    assert picture[row, column].tolist() == [41, 107, 191]
