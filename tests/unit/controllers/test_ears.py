"""Controllers that turn to sounds: the correlation by hand, its two numbers, and the network's lags and lessons."""

from __future__ import annotations

from math import asin, degrees

import msgspec
import numpy as np
import pytest
import scipy.sparse

from hilbench import plugins, read_run
from hilbench.controllers._ears import Lesson, ears_of
from hilbench.controllers.ear_correlation import N_BINS, Correlogram, EarCorrelation, EarCorrelationConfig
from hilbench.controllers.ear_correlation import EarCorrelationLaw as EarLaw
from hilbench.controllers.jeffress import Jeffress, JeffressConfig, jeffress_network, lags_s
from hilbench.errors import ScenarioError
from hilbench.runs.run import run
from hilbench.scenario.files import load
from hilbench.types import EVENT

PERIOD_US, N = 10_000, 16
EARS = {"ears": {"kind": "cochlea", "n_channels": N, "low_hz": 200.0, "high_hz": 1500.0}}
WAITS, TURNS = np.float32([0, 0, 1, 0, 0, 0]), np.float32([0, 0, 0, 0, 0, 0])


@pytest.fixture(scope="module")
def plant():
    with plugins.get("envs", "sound_orient")(sensors=EARS) as found:
        return found.plant_spec


def law(plant, **settings):
    built = EarCorrelation.build(EarCorrelationConfig(**settings), plant, PERIOD_US, 0)
    found = EarLaw(msgspec.convert(built.program.config, EarLaw.Config))
    found.reset(0)
    return found


def trains(late_us, n=40, seed=0):
    """Spikes of all channels of a left ear, and the same ones in the right ear, later."""
    random = np.random.default_rng(seed)
    left_us = np.sort(random.integers(2000, 7500, n))
    channel = random.integers(N, size=n)
    events = np.empty(2 * n, EVENT)
    events["t_us"] = np.append(left_us, left_us + late_us)
    events["address"] = np.append(channel, channel + N)
    return events[np.argsort(events["t_us"], kind="stable")]


def counted(events, ticks=1):
    encoder, values = Correlogram(N, PERIOD_US), np.zeros(N_BINS + 3, np.float32)
    for _ in range(ticks):
        encoder.encode(WAITS, events, values)
    return values


@pytest.mark.parametrize("late_us", [-580, -210, 0, 130, 570])
def test_the_correlation_finds_by_how_much_an_ear_is_late(plant, late_us):
    found = law(plant).step(counted(trains(late_us)), np.zeros(0), False)
    assert np.sin(found[0]) * 0.2 / 343 * 1e6 == pytest.approx(late_us, abs=10)


def test_pairs_are_counted_once_also_across_ticks():
    encoder, values = Correlogram(2, PERIOD_US), np.zeros(N_BINS + 3, np.float32)
    first, second = np.empty(1, EVENT), np.empty(2, EVENT)
    first["t_us"], first["address"] = 9900, 0
    second["t_us"], second["address"] = (100, 150), (2, 3)  # the same channel of the right ear, and another one
    encoder.encode(WAITS, first, values)
    assert values[:N_BINS].sum() == 0
    encoder.encode(WAITS, second, values)
    assert values[:N_BINS].sum() == 1
    assert np.flatnonzero(values[:N_BINS]).tolist() == [(200 + 1300) // 20]
    encoder.encode(TURNS, second, values)  # once the head turns, nothing is counted any more
    assert values[:N_BINS].sum() == 1


def test_pairs_of_a_short_control_period_may_be_two_ticks_apart():
    encoder, values = Correlogram(1, 500), np.zeros(N_BINS + 3, np.float32)
    left, right = np.empty(1, EVENT), np.empty(1, EVENT)
    left["t_us"], left["address"], right["t_us"], right["address"] = 450, 0, 100, 1
    for events in (left, np.empty(0, EVENT), right):  # 450 us, and 1100 us
        encoder.encode(WAITS, events, values)
    assert np.flatnonzero(values[:N_BINS]).tolist() == [(650 + 1300) // 20]


def test_who_is_told_undoes_delay_distance_and_swap(plant):
    told = law(plant, knows_change=True)
    # 100 us of sound, swapped, and 200 us of a late microphone: the right ear is 100 us later.
    found = told.step(counted(trains(-100 + 200)), np.array([2e-4, 0.3, 1.0, 0.0]), False)
    assert degrees(found[0]) == pytest.approx(degrees(asin(100e-6 * 343 / 0.3)), abs=2.5)


def test_an_offset_and_a_scale_follow_what_is_seen_once_in_a_trial(plant):
    learner, heard = law(plant, rate=0.5), counted(trains(200))
    learner.step(heard, np.zeros(0), True)
    sine, gaze = learner._sine, learner._gaze_rad
    heard[N_BINS:] = 0.0, 1.0, -0.1
    learner.step(heard, np.zeros(0), False)
    assert learner.map.tolist() == [0.0, 1.0]
    for _ in range(5):
        learner.step(heard, np.zeros(0), True)
    error = np.sin(gaze - 0.1) - sine
    assert learner.map.tolist() == pytest.approx([-0.5 * error, 1 + 0.5 * error * sine], rel=1e-5)


def test_a_gain_of_0_stays_where_it_is(plant):
    assert law(plant, gain=0.0).step(counted(trains(300)), np.zeros(0), False)[0] == 0.0


def test_lags_are_whole_steps_beyond_what_ears_can_have():
    for dt_s, n in ((1e-4, 27), (2.5e-4, 11), (1e-3, 3)):
        lags = lags_s(dt_s)
        assert lags.size == n
        np.testing.assert_allclose(lags / dt_s, np.rint(lags / dt_s), atol=1e-9)
        np.testing.assert_allclose(lags, -lags[::-1])
        assert n == 3 or lags[-1] >= 0.6e-3


def test_each_coincidence_cell_delays_one_ear_by_its_lag(plant):
    net = jeffress_network(JeffressConfig(), ears_of(plant, "jeffress", PERIOD_US))
    part = net.projections["ears_to_coincidence"]
    delays = scipy.sparse.csc_array((part.delay_steps, part.weights.indices, part.weights.indptr)).toarray().astype(int)
    lags = np.rint(lags_s(1e-4) / 1e-4).astype(int)
    for k, lag in enumerate(lags):
        for c in range(N):
            row = k * N + c
            assert np.flatnonzero(part.weights.toarray()[row]).tolist() == [c, N + c]
            assert delays[row, c] - delays[row, N + c] == lag


def test_lessons_come_when_the_source_is_seen_and_when_the_second_burst_is_over(plant):
    lesson, values = Lesson(plant, PERIOD_US), np.zeros(2, np.float32)
    lesson.reset(0)
    lesson.encode(WAITS, np.empty(0, EVENT), values)
    assert (values.tolist(), lesson.sees, lesson.heard, lesson.offset_rad) == ([1.0, 0.0], False, False, None)
    heard = []
    for number in range(20):
        sees = number < 5
        lesson.encode(np.float32([0, 0, 0, sees, 0.2 * sees, 1]), np.empty(0, EVENT), values)
        assert lesson.sees == sees
        assert lesson.offset_rad == pytest.approx(0.2)
        heard.append(lesson.heard)
    assert heard == [False] * 15 + [True] * 5


def test_it_turns_by_its_first_map_and_learns_a_late_ear(tmp_path):
    """Within 8 degrees at once, far off where an ear is late, and near again after two dozen trials, unless frozen."""
    changed = {"disturbances.late.at_episode": 8, "loop.seed": 3}
    errors = {}
    for name, extra in (
        ("learner", {"loop.episodes": 44}),
        ("frozen", {"loop.episodes": 20, "loop.freeze_at_episode": 8}),
    ):
        run(load("sound_orient", changed | extra), tmp_path / name)
        errors[name] = np.array([-np.nansum(each["reward"]) for each in read_run(tmp_path / name).episodes])
    learner, frozen = errors["learner"], errors["frozen"]
    assert learner[:8].mean() == frozen[:8].mean() < 8
    assert frozen[8:].mean() > 18
    assert learner[32:].mean() < 8


def test_who_is_told_knows_that_a_louder_ear_fires_earlier(plant):
    told = law(plant, knows_change=True, latency_s_db=3e-5)
    found = told.step(counted(trains(100)), np.array([0.0, 0.2, 0.0, 2.0]), False)
    assert np.sin(found[0]) * 0.2 / 343 * 1e6 == pytest.approx(160, abs=10)


def test_many_spikes_in_a_tick_are_paired_by_channel():
    many = trains(100, n=20_000)
    assert counted(many)[:N_BINS].sum() == pytest.approx(20_000 * 20_000 / N * 2 * 1300 / 5500, rel=0.15)


@pytest.mark.parametrize("controller", [Jeffress, EarCorrelation])
def test_a_control_period_is_no_longer_than_what_is_seen(plant, controller):
    with pytest.raises(ScenarioError, match=r"needs a control period of at most 0.05 s; found 0.1"):
        controller.build(controller.Config(), plant, 100_000, 0)


@pytest.mark.parametrize("controller", [Jeffress, EarCorrelation])
def test_a_plant_without_two_ears_is_refused(plant, controller):
    with plugins.get("envs", "sound_orient")() as deaf, plugins.get("envs", "beam")() as beam:
        with pytest.raises(ScenarioError, match=r"needs one event sensor, a cochlea with two ears; found \[\]"):
            controller.build(controller.Config(), deaf.plant_spec, PERIOD_US, 0)
        with pytest.raises(ScenarioError, match="needs a head that turns to sounds"):
            controller.build(controller.Config(), beam.plant_spec, PERIOD_US, 0)
