"""The encoder `latency`: the time of a spike by the size of an observation."""

from __future__ import annotations

import pytest
from coding import PERIOD_US, encoder, observed, pairs, ticks

from hilbench.errors import ScenarioError

RANGE = {"low": 0.0, "high": 2.0}


def test_the_larger_the_earlier_one_each_in_the_whole_period():
    made = encoder("latency", observed("a", "b", "c", "d"), **RANGE)
    found = ticks(made, [[0.0, 2.0, 1.0, 1.5]])
    assert pairs(found) == [(0, 1), (round(0.25 * (PERIOD_US - 1)), 3), (round(0.5 * (PERIOD_US - 1)), 2), (9999, 0)]


def test_each_period_has_its_own_spike_within_the_window():
    made = encoder("latency", observed("a"), window_s=0.002, **RANGE)
    assert ticks(made, [2.0, 0.0, -5.0, 9.0])["t_us"].tolist() == [0, 11_999, 21_999, 30_000]


@pytest.mark.parametrize("window_s", [0.0101, 1e-8])
def test_a_window_lies_within_the_period(window_s):
    with pytest.raises(ScenarioError, match=rf"^window_s: found {window_s:g} s; allowed: 1e-06 to 0.01 s"):
        encoder("latency", observed("a"), window_s=window_s, **RANGE)
