"""The encoder `bins`: which of some ranges an observation lies in."""

from __future__ import annotations

import numpy as np
import pytest
from coding import encoder, observed, pairs, ticks, values_of

from hilbench.errors import ScenarioError

FOUR = {"low": -2.0, "high": 2.0, "n": 4}


@pytest.mark.parametrize(
    ("x", "bin_"), [(-2, 0), (-1.001, 0), (-1, 1), (-0.001, 1), (0, 2), (1, 3), (2, 3), (99, 3), (-np.inf, 0)]
)
def test_bins_begin_at_their_lower_edge_and_the_outer_ones_are_open(x, bin_):
    assert pairs(ticks(encoder("bins", observed("a"), **FOUR), [x])) == [(0, bin_)]
    assert values_of(encoder("bins", observed("a"), gives="values", **FOUR), x).tolist() == np.eye(4)[bin_].tolist()


def test_observations_have_bins_side_by_side():
    made = encoder("bins", observed("a", "b"), **FOUR)
    assert made.sizes == {"events": 8}
    assert pairs(ticks(made, [[1.5, -1.5]])) == [(0, 3), (0, 4)]


def test_each_observation_may_have_a_number_of_bins_of_its_own():
    made = encoder("bins", observed("a", "b", "c"), low=-2.0, high=2.0, n=[4, 1, 2])
    assert made.sizes == {"events": 7}
    assert pairs(ticks(made, [[1.5, -1.5, 0.5]])) == [(0, 3), (0, 4), (0, 6)]
    with pytest.raises(ScenarioError, match=r"n: found 2 numbers; allowed: one, or 3"):
        encoder("bins", observed("a", "b", "c"), low=-2.0, high=2.0, n=[4, 1])


def test_a_row_of_edges_agrees_with_digitize():
    x = np.linspace(-2.5, 2.5, 201)
    found = ticks(encoder("bins", observed("a"), low=-2.0, high=2.0, n=7), x)["address"]
    edges = np.linspace(-2, 2, 8)[1:-1]
    np.testing.assert_array_equal(found, np.digitize(np.float32(x), edges))
