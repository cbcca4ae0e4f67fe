"""The decoder `rate` against its equation: spikes over the period, or sum exp(-(T - t) / tau) / tau."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from decoding import PERIOD_S, PERIOD_US, action_of, decoder_of, plant_of, spikes
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS

TAU_S = 0.05


def test_without_a_filter_it_is_the_count_over_the_period():
    decoder = decoder_of("rate", 2, plant_of(0, 0))
    three_and_one = spikes((0, 0), (5, 1), (5, 0), (19_999, 0))
    assert action_of(decoder, 2, three_and_one) == pytest.approx([3 / PERIOD_S, 1 / PERIOD_S], rel=1e-15)
    assert action_of(decoder, 2, NO_EVENTS) == [0.0, 0.0]


def test_gain_and_offset_are_the_actions_own():
    decoder = decoder_of("rate", 2, plant_of(0, 0), gain=(0.1, -0.02), offset=(-1.0, 2.0))
    assert action_of(decoder, 2, spikes((0, 0), (5, 1), (5, 1))) == pytest.approx([4.0, 0.0])
    assert action_of(decoder, 2, NO_EVENTS) == [-1.0, 2.0]


@pytest.mark.parametrize("t_us", [0, 1, 7_500, 19_999])
def test_a_spike_counts_by_its_age_at_the_end_of_the_period(t_us):
    decoder = decoder_of("rate", 1, plant_of(0), tau_s=TAU_S)
    age_s = PERIOD_S - t_us * 1e-6
    assert action_of(decoder, 1, spikes((t_us, 0))) == pytest.approx([exp(-age_s / TAU_S) / TAU_S], rel=1e-12)
    later = exp(-(age_s + 3 * PERIOD_S) / TAU_S) / TAU_S
    assert action_of(decoder, 1, NO_EVENTS, NO_EVENTS, NO_EVENTS) == pytest.approx([later], rel=1e-12)


def test_a_regular_train_settles_at_the_sum_of_a_geometric_series():
    """Spikes every 8 ms, so not in step with the period: after n of them the sum is (1 - q^n) / (1 - q)."""
    decoder, n, step_us = decoder_of("rate", 1, plant_of(0), tau_s=TAU_S), 250, 8_000
    times = np.arange(n) * step_us
    periods = [times[times // PERIOD_US == k] % PERIOD_US for k in range(n * step_us // PERIOD_US)]
    found = action_of(decoder, 1, *(spikes(*((t, 0) for t in period)) for period in periods))
    q = exp(-step_us * 1e-6 / TAU_S)
    assert found == pytest.approx([q * (1 - q**n) / (1 - q) / TAU_S], rel=1e-12)
    assert found[0] == pytest.approx(1 / 0.008, rel=0.09)  # within half a spike's decay of the train's rate


@given(st.lists(st.integers(0, 5 * PERIOD_US - 1), max_size=30), st.floats(1e-4, 10))
@settings(deadline=None)
def test_where_the_periods_end_changes_nothing(times_us, tau_s):
    decoder = decoder_of("rate", 1, plant_of(0), tau_s=tau_s)
    periods = [sorted(t % PERIOD_US for t in times_us if t // PERIOD_US == k) for k in range(5)]
    found = action_of(decoder, 1, *(spikes(*((t, 0) for t in period)) for period in periods))
    ages_s = [(5 * PERIOD_US - t) * 1e-6 for t in times_us]
    assert found == pytest.approx([sum(exp(-age / tau_s) / tau_s for age in ages_s)], rel=1e-9, abs=1e-300)


def test_the_choice_with_the_largest_rate_wins_and_the_first_of_equals():
    assert action_of(decoder_of("rate", 3, plant_of(3)), 1, spikes((0, 1), (5, 2), (6, 2))) == [2]
    assert action_of(decoder_of("rate", 3, plant_of(3)), 1, spikes((0, 2), (5, 1))) == [1]
    assert action_of(decoder_of("rate", 3, plant_of(3, low=(4.0,))), 1, spikes((0, 2))) == [6]


def test_an_offset_says_which_choice_silence_is():
    decoder = decoder_of("rate", 3, plant_of(3), offset=(0.0, 0.0, 1.0))
    assert action_of(decoder, 1, NO_EVENTS) == [2]
    assert action_of(decoder, 1, spikes((0, 0))) == [0]


def test_with_a_filter_the_later_of_two_spikes_wins():
    decoder = decoder_of("rate", 2, plant_of(2), tau_s=TAU_S)
    assert action_of(decoder, 1, spikes((100, 0), (200, 1))) == [1]


def test_several_discrete_actions_have_their_choices_side_by_side():
    decoder = decoder_of("rate", 5, plant_of(2, 3))
    assert action_of(decoder, 2, spikes((0, 1), (1, 4), (2, 4), (3, 2))) == [1, 2]
    mixed = decoder_of("rate", 4, plant_of(0, 3), gain=0.01)
    assert action_of(mixed, 2, spikes((0, 0), (1, 3))) == pytest.approx([0.5, 2])


def test_it_refuses_other_ports():
    with pytest.raises(ScenarioError, match="found 3 event addresses at 'out'; allowed: 2 event addresses, one for"):
        decoder_of("rate", 3, plant_of(0, 0))
    with pytest.raises(ScenarioError, match=r"found 1 values .*; decoder 'values' reads values"):
        decoder_of("rate", 1, plant_of(0), "values")
    with pytest.raises(ScenarioError, match="gain: found 3 numbers; allowed: one, or 2"):
        decoder_of("rate", 2, plant_of(0, 0), gain=(1.0, 2.0, 3.0))
