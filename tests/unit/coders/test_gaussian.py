"""The encoder `gaussian`: activations by the bell curve, and spikes at their rates."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from coding import encoder, observed, ticks, values_of
from hypothesis import given
from hypothesis import strategies as st

RANGE = {"low": -1.0, "high": 1.0}


@given(x=st.floats(-1, 1, width=32), width=st.floats(0.2, 3))
def test_an_activation_is_the_bell_curve_around_its_centre(x, width):
    """Five centres from -1 to 1: 0.5 apart, so that the standard deviation is 0.5 times the width."""
    found = values_of(encoder("gaussian", observed("a"), n=5, width=width, gives="values", **RANGE), x)
    expected = [exp(-((x - centre) ** 2) / (2 * (0.5 * width) ** 2)) for centre in (-1, -0.5, 0, 0.5, 1)]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


def test_populations_lie_side_by_side_and_ends_hold_beyond_the_range():
    made = encoder("gaussian", observed("a", "b"), n=3, gives="values", **RANGE)
    assert made.sizes == {"values": 6}
    found = values_of(made, [0.0, 7.0])
    np.testing.assert_allclose(found, np.exp([-0.5, 0, -0.5, -2, -0.5, 0]), rtol=1e-6)


@pytest.mark.parametrize("spacing", ["regular", "poisson"])
def test_spikes_come_at_the_rate_times_the_activation(spacing):
    """2000 ticks of 10 ms at 200 Hz: 4000 spikes at the centre, and exp(-1/2) of them one distance from it."""
    made = encoder("gaussian", observed("a"), n=3, rate_high_hz=200.0, spacing=spacing, **RANGE)
    assert made.sizes == {"events": 3}
    counts = np.bincount(ticks(made, [0.0] * 2000)["address"], minlength=3)
    np.testing.assert_allclose(counts, 4000 * np.exp([-0.5, 0, -0.5]), atol=1 if spacing == "regular" else 4 * 64)


def test_the_population_vector_gives_the_observation_back():
    """Away from the ends, the mean of the centres by activation is the observation."""
    made = encoder("gaussian", observed("a"), n=41, gives="values", low=-10.0, high=10.0)
    for x in (-2.2, 0.0, 0.1, 3.33):
        found = values_of(made, x).astype(float)
        assert found @ np.linspace(-10, 10, 41) / found.sum() == pytest.approx(x, abs=1e-5)
