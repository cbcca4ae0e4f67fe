"""Into how many parts a threshold falls so that all that a membrane adds up is a whole number of them."""

from __future__ import annotations

from math import lcm

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.nal.compile.grid import divisions, off_grid


@pytest.mark.parametrize(
    ("numbers", "n"),
    [
        ([], 1),
        ([0, 3, -7], 1),
        ([0.3, -0.5], 10),
        ([1 / 3, 0.25], 12),
        (np.array([0.1, 0.7, -0.3], np.float32), 10),  # as float32 has them
        ([0.1234567], None),
        ([1 / 101, 1 / 103], None),  # 10403 parts
    ],
)
def test_the_least_number_of_parts_by_hand(numbers, n):
    assert divisions(np.asarray(numbers, float), 10_000) == n


def test_what_is_whole_but_for_float32_is_told():
    tenths = np.array([0.1, 0.7], np.float32).astype(float)
    assert off_grid(np.array([0.5, 3.0]), 2) == 0
    assert off_grid(np.array([1e-3 * 1000 * 7]), 1) == 0  # the last bits of double precision are none
    assert 1e-9 < off_grid(tenths, 10) < 1e-7


@given(st.lists(st.fractions(-50, 50, max_denominator=60), min_size=1, max_size=6))
def test_it_is_the_least_common_denominator(numbers):
    expected = lcm(*(x.denominator for x in numbers))
    assert divisions(np.array([float(x) for x in numbers]), 131_071) == (expected if expected <= 131_071 else None)
