"""Grids: whether all that a membrane adds up is a whole number of parts of its threshold.

On such a grid of n parts `v >= v_threshold` is `v > (n - 1) / n v_threshold`, so hardware that knows one of the two
comparisons can make the other one, exactly.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm

import numpy as np
from numpy.typing import NDArray

FLOAT32 = 1e-7
"""Relative precision of float32: a number this near to a fraction, as 0.1 is to a tenth, is taken for it."""
EXACT = 1e-12
SOME = 16
"""How many numbers, at least, are tried before all of them are sorted: most networks have weights off every grid."""


def divisions(numbers: NDArray, most: int) -> int | None:
    """The least n for which n times each of these numbers is whole; None without one.

    A number is whole where float32 cannot tell it from a whole one.

    Parameters
    ----------
    numbers : NDArray
        Weights, biases and thresholds in one unit.
    most : int
        The largest n that is tried.
    """
    some = np.abs(numbers[:: max(1, numbers.size // SOME)])
    if any(_denominator(x, most) is None for x in some.tolist()):
        return None
    n = 1
    for x in np.unique(np.abs(numbers)).tolist():
        denominator = _denominator(x, most)
        if denominator is None or (n := lcm(n, denominator)) > most:
            return None
    return n


def off_grid(numbers: NDArray, n: int) -> float:
    """How far n times the numbers are from whole, at most, as a share of each; 0 where they are as good as whole.

    Parameters
    ----------
    numbers : NDArray
        Weights, biases and thresholds in one unit.
    n : int
        Parts of the unit.
    """
    parts = np.abs(numbers) * n
    off = float((np.abs(parts - np.rint(parts)) / np.maximum(parts, 1)).max(initial=0))
    return off if off > EXACT else 0.0


def _denominator(x: float, most: int) -> int | None:
    """The denominator of the simplest fraction that float32 cannot tell from x."""
    limit = 1
    while limit < 2 * most:
        near = Fraction(x).limit_denominator(min(limit, most))
        if abs(near - Fraction(x)) <= FLOAT32 * x:
            return near.denominator
        limit *= 2
    return None
