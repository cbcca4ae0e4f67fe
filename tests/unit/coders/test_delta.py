"""The encoder `delta`: the times at which a straight line passes thresholds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from coding import PERIOD_US, encoder, observed, pairs, ticks
from hypothesis import given
from hypothesis import strategies as st

from hilbench.coders import Crossings
from hilbench.errors import ScenarioError

PLANT = observed("a")


def test_a_ramp_gives_an_event_each_time_it_has_moved_by_a_threshold():
    """From 0 by 1 a tick of 10 ms: 0.25, 0.5, 0.75 and 1 are passed 2.5 ms apart, the last one at the window's end."""
    found = ticks(encoder("delta", PLANT, threshold=0.25), [0.0, 1.0, 2.0])
    expected = [PERIOD_US + 2500 * k - 1 for k in range(1, 9)]
    assert pairs(found) == [(t_us, 0) for t_us in expected]


def test_a_fall_gives_off_events_at_thresholds_of_their_own():
    found = ticks(encoder("delta", PLANT, threshold=0.25, threshold_off=0.5), [1.0, 0.0])
    assert pairs(found) == [(PERIOD_US + 4999, 1), (PERIOD_US + 9999, 1)]


def test_a_turn_has_to_go_back_by_a_whole_threshold():
    """The level is 0.5 after 0.75; 0.25 is half of a threshold below it, and 0 a whole one."""
    made = encoder("delta", PLANT, threshold=0.5)
    assert pairs(ticks(made, [0.0, 0.75, 0.25])) == [(PERIOD_US + 6666, 0)]
    assert pairs(ticks(made, [0.0])) == [(9999, 1)]


def test_the_first_observation_sets_the_level_of_each_episode():
    made = encoder("delta", PLANT, threshold=0.1)
    assert ticks(made, [5.0, 5.05]).size == 0
    made.reset(1)
    assert ticks(made, [0.0, 0.05]).size == 0


def test_a_refractory_period_drops_events_and_lets_the_level_move():
    """Crossings every millisecond from 1 ms on, 2.5 ms between events at least: those of 1, 4, 7 and 10 ms stay."""
    steep = encoder("delta", PLANT, threshold=0.125, refractory_s=0.0025)
    assert [t for t, _ in pairs(ticks(steep, [0.0, 1.25]))] == [PERIOD_US + ms * 1000 - 1 for ms in (1, 4, 7, 10)]
    assert pairs(ticks(steep, [2.5])) == [(ms * 1000 - 1, 0) for ms in (3, 6, 9)]
    assert ticks(steep, [2.45]).size == 0


@pytest.mark.parametrize(("threshold", "end"), [(0.125, 1.25), (0.03, 0.3)])
def test_a_refractory_period_of_the_spacing_itself_drops_nothing(threshold, end):
    """The second pair is not exact in binary, and 0.3 in float32 is a little more than ten times 0.03."""
    made = encoder("delta", PLANT, threshold=threshold, refractory_s=0.001)
    assert ticks(made, [0.0, end, 2 * end]).size == 20


def test_a_jump_gives_no_more_than_the_most_events():
    made = encoder("delta", PLANT, threshold=0.001, max_events=7)
    found = ticks(made, [0.0, 1e6, 1e6])
    assert found.size == 7
    assert (found["t_us"] == PERIOD_US).all()


def test_what_is_not_finite_changes_nothing():
    made = encoder("delta", PLANT, threshold=0.5)
    assert pairs(ticks(made, [np.nan, 0.0, np.inf, np.nan, 1.0])) == [(44_999, 0), (49_999, 0)]


@given(
    path=st.lists(st.floats(-3, 3, width=32), min_size=2, max_size=12),
    threshold=st.sampled_from([0.125, 0.25, 0.5]),
)
def test_events_add_up_to_within_a_threshold_of_the_observation(path, threshold):
    """An independent count: a level that follows one threshold at a time, along 1000 points of each line."""
    found = ticks(encoder("delta", PLANT, threshold=threshold), path)
    on_minus_off = np.sum(1 - 2 * found["address"].astype(int))
    assert abs(path[0] + threshold * on_minus_off - path[-1]) < threshold
    level, at_us = path[0], []
    for k, (before, after) in enumerate(pairwise(path), 1):
        for i, x in enumerate(np.linspace(before, after, 1001)[1:]):
            while abs(x - level) >= threshold:
                level += threshold * np.sign(x - level)
                at_us.append((k + i / 1000) * PERIOD_US)
    assert len(at_us) == found.size
    if at_us:
        assert np.abs(found["t_us"] - np.array(at_us)).max() <= PERIOD_US / 1000 + 1


def test_what_is_wrong_is_one_line():
    with pytest.raises(ScenarioError, match=r"^threshold: found 0; allowed: more than 0$"):
        encoder("delta", PLANT, threshold=0.0)
    with pytest.raises(ScenarioError, match=r"^threshold_off: found -1; allowed: more than 0$"):
        encoder("delta", PLANT, threshold=1.0, threshold_off=-1.0)
    with pytest.raises(ScenarioError, match=r"^threshold: found 2 numbers; allowed: one, or 1$"):
        encoder("delta", PLANT, threshold=[1.0, 1.0])


def test_a_jump_over_more_thresholds_than_usual_gives_all_of_them():
    crossings = Crossings(1, 0.25, None, 0.0, 100_000, 1000)
    assert crossings(np.zeros(1)).size == 0
    events = crossings(np.full(1, 25.0))
    assert events["t_us"].tolist() == [10 * k + 9 for k in range(100)]
    assert set(events["address"]) == {0}
    assert crossings(np.full(1, 25.0)).size == 0
