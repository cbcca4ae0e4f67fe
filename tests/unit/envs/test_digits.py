"""The stream of hand-written digits: which images there are when, how the camera moves, and one that is turned."""

from __future__ import annotations

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from hilbench.envs import _packaged
from hilbench.envs._packaged import dealt
from hilbench.envs.digits import APART, CORNERS_M, DOT_M, EYE, GAZE, INK, PAPER, Digits, inked, line
from hilbench.errors import MissingExtra, ScenarioError

COARSE = {"control_period_s": 0.02, "physics_step_s": 0.005, "n_samples": 4}
TRIAL, DECIDED = 30, 16
"""Control periods of a trial, and after which of them it is decided."""
ROLLED = {"mount": {"kind": "camera_turn", "roll_rad": 0.5236, "at_episode": 1}}
installed = pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is not installed (extra datasets)")


def played(plant, seed, scores=None):
    """Events of each control period, observations and infos of an episode; `scores` gives an action from the info."""
    obs, info = plant.reset(seed=seed)
    events, seen, infos, ended = [plant.events()], [obs], [info], False
    while not ended:
        obs, _, ended, _, info = plant.step(np.zeros(10) if scores is None else scores(info))
        events.append(plant.events())
        seen.append(obs)
        infos.append(info)
    return events, np.array(seen), infos


def test_items_are_dealt_once_to_as_many_episodes_as_there_are_shares():
    shares = np.array([dealt(seed, 1797, 25) for seed in range(100, 171)])
    assert np.unique(shares).size == 71 * 25
    np.testing.assert_array_equal(dealt(171, 1797, 25), shares[0])
    assert sorted(dealt(5, 10, 10)) == list(range(10))
    np.testing.assert_array_equal(dealt(0, 3, 7), np.resize(dealt(0, 3, 3), 7))


def test_ink_is_in_the_middle_of_its_square_and_the_lowest_row_first():
    image = np.zeros((1, 8, 8))
    image[0, 7, 2] = 1.0
    ink = inked(np.concatenate([np.zeros((1, 8, 8)), image]))
    assert ink.shape == (APART, 2 * APART)
    assert np.argwhere(ink).tolist() == [[4, APART + 6]]
    assert line(image).min() == pytest.approx(PAPER * np.exp(-INK))


def test_without_its_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    _packaged.digits.cache_clear()
    with pytest.raises(MissingExtra, match=r'needs scikit-learn: pip install "hilbench\[datasets\]"'):
        Digits()


@installed
def test_who_says_the_label_is_always_right():
    with Digits(**COARSE) as plant:
        _, seen, infos = played(plant, 0, lambda info: np.eye(10)[int(info["label"])])
    assert len(seen) - 1 == 4 * TRIAL
    decided = np.flatnonzero([info["decided"] for info in infos])
    assert decided.tolist() == [DECIDED + TRIAL * k for k in range(4)]
    assert all(infos[row]["correct"] == 1.0 for row in decided)
    assert np.flatnonzero(seen[:, len(GAZE) :].any(axis=1)).tolist() == decided.tolist()


@installed
def test_images_are_those_of_the_labels_and_none_comes_twice_in_a_run():
    images, labels = _packaged.digits()
    found = []
    with Digits(**COARSE | {"n_samples": 25}) as plant:
        for seed in (7, 8, 9):
            _, info = plant.reset(seed=seed)
            assert info["label"] == labels[plant._items[0]]
            found += plant._items.tolist()
    assert len(set(found)) == 75
    assert images.shape == (1797, 8, 8)
    assert images.max() == 1.0


@installed
def test_the_camera_makes_three_saccades_on_each_digit_and_stands_still_until_the_next():
    with Digits(**COARSE) as plant:
        _, seen, _ = played(plant, 2)
        starts = plant._starts_m
    gaze = seen[: 4 * TRIAL, :2].reshape(4, TRIAL, 2)
    for k in range(4):
        at = gaze[k] - starts[k]
        np.testing.assert_allclose(at[[0, 5, 10, 15]], CORNERS_M, atol=1e-6)
        np.testing.assert_allclose(at[15:17], np.tile(CORNERS_M[0], (2, 1)), atol=1e-6)
    np.testing.assert_allclose(gaze[0, 18:], np.tile(starts[1] + CORNERS_M[0], (12, 1)), atol=1e-6)
    np.testing.assert_allclose(np.diff(starts[:, 0]), APART * DOT_M, atol=5e-3)


@installed
def test_saccades_give_events_and_a_camera_that_stands_only_noise():
    with Digits(**COARSE) as plant:
        events, _, _ = played(plant, 1)
    counts = np.array([each.size for each in events[1:]]).reshape(4, TRIAL)
    assert counts[:, 1:15].mean() > 30
    # 0.2 Hz of noise and 0.1 Hz of leak a pixel
    assert counts[:, 22:29].mean() == pytest.approx(1024 * 0.3 * 0.02, abs=3)


@installed
def test_the_camera_sees_the_image_upright_and_a_roll_turns_its_picture():
    with Digits(**COARSE, disturbances=ROLLED) as plant:
        pictures = []
        for episode in range(2):
            plant.reset(seed=0, options={"episode": episode})
            image = _packaged.digits()[0][plant._items[0]]
            plant.truth[:2] = [0.0, 0.0]
            plant._rack.sensors["eye"].sample(plant)
            pictures.append(-np.log(plant._rack.sensors["eye"].image / PAPER))
    coarse = pictures[0][6:26, 6:26]
    fine = np.kron(image, np.ones((5, 5))).reshape(20, 2, 20, 2).mean((1, 3))
    assert np.corrcoef(coarse.ravel(), fine.ravel())[0, 1] > 0.9
    rows, columns = np.indices((32, 32))

    def middle(seen):
        return (seen * (columns - 15.5 + 1j * (15.5 - rows))).sum() / seen.sum()

    assert middle(pictures[1]) == pytest.approx(middle(pictures[0]) * np.exp(0.5236j), abs=0.1)


@installed
def test_the_same_seed_gives_the_same_events():
    with Digits(**COARSE) as plant:
        one, same, other = (np.concatenate(played(plant, seed)[0]) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert one.size != other.size or (one != other).any()


@installed
def test_a_picture_is_of_what_the_camera_looks_at():
    with Digits(render_mode="rgb_array", disturbances=ROLLED, **COARSE) as plant:
        pictures = []
        for _ in range(2):
            plant.reset(seed=0)
            pictures.append(plant.render())
    assert pictures[0].shape == (360, 480, 3)
    assert pictures[0][10:280, 105:375].min() < 120
    assert not np.array_equal(pictures[0], pictures[1])


@installed
def test_a_plant_without_sensors_has_none_and_wrong_settings_are_refused():
    with Digits(**COARSE) as plant, Digits(**COARSE, sensors={}) as blind:
        assert plant.plant_spec.event_sensors[0].shape == (32, 32, 2)
        assert not blind.plant_spec.event_sensors
        plant.reset(seed=0)
        with pytest.raises(ScenarioError, match=r"camera: found 'frnt'"):
            plant.camera("frnt")
    with pytest.raises(ScenarioError, match=r"n_samples"):
        Digits(n_samples=1798)
    with pytest.raises(ScenarioError, match=r"frnt"):
        Digits(sensors={"eye": EYE | {"camera": "frnt"}}).reset(seed=0)
