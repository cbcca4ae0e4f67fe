"""What ears hear: sources of sound and a room, as plain arrays. No filters here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilbench.envs.sensors._base import Carrier

MOST_ECHOES = 2000
"""A room has at most so many images of each source."""


class Ear(NamedTuple):
    """Where an ear is, and what its microphone does."""

    x_m: float
    y_m: float
    z_m: float
    out_x: float
    out_y: float
    out_z: float
    """The direction in which it looks, away from the head's middle; of length 1."""
    gain: float = 1.0
    delay_s: float = 0.0
    """What the microphone adds to the time of sound."""


class Room:
    """A box whose walls throw sound back, by images of the source behind them (Allen and Berkley 1979, eq. 9 and 10).

    Parameters
    ----------
    size_m : (3,) float
        Along x, y and z.
    reflection : float
        What a wall leaves of the pressure, at all frequencies, from 0 to 1.
    order : int
        Off how many walls, one after the other, a sound is thrown at most.
    corner_m : (3,) float
        The corner with the least x, y and z.

    Raises ValueError for other sizes, and for an order with more than 2000 images.
    """

    def __init__(
        self, size_m: Sequence[float], reflection: float, order: int, corner_m: Sequence[float] = (0.0, 0.0, 0.0)
    ) -> None:
        sizes = all(0 < size < np.inf for size in size_m)
        if not (len(size_m) == len(corner_m) == 3 and sizes and np.isfinite(corner_m).all()):
            raise ValueError(f"found size_m {size_m}, corner_m {corner_m}; allowed: three numbers, sizes above 0")
        if not (0 <= reflection <= 1 and 0 <= order <= 12):
            raise ValueError(f"found reflection {reflection}, order {order}; allowed: 0 to 1, and 0 to 12")
        rows = list(_images(size_m, reflection, order, corner_m))
        if len(rows) > MOST_ECHOES:
            raise ValueError(f"order: found {order}, with {len(rows)} images; allowed: up to {MOST_ECHOES}")
        self.echoes = np.array(rows, float)
        """(n_echoes, 7), a row for each image: of x, y and z a sign, -1 where it is mirrored, then what is added to
        each in m, and the gain. The source itself comes first.
        """


def _images(size_m: Sequence[float], reflection: float, order: int, corner_m: Sequence[float]):
    """The images of a source up to an order, the nearest orders first."""
    reach = range(-(order // 2 + 1), order // 2 + 2)
    found = []
    for mirrored in product((0, 1), repeat=3):
        for cells in product(reach, repeat=3):
            # |l - u| + |l| walls of each axis, for image (1 - 2 u) x + 2 l size
            walls = sum(abs(cell - u) + abs(cell) for cell, u in zip(cells, mirrored, strict=True))
            if walls <= order:
                found.append((walls, mirrored, cells))
    for walls, mirrored, cells in sorted(found):
        signs = [1 - 2 * u for u in mirrored]
        shifts = [
            2 * cell * size + (2 * corner if u else 0.0)
            for cell, size, corner, u in zip(cells, size_m, corner_m, mirrored, strict=True)
        ]
        yield (*signs, *shifts, reflection**walls)


OPEN_AIR = np.array([[1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 1.0]])
"""The echoes of a source without a room: itself."""


class Sounds:
    """What there is to be heard. A plant moves sources, starts them and writes their waves in place, while ears listen.

    Parameters
    ----------
    waves : (n_sources, n_samples) float
        The pressure 1 m away from each source, in Pa. It falls with the distance. Before its first sample and after its
        last one a source is silent.
    rate_hz : float
        Samples in a second. What is above half of a cochlea's own rate folds back in it.
    room : Room, optional
        The open air when absent.
    """

    def __init__(self, waves: ArrayLike, rate_hz: float, room: Room | None = None) -> None:
        self.waves: NDArray[np.float64] = np.array(waves, float, order="C")
        if self.waves.ndim != 2 or not self.waves.size or not np.isfinite(self.waves).all():
            raise ValueError("waves are an array of two dimensions, a row for each source, with finite numbers")
        if not 0 < rate_hz < np.inf:
            raise ValueError(f"rate_hz: found {rate_hz}; allowed: more than 0")
        self.rate_hz = rate_hz
        self.echoes = OPEN_AIR if room is None else room.echoes
        self.places_m = np.zeros((len(self.waves), 3))
        """Where each source is now, (n_sources, 3)."""
        self.starts_s = np.zeros(len(self.waves))
        """When the first sample of each leaves it, in plant time; it may lie ahead."""


class Heard(Carrier, Protocol):
    """A plant with ears."""

    def sounds(self) -> Sounds:
        """What there is to be heard at this instant. The same Sounds each time costs nothing."""

    def ear(self, name: str) -> Ear:
        """Where the ear of that name is. Raises ScenarioError where there is none."""


def band_noise(
    random: np.random.Generator, n: int, rate_hz: float, low_hz: float, high_hz: float, rms_pa: float,
    ramp_s: float = 0.0,
) -> NDArray[np.float64]:  # fmt: skip
    """Gaussian noise of a band, flat within it, as a burst that may rise and fall by half a cosine each, (n,) in Pa.

    Parameters
    ----------
    random : numpy Generator
    n : int
        How many samples, 2 or more.
    rate_hz : float
    low_hz, high_hz : float
        The band's edges.
    rms_pa : float
        Its root mean square before the ramps.
    ramp_s : float
        How long it takes to rise, and to fall.
    """
    hz = np.fft.rfftfreq(n, 1 / rate_hz)
    bins = np.where((hz >= low_hz) & (hz <= high_hz), random.standard_normal((2, hz.size)), 0.0)
    wave = np.fft.irfft(bins[0] + 1j * bins[1], n)
    rms = np.sqrt(np.mean(wave * wave))
    if rms == 0:
        raise ValueError(f"found {low_hz:g} to {high_hz:g} Hz; allowed: a band within half of {rate_hz:g} Hz")
    n_ramp = min(round(ramp_s * rate_hz), n // 2)
    rise = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n_ramp) + 0.5) / max(n_ramp, 1))
    wave[:n_ramp] *= rise
    wave[n - n_ramp :] *= rise[::-1]
    return wave * (rms_pa / rms)
