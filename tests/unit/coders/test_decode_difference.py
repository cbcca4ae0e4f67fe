"""The decoder `difference` against its equation: gain (r_plus - r_minus) + offset, r the mean over a group."""

from __future__ import annotations

from math import exp

import pytest
from decoding import PERIOD_S, action_of, decoder_of, plant_of, spikes
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS


def counts(*numbers: int):
    """A reply in which each address spikes so often."""
    return spikes(*((t, address) for address, n in enumerate(numbers) for t in range(n)))


def test_one_address_each():
    decoder = decoder_of("difference", 2, plant_of(0), gain=0.01, offset=0.5)
    assert action_of(decoder, 1, counts(3, 1)) == pytest.approx([0.01 * (3 - 1) / PERIOD_S + 0.5])
    assert action_of(decoder, 1, counts(1, 3)) == pytest.approx([0.01 * (1 - 3) / PERIOD_S + 0.5])
    assert action_of(decoder, 1, NO_EVENTS) == [0.5]


@given(st.lists(st.integers(0, 5), min_size=12, max_size=12))
@settings(deadline=None)
def test_groups_lie_side_by_side_plus_before_minus_for_each_action(numbers):
    decoder = decoder_of("difference", 12, plant_of(0, 0), gain=(1.0, -0.5))
    first, second = numbers[:6], numbers[6:]
    wanted = [
        gain * (sum(group[:3]) / 3 - sum(group[3:]) / 3) / PERIOD_S for gain, group in ((1.0, first), (-0.5, second))
    ]
    assert action_of(decoder, 2, counts(*numbers)) == pytest.approx(wanted)


def test_with_a_filter_each_spike_counts_by_its_age():
    decoder = decoder_of("difference", 2, plant_of(0), tau_s=0.04)
    wanted = (exp(-0.020 / 0.04) - exp(-0.005 / 0.04)) / 0.04
    assert action_of(decoder, 1, spikes((0, 0), (15_000, 1))) == pytest.approx([wanted])
    assert action_of(decoder, 1, NO_EVENTS) == pytest.approx([wanted * exp(-0.5)])


def test_equal_counts_cancel_exactly():
    assert action_of(decoder_of("difference", 4, plant_of(0)), 1, counts(3, 0, 1, 2)) == [0.0]


def test_in_the_dead_zone_there_is_no_difference():
    decoder = decoder_of("difference", 2, plant_of(0), dead_zone_hz=60.0, offset=0.25)
    assert action_of(decoder, 1, counts(2, 1)) == [0.25]  # 50 Hz
    assert action_of(decoder, 1, counts(3, 1)) == pytest.approx([100.25])


def test_three_choices_are_minus_none_and_plus():
    decoder = decoder_of("difference", 2, plant_of(3, low=(-1.0,)), dead_zone_hz=50.0)
    assert action_of(decoder, 1, counts(2, 0)) == [1]
    assert action_of(decoder, 1, counts(1, 0)) == [0]
    assert action_of(decoder, 1, counts(0, 3)) == [-1]
    assert action_of(decoder, 1, NO_EVENTS) == [0]


def test_two_choices_go_by_the_sign_and_no_difference_holds():
    decoder = decoder_of("difference", 2, plant_of(2, safe=(1.0,)))
    assert action_of(decoder, 1, NO_EVENTS) == [1]  # the safe one, before anything was told
    assert action_of(decoder, 1, counts(0, 1)) == [0]
    assert action_of(decoder, 1, counts(2, 2)) == [0]
    assert action_of(decoder, 1, counts(2, 1)) == [1]
    assert action_of(decoder, 1, NO_EVENTS) == [1]


def test_a_negative_gain_and_an_offset_move_the_sign():
    assert action_of(decoder_of("difference", 2, plant_of(2), gain=-1.0), 1, counts(1, 0)) == [0]
    leaning = decoder_of("difference", 2, plant_of(2), offset=60.0)
    assert action_of(leaning, 1, counts(0, 1)) == [1]  # -50 Hz + 60
    assert action_of(leaning, 1, counts(0, 2)) == [0]


def test_two_and_three_choices_and_a_continuous_action_at_once():
    decoder = decoder_of("difference", 6, plant_of(2, 0, 3), gain=0.01)
    assert action_of(decoder, 3, counts(1, 0, 2, 1, 0, 1)) == pytest.approx([1, 0.5, 0])
    assert action_of(decoder, 3, counts(0, 0, 0, 1, 1, 1)) == pytest.approx([1, -0.5, 1])


def test_it_refuses():
    with pytest.raises(ScenarioError, match="found 6 event addresses at 'out'; allowed: a multiple of 4 event"):
        decoder_of("difference", 6, plant_of(0, 0))
    with pytest.raises(ScenarioError, match="found 5 choices for 'a1'; allowed: 2 or 3 choices"):
        decoder_of("difference", 4, plant_of(2, 5))
    with pytest.raises(ScenarioError, match="decoder 'values' reads values"):
        decoder_of("difference", 2, plant_of(0), "values")
