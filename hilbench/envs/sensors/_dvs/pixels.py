"""The pixels of an event camera: from intensities to events."""

from __future__ import annotations

import math

import numpy as np

from hilbench.compiled.inlined import inner, outer
from hilbench.envs.sensors._events import put

LOG, LEVEL, FIRED, ON, OFF = range(5)
"""Rows of the pixels' state: filtered log intensity, the level from which it is counted, when the last event was in us
since the episode's start, and thresholds."""
NOW = 1
"""Entry of the counters, behind LOST: the instant of the last sample, in us."""
BRIGHTEST = 1e9
ROUNDING = 1e-9
"""A crossing that is missed by this share of a threshold is one, or light that comes back to where it was would leave
it to the next sample."""


@outer("void(f8[::1], f8, f8, f8, f8, f8[::1])")
def light(luminance, brightness, contrast, grey, eps, intensity):
    """Write the intensity of each pixel, and `eps` more.

    Parameters
    ----------
    luminance : (n,) float64
    brightness, contrast, grey : float
        The scene's light.
    eps : float
    intensity : (n,) float64
        Written.
    """
    for i in range(luminance.size):
        found = brightness * (grey + contrast * (luminance[i] - grey))
        found = found if found > 0 else 0.0
        intensity[i] = eps + (found if found < BRIGHTEST else BRIGHTEST)


@inner
def _uniform(random):
    """A number from 0 to below 1, by SplitMix64 (Steele, Lea and Flood 2014)."""
    random[0] += np.uint64(0x9E3779B97F4A7C15)
    z = random[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return float((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@outer("i8(f8[::1], f8[:, ::1], i8, f8, f8, f8, f8, i8[::1], u4[:, ::1])")
def crossings(log, state, period_us, smoothing, leak, scale, refractory_us, counters, events):
    """Move each pixel on to its next log intensity, and write the events on the straight way there.

    Parameters
    ----------
    log : (n,) float64
        At the end of the period.
    state : (5, n) float64
        Changed.
    period_us : int
    smoothing : float
        Which share of its way to `log` the filtered value goes.
    leak : float
        By how many ON thresholds the level falls.
    scale : float
        What thresholds are multiplied by.
    refractory_us : float
    counters : (2,) int64
        LOST is added to.
    events : (n_max, 2) uint32
        Written: time in the period and address, pixel by pixel.

    Returns
    -------
    n : int
        How many events were written.
    """
    n = 0
    for i in range(log.size):
        old, level, on = state[LOG, i], state[LEVEL, i], scale * state[ON, i]
        new = old + smoothing * (log[i] - old)
        fallen = level - leak * on
        begin, end = old - level, new - fallen
        state[LOG, i], state[LEVEL, i] = new, fallen
        step = on if end > 0 else -scale * state[OFF, i]
        crossed = end / step + ROUNDING
        if crossed < 1.0:
            continue
        polarity = 1 if end > 0 else 0
        for k in range(1, int(crossed) + 1):
            share = (k * step - begin) / (end - begin) if end != begin else 0.0
            at_us = counters[NOW] + period_us * min(max(share, 0.0), 1.0)
            if at_us - state[FIRED, i] >= refractory_us - 1e-6:
                state[FIRED, i] = at_us
                n = put(events, n, at_us - counters[NOW], period_us, 2 * i + polarity, counters)
            state[LEVEL, i] += step
    return n


@outer("i8(i8, i8, i8, f8, f8[::1], u8[::1], i8[::1], u4[:, ::1])")
def noise(n, n_pixels, period_us, mean_us, until_us, random, counters, events):
    """Add noise events: a Poisson process, uniform over pixels and polarities.

    Parameters
    ----------
    n : int
        How many events there are already.
    n_pixels, period_us : int
    mean_us : float
        From one to the next, of all pixels together.
    until_us : (1,) float64
        When the next one is, from the period's start. Changed.
    random : (1,) uint64
        The state of the random numbers. Changed.
    counters : (2,) int64
        LOST is added to.
    events : (n_max, 2) uint32
        Written.

    Returns
    -------
    n : int
        How many events there are then.
    """
    while until_us[0] < period_us:
        address = int(_uniform(random) * (2 * n_pixels))
        n = put(events, n, until_us[0], period_us, address, counters)
        until_us[0] -= mean_us * math.log(1.0 - _uniform(random))
    until_us[0] -= period_us
    return n
