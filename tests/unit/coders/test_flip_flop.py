"""The encoder `flip_flop`: numbers of spikes that meet at the edges of bins."""

from __future__ import annotations

import numpy as np
import pytest
from coding import encoder, observed, pairs, ticks
from hypothesis import given
from hypothesis import strategies as st

from hilbench.errors import ScenarioError

CART_POLE = observed("x", "dx", "theta", "dtheta")
RANGES = {"low": [-2.4, -2.0, -0.209, -2.0], "high": [2.4, 2.0, 0.209, 2.0]}


@pytest.mark.parametrize(
    ("obs", "counts"),
    [
        ([0.852, -0.007, 0.018, -0.659], [0, 3, 1, 0, 0, 1, 3, 0]),
        ([-1.17261, 0.201336, -0.0686158, 0.40251], [4, 0, 0, 1, 3, 0, 0, 2]),
    ],
)
def test_two_bins_rounded_up_give_the_published_counts(obs, counts):
    """Of TENNLab's cart-pole examples, whose input spikes are printed: two neurons for each value, at most 8 spikes."""
    made = encoder("flip_flop", CART_POLE, 20_000, spacing_s=0.0025, rounding="up", **RANGES)
    found = ticks(made, [obs])
    assert np.bincount(found["address"], minlength=8).tolist() == counts
    for address, count in enumerate(counts):
        assert found["t_us"][found["address"] == address].tolist() == [2500 * k for k in range(count)]


def count(made, x: float) -> tuple[int, int]:
    """The bin and its number of events."""
    found = ticks(made, [x])
    return (int(found["address"][0]) if found.size else -1), found.size


@given(x=st.floats(-1, 1, width=32), n=st.integers(1, 6), most=st.integers(1, 9))
def test_a_count_is_a_triangle_wave_of_the_observation(x, n, most):
    """The wave is 1 at `low`, falls to 0 at the first edge, rises to 1 at the second, and so on."""
    made = encoder("flip_flop", observed("a"), low=-1.0, high=1.0, n=n, max_events=most, spacing_s=1e-4)
    place = (x + 1) / 2 * n
    wave = abs(place % 2 - 1)
    bin_, found = count(made, x)
    assert abs(found - most * wave) <= 0.5 + 1e-9
    assert bin_ in (-1, min(int(place), n - 1))


def test_counts_have_no_jumps_where_plain_bins_would():
    """Over 3 bins of 8 events, 2401 steps: the number changes by one at a time, and takes all values from 0 to 8."""
    made = encoder("flip_flop", observed("a"), low=0.0, high=3.0, n=3, spacing_s=1e-4)
    counts = np.array([count(made, x)[1] for x in np.linspace(0, 3, 2401)])
    assert set(counts) == set(range(9))
    assert np.abs(np.diff(counts)).max() == 1
    assert (counts[0], counts[800], counts[1600], counts[2400]) == (8, 0, 8, 0)


def test_all_events_lie_within_the_period():
    made = encoder("flip_flop", observed("a"), low=0.0, high=1.0, spacing_s=0.00142, max_events=8)
    assert pairs(ticks(made, [1.0]))[-1] == (9940, 1)
    with pytest.raises(
        ScenarioError, match=r"^spacing_s: found 0.0015 s, with 8 events; allowed: 0 to less than 0.001"
    ):
        encoder("flip_flop", observed("a"), low=0.0, high=1.0, spacing_s=0.0015)
