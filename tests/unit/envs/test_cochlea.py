"""Ears against closed forms: filters, spike times, ways of sound, a head and a room."""

from __future__ import annotations

from math import acos, cos, hypot, log, pi, radians, sin

import numpy as np
import pytest
import scipy.signal
from hearing_lab import RATE_HZ, Hearing, Listener, hear, tone

from hilbench.compiled.cache import kernels
from hilbench.envs.sensors import Room, Sounds, band_noise
from hilbench.envs.sensors._buffer import event_kernels
from hilbench.errors import PluginFault, ScenarioError

BANK, PATHS = event_kernels("hilbench.envs.sensors._sound.bank"), kernels("hilbench.envs.sensors._sound.paths")
C_M_S = 343.0


@pytest.mark.parametrize(("hz", "rate_hz"), [(500.0, 16_000), (1000.0, 16_000), (4000.0, 16_000), (4000.0, 48_000)])
def test_four_sections_are_the_gammatone_filter_of_scipy(hz, rate_hz):
    gain, *zeros, pole1, pole2 = BANK.coefficients(np.array([hz]), rate_hz)[:, 0]
    sections = np.array([[1.0, zero, 0.0, 1.0, pole1, pole2] for zero in zeros])
    at_hz = np.geomspace(0.5 * hz, min(2 * hz, 0.45 * rate_hz), 50)
    _, expected = scipy.signal.freqz(*scipy.signal.gammatone(hz, "iir", fs=rate_hz), at_hz, fs=rate_hz)
    _, found = scipy.signal.sosfreqz(sections, at_hz, fs=rate_hz)
    np.testing.assert_allclose(gain * np.abs(found), np.abs(expected), rtol=1e-3, atol=1e-6)
    assert gain * np.abs(scipy.signal.sosfreqz(sections, [hz], fs=rate_hz)[1]) == pytest.approx(1.0)


def test_centres_are_as_many_critical_bands_apart():
    hz = BANK.centres_hz(100.0, 6000.0, 32)
    assert hz[[0, -1]] == pytest.approx([100.0, 6000.0])
    # The number of bands below f is 21.4 log10(1 + 0.00437 f) (Glasberg and Moore 1990).
    np.testing.assert_allclose(np.diff(np.log10(1 + 0.00437 * hz), 2), 0, atol=1e-6)
    assert BANK.centres_hz(300.0, 6000.0, 1).tolist() == pytest.approx([300.0])


@pytest.mark.parametrize("n", [1, 7, 160])
def test_a_cell_under_a_constant_drive_fires_at_the_instants_of_the_closed_form(n):
    pressure, tau_s, rest_s, threshold = 0.5, 0.002, 0.00103, 0.3
    facts = np.array([0.5, threshold, tau_s * RATE_HZ, rest_s * RATE_HZ, 1e6 / RATE_HZ])
    bands, cells = np.full((1, n, 1), pressure), np.zeros((1, 4, 1))
    cells[0, BANK.BAND], cells[0, BANK.DRIVE] = pressure, pressure**0.5
    counters, events, times_us = np.zeros(1, np.int64), np.empty((1000, 2), np.uint32), []
    for block in range(1120 // n):
        found = BANK.spikes(bands, bands**0.5, cells, facts, 10_000_000, counters, events)
        times_us += [int(t) + block * n * 1e6 / RATE_HZ for t in events[:found, 0]]
    rise_s = tau_s * log(pressure**0.5 / (pressure**0.5 - threshold))
    exact_us = [1e6 * (rise_s + k * (rise_s + rest_s)) for k in range(len(times_us))]
    assert len(times_us) > 30
    assert np.abs(np.array(times_us) + 0.5 - exact_us).max() <= 1.0 + 1e-3


def test_sound_takes_its_time_and_falls_with_the_distance():
    plant = Listener(tone(500.0, 1.0), (3.0, 0.1, 0.0))
    _, _, _, heard = hear(plant, 0.2)
    away_m = np.array([3.0, hypot(3.0, 0.2)])
    at_s = (np.arange(heard.shape[1]) + 1) / RATE_HZ
    expected = 0.1 / away_m[:, None] * np.sin(2 * pi * 500 * (at_s - away_m[:, None] / C_M_S))
    late = at_s > 0.02
    np.testing.assert_allclose(heard[:, late], expected[:, late], atol=2e-5)
    assert np.abs(heard[:, at_s < 2.8 / C_M_S]).max() < 1e-6


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
def test_waves_may_have_another_rate_than_the_ears(rate_hz):
    plant = Listener(tone(500.0, 1.0, rate_hz), (3.0, 0.1, 0.0), rate_hz, start_s=0.05)
    _, _, _, heard = hear(plant, 0.2)
    at_s = (np.arange(heard.shape[1]) + 1) / RATE_HZ
    expected = 0.1 / 3 * np.sin(2 * pi * 500 * (at_s - 0.05 - 3.0 / C_M_S))
    np.testing.assert_allclose(heard[0, at_s > 0.07], expected[at_s > 0.07], atol=2e-5)


def test_an_ear_that_drives_towards_a_source_hears_a_higher_tone():
    plant = Listener(tone(1000.0, 1.0), (60.0, 0.1, 0.0))
    plant.speed_m_s = 10.0
    _, _, _, heard = hear(plant, 0.8)
    settled = heard[0, round(0.25 * RATE_HZ) :]
    phase = np.unwrap(np.angle(scipy.signal.hilbert(settled)))[500:-500]
    found_hz = (phase[-1] - phase[0]) / (2 * pi) / ((phase.size - 1) / RATE_HZ)
    assert found_hz == pytest.approx(1000 * (1 + 10 / C_M_S), abs=0.1)


def test_spikes_tell_a_difference_of_times_far_below_a_sample():
    """A difference of 20 us is a third of a sample at 16 kHz, and there to within 2 us in what the two ears fire."""
    plant = Listener(tone(500.0, 1.0), (50.0, 0.0, 0.0))
    plant.changed = {"right": {"delay_s": 20e-6}}
    sensor, times_us, addresses, _ = hear(plant, 0.9, n_channels=4, low_hz=500.0, high_hz=1500.0)
    late = times_us > 300_000
    left, right = (times_us[late & (addresses == ear * 4)] for ear in (0, 1))
    assert sensor.shape == (2, 4)
    assert left.size == right.size > 100
    assert np.mean(right - left) == pytest.approx(20, abs=1)
    assert np.abs(right - left - 20).max() <= 2


def test_spikes_do_not_depend_on_how_often_the_sensor_samples():
    wave = band_noise(np.random.default_rng(0), 8000, RATE_HZ, 100, 3000, 0.05, 0.01)
    told = [hear(Listener(wave, (2.0, 1.0, 0.0)), 0.6, period_us)[1:3] for period_us in (1000, 12_500, 30_000)]
    for times_us, addresses in told[1:]:
        assert sorted(zip(addresses, times_us, strict=True)) == sorted(zip(told[0][1], told[0][0], strict=True))
    assert len(told[0][0]) > 1000


def test_microphones_may_be_louder_or_late():
    plant = Listener(tone(500.0, 1.0), (3.0, 0.0, 0.0))
    plant.changed = {"left": {"gain": 0.5}, "right": {"delay_s": 2e-4}}
    _, _, _, heard = hear(plant, 0.2)
    away_s, at_s = hypot(3.0, 0.1) / C_M_S, 0.15 + 1 / RATE_HZ
    k = round(0.15 * RATE_HZ)
    peak = 0.1 / hypot(3.0, 0.1)
    assert heard[0, k] == pytest.approx(0.5 * peak * sin(2 * pi * 500 * (at_s - away_s)), abs=1e-5)
    assert heard[1, k] == pytest.approx(peak * sin(2 * pi * 500 * (at_s - away_s - 2e-4)), abs=1e-5)


def ways(ears, place_m, head_m, room=None):
    sounds = Sounds([[0.0, 1.0]], RATE_HZ, room)
    sounds.places_m[0] = place_m
    paths = np.empty((len(ears), len(sounds.echoes), 3))
    PATHS.find(np.array(ears, float), sounds.places_m, sounds.echoes, head_m, paths)
    return paths


@pytest.mark.parametrize("deg", [0, 30, 60, 90])
def test_a_far_source_has_woodworths_difference_around_a_head(deg):
    # a / c (theta + sin theta) (Woodworth 1938), for ears at both ends of a diameter.
    theta, head_m = radians(deg), 0.0875
    ears = [[0, side * head_m, 0, 0, side, 0, 1, 0] for side in (1, -1)]
    paths = ways(ears, (1e4 * cos(theta), 1e4 * sin(theta), 0), head_m)
    assert paths[1, 0, 0] - paths[0, 0, 0] == pytest.approx(head_m / C_M_S * (theta + sin(theta)), abs=1e-8)


def test_a_near_source_is_heard_along_a_string_over_the_head():
    head_m, far_m = 0.1, 0.5
    (near, far) = ways([[0, 0.1, 0, 0, 1, 0, 1, 0], [0, -0.1, 0, 0, -1, 0, 1, 0]], (0, far_m, 0), head_m)[:, 0]
    assert near[0] * C_M_S == pytest.approx(0.4)
    tangent_m = (far_m**2 - head_m**2) ** 0.5
    assert far[0] * C_M_S == pytest.approx(tangent_m + head_m * (pi - acos(head_m / far_m)))
    assert far[1] == pytest.approx(1 / (far[0] * C_M_S))
    assert near[2] == pytest.approx(2.0)
    inside = ways([[0, 0.1, 0, 0, 1, 0, 1, 0]], (0, 0.01, 0), head_m)
    assert np.isfinite(inside).all()


def test_the_shadow_of_a_head_takes_high_tones_and_leaves_low_ones():
    """Brown and Duda 1998: (1 + j alpha w / 2 w0) / (1 + j w / 2 w0) with w0 = c / a."""
    head_m = 0.0875
    for hz in (50.0, 600.0, 2000.0):
        far = Listener(tone(hz, 1.0, 48_000), (0, 5.0, 0), 48_000)
        _, _, _, heard = hear(far, 0.5, head_m=0.1, rate_hz=48_000)
        way = ways([[0, 0.1, 0, 0, 1, 0, 1, 0], [0, -0.1, 0, 0, -1, 0, 1, 0]], (0, 5.0, 0), 0.1)[:, 0]
        x = 1j * 2 * pi * hz * 0.1 / (2 * C_M_S)
        peaks = np.abs(heard[:, 12_000:]).max(axis=1)
        expected = 0.1 * way[:, 1] * np.abs((1 + way[:, 2] * x) / (1 + x))
        np.testing.assert_allclose(peaks, expected, rtol=0.01)
    # At 150 degrees from the ear's axis it is darkest: a tenth of high frequencies is left.
    turned = radians(150)
    darkest = ways([[head_m, 0, 0, 1, 0, 0, 1, 0]], (9 * cos(turned), 9 * sin(turned), 0), head_m)[0, 0, 2]
    assert darkest == pytest.approx(0.1, abs=0.001)


@pytest.mark.parametrize(("order", "count"), [(0, 1), (1, 7), (2, 25), (3, 63), (4, 129)])
def test_a_room_has_the_octahedral_numbers_of_images(order, count):
    # https://oeis.org/A001845: images of up to n reflections in a box.
    assert len(Room((4, 3, 2.5), 0.8, order).echoes) == count


def test_walls_throw_sound_back_as_mirrors():
    room = Room((4.0, 3.0, 2.5), 0.5, 1, corner_m=(-2.0, -1.0, 0.0))
    source = np.array([1.0, 0.5, 1.0])
    ear = np.array([-1.0, 0.2, 1.2])
    paths = ways([[*ear, 0, 1, 0, 1, 0]], source, 0.0, room)[0]
    mirrored = [source]
    for axis, walls in enumerate([(-2.0, 2.0), (-1.0, 2.0), (0.0, 2.5)]):
        for wall in walls:
            image = source.copy()
            image[axis] = 2 * wall - source[axis]
            mirrored.append(image)
    away_m = np.linalg.norm(np.array(mirrored) - ear, axis=1)
    gains = np.array([1.0] + [0.5] * 6) / away_m
    found = sorted(zip(paths[:, 0] * C_M_S, paths[:, 1], strict=True))
    np.testing.assert_allclose(found, sorted(zip(away_m, gains, strict=True)))


def test_noise_comes_from_the_seed_and_is_each_ears_own():
    silent = Listener(np.zeros(10), (1, 0, 0))
    one, same, other = (hear(silent, 0.5, seed=seed, noise_pa=0.05) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one[1], same[1])
    assert one[1].size != other[1].size or (one[1] != other[1]).any()
    assert np.std(one[3]) == pytest.approx(0.05, rel=0.05)
    assert abs(np.corrcoef(one[3])[0, 1]) < 0.05
    assert hear(silent, 0.2)[1].size == 0


def test_events_beyond_the_room_for_them_are_counted():
    plant = Listener(tone(500.0, 1.0, pa=10.0), (1.0, 0.0, 0.0))
    sensor, times_us, _, _ = hear(plant, 0.1, max_events=3)
    assert times_us.size <= 30
    assert sensor.n_lost > 0


def test_a_band_of_noise_has_its_level_and_its_edges():
    wave = band_noise(np.random.default_rng(3), 16_000, RATE_HZ, 100, 3000, 0.02)
    power = np.abs(np.fft.rfft(wave)) ** 2
    assert np.sqrt(np.mean(wave**2)) == pytest.approx(0.02)
    assert power[100:3001].sum() == pytest.approx(power.sum())
    ramped = band_noise(np.random.default_rng(3), 16_000, RATE_HZ, 100, 3000, 0.02, 0.01)
    np.testing.assert_allclose(ramped[160:-160], wave[160:-160])
    assert np.abs(ramped[[0, -1]]).max() < 1e-5
    with pytest.raises(ValueError, match="a band within half of 16000 Hz"):
        band_noise(np.random.default_rng(3), 100, RATE_HZ, 9000, 9500, 0.02)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ears": ("left", "nose")}, r"sensors.ears.ears: plant: found no ear 'nose'; allowed: 'left', 'right'"),
        ({"n_channels": 1, "low_hz": 9000.0}, r"sensors.ears.low_hz: found 9000; allowed: below 8000, half of rate_hz"),
        ({"ears": ()}, r"sensors.ears.ears: found \[\]; allowed: one or more names, each once"),
        ({"ears": ("left", "left")}, r"sensors.ears.ears: found \['left', 'left'\]; allowed: one or more"),
        ({"high_hz": 9000.0}, r"sensors.ears.high_hz: found 9000; allowed: below 8000, half of rate_hz"),
        ({"low_hz": 500.0, "high_hz": 400.0}, r"sensors.ears.low_hz, high_hz: found 500 and 400; allowed: the lower"),
    ],
)
def test_mistakes_are_said_in_a_line(settings, message):
    with pytest.raises(ScenarioError, match=message):
        hear(Listener(tone(500.0, 0.1), (1, 0, 0)), 0.01, **settings)


def test_rooms_and_sounds_refuse_what_makes_no_sense():
    with pytest.raises(ValueError, match="allowed: three numbers, sizes above 0"):
        Room((4, 3), 0.5, 1)
    with pytest.raises(ValueError, match="allowed: 0 to 1, and 0 to 12"):
        Room((4, 3, 2), 1.5, 1)
    with pytest.raises(ValueError, match=r"order: found 12, with .* images; allowed: up to 2000"):
        Room((4, 3, 2), 0.5, 12)
    with pytest.raises(ValueError, match="a row for each source"):
        Sounds([0.0, 1.0], RATE_HZ)
    with pytest.raises(ValueError, match="rate_hz: found 0; allowed: more than 0"):
        Sounds([[0.0, 1.0]], 0)
    broken = Listener(tone(500.0, 0.1), (1, 0, 0))
    broken.changed = {"left": {"gain": float("nan")}}
    with pytest.raises(PluginFault, match=r"sensors.ears: what it hears is no finite number; found ears at"):
        hear(broken, 0.01)
    with pytest.raises(ValueError, match="allowed: three numbers, sizes above 0"):
        Room((4, 3, 2), 0.5, 1, (0.0, float("nan"), 0.0))


@pytest.mark.parametrize("what", ["places_m", "waves"])
def test_a_source_that_is_no_number_is_told_of(what):
    plant = Listener(tone(500.0, 0.1), (1, 0, 0))
    getattr(plant.here, what)[0, 1] = np.nan
    with pytest.raises(PluginFault, match="what it hears is no finite number"):
        hear(plant, 0.05)


def test_as_many_places_and_starts_as_waves():
    plant = Listener(tone(500.0, 0.1), (1, 0, 0))
    plant.here.starts_s = np.zeros(3)
    with pytest.raises(PluginFault, match="places_m and starts_s of 1 and 3 sources; allowed: 1, as there are waves"):
        hear(plant, 0.05)


def test_waves_may_lie_in_memory_as_they_like():
    both = np.stack([tone(500.0, 0.1), tone(700.0, 0.1)], axis=1)  # as a file of sound has it
    plants = [Listener(tone(500.0, 0.1), (1, 0, 0)) for _ in range(2)]
    for plant, waves in zip(plants, (both.T, both.T.copy()), strict=True):
        plant.here = Sounds(waves, RATE_HZ)
        plant.here.places_m[:] = 1.0
    told = [hear(plant, 0.1)[1] for plant in plants]
    assert told[0].size > 10
    np.testing.assert_array_equal(*told)


def test_a_period_holds_whole_samples_of_sound():
    with pytest.raises(ScenarioError, match=r"sensors.ears.period_s: found 0.001 s, 44.1 samples of sound at 44100 Hz"):
        hear(Listener(tone(500.0, 0.1), (1, 0, 0)), 0.01, 1000, rate_hz=44_100)
    assert hear(Listener(tone(500.0, 0.1), (1, 0, 0)), 0.1, 10_000, rate_hz=44_100)[1].size > 10


def test_a_plant_carries_ears_and_tells_their_spikes():
    table = {"kind": "cochlea", "period_s": 0.005, "n_channels": 8}
    with Hearing(sensors={"ears": table}, control_period_s=0.01) as plant:
        plant.reset(seed=0)
        n = 0
        for _ in range(30):
            plant.step([0.0])
            n += len(plant.events())
        assert plant.plant_spec.event_sensors[0].shape == (2, 8)
        assert n > 50
