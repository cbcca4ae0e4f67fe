"""Two clocks: the offset of known exchanges, and that the truth lies within what is left open."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.robot.clocks import DRIFT, WINDOW_S, offsets, round_trips_s


def exchanges(out_s, ahead_s, there_s, back_s, stays_s=0.001):
    """Stamps of exchanges that left at `out_s`, took these ways, with the other clock so far ahead."""
    out_s = np.asarray(out_s, float)
    came_s = out_s + there_s
    left_s = came_s + stays_s
    return out_s, came_s + ahead_s, left_s + ahead_s, left_s + back_s


def test_ways_of_equal_length_give_the_offset_itself():
    """Mills 1991, equation for the clock offset: ((T2 - T1) + (T3 - T4)) / 2."""
    found = offsets(*exchanges([0.1, 0.2], 1000.0, 0.002, 0.002))
    assert found.offset_s == pytest.approx([1000.0, 1000.0], abs=1e-9)
    assert found.error_s == pytest.approx([0.002 + DRIFT * WINDOW_S] * 2)


def test_the_shortest_exchange_of_a_second_speaks_for_all_of_it():
    """5 ms out and 1 ms back put it wrong by 2 ms; 0.1 and 0.1 by nothing."""
    there, back = np.array([0.005, 0.0001, 0.005]), np.array([0.001, 0.0001, 0.001])
    found = offsets(*exchanges([0.1, 0.5, 1.5], -7.0, there, back))
    assert found.offset_s == pytest.approx([-7.0, -7.0, -7.0 + 0.002], abs=1e-9)
    assert found.error_s == pytest.approx([0.0001 + 1e-4, 0.0001 + 1e-4, 0.003 + 1e-4])


def test_a_round_trip_needs_no_clock():
    assert round_trips_s(*exchanges([3.0], 12345.0, 0.004, 0.001)) == pytest.approx([0.005], abs=1e-9)


@given(
    st.lists(st.tuples(st.floats(0, 5), st.floats(0, 0.05), st.floats(0, 0.05)), min_size=1, max_size=30),
    st.floats(-1e4, 1e4),
    st.floats(-DRIFT, DRIFT),
)
def test_the_truth_lies_within_the_error(found, ahead_s, drift):
    out_s, there_s, back_s = map(np.array, zip(*sorted(found), strict=True))
    came_s, home_s = out_s + there_s, out_s + there_s + back_s
    stamps = out_s, came_s + ahead_s + drift * came_s, came_s + ahead_s + drift * came_s, home_s
    estimate = offsets(*stamps)
    wrong_s = np.abs(estimate.offset_s - (ahead_s + drift * came_s))
    # A way of 50 ms drifts itself, and an exchange may begin in the second before.
    assert (wrong_s <= estimate.error_s + 0.2 * DRIFT + 1e-9).all()
