"""Where a line from sample to sample crosses thresholds, compiled: electrodes are sampled a thousand times a second."""

from __future__ import annotations

import math

import numpy as np

from hilbench.compiled.inlined import inner, outer

LAST, LEVEL, READY_US = 0, 1, 2
"""Rows of `state`: the last sample, the level that crossings count from, and from when on an event may come."""
MARGIN = 1e-6
"""A part of the way between two crossings, for samples that are float32."""


@inner
def _line(x, state, on, off, refractory_us, max_events, period_us, i):
    """How number `i` crosses its thresholds on the way to `x`: for the k-th time after `start_us + k * apart_us`.

    Crossings are evenly spaced: of those after the refractory period, each `stride`-th one gives an event. Returns the
    step, how often it was crossed, start, spacing, the first crossing with an event, the stride and how many have one.
    """
    last, level = state[LAST, i], state[LEVEL, i]
    step = on[i] if x > level else off[i]
    crossed = (x - level) / step
    crossed = 0.0 if math.isnan(crossed) else np.floor(min(crossed, np.finfo(np.float64).max))
    if crossed == 0.0:
        return step, 0.0, 0.0, 0.0, 1.0, 1.0, 0
    per_us = (x - last) / period_us
    if per_us == 0.0:
        per_us = math.inf
    start_us, apart_us = (level - last) / per_us, step / per_us
    least_us = max(apart_us, 1e-9)
    first = max(np.ceil((state[READY_US, i] - start_us) / least_us - MARGIN), 1.0)
    stride = max(np.ceil(refractory_us / least_us - MARGIN), 1.0)
    n = min(max(np.floor((crossed - first) / stride) + 1.0, 0.0), np.float64(max_events))
    return step, crossed, start_us, apart_us, first, stride, np.int64(n)


@inner
def _sample(x, state, i):
    """A sample of number `i`; what is not finite is the one before. The first finite one is where its line begins."""
    if not math.isfinite(x):
        return state[LAST, i]
    if math.isnan(state[LAST, i]):
        state[LAST, i] = state[LEVEL, i] = x
    return x


@outer("i8(f8[::1], f8[:, ::1], f8[::1], f8[::1], f8, i8, i8, i8[:, ::1])")
def crossings(samples, state, on, off, refractory_us, max_events, period_us, found):
    """Write the events of the lines to the next samples; those of a number are in order. Returns how many there are.

    Where there are more than `found` has room for, nothing is written and nothing moves.

    Parameters
    ----------
    samples : (n,) float64
    state : (3, n) float64
        Changed: LAST, LEVEL and READY_US of each number; the first two are NaN before its first finite sample.
    on, off : (n,) float64
        The steps up, more than 0, and down, less than 0.
    refractory_us : float
    max_events : int
        Of a number.
    period_us : int
    found : (2, n_max) int64
        Written: microseconds since the last sample, and address.
    """
    total = 0
    for i in range(samples.size):
        total += _line(_sample(samples[i], state, i), state, on, off, refractory_us, max_events, period_us, i)[6]
    if total > found.shape[1]:
        return total
    at = 0
    for i in range(samples.size):
        x = _sample(samples[i], state, i)
        line = _line(x, state, on, off, refractory_us, max_events, period_us, i)
        step, crossed, start_us, apart_us, first, stride, n = line
        for k in range(n):
            at_us = start_us + (first + k * stride) * apart_us
            state[READY_US, i] = at_us + refractory_us
            found[0, at] = np.int64(min(max(np.ceil(at_us - 1e-6) - 1.0, 0.0), period_us - 1.0))
            found[1, at] = 2 * i + (step < 0.0)
            at += 1
        if crossed:
            state[LEVEL, i] += crossed * step
        state[LAST, i] = x
        state[READY_US, i] -= period_us
    return at
