"""The stream of heartbeats: what waves beats are made of, when what is played and decided, and a lead that changes."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.coders import Crossings
from hilbench.envs._beats import (
    INTERVAL_S,
    KINDS,
    R_WIDTHS_S,
    VENTRICULAR,
    WAVES,
    Beat,
    Heart,
    lead_mv,
    seen_mv,
    waves_of,
    windows,
)
from hilbench.envs.ecg import Ecg
from hilbench.errors import ScenarioError

STEP = {"physics_step_s": 0.002, "control_period_s": 0.002}
FINE = STEP | {"n_samples": 12}
ONES = np.ones(5)


def played(plant, seed, scores=None, episode=0):
    """Observations and infos of an episode; `scores` gives an action from the info, else both are 0."""
    obs, info = plant.reset(seed=seed, options={"episode": episode})
    rows = [(obs, info)]
    while True:
        obs, _, ended, _, info = plant.step(np.zeros(2) if scores is None else scores(info))
        rows.append((obs, info))
        if ended:
            return np.array([row[0] for row in rows]), [row[1] for row in rows]


def hearts(n=6000, rare_share=0.1, scale=1.0, seed=0):
    heart = Heart(np.random.default_rng(seed), rare_share)
    return [heart.beat(scale) for _ in range(n)]


def best_f1(values, targets):
    """The best F1 of one threshold, either way round."""
    found = []
    for edge in np.quantile(values, np.linspace(0.005, 0.995, 199)):
        found += [2 * (a & targets).sum() / (a.sum() + targets.sum()) for a in (values > edge, values < edge)]
    return max(found)


def test_a_wave_is_a_gaussian_where_it_is_and_as_large_as_it_is():
    waves = np.zeros((5, 3))
    waves[:, 2] = 0.01
    waves[4] = 0.26, 0.3, 0.05
    seen = lead_mv(Beat(0, 0.8, waves), np.array([0.26, 0.31, 0.36, -0.5]), np.array([1, 1, 1, 1, -2.0]))
    np.testing.assert_allclose(seen, [-0.6, -0.6 * np.exp(-0.5), -0.6 * np.exp(-2), 0], atol=1e-12)


def test_beats_before_and_after_are_seen_at_their_own_time():
    waves = np.zeros((5, 3))
    waves[:, 2] = 0.01
    waves[2, 1] = 1.0
    beats = tuple(Beat(0, interval_s, waves) for interval_s in (9.0, 0.7, 0.5))
    np.testing.assert_allclose(seen_mv(beats, np.array([-0.7, 0.0, 0.5, 0.7, -9.0]), ONES), [1, 1, 1, 0, 0], atol=1e-12)


def test_kinds_of_beats_have_the_waves_that_they_should():
    random = np.random.default_rng(0)
    found = {name: np.array([waves_of(random, name, 1.0) for _ in range(2000)]) for name in KINDS}
    middle = {name: np.median(waves, axis=0) for name, waves in found.items()}
    np.testing.assert_allclose(middle["normal"][:, 0], [-0.16, -2.6 * 0.011, 0, 2.6 * 0.011, 0.26], atol=3e-3)
    np.testing.assert_allclose(middle["normal"][:, 1], [0.114, -0.12, 0.95, -0.25, 0.252], rtol=0.05)
    np.testing.assert_allclose(middle["early"][0, 1], 0.076, rtol=0.05)
    assert not found["ventricular"][:, :2, 1].any()  # neither P nor Q
    for name in KINDS:
        assert middle[name][2, 2] == pytest.approx(np.mean(R_WIDTHS_S[name]), rel=0.05)
    turned = found["ventricular"][:, 4, 1] < 0
    assert 0.4 < turned.mean() < 0.8
    np.testing.assert_allclose(waves_of(np.random.default_rng(1), "normal", 0.5)[0, ::2], [-0.08, 0.011])


@pytest.mark.parametrize("rare_share", [0.1, 0.02])
def test_so_many_beats_are_ventricular(rare_share):
    kinds = np.array([beat.kind for beat in hearts(rare_share=rare_share)])
    spread = 3 * (rare_share * (1 - rare_share) / kinds.size) ** 0.5
    assert np.mean(kinds == VENTRICULAR) == pytest.approx(rare_share, abs=spread)
    assert np.mean(kinds == KINDS.index("early")) == pytest.approx(0.1, abs=0.012)
    assert np.mean(kinds == KINDS.index("aberrant")) == pytest.approx(0.11, abs=0.013)


def test_ventricular_and_early_beats_come_soon_and_a_pause_follows():
    beats = hearts()
    kinds, intervals_s = np.array([(beat.kind, beat.interval_s) for beat in beats]).T
    before = np.append(0, kinds[:-1])
    usual = np.median(intervals_s[(kinds == 0) & (before == 0)])
    assert usual == pytest.approx(INTERVAL_S, rel=0.05)
    for name, sooner, later in (("early", 0.76, 1.1), ("ventricular", 0.785, 1.25)):
        kind = KINDS.index(name)
        assert np.median(intervals_s[(kinds == kind) & (before == 0)]) == pytest.approx(sooner * usual, rel=0.05)
        assert np.median(intervals_s[(kinds == 0) & (before == kind)]) == pytest.approx(later * usual, rel=0.05)
    faster = np.array([beat.interval_s for beat in hearts(scale=0.85)])
    assert faster.mean() == pytest.approx(0.85 * intervals_s.mean(), rel=0.01)


def test_neither_being_early_nor_being_wide_nor_the_count_of_events_gives_a_ventricular_beat_away():
    beats = hearts(rare_share=0.1)
    rare = np.array([beat.kind == VENTRICULAR for beat in beats])
    assert best_f1(np.array([beat.interval_s for beat in beats]), rare) < 0.55
    assert best_f1(np.array([beat.waves[2, 2] for beat in beats]), rare) < 0.75
    lead, rare = windows(np.random.default_rng(0), 1500, 0.1, 0.002 * np.arange(-145, 125), ONES, 1.0, 0.02)
    crossings, counts = Crossings(1500, 0.06, None, 0.0, 1000, 2000), np.zeros(1500)
    for sample in lead.T:
        np.add.at(counts, crossings(sample)["address"] // 2, 1)
    assert best_f1(counts, rare) < 0.35


def test_a_beat_is_decided_on_250_ms_after_its_r_and_the_label_shown_then():
    with Ecg(noise_mv=0.0, **FINE) as plant:
        seen, infos = played(plant, 0, lambda info: np.eye(2)[int(info["label"])])
    decided = np.flatnonzero([info["decided"] for info in infos])
    assert decided.size == 12
    assert np.flatnonzero(np.diff(seen[:, 1:].any(axis=1).astype(int)) == 1).tolist() == (decided - 1).tolist()
    for at in decided:
        label = int(infos[at]["label"])
        assert seen[at, 1 + label] == 1.0
        assert infos[at]["correct"] == 1.0
        assert infos[at]["target"] == infos[at]["alarm"] == label
        assert abs(seen[at - 165 : at - 85, 0].argmax() + at - 165 - (at - 125)) <= 1


def test_the_lead_goes_on_without_a_gap():
    with Ecg(noise_mv=0.0, n_samples=40, **STEP) as plant:
        seen, infos = played(plant, 3)
    decided = np.flatnonzero([info["decided"] for info in infos])
    begins = decided[:-1] + 5  # shown for 10 ms, and then the next sample
    assert np.unique(np.diff(decided)).size > 20  # beats are not equally long
    assert np.abs(np.diff(seen[:, 0])[begins - 1]).max() < 0.03


def test_who_says_always_the_same_has_its_targets_and_alarms_counted():
    with Ecg(control_period_s=0.01, n_samples=60) as plant:
        _, normal = played(plant, 1)
        _, rare = played(plant, 1, lambda info: np.array([0.0, 1.0]))
    for infos, alarm in ((normal, 0.0), (rare, 1.0)):
        decisions = [info for info in infos if info["decided"]]
        assert {info["alarm"] for info in decisions} == {alarm}
        assert [info["target"] for info in decisions] == [info["label"] for info in decisions]
    assert 1 <= sum(info["target"] for info in normal if info["decided"]) <= 15


def test_another_lead_shows_the_same_heart_with_other_waves():
    change = {"kind": "lead_changed", "gains": {"r": 0.5, "t": -1.0}, "at_episode": 1}
    with Ecg(noise_mv=0.0, rare_share=0.0, disturbances={"patient": change}, **FINE) as plant:
        before, _ = played(plant, 5)
        after, infos = played(plant, 5, episode=1)
    assert [infos[0][f"gain_{wave}"] for wave in WAVES] == [1, 1, 0.5, 1, -1]
    decided = np.flatnonzero([info["decided"] for info in infos])[1:-1]
    fell = before[:, 0] - after[:, 0]
    np.testing.assert_allclose(fell[decided - 125], 0.475, rtol=0.4)  # half of R, which is 0.8 to 1.1 times exp(0.12 N)
    assert (fell[decided + 3] > 0.15).all()  # twice T
    assert np.abs(fell[decided - 125 - 80]).max() < 0.02  # P is as it was


def test_a_faster_heart_and_more_noise():
    change = {"kind": "lead_changed", "interval_scale": 0.85, "noise_scale": 3.0, "at_episode": 1}
    spans, noises = [], []
    with Ecg(n_samples=40, rare_share=0.0, disturbances={"patient": change}, **STEP) as plant:
        for episode in (0, 1):
            seen, infos = played(plant, 5, episode=episode)
            decided = np.flatnonzero([info["decided"] for info in infos])
            spans.append(np.ptp(decided))
            noises.append(np.std(np.diff(seen[:, 0])[[at + k for at in decided for k in range(5)]]))
    assert (infos[0]["interval_scale"], infos[0]["noise_scale"]) == (0.85, 3.0)
    assert spans[1] == pytest.approx(0.85 * spans[0], rel=0.01)
    assert noises[1] == pytest.approx(3 * noises[0], rel=0.15)


def test_beats_come_from_the_seed():
    with Ecg(**FINE) as plant:
        one, same, other = (played(plant, seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert one.shape != other.shape or not np.array_equal(one, other)


def test_windows_are_the_lead_around_beats():
    at_s = 0.002 * np.arange(-145, 125)
    lead, rare = windows(np.random.default_rng(0), 400, 0.4, at_s, ONES, 1.0, 0.0)
    assert lead.shape == (400, 270)
    assert rare.mean() == pytest.approx(0.4, abs=0.08)
    assert np.abs(at_s[lead[~rare].argmax(axis=1)]).max() < 0.01
    p, s = np.abs(at_s + 0.16).argmin(), np.abs(at_s - 0.048).argmin()
    assert np.median(lead[~rare, p]) > np.median(lead[rare, p]) + 0.05  # no P
    assert np.median(lead[~rare, s]) > np.median(lead[rare, s]) + 0.1  # a deep and late S


def test_a_picture_shows_the_lead_and_the_decision():
    with Ecg(render_mode="rgb_array", **STEP) as plant:
        plant.reset(seed=0)
        empty = plant.render()
        for _ in range(1500):
            plant.step([1.0, 0.0])
        picture = plant.render()
    assert picture.shape == (360, 480, 3)
    assert np.ptp(np.flatnonzero((picture[:300, 470:] != (246, 246, 242)).any(axis=(1, 2)))) >= 1
    heights = [np.ptp(np.flatnonzero((each[:300] != (246, 246, 242)).any(axis=(1, 2)))) for each in (empty, picture)]
    assert heights[1] > 80 > heights[0]
    decided = [(picture[300:] == colour).all(axis=2).any() for colour in ((60, 140, 80), (233, 84, 32))]
    assert sum(decided) == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rest_s": 0.2}, r"plant: decide_s, reveal_s and rest_s: found 0.22 s; allowed: at most 0.09 s together"),
        ({"rare_share": 0.6}, r"plant.rare_share"),
        ({"disturbances": {"d": {"kind": "lead_changed", "gains": {"u": 2.0}}}}, r"disturbances.d.gains.u: .* no such"),
        ({"disturbances": {"d": {"kind": "lead_changed", "gains": [1.0]}}}, r"disturbances.d.gains: found 1 values"),
        ({"disturbances": {"d": {"kind": "lead_changed", "interval_scale": 0.0}}}, r"disturbances.d.interval_scale"),
    ],
)
def test_mistakes_are_said_in_a_line(settings, message):
    with pytest.raises(ScenarioError, match=message):
        Ecg(**settings)
