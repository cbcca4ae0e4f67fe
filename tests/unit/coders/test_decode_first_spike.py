"""The decoder `first_spike`: which address is the earliest, and a value by its time."""

from __future__ import annotations

import pytest
from decoding import PERIOD_US, action_of, decoder_of, plant_of, spikes
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS


def test_the_earliest_event_decides():
    decoder = decoder_of("first_spike", 3, plant_of(3, low=(-1.0,)))
    assert action_of(decoder, 1, spikes((10, 2), (11, 0), (12, 0), (13, 0))) == [1]


def test_of_those_of_one_time_the_lowest_address_wins_in_any_order():
    decoder = decoder_of("first_spike", 3, plant_of(3))
    assert action_of(decoder, 1, spikes((10, 2), (10, 1), (11, 0))) == [1]


@given(st.lists(st.tuples(st.integers(0, PERIOD_US - 1), st.integers(0, 6)), max_size=20).map(sorted))
@settings(deadline=None)
def test_each_action_has_its_own_first_spike(events):
    decoder = decoder_of("first_spike", 7, plant_of(3, 4, safe=(2.0, 3.0)))
    first, second = ([e for e in events if (e[1] < 3) is low] for low in (True, False))
    wanted = [min(first)[1] if first else 2, min(second)[1] - 3 if second else 3]
    assert action_of(decoder, 2, spikes(*events)) == wanted


def test_silence_holds_from_the_safe_action_on_or_is_an_action_of_its_own():
    decoder = decoder_of("first_spike", 3, plant_of(3, safe=(1.0,)))
    assert action_of(decoder, 1, NO_EVENTS) == [1]
    assert action_of(decoder, 1, spikes((0, 2)), NO_EVENTS) == [2]
    own = decoder_of("first_spike", 5, plant_of(3, 2), silent=(1.0, 1.0))
    assert action_of(own, 2, spikes((0, 2), (0, 3))) == [2, 0]
    assert action_of(own, 2, spikes((0, 2))) == [2, 1]
    assert action_of(own, 2, NO_EVENTS) == [1, 1]


def test_continuous_actions_have_levels():
    assert [action_of(decoder_of("first_spike", 5, plant_of(0)), 1, spikes((9, k)))[0] for k in range(5)] == [
        -2, -1, 0, 1, 2,
    ]  # fmt: skip
    decoder = decoder_of("first_spike", 4, plant_of(0, 0), levels=(0.5, -0.5))
    assert action_of(decoder, 2, spikes((0, 1), (1, 0), (2, 2))) == [-0.5, 0.5]


@pytest.mark.parametrize("t_us", [0, 5_000, 12_345, 19_999])
def test_by_latency_the_value_goes_from_the_lower_to_the_upper_limit(t_us):
    decoder = decoder_of("first_spike", 1, plant_of(0), tells="latency")
    assert action_of(decoder, 1, spikes((t_us, 0), (19_999, 0))) == pytest.approx([-2 + 4 * t_us / PERIOD_US])


def test_by_latency_early_late_and_the_window_are_settings():
    decoder = decoder_of("first_spike", 1, plant_of(0), tells="latency", early=1.0, late=0.0, window_s=0.01)
    for t_us, wanted in ((0, 1.0), (2_500, 0.75), (10_000, 0.0), (15_000, 0.0)):
        assert action_of(decoder, 1, spikes((t_us, 0))) == pytest.approx([wanted])
    assert action_of(decoder, 1, spikes((2_500, 0)), NO_EVENTS) == pytest.approx([0.75])


def test_by_latency_several_actions_with_choices_between_them():
    decoder = decoder_of("first_spike", 5, plant_of(0, 3, 0), tells="latency", early=(0.0, 1.0), late=(1.0, 0.0))
    assert action_of(decoder, 3, spikes((5_000, 0), (6_000, 3), (10_000, 4))) == pytest.approx([0.25, 2, 0.5])
    assert action_of(decoder, 3, spikes((15_000, 4))) == pytest.approx([0.25, 2, 0.25])


@pytest.mark.parametrize(
    ("size", "plant", "given_settings", "line"),
    [
        (2, plant_of(0), {"tells": "latency"}, "found 2 event addresses at 'out'; allowed: 1 event addresses, one for"),
        (1, plant_of(0), {"tells": "latency", "levels": (1.0,)}, "levels: found some beside tells = 'latency'"),
        (1, plant_of(0), {"tells": "latency", "early": (1.0, 2.0)}, "early: found 2 numbers; allowed: one, or 1"),
        (2, plant_of(0), {"early": 0.0}, "early: found 0.0; allowed: none, for it needs tells = 'latency'"),
        (2, plant_of(0), {"window_s": 0.1}, "window_s: found 0.1; allowed: none, for it needs tells = 'latency'"),
        (1, plant_of(0, high=(float("inf"),)), {"tells": "latency", "early": 0.0}, "late: found none; allowed: finite"),
        (2, plant_of(2), {"silent": "no"}, "silent: found 'no'"),
        (4, plant_of(3), {}, "allowed: 3 event addresses, 3 for 'a0'"),
    ],
)
def test_it_refuses(size, plant, given_settings, line):
    with pytest.raises(ScenarioError, match=line):
        decoder_of("first_spike", size, plant, **given_settings)
