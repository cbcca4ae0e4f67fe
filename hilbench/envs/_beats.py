"""Made-up heartbeats on one lead: each is a sum of Gaussians, P, Q, R, S and T. They are no patient's.

The idea that five Gaussians around R make a beat is of McSharry et al. 2003, "A dynamical model for generating
synthetic electrocardiogram signals", IEEE Trans. Biomed. Eng. 50(3): 289. Sizes, widths and how they differ are chosen
here.
"""

from __future__ import annotations

from math import exp, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

KINDS = ("normal", "aberrant", "early", "ventricular")
"""An aberrant beat is a wide one that is none of a ventricle's, an early one is narrow: neither alone gives it away."""
VENTRICULAR = KINDS.index("ventricular")
WAVES = ("p", "q", "r", "s", "t")
ABERRANT, EARLY = 0.11, 0.10
"""The shares of all beats that are so."""
INTERVAL_S, LEAST_S = 0.82, 0.33
"""From beat to beat, on average, and at least."""
DRIFT, DRIFT_STEP, JITTER_S = 0.97, 0.02, 0.02
"""The rate wanders: ln of an interval is DRIFT times the last one's plus DRIFT_STEP times N. Each has a jitter too."""
SOON = {"early": (0.62, 0.90), "ventricular": (0.62, 0.95)}
"""By which factor such a beat comes sooner: evenly drawn."""
PAUSE = {"early": 1.1, "ventricular": 1.25}
"""By which factor the beat after it comes later."""
SIZE_STD, WIDTH_STD = 0.12, 0.15
"""How much size and width of beats differ, in ln."""
NARROW_S, WIDE_S = (0.011, 0.011), (0.017, 0.017)
R_WIDTHS_S = {"normal": NARROW_S, "aberrant": WIDE_S, "early": NARROW_S, "ventricular": (0.015, 0.028)}
"""The width of R, a standard deviation: evenly drawn."""


class Wave(NamedTuple):
    """One Gaussian of a kind of beat."""

    size_mv: float
    low: float
    high: float
    """Its size is multiplied by a factor that is drawn evenly between these."""
    at_widths: float = 0.0
    """How far behind R it is, in widths of R."""
    widths: float = 0.0
    """Its own width, in widths of R."""
    at_s: float = 0.0
    """How far behind R it is beside that, at the usual rate."""
    width_s: float = 0.0
    """Its width beside that, at the usual rate."""


_NARROW = (
    Wave(0.12, 0.6, 1.3, at_s=-0.16, width_s=0.022),
    Wave(-0.12, 1.0, 1.0, at_widths=-2.6, widths=1.0),
    Wave(1.0, 0.8, 1.1, widths=1.0),
    Wave(-0.25, 0.5, 1.5, at_widths=2.6, widths=1.1),
    Wave(0.28, 0.5, 1.3, at_s=0.26, width_s=0.05),
)
_WIDE = (
    Wave(0.0, 1.0, 1.0, at_s=-0.16, width_s=0.022),
    Wave(0.0, 1.0, 1.0, at_widths=-2.6, widths=1.0),
    Wave(1.0, 0.7, 1.2, widths=1.0),
    Wave(-0.45, 0.4, 1.4, at_widths=2.4, widths=1.3),
    Wave(-0.22, -0.9, 1.2, at_s=0.28, width_s=0.06),
)
SHAPES = {
    "normal": _NARROW,
    "aberrant": _NARROW,
    "early": (_NARROW[0]._replace(size_mv=0.08), *_NARROW[1:]),
    "ventricular": _WIDE,
}


class Beat(NamedTuple):
    """One beat as it is, before a lead sees it."""

    kind: int
    """Which of `KINDS`."""
    interval_s: float
    """From R of the beat before to its own."""
    waves: NDArray[np.float64]
    """Of each of `WAVES` how far behind R it is in s, its size in mV and its width in s, (5, 3)."""


class Heart:
    """Beats, one after the other.

    Parameters
    ----------
    random : numpy Generator
    rare_share : float
        The share of ventricular beats.
    """

    def __init__(self, random: np.random.Generator, rare_share: float) -> None:
        self._random = random
        self._shares = np.array([1 - ABERRANT - EARLY - rare_share, ABERRANT, EARLY, rare_share])
        self._wander, self._last = 0.0, "normal"

    def beat(self, interval_scale: float = 1.0) -> Beat:
        """The next beat.

        Parameters
        ----------
        interval_scale : float
            What intervals are multiplied by; P and T are nearer to R by its square root.
        """
        random = self._random
        kind = int(random.choice(len(KINDS), p=self._shares))
        name = KINDS[kind]
        self._wander = DRIFT * self._wander + DRIFT_STEP * random.standard_normal()
        interval_s = INTERVAL_S * interval_scale * exp(self._wander) + JITTER_S * random.standard_normal()
        interval_s *= random.uniform(*SOON.get(name, (1.0, 1.0))) * PAUSE.get(self._last, 1.0)
        self._last = name
        return Beat(kind, max(LEAST_S, interval_s), waves_of(random, name, sqrt(interval_scale)))


def waves_of(random: np.random.Generator, name: str, pace: float) -> NDArray[np.float64]:
    """The waves of a beat of a kind, (5, 3), as `Beat.waves`.

    Parameters
    ----------
    random : numpy Generator
    name : str
        One of `KINDS`.
    pace : float
        What places and widths of P and T are multiplied by.
    """
    size, r_width_s = exp(SIZE_STD * random.standard_normal()), exp(WIDTH_STD * random.standard_normal())
    r_width_s *= random.uniform(*R_WIDTHS_S[name])
    found = [
        (
            wave.at_s * pace + wave.at_widths * r_width_s,
            wave.size_mv * size * random.uniform(wave.low, wave.high),
            wave.width_s * pace + wave.widths * r_width_s,
        )
        for wave in SHAPES[name]
    ]
    return np.array(found)


def lead_mv(beat: Beat, at_s: NDArray[np.float64], gains: NDArray[np.float64]) -> NDArray[np.float64]:
    """What a lead shows of a beat, (n,) in mV.

    Parameters
    ----------
    beat : Beat
    at_s : (n,) array
        Instants, from its R on.
    gains : (5,) array
        What the lead multiplies each of `WAVES` by.
    """
    places_s, sizes_mv, widths_s = beat.waves.T
    away = (at_s[:, None] - places_s) / widths_s
    return np.exp(-0.5 * away**2) @ (sizes_mv * gains)


def seen_mv(
    beats: tuple[Beat, Beat, Beat], at_s: NDArray[np.float64], gains: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What a lead shows of a beat, the one before it and the one after it, (n,) in mV.

    Parameters
    ----------
    beats : (Beat, Beat, Beat)
        In their order.
    at_s : (n,) array
        Instants, from R of the middle one on.
    gains : (5,) array
    """
    before, beat, after = beats
    found = lead_mv(beat, at_s, gains) + lead_mv(before, at_s + beat.interval_s, gains)
    return found + lead_mv(after, at_s - after.interval_s, gains)


def wander_mv(at_s: NDArray[np.float64], phase_rad: float) -> NDArray[np.float64]:
    """What breathing and skin add to a lead, (n,) in mV.

    Parameters
    ----------
    at_s : (n,) array
        Instants of the plant.
    phase_rad : float
    """
    return 0.15 * np.sin(2 * np.pi * 0.25 * at_s + phase_rad) + 0.05 * np.sin(2 * np.pi * 0.11 * at_s)


def windows(
    random: np.random.Generator, n: int, rare_share: float, at_s: NDArray[np.float64], gains: NDArray[np.float64],
    interval_scale: float, noise_mv: float,
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:  # fmt: skip
    """Cut-outs of a lead around beats, (n, n_steps) in mV, and which of them are ventricular, (n,).

    Parameters
    ----------
    random : numpy Generator
    n : int
    rare_share : float
        The share of ventricular beats.
    at_s : (n_steps,) array
        Instants, from R of each beat on.
    gains : (5,) array
        What the lead multiplies each of `WAVES` by.
    interval_scale, noise_mv : float
    """
    heart = Heart(random, rare_share)
    beats = [heart.beat(interval_scale) for _ in range(n + 2)]
    found = np.array([seen_mv(each, at_s, gains) for each in zip(beats, beats[1:], beats[2:], strict=False)])
    starts_s = random.uniform(0, 1000, n)
    found += [wander_mv(start_s + at_s, 0.0) for start_s in starts_s]
    found += noise_mv * random.standard_normal(found.shape)
    return found, np.array([beat.kind == VENTRICULAR for beat in beats[1:-1]])
