"""The encoder `rate`: counts and intervals of evenly spaced spikes, and the statistics of a Poisson process."""

from __future__ import annotations

import numpy as np
import pytest
from coding import PERIOD_US, encoder, observed, pairs, ticks
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from hilbench.errors import ScenarioError

PLANT = observed("a", "b")
UNIT = {"low": 0.0, "high": 1.0}


@given(rate_hz=st.floats(0.5, 5000), n=st.integers(1, 60))
def test_a_constant_rate_gives_its_number_of_spikes_and_its_interval_to_the_microsecond(rate_hz, n):
    made = encoder("rate", observed("a"), rate_high_hz=rate_hz, **UNIT)
    t_us = ticks(made, [1.0] * n)["t_us"].astype(float)
    assert abs(t_us.size - rate_hz * n * PERIOD_US * 1e-6) <= 1
    np.testing.assert_allclose(t_us, np.arange(1, t_us.size + 1) * 1e6 / rate_hz - 1, atol=1.01)


def test_an_observation_is_a_part_of_its_range_and_counts_as_its_end_beyond():
    rates = dict(rate_low_hz=100.0, rate_high_hz=500.0)
    plant = observed("a", "b", "c", "d", "e")
    made = encoder("rate", plant, low=-2.0, high=2.0, **rates)
    found = ticks(made, [[-9.0, -2.0, 0.0, 1.0, np.inf]] * 100)
    assert np.bincount(found["address"], minlength=5).tolist() == [100, 100, 300, 400, 500]


def test_the_first_spike_comes_after_one_whole_interval_at_the_windows_end():
    assert pairs(ticks(encoder("rate", observed("a"), rate_high_hz=100.0, **UNIT), [1.0])) == [(PERIOD_US - 1, 0)]


def test_the_phase_goes_on_when_the_rate_changes():
    """At 50 Hz half of an interval goes by in a tick; the other half takes 2.5 ms at 200 Hz, and then 5 ms each."""
    made = encoder("rate", observed("a"), rate_high_hz=200.0, **UNIT)
    assert ticks(made, [0.25, 1.0, 0.0, 0.0])["t_us"].tolist() == [12_499, 17_499]


def test_signed_observations_have_an_address_for_each_sign():
    made = encoder("rate", PLANT, low=-0.5, high=1.0, signed=True, rate_high_hz=1000.0)
    assert made.size == 4
    found = ticks(made, [[0.5, -0.5]] * 10)
    assert np.bincount(found["address"], minlength=4).tolist() == [50, 0, 0, 100]


def test_observations_are_chosen_by_name_and_have_ranges_of_their_own():
    made = encoder("rate", PLANT, observations=["b", "a"], low=[0.0, 0.0], high=[4.0, 2.0], rate_high_hz=1000.0)
    found = ticks(made, [[1.0, 1.0]] * 10)
    assert np.bincount(found["address"]).tolist() == [25, 50]


def poisson(seed: int = 1, rates_hz: float = 400.0, **settings):
    return encoder("rate", PLANT, seed=seed, spacing="poisson", rate_high_hz=rates_hz, **UNIT, **settings)


def test_poisson_counts_and_times_have_the_distributions_of_a_poisson_process():
    made, n, expected = poisson(), 4000, 400.0 * PERIOD_US * 1e-6
    found = ticks(made, [[1.0, 0.5]] * n)
    tick = found["t_us"] // PERIOD_US
    for address, mean in ((0, expected), (1, expected / 2)):
        counts = np.bincount(tick[found["address"] == address], minlength=n)
        assert abs(counts.mean() - mean) < 4 * np.sqrt(mean / n)
        observed_counts = np.bincount(np.minimum(counts, 8), minlength=9)
        law = np.append(stats.poisson.pmf(np.arange(8), mean), stats.poisson.sf(7, mean))
        assert stats.chisquare(observed_counts, n * law).pvalue > 1e-3
    phases = (found["t_us"] % PERIOD_US + 0.5) / PERIOD_US
    assert stats.kstest(phases, "uniform").pvalue > 1e-3


def test_streams_differ_by_seed_by_observations_and_by_name():
    def spikes(**settings):
        return pairs(ticks(poisson(**settings), [[1.0, 1.0]] * 20))

    assert spikes() == spikes()
    different = [spikes(), spikes(seed=2), spikes(stream="left"), spikes(stream="right"), spikes(observations=["b"])]
    assert all(one != other for i, one in enumerate(different) for other in different[:i])


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"low": 1.0, "high": 1.0}, "high: found 1; allowed: more than low, 1"),
        ({"low": 0.0, "high": 1.0, "signed": True}, "low, high: found 0, 1; allowed where signed: 0 between them"),
        ({"rate_low_hz": 200.0, **UNIT}, "rate_high_hz: found 100; allowed: rate_low_hz, 200, or more"),
        ({"low": [0.0] * 3, "high": 1.0}, "low: found 3 numbers; allowed: one, or 2"),
        ({"observations": ["c"], **UNIT}, "observations: the plant has no 'c'; allowed: a, b"),
        ({"spacing": "poison", **UNIT}, "rate.spacing: found 'poison'; allowed: poisson, regular; did you mean"),
        ({"low": 0.0}, "rate: object missing required field `high`"),
    ],
)
def test_what_is_wrong_is_one_line(settings, line):
    with pytest.raises(ScenarioError) as error:
        encoder("rate", PLANT, **settings)
    assert str(error.value).startswith(line)
    assert "\n" not in str(error.value)
