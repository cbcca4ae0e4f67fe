"""Histograms against the samples they were made of."""

from __future__ import annotations

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hilbench.record.histogram import LONGEST_NS, counted, merged, quantiles_ns

TIMES = st.lists(st.integers(0, LONGEST_NS), min_size=1, max_size=200)


@given(TIMES, st.floats(0.001, 1))
def test_a_quantile_is_a_sample_to_within_half_a_bucket(times, share):
    exact = np.sort(times)[int(np.ceil(share * len(times))) - 1]
    [found] = quantiles_ns(counted(np.array(times)), [share])
    assert abs(found - exact) <= exact / 256


@given(TIMES, TIMES)
def test_histograms_add_up(ours, theirs):
    assert merged([counted(np.array(ours)), counted(np.array(theirs))]) == counted(np.array(ours + theirs))


@given(st.integers(0, 255))
def test_short_times_are_exact(ns):
    assert counted(np.array([ns, ns])) == {str(ns): 2}
    assert quantiles_ns({str(ns): 2}, [0.5, 1]).tolist() == [ns, ns]


def test_a_histogram_is_bounded_whatever_comes_and_fits_json():
    edges = 2 ** np.arange(45)
    times = np.concatenate([np.arange(-5, 70_000), edges, edges + edges // 3, np.geomspace(1, 1e15, 10**6)])
    histogram = counted(times)
    assert len(histogram) <= 4352
    assert sum(histogram.values()) == times.size
    assert max(map(int, histogram)) == LONGEST_NS + 1 - 2**32
    assert json.loads(json.dumps(histogram)) == histogram


def test_nothing_counted_is_empty():
    assert counted(np.empty(0)) == {} == merged([])
