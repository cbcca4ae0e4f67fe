"""What two clocks say of a latency: offsets as NTP finds them, from exchanges of a frame out and a frame back.

Arrays in, arrays out. Exchange i has four stamps: out_ns when the frame left here, there_ns when it came there, back_ns
when the answer left there, home_ns when it came here. There is the other clock. The offset of that clock is
((there - out) + (back - home)) / 2, wrong by at most half of the time that the two ways took, however that divides
(Mills 1991, "Internet time synchronization: the Network Time Protocol", IEEE Trans. Commun. 39: 1482).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

WINDOW_S = 1.0
"""Offsets are found anew in every such time, so that clocks may drift apart."""
DRIFT = 100e-6
"""By how much two clocks may run apart within it, as a share: quartz without temperature control."""
STAMPS = ("sense_sent_s", "sense_arrived_s", "act_sent_s", "act_taken_s")
"""The info of a plant that is a robot: the stamps of its newest SENSE and ACT, in s; -1 where there is none."""
READ, AGE = "sense_read_s", "sense_age_s"
"""When its sensors were read, by its own clock, and how long ago that SENSE had arrived when the loop looked."""


class Offsets(NamedTuple):
    """The other clock less this one, for each exchange, and by how much that may be wrong; both in s."""

    offset_s: NDArray[np.float64]
    error_s: NDArray[np.float64]


def round_trips_s(
    out_s: NDArray[np.float64], there_s: NDArray[np.float64], back_s: NDArray[np.float64], home_s: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How long both ways took together, without the time between them. No clock is compared with the other.

    Parameters
    ----------
    out_s, home_s : (n,) float
        When the frame left here and the answer came here, in s of this clock.
    there_s, back_s : (n,) float
        When the frame came there and the answer left there, in s of the other clock.
    """
    return (home_s - out_s) - (back_s - there_s)


def offsets(
    out_s: NDArray[np.float64], there_s: NDArray[np.float64], back_s: NDArray[np.float64], home_s: NDArray[np.float64]
) -> Offsets:
    """The offset for each exchange: that of the one with the least round trip in the same second.

    Parameters
    ----------
    out_s, there_s, back_s, home_s
        As in `round_trips_s`.
    """
    trip_s = round_trips_s(out_s, there_s, back_s, home_s)
    own_s = ((there_s - out_s) + (back_s - home_s)) / 2
    found = Offsets(np.zeros_like(trip_s), np.zeros_like(trip_s))
    window = np.floor(home_s / WINDOW_S).astype(np.int64)
    for each in np.unique(window):
        inside = np.flatnonzero(window == each)
        best = inside[np.argmin(trip_s[inside])]
        found.offset_s[inside] = own_s[best]
        found.error_s[inside] = max(trip_s[best], 0.0) / 2 + DRIFT * WINDOW_S
    return found
