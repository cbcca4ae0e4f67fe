"""From sources to ears: delays, echoes, the shadow of a head, and waves that are read between their samples."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hilbench.compiled.inlined import inner, outer

SOUND_M_S = 343.0
"""The speed of sound, of dry air at 20 degrees Celsius."""
NEAREST_M = 0.1
"""Nearer to a source than this, its sound does not grow any more."""
TAPS, PHASES = 16, 1024
"""A wave is read by this many of its samples, at one of these places between two of them."""
LEAST_SHADOW, DARKEST_RAD = 0.1, 150 / 180 * math.pi
"""alpha_min and theta_min of Brown and Duda (1998): what is left of high frequencies at the darkest place behind a
sphere, and at which angle that is."""


def sinc_table() -> NDArray[np.float64]:
    """Weights that read a wave between two samples, (PHASES + 1, TAPS): a sinc under a Kaiser window with beta = 8.

    Row p reads it p / PHASES of a sample behind the sample in the middle, entry TAPS / 2 - 1.
    """
    at = np.arange(TAPS) - (TAPS // 2 - 1) - np.arange(PHASES + 1)[:, None] / PHASES
    half = TAPS / 2
    window = np.i0(8.0 * np.sqrt(np.maximum(0.0, 1 - (at / half) ** 2))) / np.i0(8.0)
    table = np.sinc(at) * window
    return np.ascontiguousarray(table / table.sum(axis=1, keepdims=True))


@inner
def _around(far_m, cosine, head_m):
    """How far it is from a point, `far_m` from the middle of a sphere, to a point on it, the straight way or around."""
    if far_m * cosine >= head_m:
        return math.sqrt(far_m * far_m + head_m * head_m - 2 * far_m * head_m * cosine)
    return math.sqrt(far_m * far_m - head_m * head_m) + head_m * (math.acos(cosine) - math.acos(head_m / far_m))


@outer("void(f8[:, ::1], f8[:, ::1], f8[:, ::1], f8, f8[:, :, ::1])")
def find(ears, places_m, echoes, head_m, paths):
    """Write the ways from each image of each source to each ear.

    The way around a head is that of a string drawn over a sphere, and its shadow a pole and a zero, as Brown and Duda
    (1998) have it. Without a head, ways are straight and nothing is shadowed.

    Parameters
    ----------
    ears, echoes, paths
        See this package; `paths` is written.
    places_m : (n_sources, 3) float64
    head_m : float
        The radius of a sphere that carries each ear; 0 for none.
    """
    for e in range(ears.shape[0]):
        ear, gain = ears[e], ears[e, 6]
        n = 0
        for s in range(places_m.shape[0]):
            for i in range(echoes.shape[0]):
                echo = echoes[i]
                squared, along = 0.0, 0.0
                for axis in range(3):
                    middle = ear[axis] - head_m * ear[3 + axis]
                    away = echo[axis] * places_m[s, axis] + echo[3 + axis] - middle
                    squared += away * away
                    along += away * ear[3 + axis]
                far_m = math.sqrt(squared)
                alpha = 1.0
                if head_m > 0:
                    far_m = max(far_m, 1.001 * head_m)
                    cosine = min(max(along / far_m, -1.0), 1.0)
                    turned = math.cos(math.acos(cosine) / DARKEST_RAD * math.pi)
                    alpha = 1 + 0.5 * LEAST_SHADOW + (1 - 0.5 * LEAST_SHADOW) * turned
                    far_m = _around(far_m, cosine, head_m)
                paths[e, n, 0] = far_m / SOUND_M_S + ear[7]
                paths[e, n, 1] = gain * echo[6] / max(far_m, NEAREST_M)
                paths[e, n, 2] = alpha
                n += 1


@inner
def _read(wave, at, table):
    """A wave at a place between its samples; 0 outside."""
    if not (-TAPS < at < wave.size + TAPS):
        return 0.0
    first = math.floor(at)
    row = table[int((at - first) * PHASES + 0.5)]
    first -= TAPS // 2 - 1
    found = 0.0
    if first >= 0 and first + TAPS <= wave.size:
        for tap in range(TAPS):
            found += row[tap] * wave[first + tap]
    elif first > -TAPS and first < wave.size:
        for tap in range(max(0, -first), min(TAPS, wave.size - first)):
            found += row[tap] * wave[first + tap]
    return found


@outer("void(f8[:, ::1], f8[::1], f8, f8[:, :, ::1], f8[:, :, ::1], i8, f8, f8, f8[:, ::1], f8[:, :, ::1], f8[:, ::1])")
def listen(waves, starts_s, wave_hz, before, now, first, rate_hz, head_m, table, shadows, heard):
    """Write what reaches each ear from sample `first` on. Ways change evenly over these samples.

    Parameters
    ----------
    waves : (n_sources, n_samples) float64
    starts_s : (n_sources,) float64
    wave_hz : float
        The waves' rate.
    before, now : (n_ears, n_paths, 3) float64
        The `paths` at sample `first` - 1, and at the last one.
    first : int
        Which sample of the ears that is, since the episode's start.
    rate_hz : float
        The ears' rate.
    head_m : float
    table : (PHASES + 1, TAPS) float64
        Of `sinc_table`.
    shadows : (n_ears, n_paths, 2) float64
        The last input and output of each way's filter. Changed.
    heard
        See this package; written.
    """
    n, n_echoes = heard.shape[1], now.shape[1] // waves.shape[0]
    # The pole 2 c / a and the zero of the shadow, by the bilinear transform.
    pole = rate_hz * head_m / SOUND_M_S
    back = (1 - pole) / (1 + pole)
    for e in range(now.shape[0]):
        heard[e] = 0.0
        for path in range(now.shape[1]):
            wave, start_s = waves[path // n_echoes], starts_s[path // n_echoes]
            delay_s, gain, alpha = before[e, path, 0], before[e, path, 1], before[e, path, 2]
            delay_by, gain_by = (now[e, path, 0] - delay_s) / n, (now[e, path, 1] - gain) / n
            alpha_by = (now[e, path, 2] - alpha) / n
            last_in, last_out = shadows[e, path, 0], shadows[e, path, 1]
            for k in range(n):
                delay_s, gain, alpha = delay_s + delay_by, gain + gain_by, alpha + alpha_by
                found = gain * _read(wave, ((first + k) / rate_hz - delay_s - start_s) * wave_hz, table)
                if head_m > 0:
                    out = ((1 + alpha * pole) * found + (1 - alpha * pole) * last_in) / (1 + pole) - back * last_out
                    last_in, last_out = found, out
                    found = out
                heard[e, k] += found
            shadows[e, path, 0] = last_in
            shadows[e, path, 1] = last_out if abs(last_out) > 1e-30 else 0.0
