"""Spike counts of a port's addresses, over one period or through an exponential filter."""

from __future__ import annotations

from math import exp
from typing import Annotated

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from hilbench.types import Events

FilterTime = Annotated[float, Meta(ge=0)]
"""The type of a Config's time constant, in s; 0 for no filter."""
SILENT = 1e-9
"""A filtered count below this is silence: a spike's own is there after about 21 time constants."""


class SpikeCounts:
    """How many spikes each address gave: in the period, or, with a time constant, fading with their age.

    At a period's end, a spike of age a counts exp(-a / tau_s). A spike train of constant rate r has a count of r T
    without a filter and of r tau_s, on average, with one: `per_count_hz` makes a rate of it.

    Parameters
    ----------
    size : int
        How many addresses there are.
    tau_s : float
        The filter's time constant, in s; 0 for the period's count alone.
    period_us : int
        The control period, in microseconds.
    """

    def __init__(self, size: int, tau_s: float, period_us: int) -> None:
        self._counts, self._filtered, self._period_us = np.zeros(size), tau_s > 0, period_us
        self.per_count_hz = 1 / (tau_s or period_us * 1e-6)
        self._per_us = 1e-6 / tau_s if self._filtered else 0.0
        self._decay = exp(-period_us * self._per_us) if self._filtered else 0.0

    def reset(self) -> None:
        """Forget every spike."""
        self._counts[:] = 0

    def update(self, events: Events) -> NDArray[np.float64]:
        """The counts at the end of the period in which these events came: (size,), which holds until the next call."""
        self._counts *= self._decay
        if events.size:
            fresh = np.exp((events["t_us"] - float(self._period_us)) * self._per_us) if self._filtered else None
            self._counts += np.bincount(events["address"], fresh, self._counts.size)
        return self._counts
