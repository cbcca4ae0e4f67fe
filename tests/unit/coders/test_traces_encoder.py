"""The encoder `traces`: sums of decaying exponentials."""

from __future__ import annotations

import numpy as np
import pytest
from coding import EYE, PERIOD_US, encoder, events_from, observed, values_of

from hilbench.types import EVENT

PLANT = observed("a", sensors=(EYE,))


def test_an_event_counts_by_its_age_at_the_ticks_end():
    """An event at the window's end counts 1; one at t_us is T - 1 - t_us older."""
    made = encoder("traces", PLANT, tau_s=0.004)
    found = values_of(made, 0.0, events_from((1999, 3), (5999, 3), (9999, 7)))
    expected = np.zeros(48)
    expected[3], expected[7] = np.exp(-8 / 4) + np.exp(-4 / 4), 1.0
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_allclose(values_of(made, 0.0), expected * np.exp(-10 / 4), rtol=1e-6)


def test_ticks_sum_up_to_the_exponentials_of_all_events():
    """200 ticks of random events, pooled by 2 with both polarities in one, against the sum over all of them at once."""
    random, tau_s = np.random.default_rng(0), 0.05
    made = encoder("traces", PLANT, tau_s=tau_s, pool=2, polarity="merge")
    assert made.sizes == {"values": 2 * 3}
    at_us, blocks = [], []
    for k in range(200):
        events = np.zeros(random.integers(0, 40), EVENT)
        events["t_us"] = np.sort(random.integers(0, PERIOD_US, events.size))
        events["address"] = random.integers(0, 48, events.size)
        found = values_of(made, 0.0, events)
        pixel = events["address"].astype(int) // 2
        blocks += ((pixel // 6 // 2) * 3 + pixel % 6 // 2).tolist()
        at_us += (events["t_us"] + 1.0 + k * PERIOD_US).tolist()
    age_s = (200 * PERIOD_US - np.array(at_us)) * 1e-6
    np.testing.assert_allclose(found, np.bincount(blocks, np.exp(-age_s / tau_s), 6), rtol=1e-6)


def test_a_steady_rate_settles_at_the_geometric_series():
    """One event at each window's end: 1 / (1 - exp(-T / tau))."""
    made = encoder("traces", PLANT, tau_s=0.02)
    for _ in range(100):
        found = values_of(made, 0.0, events_from((PERIOD_US - 1, 5)))
    assert found[5] == pytest.approx(1 / (1 - np.exp(-0.5)), rel=1e-6)
    made.reset(1)
    assert not values_of(made, 0.0).any()
