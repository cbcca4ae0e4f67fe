"""The pixels of the event camera, against closed form: linear ramps of log intensity, edges, leak, noise, low-pass."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
import scipy.stats
from dvs_lab import DOWN, Lab, Seeing, camera, clean, flat, watch

from hilbench.envs.sensors import Ground, Scene
from hilbench.errors import PluginFault, ScenarioError
from hilbench.types import EventSensor

SMALL = {"width": 4, "height": 3}


def ramp(per_s, back_s=math.inf):
    """A light whose logarithm rises by `per_s`, and falls again from `back_s` on."""
    return lambda t_s: math.exp(per_s * (t_s if t_s < back_s else 2 * back_s - t_s))


def test_a_ramp_gives_an_event_at_each_threshold_at_its_exact_time():
    """L rises by 37 a second: threshold 0.1 is passed at k 0.1 / 37 s. An instant is in the microsecond before it."""
    events = watch(clean(threshold=0.1, **SMALL), Lab(flat(), light=ramp(37.0)), 50)
    due_us = np.arange(1, math.floor(37.0 * 0.05 / 0.1) + 1) * 0.1 / 37.0 * 1e6
    assert len(due_us) == 18
    for y in range(3):
        for x in range(4):
            own = events[(events[:, 1] == y) & (events[:, 2] == x)]
            np.testing.assert_array_equal(own[:, 0], np.ceil(due_us) - 1)
            assert (own[:, 3] == 1).all()


def test_events_of_one_time_are_in_order_of_address():
    events = watch(clean(period_us=20_000, threshold=0.1, **SMALL), Lab(flat(), light=ramp(37.0)), 1)
    np.testing.assert_array_equal(events[:12, 1] * 4 + events[:12, 2], np.arange(12))
    assert len(set(events[:12, 0])) == 1
    assert len(set(events[:, 0])) == 7  # 0.74 in the period; times of two digits are sorted too


def test_a_fall_has_its_own_threshold_and_the_way_back_the_same_levels():
    events = watch(clean(threshold=0.1, threshold_off=0.25, **SMALL), Lab(flat(), light=ramp(10.0, 0.1)), 200)
    own = events[(events[:, 1] == 1) & (events[:, 2] == 2)]
    assert (own[:, 3] == 1).sum() == 9  # 0.1 ... 0.9; the top is at 1.0 by a rounding more or less
    first_off_us = (0.1 + (1.0 - (0.9 - 0.25)) / 10.0) * 1e6
    assert own[own[:, 3] == 0][0, 0] == pytest.approx(first_off_us, abs=1.5)
    assert (own[:, 3] == 0).sum() == 3


def test_a_moving_edge_gives_the_times_of_its_closed_form():
    """The ground is 0.2, then rises along x within a texel of 4 cm to 0.8. A pixel passes over it at 0.5 m/s.

    A pixel that looks at x has 0.2 + 0.6 x / 0.04 on the slope. Between samples the logarithm is taken as straight,
    which moves a crossing by dt^2 L'' / (8 L') at most: dt^2 / 8 times I' / I, 0.047 ms at the foot of the slope.
    """
    texel_m, speed_m_s, step_s = 0.04, 0.5, 1e-3
    ground = Ground(np.where(np.arange(64) < 32, 0.2, 0.8)[None].repeat(4, 0), (-31.5 * texel_m, 0), texel_m)
    sensor = clean(width=8, height=1, fov_rad=0.05, threshold=0.15)
    lab = Lab(Scene(ground), lambda t_s: (-0.03 + speed_m_s * t_s, 0.0, 1.0, -np.pi / 2, np.pi / 2, 0.0))
    events = watch(sensor, lab, 200)
    for x in range(8):  # turned by -90 degrees, the picture's right is -x
        place_m = -0.03 + math.tan(0.025) * (3.5 - x) / 4
        k = np.arange(1, math.floor(math.log(4) / 0.15) + 1)
        due_s = ((np.exp(math.log(0.2) + 0.15 * k) - 0.2) / 0.6 * texel_m - place_m) / speed_m_s
        own = events[events[:, 2] == x]
        assert (own[:, 3] == 1).all()
        late_s = step_s**2 / 8 * (0.6 * speed_m_s / texel_m) / 0.2
        np.testing.assert_allclose(own[:, 0] * 1e-6, due_s, atol=late_s + 1e-6)


def test_a_refractory_pixel_is_silent_and_its_level_moves_on():
    """Crossings are 0.3 ms apart: 1 ms after an event the fourth one is the next, across samples too."""
    silent = clean(refractory_s=1e-3, threshold=0.3, **SMALL)
    events = watch(silent, Lab(flat(), light=ramp(1000.0, 0.0151)), 15)
    own = events[(events[:, 1] == 0) & (events[:, 2] == 0)]
    np.testing.assert_allclose(own[:, 0], 299.0 + 1200.0 * np.arange(13), atol=1.0)
    fast = watch(clean(refractory_s=0.0, threshold=0.3, **SMALL), Lab(flat(), light=ramp(1000.0)), 16)
    assert len(fast) == 53 * 12
    back = Lab(flat(), light=lambda t_s: math.exp(3.05) if 0 < t_s < 0.0015 else 1.0)
    events = watch(silent, back, 3)  # ten levels up, then ten down: the first of each is told, and every fourth
    assert [(events[:, 3] == polarity).sum() for polarity in (1, 0)] == [1 * 12, 1 * 12]


def test_thresholds_differ_from_pixel_to_pixel_as_stated():
    """The first event of a pixel on a ramp is at its threshold."""
    spread = {"threshold": 0.2, "threshold_off": 0.3, "threshold_std": 0.03}
    found = []
    for rate, polarity in ((10.0, 1), (-10.0, 0)):
        events = watch(clean(**spread), Lab(flat(), light=ramp(rate)), 60)
        _, first = np.unique(events[:, 1] * 64 + events[:, 2], return_index=True)
        assert (events[:, 3] == polarity).all()
        found.append(events[first, 0] * 1e-6 * 10.0)
    n = 64 * 64
    for own, mean in zip(found, (0.2, 0.3), strict=True):
        assert len(own) == n
        assert own.mean() == pytest.approx(mean, abs=4 * 0.03 / math.sqrt(n))
        assert own.std() == pytest.approx(0.03, abs=4 * 0.03 / math.sqrt(2 * n))
        assert scipy.stats.kstest((own - mean) / 0.03, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(*found)[0, 1]) < 4 / math.sqrt(n)


def test_no_threshold_is_nearly_nothing():
    events = watch(clean(threshold=0.2, threshold_std=5.0, max_events=1_000_000), Lab(flat(), light=ramp(0.5)), 60)
    assert events[:, 0].min() >= 0.02 / 0.5 * 1e6 - 1


def test_a_leak_gives_on_events_at_its_rate_at_all_times():
    sensor = clean(leak_hz=7.0, threshold_std=0.03)
    events = watch(sensor, Lab(flat()), 1000)
    n = 64 * 64
    assert (events[:, 3] == 1).all()
    assert len(events) == pytest.approx(7.0 * n, abs=4 * math.sqrt(n) / 2)
    assert scipy.stats.kstest(events[:, 0] / 1e6, "uniform").pvalue > 1e-3
    own = events[(events[:, 1] == 5) & (events[:, 2] == 9), 0]
    np.testing.assert_allclose(np.diff(own), 1e6 / 7.0, atol=1.0)


def test_noise_is_a_poisson_process_uniform_over_pixels_and_polarities():
    sensor = clean(noise_hz=20.0, width=16, height=16)
    events = watch(sensor, Lab(flat()), 5000)
    mean = 20.0 * 256 * 5.0
    assert len(events) == pytest.approx(mean, abs=4 * math.sqrt(mean))
    counts = np.bincount(events[:, 1] * 32 + events[:, 2] * 2 + events[:, 3], minlength=512)
    assert scipy.stats.chisquare(counts).pvalue > 1e-3
    at_us = events[:, 0] + np.random.default_rng(0).random(len(events))
    assert scipy.stats.kstest(np.diff(np.sort(at_us)) * 20.0 * 256e-6, "expon").pvalue > 1e-3


def test_a_low_pass_answers_a_step_by_an_exponential():
    """After n samples the filtered logarithm has gone 1 - exp(-2 pi f n dt) of its way."""
    sensor = clean(cutoff_hz=20.0, threshold=0.1, **SMALL)
    events = watch(sensor, Lab(flat(), light=lambda t_s: math.exp(2.0) if t_s > 0 else 1.0), 100)
    passed_us = 1000 * np.arange(1, 101)
    count = np.array([(events[:, 0] < t).sum() for t in passed_us]) / 12
    np.testing.assert_array_equal(count, np.floor(2.0 * (1 - np.exp(-2 * np.pi * 20.0 * passed_us * 1e-6)) / 0.1))


def test_light_acts_as_the_scene_says():
    """Intensity is brightness (grey + contrast (l - grey)); the ground has 0.8, grey is 0.5."""
    scene = flat(0.8)
    sensor = clean(threshold=0.1, **SMALL)
    lab = Lab(scene, light=lambda _: scene.brightness)
    sensor.sample(lab)
    level = math.log(0.8)
    for brightness, contrast, intensity in ((2.0, 1.0, 1.6), (2.0, 0.5, 1.3), (2.0, -1.0, 0.4), (1.1, 1.0, 0.88)):
        scene.brightness, scene.contrast = brightness, contrast
        events = sensor.sample(lab)
        moved = math.trunc((math.log(intensity) - level) / 0.1)
        level += moved * 0.1
        assert moved
        assert (events["address"] % 2 == (moved > 0)).all()
        assert len(events) == 12 * abs(moved)
    scene.contrast = math.nan  # is dark, and over once it is a number again
    assert (sensor.sample(lab)["address"] % 2 == 0).all()
    scene.contrast = 1.0
    assert (sensor.sample(lab)["address"] % 2 == 1).all()


def test_thresholds_drift_by_a_factor_until_the_reset():
    lab, counts = Lab(flat(), light=ramp(37.0)), []
    sensor = clean(threshold=0.1, **SMALL)
    sensor.sample(lab)
    for scale in (1.0, 2.0):
        sensor.threshold_scale = scale
        lab.time_s += 0.05
        counts.append(sum(len(sensor.sample(lab)) for _ in range(1)))
    assert counts == [18 * 12, 9 * 12]  # 1.85 each, with what is left of the first
    sensor.reset(0)
    assert sensor.threshold_scale == 1.0


def noisy(**settings):
    return camera(**{"leak_hz": 5.0, "noise_hz": 5.0, "width": 32, "height": 32} | settings)


def test_a_seed_and_the_sensors_name_decide_all():
    def seen(sensor, seed):
        return watch(sensor, Lab(flat(), light=lambda t_s: 1 + 0.5 * math.sin(40 * t_s)), 100, seed)

    first = seen(noisy(), 3)
    assert len(first) > 1000
    used = noisy()
    seen(used, 4)
    np.testing.assert_array_equal(seen(used, 3), first)
    for other in (seen(noisy(), 4), seen(noisy(name="ear"), 3)):
        assert not np.array_equal(other, first)


def test_a_camera_that_is_not_sampled_tells_nothing_and_leaks_nothing():
    sensor, lab = noisy(noise_hz=0.0), Lab(flat())
    sensor.reset(0)
    lab.time_s = 1e3
    assert sensor.sample(lab).size == 0
    lab.time_s = 2e3
    assert sensor.sample(lab).size < 32 * 32 * 5.0 * 1e-3 * 4


def test_events_beyond_the_most_are_counted():
    sensor = clean(threshold=0.1, max_events=10, **SMALL)
    events = watch(sensor, Lab(flat(), light=ramp(350.0)), 1)
    assert len(events) == 10
    assert sensor.n_lost == 3 * 12 - 10
    sensor.reset(0)
    assert sensor.n_lost == 0


def test_a_frame_takes_no_memory_but_its_events():
    sensor, lab = noisy(), Lab(flat(), light=lambda t_s: 1 + 0.5 * math.sin(40 * t_s))
    watch(sensor, lab, 20)
    tracemalloc.start()
    try:
        for number in range(21, 40):
            lab.time_s = number * 1e-3
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            events = sensor.sample(lab)
            assert tracemalloc.get_traced_memory()[1] - before < 2 * events.nbytes + 4000  # an image takes 8192
    finally:
        tracemalloc.stop()


def test_a_plant_carries_it_as_any_other_sensor():
    table = {"eye": {"kind": "dvs", "width": 32, "height": 24, "rows": [8, 24], "period_s": 0.002}}
    with Seeing(sensors=table, speed_m_s=3.0, control_period_s=0.01) as plant:
        assert plant.plant_spec.event_sensors == (EventSensor("eye", (16, 32, 2), ("y", "x", "polarity")),)
        plant.reset(seed=1)
        assert plant.events().size == 0
        counts = []
        for _ in range(50):
            plant.advance(10, [0.0])
            counts.append(len(plant.events()))
    assert np.mean(counts[-10:]) > 2 * np.mean(counts[:10]) > 0  # the ball comes nearer


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (
            {"rows": [8, 65]},
            "sensors.eye.rows: found 8 and 65; allowed: the first and the one after the last, from 0 to",
        ),
        ({"rows": [8, 8]}, "sensors.eye.rows: found 8 and 8; allowed"),
        ({"fov_rad": 3.2}, "sensors.eye"),
        ({"camera": "back"}, "plant: found no camera 'back'; allowed: 'front'"),
    ],
)
def test_wrong_settings_are_refused_in_one_line(table, line):
    with pytest.raises(ScenarioError) as caught, Seeing(sensors={"eye": {"kind": "dvs"} | table}) as plant:
        plant.reset(seed=0)
    assert str(caught.value).startswith(line)
    assert "\n" not in str(caught.value)


def test_a_camera_that_is_nowhere_is_the_plants_fault():
    with pytest.raises(PluginFault, match=r"sensors\.eye: found the camera at \[0\.0, nan, .*six finite numbers"):
        clean().sample(Lab(flat(), lambda _: (0.0, math.nan, *DOWN[2:])))
