"""Times counted in log-linear buckets, as HDR histograms have them: bounded in size, mergeable, of known error.

An octave has the same number of buckets everywhere, so a bucket is never wider than 1/128 of its lower bound, and below
256 ns every nanosecond has its own. A histogram is a dict from a bucket's lower bound, as text for JSON, to its count.
It must not know what is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

OCTAVE_BITS = 7
LONGEST_NS = 2**40 - 1
"""Longer times, above a quarter of an hour, count as this: so there are at most 4352 buckets."""


def counted(samples_ns: NDArray[Any]) -> dict[str, int]:
    """The histogram of these times, which are not negative."""
    samples_ns = np.clip(np.asarray(samples_ns).astype(np.int64), 0, LONGEST_NS)
    low_ns, counts = np.unique(samples_ns // width_ns(samples_ns) * width_ns(samples_ns), return_counts=True)
    return dict(zip(map(str, low_ns.tolist()), counts.tolist(), strict=True))


def width_ns(times_ns: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
    """How wide the buckets of these times are."""
    octave = np.frexp(np.maximum(times_ns, 1).astype(float))[1] - 1  # exact: whole numbers below 2**53
    return np.left_shift(np.int64(1), np.maximum(octave - OCTAVE_BITS, 0))


def merged(histograms: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """One histogram of all that was counted."""
    total: Counter[str] = Counter()
    for histogram in histograms:
        total.update(histogram)
    return dict(total)


def quantiles_ns(histogram: Mapping[str, int], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """The middles of the buckets below or in which these shares of all times lie, (n_shares,) in nanoseconds.

    Parameters
    ----------
    histogram : dict
        Counts by lower bound, as `counted` gives them; not empty.
    shares : (n_shares,) float
        From 0 to 1.
    """
    low_ns = np.array(sorted(map(int, histogram)), np.int64)
    up_to = np.cumsum([histogram[str(low)] for low in low_ns.tolist()])
    found = low_ns[np.searchsorted(up_to, np.ceil(np.asarray(shares) * up_to[-1]).clip(1))]
    return found + (width_ns(found) - 1) / 2
