"""Events that were recorded before, as a plant plays them to its sensors."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hilbench.envs.sensors._base import Carrier


class Playback(NamedTuple):
    """What a plant plays now: of the present sample all, and of the one before what may still be asked for."""

    shape: tuple[int, ...]
    """Of what it was recorded with: (channel,), (y, x) or (y, x, polarity)."""
    t_us: NDArray[np.int64]
    """(n,) In plant time, in order."""
    address: NDArray[np.int64]
    """(n,) In an array of that shape, in C order."""


class Playing(Carrier, Protocol):
    """A plant that plays recordings."""

    def playback(self) -> Playback:
        """What it plays now."""
