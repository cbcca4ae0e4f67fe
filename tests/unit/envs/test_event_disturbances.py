"""Disturbances of events: counts, times and addresses against the processes that they promise."""

from __future__ import annotations

import numpy as np
import pytest
from small_plants import Mass

from hilbench.envs._schedule import Schedule
from hilbench.envs.disturbances import Traits
from hilbench.errors import ScenarioError
from hilbench.types import EVENT, NO_EVENTS, EventSensor

EAR, EYE = EventSensor("ear", (10,), ("channel",)), EventSensor("eye", (8, 8, 2), ("y", "x", "polarity"))
TRAITS = Traits(sensors=(), event_sensors=(EAR, EYE))
N = EAR.size + EYE.size
PERIOD_US = 10_000


def made(seed=0, **tables):
    schedule = Schedule(tables, TRAITS, 0.001)
    schedule.reset(seed)
    return schedule


def steady(n, rate_hz=0.0, seed=9):
    """Windows of `n` periods, each with evenly spread events at random addresses."""
    random = np.random.default_rng(seed)
    windows = []
    for _ in range(n):
        events = np.zeros(int(rate_hz * PERIOD_US * 1e-6), EVENT)
        events["t_us"] = np.sort(random.integers(0, PERIOD_US, events.size))
        events["address"] = random.integers(0, N, events.size)
        windows.append(events)
    return windows


def tell(schedule, windows):
    """What a plant would tell, as (plant time in us, address), after a check of each window."""
    times, addresses = [], []
    for k, events in enumerate(windows):
        before = events.copy()
        found = schedule.tell(events, 0, k * PERIOD_US, PERIOD_US)
        np.testing.assert_array_equal(events, before)
        assert found.dtype == EVENT
        assert (np.diff(found["t_us"].astype(int)) >= 0).all()
        assert found.size == 0 or found["t_us"].max() < PERIOD_US
        times.append(found["t_us"].astype(int) + k * PERIOD_US)
        addresses.append(found["address"].astype(int))
    return np.concatenate(times), np.concatenate(addresses)


def is_poisson(counts, mean):
    """Whether independent counts have this mean and the variance of a Poisson process, within four standard errors."""
    n = counts.size
    assert counts.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / n))
    assert counts.var() == pytest.approx(mean, abs=4 * np.sqrt((mean + 2 * mean**2) / n))


def test_noise_is_a_poisson_process_at_each_address():
    schedule = made(n={"kind": "noise_events", "rate_hz": 20.0})
    times, addresses = tell(schedule, [NO_EVENTS] * 1000)
    is_poisson(np.bincount(addresses, minlength=N), 20.0 * 10)
    is_poisson(np.histogram(times, 1000, (0, 1000 * PERIOD_US))[0], 20.0 * N * 0.01)
    is_poisson(np.bincount(times % PERIOD_US // 100, minlength=100), 20.0 * N * 10 / 100)


def test_noise_may_be_one_sensors_alone_and_leaves_what_was_told():
    schedule = made(n={"kind": "noise_events", "rate_hz": 50.0, "sensor": "eye"})
    windows = steady(200, rate_hz=1000.0)
    times, addresses = tell(schedule, windows)
    assert np.bincount(addresses, minlength=N)[: EAR.size].sum() == sum(
        np.sum(w["address"] < EAR.size) for w in windows
    )
    told = {(t + k * PERIOD_US, a) for k, w in enumerate(windows) for t, a in w.tolist()}
    assert told <= set(zip(times.tolist(), addresses.tolist(), strict=True))
    n = times.size - sum(map(len, windows))
    assert n == pytest.approx(50 * EYE.size * 2.0, abs=4 * np.sqrt(50 * EYE.size * 2.0))


def test_hot_pixels_are_drawn_by_the_seed_and_fire_at_their_rate():
    def hot(seed):
        schedule = made(seed, h={"kind": "hot_pixels", "count": 5, "rate_hz": 200.0, "sensor": "eye"})
        return tell(schedule, [NO_EVENTS] * 500)

    _, addresses = hot(0)
    chosen, counts = np.unique(addresses, return_counts=True)
    assert chosen.size == 5
    assert chosen.min() >= EAR.size
    np.testing.assert_allclose(counts, 1000, atol=4 * np.sqrt(1000))
    np.testing.assert_array_equal(hot(0)[1], addresses)
    assert set(hot(1)[1]) != set(chosen)


def test_hot_pixels_may_be_named():
    schedule = made(h={"kind": "hot_pixels", "addresses": [0, 7], "rate_hz": 200.0, "sensor": "eye"})
    assert set(tell(schedule, [NO_EVENTS] * 50)[1]) == {EAR.size, EAR.size + 7}


def test_dead_channels_say_nothing_and_others_all():
    windows = steady(50, rate_hz=50_000)
    schedule = made(d={"kind": "dead_channels", "count": 3, "sensor": "ear"})
    _, addresses = tell(schedule, windows)
    before = np.bincount(np.concatenate([w["address"] for w in windows]), minlength=N)
    after = np.bincount(addresses, minlength=N)
    gone = np.flatnonzero(after != before)
    assert gone.size == 3
    assert gone.max() < EAR.size
    assert after[gone].sum() == 0


def test_dropout_loses_each_event_by_the_same_chance():
    windows = steady(100, rate_hz=50_000)
    times, _ = tell(made(d={"kind": "event_dropout", "probability": 0.3}), windows)
    n = sum(map(len, windows))
    assert times.size / n == pytest.approx(0.7, abs=4 * np.sqrt(0.21 / n))


def test_jitter_has_the_stated_size_keeps_addresses_and_stays_in_the_window():
    windows = steady(100, rate_hz=10_000)
    for window in windows:
        window["t_us"] = 5000
    times, addresses = tell(made(j={"kind": "time_jitter", "std_s": 5e-4}), windows)
    shifts = times % PERIOD_US - 5000
    n = shifts.size
    assert n == sum(map(len, windows))
    assert shifts.mean() == pytest.approx(0, abs=4 * 500 / np.sqrt(n))
    assert shifts.std() == pytest.approx(500, rel=4 / np.sqrt(2 * n))
    np.testing.assert_array_equal(np.sort(addresses), np.sort(np.concatenate([w["address"] for w in windows])))


def test_jitter_at_an_edge_is_reflected():
    windows = steady(100, rate_hz=10_000)
    for window in windows:
        window["t_us"] = 0
    times, _ = tell(made(j={"kind": "time_jitter", "std_s": 1e-3}), windows)
    # Half of a Gaussian: its mean is std sqrt(2 / pi).
    shifts = times % PERIOD_US
    assert shifts.mean() == pytest.approx(1000 * np.sqrt(2 / np.pi), abs=4 * 603 / np.sqrt(shifts.size))


def test_a_window_begins_and_ends_within_a_period():
    """From 14 ms to before 33 ms, in windows of 10 ms."""
    noise = {"kind": "noise_events", "rate_hz": 2000.0, "at_s": 0.014, "until_s": 0.033}
    times, _ = tell(made(n=noise), [NO_EVENTS] * 6)
    assert 14_000 <= times.min() < 14_100
    assert 32_900 <= times.max() < 33_000
    lost = tell(made(d={"kind": "event_dropout", "probability": 1.0, "at_s": 0.014, "until_s": 0.033}), steady(6, 1e6))
    assert not ((lost[0] >= 14_000) & (lost[0] < 33_000)).any()
    whole = tell(made(), steady(6, 1e6))
    kept = (whole[0] < 14_000) | (whole[0] >= 33_000)
    np.testing.assert_array_equal(lost[0], whole[0][kept])


@pytest.mark.parametrize(
    ("table", "windows", "of"),
    [
        ({"kind": "noise_events", "rate_hz": 2000.0}, [NO_EVENTS] * 10, 1),
        ({"kind": "event_dropout", "probability": 1.0}, steady(10, 500_000.0), -1),
        ({"kind": "dead_channels", "addresses": list(range(N))}, steady(10, 500_000.0), -1),
    ],
)
def test_a_ramp_grows_linearly_within_periods(table, windows, of):
    """From 15 ms to 75 ms. What is added, or what is lost, has the level's share of the full rate."""
    times, _ = tell(made(r=table | {"at_s": 0.015, "ramp_s": 0.06}), windows)
    whole, _ = tell(made(r=table | ({"at_s": 1.0} if of < 0 else {})), windows)
    share = np.histogram(times, 20, (0, 100_000))[0] / np.histogram(whole, 20, (0, 100_000))[0]
    level = np.clip((np.arange(20) * 5 + 2.5 - 15) / 60, 0, 1)
    np.testing.assert_allclose(share if of > 0 else 1 - share, level, atol=0.12)
    assert np.histogram(whole, 20, (0, 100_000))[0].min() > 1000


def test_each_has_a_stream_of_its_own():
    noise = {"kind": "noise_events", "rate_hz": 20.0, "sensor": "ear"}
    other = {"kind": "noise_events", "rate_hz": 20.0, "sensor": "eye"}
    alone = tell(made(a=noise), [NO_EVENTS] * 50)
    both = tell(made(b=other, a=noise), [NO_EVENTS] * 50)
    ear = both[1] < EAR.size
    np.testing.assert_array_equal(alone[0], both[0][ear])


def test_nothing_is_asked_of_those_that_do_not_act():
    schedule = made(n={"kind": "noise_events", "rate_hz": 1e5, "at_s": 1.0})
    windows = steady(3, rate_hz=10_000)
    for k, events in enumerate(windows):
        assert schedule.tell(events, 0, k * PERIOD_US, PERIOD_US) is events


def test_a_plants_events_pass_through_what_acts_on_them():
    sensors = {"d": {"kind": "delta", "entries": ["x"], "threshold": 1e-3}}
    tables = {
        "dead": {"kind": "dead_channels", "addresses": [1]},
        "hot": {"kind": "hot_pixels", "addresses": [0], "rate_hz": 1000.0, "at_s": 0.05},
    }
    with Mass(sensors=sensors, disturbances=tables, speed_m_s=1.0, control_period_s=0.01) as plant:
        plant.reset(seed=0)
        assert plant.events().size == 0
        counts = []
        for _ in range(200):
            plant.step([0.0])
            counts.append(plant.events()["address"].tolist())
            assert plant.events().size == 0  # reading twice adds nothing
    assert counts[:5] == [[]] * 5
    n = sum(map(len, counts))
    assert {a for each in counts for a in each} == {0}
    assert n == pytest.approx(1950, abs=4 * np.sqrt(1950))


@pytest.mark.parametrize(
    ("table", "line"),
    [
        ({"kind": "hot_pixels", "rate_hz": 1.0}, "disturbances.x: found neither of count and addresses; allowed: one"),
        (
            {"kind": "dead_channels", "count": 1, "addresses": [1]},
            "disturbances.x: found both of count and addresses; allowed: one of them",
        ),
        (
            {"kind": "dead_channels", "count": 11, "sensor": "ear"},
            "disturbances.x.count: found 11; allowed: up to 10, by the sensor's addresses",
        ),
        (
            {"kind": "dead_channels", "addresses": [3, 10], "sensor": "ear"},
            "disturbances.x.addresses: found 10; allowed: up to 9, by the sensor's addresses",
        ),
        (
            {"kind": "noise_events", "rate_hz": 1.0, "sensor": "eyes"},
            "disturbances.x.sensor: found 'eyes'; allowed: ear, eye; did you mean 'eye'?",
        ),
    ],
)
def test_wrong_tables_are_refused_in_one_line(table, line):
    with pytest.raises(ScenarioError) as caught:
        made(x=table)
    assert str(caught.value).startswith(line)


def test_a_plant_without_event_sensors_is_refused():
    with pytest.raises(ScenarioError, match=r"disturbances.x: found a plant without event sensors; allowed: one that"):
        Mass(disturbances={"x": {"kind": "event_dropout", "probability": 0.5}})
