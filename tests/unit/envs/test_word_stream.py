"""The stream of words: how they are said, what an ear hears of them, and another speaker."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench import plugins, read_run
from hilbench.controllers.stream_label import StreamLabel, StreamLabelConfig
from hilbench.envs._speech import FORMANTS_HZ, WORDS, Voice, said, voice
from hilbench.envs.words import SOUND_HZ, Words
from hilbench.errors import ScenarioError
from hilbench.runs.run import run
from hilbench.scenario.files import load

RATE_HZ, N = 16_000.0, 9600
VOICE = Voice(100.0, 1.0, (0.25,) * 4, 0.05, 0.4, 0.02)
COARSE = {"control_period_s": 0.02, "n_samples": 3}
EAR = {"spikes": {"kind": "cochlea", "ears": ["near"], "noise_pa": 0.0, "threshold": 0.05}}


def part(word, number, how=VOICE):
    """The middle of a word's sound, (n,)."""
    wave = said(np.random.default_rng(0), word, how, N, RATE_HZ)
    begin_s, each_s = how.begins_s, how.length_s / 4
    first, last = ((begin_s + each_s * (number + share)) * RATE_HZ for share in (0.4, 0.95))
    return wave[round(first) : round(last)]


def peak_hz(wave, low_hz, high_hz):
    """Where the spectrum of a wave has its largest line within a band."""
    hz = np.fft.rfftfreq(16 * wave.size, 1 / RATE_HZ)
    power = np.abs(np.fft.rfft(wave * np.hanning(wave.size), 16 * wave.size))
    within = (hz > low_hz) & (hz < high_hz)
    return hz[within][power[within].argmax()]


def test_words_are_ten_orders_of_the_same_sounds():
    assert len(set(WORDS)) == 10
    assert {"".join(sorted(word)) for word in WORDS} == {"aisu"}
    for place in range(4):
        assert len({word[place] for word in WORDS}) >= 3


@pytest.mark.parametrize("tract", [1.0, 1.3])
def test_vowels_have_their_formants(tract):
    how = VOICE._replace(tract=tract)
    for sound, (first_hz, second_hz) in FORMANTS_HZ.items():
        number = "aius".index(sound)
        wave = part("aius", number, how)
        near = 60 * tract  # a line of the pulses' own harmonics beside the tone
        assert peak_hz(wave, 0.85 * first_hz * tract, 1.15 * first_hz * tract) == pytest.approx(
            first_hz * tract, abs=near
        )
        assert peak_hz(wave, 0.9 * second_hz * tract, 1.1 * second_hz * tract) == pytest.approx(
            second_hz * tract, abs=near
        )


def test_a_voice_repeats_with_its_pitch_and_a_hiss_does_not():
    def alike(wave, pitch_hz):
        """The correlation of a wave's envelope with itself, a period of that pitch later."""
        envelope, lag = np.abs(wave) - np.abs(wave).mean(), round(RATE_HZ / pitch_hz)
        smooth = np.convolve(envelope, np.ones(32) / 32, "valid")
        return np.corrcoef(smooth[lag:], smooth[:-lag])[0, 1]

    assert alike(part("aius", 0), 96.0) > 0.6  # it falls by 10 % over a sample
    assert alike(part("aius", 0, VOICE._replace(pitch_hz=190.0)), 183.0) > 0.6
    assert alike(part("aius", 3), 96.0) < 0.3


def test_a_word_is_as_loud_and_as_long_as_it_says():
    wave = said(np.random.default_rng(0), "aius", VOICE, N, RATE_HZ)
    loud = np.flatnonzero(np.abs(wave) > 4e-3) / RATE_HZ
    assert loud[0] == pytest.approx(0.05, abs=0.012)
    assert loud[-1] == pytest.approx(0.45, abs=0.04)  # a glide of 12 ms
    assert np.sqrt(np.mean(wave[round(0.06 * RATE_HZ) : round(0.45 * RATE_HZ)] ** 2)) == pytest.approx(0.02, rel=0.05)
    shorter = said(np.random.default_rng(0), "aius", VOICE._replace(shares=(0.7, 0.1, 0.1, 0.1)), N, RATE_HZ)
    middle = shorter[round(0.2 * RATE_HZ) : round(0.3 * RATE_HZ)]
    assert peak_hz(middle, 600, 900) == pytest.approx(750, abs=60)  # it still says a


def test_speakers_differ_as_much_as_they_should():
    random = np.random.default_rng(0)
    found = [voice(random, 0.25, 0.06, 0.02) for _ in range(4000)]
    assert np.std(np.log([each.tract for each in found])) == pytest.approx(0.06, rel=0.05)
    assert 90 <= min(each.pitch_hz for each in found) < max(each.pitch_hz for each in found) <= 160
    assert np.allclose([sum(each.shares) for each in found], 1.0)
    levels_db = 20 * np.log10([each.level_pa / 0.02 for each in found])
    assert (round(levels_db.min()), round(levels_db.max())) == (-3, 3)


def heard(plant, seed, episode=0):
    """The waves and labels of an episode's words, and the events of its ear where it has one."""
    obs, info = plant.reset(seed=seed, options={"episode": episode})
    waves, events, labels, levels = [plant.sounds().waves[0].copy()], [], [info["label"]], [float(obs[0])]
    ended = False
    while not ended:
        obs, _, ended, _, info = plant.step(np.zeros(10))
        levels.append(float(obs[0]))
        if hasattr(plant, "events"):
            events.append(plant.events().copy())
        if info["label"] != labels[-1] or not np.array_equal(plant.sounds().waves[0], waves[-1]):
            waves.append(plant.sounds().waves[0].copy())
            labels.append(info["label"])
    return np.array(waves), labels, events, np.array(levels)


def test_words_come_from_the_seed():
    with Words(**COARSE) as plant:
        one, same, other = (heard(plant, seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one[0], other[0])


def test_the_level_is_that_of_the_sound():
    with Words(control_period_s=0.001, n_samples=1) as plant:
        waves, _, _, levels = heard(plant, 0)
    milliseconds = waves[0].reshape(-1, round(SOUND_HZ / 1000))
    np.testing.assert_allclose(levels[:-1], np.sqrt((milliseconds**2).mean(axis=1)), rtol=1e-5, atol=1e-9)


def test_an_ear_hears_a_word_the_way_of_a_metre_later():
    with Words(sensors=EAR, **COARSE) as plant:
        waves, _, events, _ = heard(plant, 1)
    begins_s = np.flatnonzero(np.abs(waves[0]) > 2e-3)[0] / SOUND_HZ
    first = next(n for n, found in enumerate(events) if found.size > 5)
    at_s = 0.02 * first + events[first]["t_us"][0] * 1e-6
    assert begins_s + 1 / 343.0 - 0.02 < at_s < begins_s + 1 / 343.0 + 0.02


def test_another_speaker_says_the_same_words_in_another_way():
    change = {"kind": "speaker_changed", "tract": 1.3, "pitch": 1.9, "stretch": 1.15, "at_episode": 1}
    with Words(disturbances={"other": change}, **COARSE) as plant:
        plant.reset(seed=7)
        random = np.random.default_rng
        usual = plant.draw(random(5), 0, 900, 600)
        _, info = plant.reset(seed=7)
        now = plant.draw(random(5), 0, 900, 600)
    assert (info["tract"], info["pitch"], info["stretch"]) == pytest.approx((1.3, 1.9, 1.15))
    begins, ends = ([np.flatnonzero(each[:, 0] > 2e-3)[[0, -1]] for each in (usual, now)][k] for k in (0, 1))
    assert ends[0] == pytest.approx(begins[0], abs=2)
    assert (ends[1] - ends[0]) / (begins[1] - begins[0]) == pytest.approx(1.15, abs=0.05)


def test_a_picture_shows_the_wave_that_was_heard():
    with Words(render_mode="rgb_array", **COARSE) as plant:
        plant.reset(seed=0)
        blue = []
        for _ in range(32):
            plant.step(np.eye(10)[0])
            blue.append(int((plant.render() == (41, 107, 191)).all(axis=2).sum()))
        assert plant.render().shape == (360, 480, 3)
    assert blue[28] > blue[10] > blue[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sensors": {"s": {"kind": "cochlea"}}}, r"sensors.s.ears: found no ear 'left'; allowed: near"),
        ({"disturbances": {"d": {"kind": "speaker_changed", "tract": 0.0}}}, r"disturbances.d.tract"),
    ],
)
def test_wrong_settings_are_said_in_a_line(arguments, message):
    with pytest.raises(ScenarioError, match=message), Words(**arguments) as plant:
        plant.reset(seed=0)


def test_nobody_speaks_elsewhere():
    with pytest.raises(ScenarioError, match=r"disturbances.d: found a plant in which nobody speaks"):
        plugins.get("envs", "beam")(disturbances={"d": {"kind": "speaker_changed"}})


def test_who_is_told_the_label_is_always_right(tmp_path):
    done = run(load("words", {"loop.episodes": 2, "loop.seed": 5, "plant.n_samples": 4}, "told"), tmp_path / "run")
    assert done.status == "done"
    returns = [episode["reward"].sum() for episode in read_run(tmp_path / "run").episodes]
    assert returns == pytest.approx([1.0, 1.0])


def test_only_a_stream_tells_its_labels():
    with (
        plugins.get("envs", "beam")() as beam,
        pytest.raises(ScenarioError, match="controller 'stream_label' needs a stream"),
    ):
        StreamLabel.build(StreamLabelConfig(), beam.plant_spec, 20_000, 0)
