"""The decoder `winner`: the most spikes, who wins of equals, and what silence does."""

from __future__ import annotations

from collections import Counter

import pytest
from decoding import action_of, decoder_of, plant_of, spikes
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS


def of(*addresses: int):
    """A reply in which these addresses spike, a millisecond after each other."""
    return spikes(*((1000 * k, address) for k, address in enumerate(addresses)))


def test_the_address_with_the_most_spikes_decides():
    assert action_of(decoder_of("winner", 3, plant_of(3)), 1, of(0, 2, 1, 2)) == [2]
    assert action_of(decoder_of("winner", 3, plant_of(3, low=(-1.0,))), 1, of(0, 2, 1, 2)) == [1]


def test_of_equals_the_one_that_acts_already_wins_or_else_the_lowest():
    decoder = decoder_of("winner", 4, plant_of(4, safe=(3.0,)))
    assert action_of(decoder, 1, of(2, 1)) == [1]  # the safe action, 3, is none of them
    assert action_of(decoder, 1, of(2)) == [2]
    assert action_of(decoder, 1, of(0, 1, 2)) == [2]
    assert action_of(decoder, 1, of(0, 1)) == [0]
    decoder.reset(0)
    assert action_of(decoder, 1, of(1, 3)) == [3]  # here it is


@given(st.lists(st.lists(st.integers(0, 3), max_size=8), max_size=8))
@settings(deadline=None)
def test_against_the_rules_read_aloud(replies):
    acting, decoder = 0, decoder_of("winner", 4, plant_of(4))
    for addresses in replies:
        if counted := Counter(addresses):
            best = [address for address, n in counted.items() if n == max(counted.values())]
            acting = acting if acting in best else min(best)
        assert action_of(decoder, 1, of(*addresses)) == [acting]


def test_silence_keeps_the_choice_and_before_any_spike_the_safe_action():
    decoder = decoder_of("winner", 3, plant_of(3, safe=(1.0,)))
    assert action_of(decoder, 1, NO_EVENTS) == [1]
    assert action_of(decoder, 1, of(2), NO_EVENTS, NO_EVENTS) == [2]
    level = decoder_of("winner", 2, plant_of(0, safe=(0.3,)))
    assert action_of(level, 1, NO_EVENTS, NO_EVENTS) == [0.3]  # which is no level
    assert action_of(level, 1, of(1), NO_EVENTS) == [2.0]


def test_silence_may_be_an_action_of_its_own_which_acts_then():
    decoder = decoder_of("winner", 3, plant_of(3), silent=1)
    assert action_of(decoder, 1, of(2), NO_EVENTS) == [1]
    assert action_of(decoder, 1, of(0, 1)) == [1]  # of equals, as it acts already
    level = decoder_of("winner", 2, plant_of(0), silent=0.25)
    assert action_of(level, 1, of(1)) == [2.0]
    assert action_of(level, 1, NO_EVENTS) == [0.25]


def test_each_action_is_silent_on_its_own():
    decoder = decoder_of("winner", 5, plant_of(2, 3), silent=(1.0, 2.0))
    assert action_of(decoder, 2, of(0)) == [0, 2]
    assert action_of(decoder, 2, of(3)) == [1, 1]
    hold = decoder_of("winner", 5, plant_of(2, 3))
    assert action_of(hold, 2, of(1, 4), of(3)) == [1, 1]


def test_continuous_levels_are_spread_over_the_range_or_given():
    assert [action_of(decoder_of("winner", 5, plant_of(0)), 1, of(k))[0] for k in range(5)] == [-2, -1, 0, 1, 2]
    given_levels = decoder_of("winner", 3, plant_of(0), levels=(1.0, -0.5, 0.0))
    assert [action_of(given_levels, 1, of(k))[0] for k in range(3)] == [1.0, -0.5, 0.0]
    two = decoder_of("winner", 5, plant_of(0, 0), levels=((-1.0, 1.0), (0.1, 0.2, 0.3)))
    assert action_of(two, 2, of(0, 4)) == [-1.0, 0.3]
    alike = decoder_of("winner", 4, plant_of(0, 0), levels=(-1.0, 1.0))
    assert action_of(alike, 2, of(1, 2)) == [1.0, -1.0]
    mixed = decoder_of("winner", 5, plant_of(3, 0))
    assert action_of(mixed, 2, of(2, 4)) == [2, 2.0]


def test_counts_fade_with_the_time_constant():
    """Spikes that are one and two periods old against a fresh one: q + q^2 < 1 for q = exp(-1), > 1 for exp(-1/4)."""
    for tau_s, wanted in ((0.02, 1), (0.08, 0)):
        decoder = decoder_of("winner", 2, plant_of(2), tau_s=tau_s)
        assert action_of(decoder, 1, spikes((0, 0)), spikes((0, 0), (19_999, 1))) == [wanted]


def test_silence_through_a_filter_is_a_count_that_has_faded():
    decoder = decoder_of("winner", 2, plant_of(2), tau_s=0.02, silent=0)
    assert action_of(decoder, 1, of(1), *[NO_EVENTS] * 19) == [1]  # exp(-20) = 2e-9
    assert action_of(decoder, 1, NO_EVENTS) == [0]


@pytest.mark.parametrize(
    ("size", "plant", "given_settings", "line"),
    [
        (4, plant_of(3), {}, "found 4 event addresses at 'out'; allowed: 3 event addresses, 3 for 'a0'"),
        (1, plant_of(0), {}, "found 1 event addresses .*; allowed: 2 or more event addresses"),
        (5, plant_of(0, 0), {}, "allowed: 2 times 2 or more event addresses, or those of 'levels'"),
        (4, plant_of(0, 3), {}, "allowed: 3 for the choices and 2 or more event addresses"),
        (3, plant_of(0), {"levels": (1.0, 2.0)}, "allowed: 2 event addresses, 2 for 'a0'"),
        (2, plant_of(2), {"levels": (1.0, 2.0)}, r"levels: found \[1.0, 2.0\]; allowed: none, for the actions are"),
        (2, plant_of(0), {"levels": (1.0, (2.0,))}, "levels: found numbers and lists; allowed"),
        (2, plant_of(0, 0), {"levels": ((1.0,), ())}, "levels: found 2 lists with 1, 0 numbers; allowed"),
        (
            2,
            plant_of(0, low=(-float("inf"),)),
            {},
            "levels: found none; allowed: finite numbers, for 'a0' goes from -inf",
        ),
        (2, plant_of(2), {"silent": "hols"}, "silent: found 'hols'; allowed: 'hold', or an action"),
        (2, plant_of(2), {"silent": 2.0}, "silent: found 2 for 'a0'; allowed: 'hold', or a whole number from 0 to 1"),
        (3, plant_of(3), {"silent": 0.5}, "silent: found 0.5 for 'a0'; allowed: 'hold', or a whole number"),
        (2, plant_of(0), {"silent": 2.5}, "silent: found 2.5 for 'a0'; allowed: 'hold', or from -2 to 2"),
        (2, plant_of(2), {"silent": (0.0, 1.0)}, "silent: found 2 numbers; allowed: one, or 1"),
    ],
)
def test_it_refuses(size, plant, given_settings, line):
    with pytest.raises(ScenarioError, match=line):
        decoder_of("winner", size, plant, **given_settings)
