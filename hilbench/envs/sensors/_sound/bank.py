"""The inner ear: a bank of gammatone filters, what is above 0 of each, compressed, and a spiking cell behind it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hilbench.compiled.inlined import inner, outer
from hilbench.envs.sensors._events import put

EAR_Q, LEAST_HZ = 9.26449, 24.7
"""A band at f is f / EAR_Q + LEAST_HZ wide (Glasberg and Moore 1990)."""
WIDTH = 1.019
"""The decay of a gammatone of order 4 is 2 pi WIDTH of its band (Patterson and others 1992)."""
SECTIONS = 4
V, WAIT, BAND, DRIVE = range(4)
"""Rows of the cells' state: the membrane, for how many samples a cell still rests, and what its filter gave at the last
sample, as it is and compressed."""
EXPONENT, THRESHOLD, TAU, REST, US = range(5)
"""Entries of the facts: the power that compresses, the cells' threshold, their time constant and rest in samples, and
how long a sample is, in us."""
SILENT_PA = 1e-30
"""What is less is taken for 0."""


def centres_hz(low_hz: float, high_hz: float, n: int) -> NDArray[np.float64]:
    """The filters' centres, (n,), evenly over the scale of bands (Glasberg and Moore 1990), from low to high.

    Parameters
    ----------
    low_hz, high_hz : float
        The first and the last one.
    n : int
        How many; a single one is at `low_hz`.
    """
    offset_hz = EAR_Q * LEAST_HZ
    return np.exp(np.linspace(np.log(low_hz + offset_hz), np.log(high_hz + offset_hz), n)) - offset_hz


def coefficients(hz: NDArray[np.float64], rate_hz: float) -> NDArray[np.float64]:
    """Gammatone filters of order 4 as four sections each, (7, n): the input's gain, a zero of each section, two poles.

    Section s is y = x + z1, z1 = zero[s] x - pole1 y + z2, z2 = -pole2 y (Slaney 1993, Apple TR 35). At its centre a
    filter has the gain 1.

    Parameters
    ----------
    hz : (n,) float
        The centres.
    rate_hz : float
    """
    decay = np.exp(-2 * np.pi * WIDTH * (hz / EAR_Q + LEAST_HZ) / rate_hz)
    angle = 2 * np.pi * hz / rate_hz
    pole1, pole2 = -2 * decay * np.cos(angle), decay**2
    slopes = [sign * math.sqrt(3 + way * 2**1.5) for way in (1, -1) for sign in (1, -1)]
    zeros = [-decay * (np.cos(angle) + slope * np.sin(angle)) for slope in slopes]
    back = np.exp(-1j * angle)
    gain = 1 / np.abs(np.prod([1 + zero * back for zero in zeros], axis=0) / (1 + pole1 * back + pole2 * back**2) ** 4)
    return np.array([gain, *zeros, pole1, pole2])


@inner
def _step(x, filters, z, bands):
    """Move the filters of an ear on by a sample, and write what each gives, (n_channels,)."""
    for c in range(bands.size):
        y, pole1, pole2 = filters[0, c] * x, filters[5, c], filters[6, c]
        x0, y = y, y + z[0, 0, c]
        z[0, 0, c], z[0, 1, c] = filters[1, c] * x0 - pole1 * y + z[0, 1, c], -pole2 * y
        x1, y = y, y + z[1, 0, c]
        z[1, 0, c], z[1, 1, c] = filters[2, c] * x1 - pole1 * y + z[1, 1, c], -pole2 * y
        x2, y = y, y + z[2, 0, c]
        z[2, 0, c], z[2, 1, c] = filters[3, c] * x2 - pole1 * y + z[2, 1, c], -pole2 * y
        x3, y = y, y + z[3, 0, c]
        z[3, 0, c], z[3, 1, c] = filters[4, c] * x3 - pole1 * y + z[3, 1, c], -pole2 * y
        bands[c] = y


@outer("void(f8[:, ::1], f8[:, ::1], f8[:, :, :, ::1], f8[:, :, ::1])")
def filtered(heard, filters, sections, bands):
    """Move all filters on by the samples of a period.

    Parameters
    ----------
    heard
        See this package.
    filters : (7, n_channels) float64
        Of `coefficients`.
    sections : (n_ears, 4, 2, n_channels) float64
        Their state. Changed.
    bands : (n_ears, n_samples, n_channels) float64
        What they give, in Pa. Written.
    """
    for ear in range(heard.shape[0]):
        for k in range(heard.shape[1]):
            _step(heard[ear, k], filters, sections[ear], bands[ear, k])
        state = sections[ear].reshape(-1)
        for i in range(state.size):  # before numbers are so small that a processor is slow with them
            if abs(state[i]) < SILENT_PA:
                state[i] = 0.0


@inner
def _driven(before, after, drive_before, drive_after, exponent):
    """From where to where in a sample a cell is driven, as shares of it, and how strongly on average.

    A filter's output is a straight line from sample to sample, and the cell is driven where that is above 0.
    """
    if before <= 0.0 < after:
        return before / (before - after), 1.0, drive_after / (1.0 + exponent)
    if after <= 0.0 < before:
        return 0.0, before / (before - after), drive_before / (1.0 + exponent)
    return 0.0, 1.0, 0.5 * (drive_before + drive_after)


@inner
def _fire(v, wait, begin, end, drive, kept, facts, begun_us, address, period_us, counters, events, written):
    """Move a cell on by a sample. Returns its membrane, for how many samples it rests then, and how many events are."""
    threshold, tau, at = facts[THRESHOLD], facts[TAU], wait
    if at < begin:
        v, at = v * math.exp((at - begin) / tau), begin
    if at >= end:
        return v, 0.0, written
    new = drive + (v - drive) * (kept if end - at == 1.0 else math.exp((at - end) / tau))
    while new >= threshold and drive > threshold:
        at += tau * math.log((drive - v) / (drive - threshold))
        written = put(events, written, begun_us + at * facts[US], period_us, address, counters)
        at += facts[REST]
        if at >= end:
            return 0.0, max(at - 1.0, 0.0), written
        v, new = 0.0, drive * (1.0 - math.exp((at - end) / tau))
    return new if end == 1.0 else new * math.exp((end - 1.0) / tau), 0.0, written


@outer("i8(f8[:, :, ::1], f8[:, :, ::1], f8[:, :, ::1], f8[::1], i8, i8[::1], u4[:, ::1])")
def spikes(bands, drives, cells, facts, period_us, counters, events):
    """Move all cells on by the samples of a period, and write their spikes, cell by cell.

    A cell follows tau v' = drive - v, where the drive is a power of what its filter gives above 0 Pa. Within a sample
    it is the mean over that part in which there is any, and for this drive the instant at which v reaches the threshold
    is exact. Then v is 0, and rests.

    Parameters
    ----------
    bands : (n_ears, n_samples, n_channels) float64
        What the filters give.
    drives : (n_ears, n_samples, n_channels) float64
        Its power, where it is above 0.
    cells : (n_ears, 4, n_channels) float64
        V, WAIT, BAND and DRIVE. Changed.
    facts : (5,) float64
        EXPONENT, THRESHOLD, TAU, REST and US.
    period_us : int
    counters : (n,) int64
        LOST is added to.
    events : (n_max, 2) uint32
        Written: time in the period and address, an ear's channels side by side.

    Returns
    -------
    n : int
        How many events were written.
    """
    written, kept, n_channels = 0, math.exp(-1.0 / facts[TAU]), cells.shape[2]
    for ear in range(cells.shape[0]):
        for c in range(n_channels):
            v, wait, last, pushed = cells[ear, V, c], cells[ear, WAIT, c], cells[ear, BAND, c], cells[ear, DRIVE, c]
            for k in range(bands.shape[1]):
                band, drive = bands[ear, k, c], drives[ear, k, c]
                if wait >= 1.0:
                    wait -= 1.0
                elif band <= 0.0 and last <= 0.0 and wait == 0.0:
                    v *= kept
                else:
                    begin, end, mean = _driven(last, band, pushed, drive, facts[EXPONENT])
                    begun_us, address = k * facts[US], ear * n_channels + c
                    v, wait, written = _fire(
                        v, wait, begin, end, mean, kept, facts, begun_us, address, period_us, counters, events, written
                    )
                last, pushed = band, drive
            cells[ear, V, c], cells[ear, WAIT, c] = v if v > SILENT_PA else 0.0, wait
            cells[ear, BAND, c], cells[ear, DRIVE, c] = last, pushed
    return written
