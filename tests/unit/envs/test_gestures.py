"""The stream of gestures: the paths of hands, what a camera tells of them, and a camera that is turned."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.envs.gestures import AS_LONG, CLASSES, EYE, HANDS, RISE_S, Gestures, eased, path
from hilbench.errors import ScenarioError

COARSE = {"control_period_s": 0.02, "physics_step_s": 0.005, "n_samples": 4}
TRIAL, DECIDED = 65, 51
"""Control periods of a trial, and after which of them it is decided."""
ROLLED = {"mount": {"kind": "camera_turn", "roll_rad": 0.5236, "at_episode": 1}}


class Even:
    """A generator that draws the middle of what there is: a gesture as it is on average."""

    def uniform(self, low, high, size=None):
        return 0.5 * (low + high)

    def standard_normal(self, size=None):
        return 0.0


@pytest.fixture
def even():
    return Even()


def hands(name, random, n=2001, until_s=1.0):
    """Where both hands are, (n, 2 hands, 2), over a second."""
    return path(random, name, np.linspace(0.0, until_s, n)).reshape(n, 2, 2)


def played(plant, seed, scores=None):
    """Events of each control period, observations and infos of an episode; `scores` gives an action from the info."""
    obs, info = plant.reset(seed=seed)
    events, seen, infos, ended = [plant.events()], [obs], [info], False
    while not ended:
        obs, _, ended, _, info = plant.step(np.zeros(len(CLASSES)) if scores is None else scores(info))
        events.append(plant.events())
        seen.append(obs)
        infos.append(info)
    return events, np.array(seen), infos


@pytest.mark.parametrize(("name", "senses"), [("circles_ll", (1, 1)), ("circles_rl", (-1, 1))])
def test_circles_are_of_the_rate_the_radius_and_the_direction_that_were_drawn(even, name, senses):
    at_s, found = np.linspace(0.0, 1.0, 2001), hands(name, even)
    angle = 2 * np.pi * 1.2 * at_s
    for hand, (side, sense) in enumerate(zip((-1, 1), senses, strict=True)):
        expected = np.stack([side * 0.15 + 0.1025 * np.cos(angle), sense * 0.1025 * np.sin(angle)], 1)
        np.testing.assert_allclose(found[:, hand], expected, atol=1e-12)


@pytest.mark.parametrize(("name", "axis", "sense"), [("sway", 0, 1), ("clap", 0, -1), ("lift", 1, 1), ("drum", 1, -1)])
def test_swings_are_along_an_axis_in_phase_or_antiphase(even, name, axis, sense):
    away = hands(name, even) - np.array([[-0.15, 0.0], [0.15, 0.0]])
    np.testing.assert_allclose(away[:, 1, axis], sense * away[:, 0, axis], atol=1e-12)
    assert np.abs(away[..., axis]).max() == pytest.approx(AS_LONG * 0.1025)
    assert np.abs(away[..., 1 - axis]).max() == pytest.approx(0.025, rel=1e-3)


def test_paths_of_all_gestures_are_as_long():
    lengths_m = []
    for name in CLASSES:
        random = np.random.default_rng(0)
        found = [hands(name, random, 201) for _ in range(300)]
        lengths_m.append(np.mean([np.linalg.norm(np.diff(each, axis=0), axis=2).sum(0) for each in found], axis=0))
    np.testing.assert_allclose(lengths_m, 2 * np.pi * 1.2 * 0.1025, rtol=0.06)


def test_both_hands_move_nearly_all_the_time():
    for name in CLASSES:
        speeds = np.linalg.norm(np.diff(hands(name, np.random.default_rng(1)), axis=0), axis=2) * 2000
        assert (speeds > 0.05).mean() > 0.9


def test_a_hand_goes_into_its_gesture_stands_while_it_is_decided_and_goes_back():
    with Gestures(**COARSE) as plant:
        plant.reset(seed=0)
        drawn = plant.draw(np.random.default_rng(3), 4, 260, 200)
    rest, free = plant.truth[:4], path(np.random.default_rng(3), CLASSES[4], 0.005 * np.arange(201))
    np.testing.assert_allclose(drawn[0], rest)
    np.testing.assert_allclose(drawn[12], rest + 0.5 * (free[12] - rest))
    np.testing.assert_allclose(drawn[24:200], free[24:200])
    np.testing.assert_allclose(drawn[200:209], np.tile(free[200], (9, 1)))
    np.testing.assert_allclose(drawn[232:], np.tile(rest, (28, 1)), atol=1e-12)


def test_a_way_is_eased_at_both_ends():
    np.testing.assert_allclose(
        eased(np.array([-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 2.0])), [0, 0, 0.15625, 0.5, 0.84375, 1, 1]
    )
    assert pytest.approx(0.12) == RISE_S


def test_who_says_the_label_is_always_right():
    with Gestures(**COARSE) as plant:
        _, seen, infos = played(plant, 0, lambda info: np.eye(8)[int(info["label"])])
    assert len(seen) - 1 == 4 * TRIAL
    decided = np.flatnonzero([info["decided"] for info in infos])
    assert decided.tolist() == [DECIDED + TRIAL * k for k in range(4)]
    assert all(infos[row]["correct"] == 1.0 for row in decided)
    assert np.flatnonzero(seen[:, len(HANDS) :].any(axis=1)).tolist() == decided.tolist()


def test_the_same_seed_gives_the_same_events():
    with Gestures(**COARSE) as plant:
        one, same, other = (np.concatenate(played(plant, seed)[0]) for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert one.size != other.size or (one != other).any()


def test_the_number_of_events_says_next_to_nothing_of_the_gesture():
    """Of 150 samples, guessed by Gaussians of the counts of the others: chance is one in eight."""
    counts, classes = [], []
    with Gestures(**COARSE | {"n_samples": 25}) as plant:
        for seed in range(6):
            events, _, infos = played(plant, seed)
            found = np.array([each.size for each in events[1:]]).reshape(25, TRIAL)
            counts += found[:, :50].sum(axis=1).tolist()
            classes += [int(infos[TRIAL * k + 30]["label"]) for k in range(25)]
    counts, classes, right = np.array(counts), np.array(classes), 0
    for own in range(counts.size):
        others = np.arange(counts.size) != own
        scores = []
        for label in range(8):
            of_class = counts[others & (classes == label)]
            scores.append(-np.log(of_class.std()) - 0.5 * ((counts[own] - of_class.mean()) / of_class.std()) ** 2)
        right += int(np.argmax(scores)) == classes[own]
    assert 700 < counts.mean() < 3000
    assert right / counts.size < 0.27


def spot(plant, x_m, y_m):
    """Column and row, from the middle, of what a camera sees of a left hand at a place; the other one is away."""
    eye = plant._rack.sensors["eye"]
    plant.truth[:4] = [x_m, y_m, 0.9, 0.9]
    eye.sample(plant)
    bright = eye.image - eye.image.min()
    rows, columns = np.indices(bright.shape)
    return (bright * columns).sum() / bright.sum() - 15.5, 15.5 - (bright * rows).sum() / bright.sum()


def test_a_camera_sees_right_as_right_and_up_as_up_and_a_roll_turns_its_picture():
    with Gestures(**COARSE, disturbances=ROLLED) as plant:
        plant.reset(seed=0)
        assert spot(plant, 0.2, 0.05) == pytest.approx((8.0, 2.0), abs=0.15)
        assert plant.camera("front")[5] == 0.0
        _, info = plant.reset(seed=0)
        assert info["turned_rad"] == pytest.approx(0.5236)
        turned = np.exp(0.5236j) * (8 + 2j)
        assert spot(plant, 0.2, 0.05) == pytest.approx((turned.real, turned.imag), abs=0.2)


def test_gestures_give_events_and_hands_that_stand_only_noise():
    with Gestures(**COARSE) as plant:
        events, _, _ = played(plant, 1)
    counts = np.array([each.size for each in events[1:]]).reshape(4, TRIAL)
    assert counts[:, 2:50].mean() > 10
    still = counts[:, 52].mean()
    # 0.3 Hz of noise and 0.1 Hz of leak a pixel
    assert still == pytest.approx(1024 * 0.4 * 0.02, abs=6)


def test_a_picture_is_of_what_the_camera_sees():
    with Gestures(render_mode="rgb_array", disturbances=ROLLED, **COARSE) as plant:
        pictures = []
        for _ in range(2):
            plant.reset(seed=0)
            pictures.append(plant.render())
        x_m, y_m = plant.truth[:2]
    assert pictures[0].shape == (360, 480, 3)
    assert (pictures[0][round(150 - 350 * y_m), round(240 + 350 * x_m)] == (226, 206, 186)).all()
    assert not np.array_equal(pictures[0], pictures[1])


def test_a_plant_without_sensors_has_none_and_a_foreign_camera_is_refused():
    with Gestures(**COARSE) as plant, Gestures(**COARSE, sensors={}) as blind:
        assert plant.plant_spec.event_sensors[0].shape == (32, 32, 2)
        assert not blind.plant_spec.event_sensors
        plant.reset(seed=0)
        with pytest.raises(ScenarioError, match=r"camera: found 'frnt'"):
            plant.camera("frnt")
    with pytest.raises(ScenarioError, match=r"frnt"):
        Gestures(sensors={"eye": EYE | {"camera": "frnt"}}).reset(seed=0)
