"""The stream of a watch: whose recordings are played when, and what is felt between them."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from hilbench.envs import _packaged
from hilbench.envs.wrist import CLASSES, FELT, Wrist
from hilbench.errors import MissingExtra, ScenarioError

COARSE = {"control_period_s": 0.02, "physics_step_s": 0.02, "n_samples": 3}
TRIAL, DECIDED = 112, 101
"""Control periods of a trial, and after which of them it is decided."""
OTHERS = {"wearer": {"kind": "source_changed", "sources": [1, 2], "at_episode": 1}}
installed = pytest.mark.skipif(find_spec("seglearn") is None, reason="seglearn is not installed (extra datasets)")


def played(plant, seed, episode=0):
    """Observations and infos of an episode in which all is right."""
    obs, info = plant.reset(seed=seed, options={"episode": episode})
    seen, infos, ended = [obs], [info], False
    while not ended:
        obs, _, ended, _, info = plant.step(np.eye(len(CLASSES))[int(info["label"])])
        seen.append(obs)
        infos.append(info)
    return np.array(seen), infos


def test_without_its_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(_packaged, "find_spec", lambda name: None)
    _packaged.wrist.cache_clear()
    with pytest.raises(MissingExtra, match=r'needs seglearn: pip install "hilbench\[datasets\]"'):
        Wrist()


@installed
def test_who_says_the_label_is_always_right():
    with Wrist(**COARSE) as plant:
        seen, infos = played(plant, 0)
    assert len(seen) - 1 == 3 * TRIAL
    decided = np.flatnonzero([info["decided"] for info in infos])
    assert decided.tolist() == [DECIDED + TRIAL * k for k in range(3)]
    assert all(infos[row]["correct"] == 1.0 for row in decided)
    assert np.flatnonzero(seen[:, len(FELT) :].any(axis=1)).tolist() == decided.tolist()


@installed
def test_a_sample_is_a_cut_out_of_its_label_between_the_means():
    recorded = _packaged.wrist(100)
    with Wrist(**COARSE) as plant:
        seen, infos = played(plant, 1)
        window = plant._worn.windows[plant._window]
    for k in range(3):
        felt = seen[TRIAL * k : TRIAL * (k + 1), :6]
        np.testing.assert_allclose(felt[102:], np.tile(recorded.rest, (10, 1)), rtol=1e-5)
        own = np.abs(recorded.windows[:, 4:] - felt[4:100]).max((1, 2))
        assert own.min() < 1e-5
        assert recorded.labels[own.argmin()] == infos[TRIAL * k]["label"]
        assert recorded.subjects[own.argmin()] == infos[TRIAL * k]["subject"]
        np.testing.assert_allclose(felt[100:102], np.tile(felt[99], (2, 1)))
    assert window.shape == (100, 6)


@installed
def test_others_wear_it_after_the_change():
    with Wrist(**COARSE | {"n_samples": 8}, disturbances=OTHERS) as plant:
        before, after = ({info["subject"] for info in played(plant, 5, episode)[1]} for episode in (0, 1))
    assert before <= {3.0, 4.0, 5.0, 7.0, 8.0}
    assert after <= {1.0, 2.0}


@installed
def test_no_cut_out_comes_twice_in_a_run():
    recorded, found = _packaged.wrist(100), []
    theirs = np.flatnonzero(np.isin(recorded.subjects, (3, 4, 5, 7, 8)))
    with Wrist(**COARSE | {"n_samples": 25}) as plant:
        for seed in range(2):
            plant.reset(seed=seed)
            for begun in range(25):
                plant._begun = begun
                plant.pick(plant._random)
                found.append(plant._window)
    assert len(set(found)) == 50
    assert set(found) <= set(theirs.tolist())


@installed
def test_a_seed_decides_what_is_felt():
    with Wrist(**COARSE) as plant:
        one, same, other = (played(plant, seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one[0], other[0])


@installed
def test_a_picture_shows_what_is_felt():
    with Wrist(render_mode="rgb_array", **COARSE) as plant:
        plant.reset(seed=0)
        for _ in range(60):
            plant.step(np.zeros(7))
        picture = plant.render()
    assert picture.shape == (360, 480, 3)
    assert (picture[:143, 470] != (246, 246, 242)).any(axis=1).sum() > 4
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 400


@installed
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sources": (11,)}, r"plant.*sources.*10"),
        ({"sources": ()}, r"sources"),
        (
            {"disturbances": {"d": {"kind": "source_changed", "sources": [11]}}},
            r"disturbances.d.sources: found .11.; allowed: ",
        ),
        ({"disturbances": {"d": {"kind": "source_changed"}}}, r"sources"),
    ],
)
def test_wrong_wearers_are_said_in_a_line(settings, message):
    with pytest.raises(ScenarioError, match=message):
        Wrist(**settings)
