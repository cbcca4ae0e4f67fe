"""The stream of gestures: what is played, decided and shown when, what electrodes feel, and a sleeve that moves."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.envs.emg import CLASSES, ELECTRODES, MUSCLES_RAD, PLACES_RAD, PROFILES, REACH_RAD, Emg, felt
from hilbench.errors import ScenarioError

COARSE = {"control_period_s": 0.02, "n_samples": 6}


def played(plant, seed, scores=None, episode=0):
    """Observations, rewards and infos of an episode; `scores` gives an action from the info, else all are 0."""
    obs, info = plant.reset(seed=seed, options={"episode": episode})
    rows = [(obs, 0.0, info)]
    while True:
        action = np.zeros(len(CLASSES)) if scores is None else scores(info)
        obs, reward, ended, _, info = plant.step(action)
        rows.append((obs, reward, info))
        if ended:
            return np.array([row[0] for row in rows]), np.array([row[1] for row in rows]), [row[2] for row in rows]


def test_a_decision_is_taken_after_each_sample_and_the_label_shown_then():
    with Emg(**COARSE) as plant:
        seen, rewards, infos = played(plant, 0, lambda info: np.eye(5)[int(info["label"])])
    assert len(seen) - 1 == 6 * 45
    shown = seen[:, 8:]
    decided = np.flatnonzero([info["decided"] for info in infos])
    assert decided.tolist() == [31 + 45 * k for k in range(6)]
    assert np.flatnonzero(shown.any(axis=1)).tolist() == decided.tolist()
    for row in decided:
        assert shown[row].argmax() == infos[row]["label"] == infos[row]["chosen"]
        assert rewards[row] == pytest.approx(1 / 6)
    assert rewards.sum() == pytest.approx(1.0)


def test_who_always_says_the_same_is_right_by_chance():
    with Emg(control_period_s=0.02, n_samples=200) as plant:
        _, rewards, infos = played(plant, 1)
    assert {info["chosen"] for info in infos} == {-1.0, 0.0}
    assert rewards.sum() == pytest.approx(0.2, abs=3 * (0.16 / 200) ** 0.5)


def test_only_scores_at_the_decision_count():
    right = {"n": 0}

    def late(info):
        right["n"] += 1
        return np.eye(5)[int(info["label"])] if (right["n"] - 1) % 45 == 30 else -np.eye(5)[int(info["label"])]

    with Emg(**COARSE) as plant:
        _, rewards, _ = played(plant, 2, late)
    assert rewards.sum() == pytest.approx(1.0)


def test_electrodes_feel_muscles_by_the_angle_between_them():
    reach = felt(0.3)
    apart = PLACES_RAD[3] + 0.3 - MUSCLES_RAD[1]
    assert reach[3, 1] == pytest.approx(np.exp(-0.5 * (apart / REACH_RAD) ** 2))
    np.testing.assert_allclose(felt(2 * np.pi / 8)[:-1], felt(0.0)[1:])
    np.testing.assert_allclose(PROFILES.sum(axis=1), 1.0)


def sizes(plant, label, n=40):
    """The root mean square of each electrode over the middle of samples, and that of the rest, both (8,)."""
    random, found = np.random.default_rng(5), []
    for _ in range(n):
        signals = plant.draw(random, label, 900, 600)
        found.append((np.mean(signals[250:600] ** 2, axis=0), np.mean(signals[600:] ** 2, axis=0)))
    return np.sqrt(np.mean(found, axis=0))


def test_signals_have_the_power_of_their_shares():
    with Emg(variation=0.0, **COARSE) as plant:
        plant.reset(seed=0)
        loud, rest = sizes(plant, 0)
    band = 0.66  # white noise of 500 Hz through 20 to 350 Hz keeps that much
    slips = np.random.default_rng(0).normal(0, 0.08, 400)
    power = np.mean([felt(slip) ** 2 for slip in slips], axis=0) @ PROFILES[0] ** 2
    expected = 4 * np.sqrt(power * (0.64 + 0.36 * np.exp(2 * 0.2**2)) * band)
    np.testing.assert_allclose(loud, expected, rtol=0.12)
    np.testing.assert_allclose(rest, 0.06, rtol=0.1)


def test_a_sleeve_that_moved_feels_others_and_more_or_less():
    gains = (0.5, 2.0, *(1.0,) * 6)
    moved = {"sleeve": {"kind": "electrodes_moved", "turn_rad": 2 * np.pi / 8, "gains": gains, "at_episode": 1}}
    with Emg(variation=0.0, disturbances=moved, **COARSE) as plant:
        plant.reset(seed=0)
        before, _ = sizes(plant, 2)
        _, info = plant.reset(seed=0)
        after, rest = sizes(plant, 2)
    assert info["turned_rad"] == pytest.approx(2 * np.pi / 8)
    assert [info[f"gain_{k}"] for k in range(8)] == list(gains)
    np.testing.assert_allclose(after[:-1], np.array(gains[:-1]) * before[1:], rtol=0.12)
    assert rest[1] == pytest.approx(0.12, rel=0.1)


def test_signals_come_from_the_seed():
    with Emg(**COARSE) as plant:
        one, same, other = (played(plant, seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_picture_shows_electrodes_and_the_decision():
    with Emg(render_mode="rgb_array", **COARSE) as plant:
        plant.reset(seed=0)
        pictures = []
        for _ in range(32):
            plant.step([1.0, 0, 0, 0, 0])
            pictures.append(plant.render())
    assert pictures[0].shape == (360, 480, 3)
    assert (pictures[0][325, 120] == (190, 192, 194)).all()
    assert tuple(pictures[31][325, 120]) in ((60, 140, 80), (233, 84, 32))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"gains": [1.0, 2.0]}, r"disturbances.d.gains: found 2 numbers; allowed: 8, or none"),
        ({"gains": [0.0] * 8}, r"disturbances.d.gains"),
    ],
)
def test_wrong_gains_are_said_in_a_line(table, message):
    with pytest.raises(ScenarioError, match=message):
        Emg(disturbances={"d": {"kind": "electrodes_moved", **table}})


def test_its_named_state_is_electrodes_and_labels():
    assert Emg.traits.sensors == (*ELECTRODES, *(f"is_{name}" for name in CLASSES))
