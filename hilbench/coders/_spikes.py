"""Spikes at given rates, evenly spaced or by a Poisson process, and events made of times and addresses."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hilbench.seeding import stream
from hilbench.types import EVENT, NO_EVENTS, Events

Spacing = Literal["regular", "poisson"]
MOST_HZ = 1e6
"""The highest rate: an event in each microsecond."""


def events_at(t_us: NDArray, address: NDArray) -> Events:
    """Events in order of time; of equal times the first stays first.

    Parameters
    ----------
    t_us : (n,) int
        Microseconds since the window's start.
    address : (n,) int
    """
    order = np.argsort(t_us, kind="stable")
    events = np.empty(order.size, EVENT)
    events["t_us"], events["address"] = t_us[order], address[order]
    return events


def repeats(counts: NDArray) -> tuple[NDArray, NDArray]:
    """For counts of 2, 0, 1: which of them (0, 0, 2), and the how manieth of it (0, 1, 0)."""
    which = np.repeat(np.arange(counts.size), counts)
    return which, np.arange(which.size) - (np.cumsum(counts) - counts)[which]


def spikes(spacing: Spacing, n: int, period_us: int, name: str) -> Regular | Poisson:
    """What makes the spikes of `n` addresses from their rates, tick by tick.

    Parameters
    ----------
    spacing : str
        "regular" or "poisson".
    n : int
        How many addresses.
    period_us : int
        The control period, in microseconds.
    name : str
        What tells this encoder's random numbers from another's.
    """
    return Regular(n, period_us) if spacing == "regular" else Poisson(period_us, name)


class Regular:
    """An address spikes whenever its phase, the integral of its rate since the reset, reaches a whole number.

    Parameters
    ----------
    n : int
        How many addresses.
    period_us : int
        The control period, in microseconds.
    """

    def __init__(self, n: int, period_us: int) -> None:
        self._phase, self._period_us = np.zeros(n), period_us

    def reset(self, seed: int) -> None:
        """Start an episode with phases of 0."""
        self._phase[:] = 0

    def __call__(self, rates_hz: NDArray) -> Events:
        """The next tick's spikes.

        Phases lie between 0 and 1, both up to rounding: the margin of 1e-9 keeps a whole number of intervals whole.
        """
        phase = self._phase
        per_us = rates_hz * 1e-6
        reached = phase + per_us * self._period_us
        counts = np.floor(reached + 1e-9)
        which, k = repeats(counts.astype(np.int64))
        if not which.size:
            phase[:] = reached
            return NO_EVENTS
        t_us = np.ceil((k + 1 - phase[which]) / per_us[which] - 1e-6) - 1
        np.subtract(reached, counts, out=phase)
        return events_at(np.clip(t_us, 0, self._period_us - 1).astype(np.int64), which)


class Poisson:
    """Spikes of a Poisson process: a tick's counts by its rates, and their times uniform within the tick.

    Parameters
    ----------
    period_us : int
        The control period, in microseconds.
    name : str
        What tells this encoder's random numbers from another's.
    """

    def __init__(self, period_us: int, name: str) -> None:
        self._period_us, self._name = period_us, name

    def reset(self, seed: int) -> None:
        """Start an episode: the seed decides all counts and times."""
        self._random = stream(seed, f"encoder.{self._name}")

    def __call__(self, rates_hz: NDArray) -> Events:
        """The next tick's spikes."""
        counts = self._random.poisson(rates_hz * (1e-6 * self._period_us))
        which, _ = repeats(counts)
        return events_at(self._random.integers(0, self._period_us, which.size), which) if which.size else NO_EVENTS
