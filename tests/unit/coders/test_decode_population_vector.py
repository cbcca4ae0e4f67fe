"""The decoder `population_vector` against its equation, sum r p / sum r."""

from __future__ import annotations

from math import cos, exp, pi

import numpy as np
import pytest
from decoding import PERIOD_US, action_of, decoder_of, plant_of, spikes
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS


def counts(*numbers: int):
    """A reply in which each address spikes so often."""
    return spikes(*((t, address) for address, n in enumerate(numbers) for t in range(n)))


@given(st.lists(st.integers(0, 9), min_size=5, max_size=5).filter(any))
@settings(deadline=None)
def test_the_mean_of_preferred_values_that_are_spread_over_the_range(numbers):
    wanted = np.average([-2, -1, 0, 1, 2], weights=numbers)
    found = action_of(decoder_of("population_vector", 5, plant_of(0)), 1, counts(*numbers))
    assert found == pytest.approx([wanted], abs=1e-12)


def test_preferred_values_may_be_given():
    decoder = decoder_of("population_vector", 3, plant_of(0), preferred=(1.0, 0.0, -0.5))
    assert action_of(decoder, 1, counts(1, 1, 2)) == pytest.approx([0.0])
    two = decoder_of("population_vector", 5, plant_of(0, 0), preferred=((0.0, 1.0), (0.1, 0.2, 0.6)))
    assert action_of(two, 2, counts(1, 3, 1, 1, 1)) == pytest.approx([0.75, 0.3])


def test_of_cosine_tuned_rates_it_is_half_the_cosine_of_the_direction():
    """Of rates 1 + cos(k pi / 4 - phase) the k-th's preferred value cos(k pi / 4) has the mean cos(phase) / 2."""
    directions, phase = [k * pi / 4 for k in range(8)], 1.0
    numbers = [round(1000 * (1 + cos(d - phase))) for d in directions]
    decoder = decoder_of("population_vector", 8, plant_of(0), preferred=tuple(map(cos, directions)))
    assert action_of(decoder, 1, counts(*numbers)) == pytest.approx([cos(phase) / 2], abs=1e-3)


def test_through_a_filter_each_spike_weighs_by_its_age():
    decoder = decoder_of("population_vector", 2, plant_of(0), tau_s=0.02)
    old, fresh = exp(-0.02 / 0.02), exp(-0.005 / 0.02)
    wanted = (-2 * old + 2 * fresh) / (old + fresh)
    assert action_of(decoder, 1, spikes((0, 0), (15_000, 1))) == pytest.approx([wanted])
    assert action_of(decoder, 1, *[NO_EVENTS] * 5) == pytest.approx([wanted])  # all fade alike


def test_silence_holds_each_action_from_the_safe_one_on():
    decoder = decoder_of("population_vector", 4, plant_of(0, 0, safe=(0.5, -0.5)))
    assert action_of(decoder, 2, NO_EVENTS) == [0.5, -0.5]
    assert action_of(decoder, 2, counts(0, 1)) == [2.0, -0.5]
    assert action_of(decoder, 2, counts(0, 0, 1), NO_EVENTS) == [2.0, -2.0]


def test_choices_are_the_preferred_values_of_a_discrete_action_and_the_mean_is_rounded():
    decoder = decoder_of("population_vector", 4, plant_of(4, low=(-1.0,)))
    assert action_of(decoder, 1, counts(1, 0, 0, 2)) == [1]  # of -1, 2, 2
    assert action_of(decoder, 1, counts(4, 1, 0, 0)) == [-1]  # -0.8
    assert action_of(decoder, 1, counts(0, 1, 1, 0)) == [0]  # 0.5: to the even one
    two = decoder_of("population_vector", 5, plant_of(3, 2))
    assert action_of(two, 2, counts(1, 0, 2, 1, 2)) == [1, 1]
    mixed = decoder_of("population_vector", 5, plant_of(0, 3))
    assert action_of(mixed, 2, counts(3, 1, 0, 1, 2)) == pytest.approx([-1.0, 2])


@given(
    st.lists(st.tuples(st.integers(0, PERIOD_US - 1), st.integers(0, 2)), min_size=1, max_size=40).map(sorted),
    st.sampled_from([0.0, 0.003, 0.1]),
)
@settings(deadline=None)
def test_it_never_leaves_the_preferred_values_by_a_bit(events, tau_s):
    plant = plant_of(0, low=(0.1,), high=(0.3,), safe=(0.1,))
    decoder = decoder_of("population_vector", 3, plant, tau_s=tau_s)
    assert 0.1 <= action_of(decoder, 1, spikes(*events))[0] <= 0.3


def test_it_refuses():
    with pytest.raises(ScenarioError, match="allowed: 2 event addresses, 2 for 'a0'"):
        decoder_of("population_vector", 3, plant_of(0), preferred=(1.0, 2.0))
    with pytest.raises(ScenarioError, match="preferred: found none; allowed: finite numbers"):
        decoder_of("population_vector", 3, plant_of(0, high=(float("inf"),)))
    with pytest.raises(ScenarioError, match="decoder 'values' reads values"):
        decoder_of("population_vector", 3, plant_of(0), "values")
