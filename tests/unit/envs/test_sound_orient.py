"""The head that turns to sounds: its trial, its servo, what it sees and hears, and ears that change."""

from __future__ import annotations

from math import degrees, radians

import numpy as np
import pytest

from hilbench.envs.sound_orient import SoundOrient
from hilbench.errors import ScenarioError

COARSE = {"physics_step_s": 0.002, "control_period_s": 0.01}


def trial(plant, seed, gaze=None, episode=0):
    """Observations, rewards and infos of a trial in which the head is told an angle, the source's when None."""
    obs, info = plant.reset(seed=seed, options={"episode": episode})
    wanted = info["azimuth_rad"] if gaze is None else gaze
    rows = [(obs, 0.0, info)]
    while True:
        obs, reward, ended, _, info = plant.step([wanted])
        rows.append((obs, reward, info))
        if ended:
            return np.array([row[0] for row in rows]), [row[1] for row in rows], [row[2] for row in rows]


@pytest.mark.parametrize("seed", range(4))
def test_it_turns_where_it_is_told_and_is_judged_by_what_is_left(seed):
    with SoundOrient(**COARSE) as plant:
        seen, rewards, infos = trial(plant, seed)
        assert infos[-1]["missed_deg"] == infos[65]["error_deg"] < 0.5
        assert infos[0]["error_deg"] == pytest.approx(abs(degrees(infos[0]["azimuth_rad"])), abs=1e-3)
        assert seen[:, 2].tolist() == [1.0] * 20 + [0.0] * (len(seen) - 20)
        assert np.ptp(seen[:21, 0]) < 1e-6
        assert abs(seen[0, 0]) <= 0.1
        assert [info["judged"] for info in infos] == seen[:, 5].tolist() == [0.0] * 65 + [1.0] * (len(seen) - 65)
        assert len(seen) - 1 == 85
        still = trial(plant, seed, 0.0)
    missed = abs(degrees(infos[0]["azimuth_rad"]))
    assert sum(still[1]) == pytest.approx(-missed, abs=1e-3)
    assert sum(still[1][:3]) == pytest.approx(-missed, abs=1e-3)  # where it is cut off
    assert sum(rewards) == pytest.approx(-infos[-1]["missed_deg"], abs=1e-3)
    assert rewards[66:] == [0.0] * 20
    assert np.abs(seen[:, 1]).max() < radians(310)


def test_only_the_action_at_the_turn_counts():
    with SoundOrient(**COARSE) as plant:
        first = plant.reset(seed=0)[0][0]
        for number in range(65):
            obs = plant.step([0.5 if number == 20 else -1.0])[0]
    assert obs[0] - first == pytest.approx(0.5, abs=0.01)


def test_sources_are_drawn_evenly_and_half_of_them_are_seen():
    azimuths, seen, offsets = [], 0, []
    with SoundOrient(**COARSE) as plant:
        for seed in range(60):
            obs, _, infos = trial(plant, seed)
            azimuths.append(degrees(infos[0]["azimuth_rad"]))
            sees = np.flatnonzero(obs[:, 3])
            assert sees.tolist() in ([], [65, 66, 67, 68, 69])
            if sees.size:
                seen += 1
                offsets += [obs[65, 4] - infos[65]["left_rad"]]
            assert not obs[obs[:, 3] == 0, 4].any()
        # Whoever looks 50 degrees away sees nothing.
        missed = [trial(plant, seed, radians(azimuths[seed] - np.copysign(50, azimuths[seed]))) for seed in range(8)]
    assert not any(obs[:, 3].any() for obs, _, _ in missed)
    assert np.abs(azimuths).max() <= 70
    assert abs(np.mean(azimuths)) < 3 * 40.4 / 60**0.5
    assert 15 <= seen <= 45
    assert 0.002 < np.std(offsets) < 0.01


def test_bursts_are_as_loud_at_the_head_as_they_are_said_to_be():
    levels = []
    with SoundOrient(**COARSE) as plant:
        for seed in range(40):
            plant.reset(seed=seed)
            sounds = plant.sounds()
            away_m = np.linalg.norm(sounds.places_m, axis=1)
            assert 1.0 <= away_m[0] == away_m[1] <= 4.0
            middle = sounds.waves[:, 80:-80] / away_m[0]
            levels.append(20 * np.log10(np.sqrt(np.mean(middle**2, axis=1)) / 0.02))
            assert sounds.starts_s.tolist() == [0.0, pytest.approx(0.65)]
            assert np.abs(np.corrcoef(sounds.waves)[0, 1]) < 0.2
    levels = np.array(levels)
    assert np.abs(levels[:, 0] - levels[:, 1]).max() < 1.0  # both bursts are of one source
    assert -7 < levels.min() < -4
    assert 4 < levels.max() < 7


def test_ears_turn_with_the_head_and_change_as_they_are_told():
    with SoundOrient(**COARSE) as plant:
        head_rad = float(plant.reset(seed=0)[0][0])
        out = -np.sin(head_rad), np.cos(head_rad)
        assert plant.ear("left")[:6] == pytest.approx((0.1 * out[0], 0.1 * out[1], 0, *out, 0))
        assert plant.ear("right")[:6] == pytest.approx((-0.1 * out[0], -0.1 * out[1], 0, -out[0], -out[1], 0))
        assert plant.ear("left")[6:] == (1.0, 0.0)
        for _ in range(60):
            plant.step([1.0])
        left = plant.ear("left")
        head_rad += 1.0
        assert left[:2] == pytest.approx((-0.1 * np.sin(head_rad), 0.1 * np.cos(head_rad)), abs=1e-3)
        with pytest.raises(ScenarioError, match=r"found no ear 'lft'; allowed: left, right; did you mean 'left'"):
            plant.ear("lft")
    changes = {
        "late": {"kind": "ear_change", "ear": "right", "delay_s": 2e-4},
        "quiet": {"kind": "ear_change", "gain_db": -6.0},
        "apart": {"kind": "ears_moved", "scale": 1.5},
        "swapped": {"kind": "ears_moved", "swapped": True, "at_episode": 1},
    }
    with SoundOrient(disturbances=changes, **COARSE) as plant:
        info = plant.reset(seed=0)[1]
        assert (info["ears_m"], info["late_s"], info["swapped"]) == pytest.approx((0.3, 2e-4, 0.0))
        assert np.hypot(*plant.ear("left")[:2]) == pytest.approx(0.15)
        assert plant.ear("left")[1] > 0
        assert plant.ear("left")[6:] == pytest.approx((10 ** (-6 / 20), 0.0))
        assert plant.ear("right")[6:] == pytest.approx((10 ** (-6 / 20), 2e-4))
        assert info["louder_db"] == pytest.approx(0.0, abs=1.5)
        info = plant.reset(seed=0)[1]
        assert info["swapped"] == 1.0
        assert plant.ear("left")[1] < 0
        assert plant.ear("left")[7] == 0.0  # the microphone is the ear's own


def test_a_room_gives_echoes():
    with SoundOrient(room_order=2, **COARSE) as plant:
        plant.reset(seed=0)
        assert len(plant.sounds().echoes) == 25


@pytest.mark.parametrize(
    ("disturbance", "message"),
    [
        ({"kind": "ear_change", "ear": "nose"}, r"disturbances.d.ear: found 'nose'; allowed: left, right"),
        ({"kind": "ears_moved", "scale": 0.0}, r"disturbances.d.scale"),
    ],
)
def test_wrong_ears_are_said_in_a_line(disturbance, message):
    with pytest.raises(ScenarioError, match=message):
        SoundOrient(disturbances={"d": disturbance})


def test_a_burst_must_be_over_before_the_head_turns():
    with pytest.raises(ScenarioError, match=r"plant.burst_s: found 0.3; allowed: less than plant.wait_s, 0.2"):
        SoundOrient(burst_s=0.3)
