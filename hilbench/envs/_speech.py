"""Made-up words: a voice with two formants and a hiss. It must not know who listens.

A voice is a train of pulses, and each formant a tone that they gate; its frequencies glide from sound to sound.
Formants of /a/, /i/ and /u/ are about those of men in Peterson and Barney (1952, table II). No recording is in it.
"""

from __future__ import annotations

import math
from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

FORMANTS_HZ = {"a": (750.0, 1250.0), "i": (300.0, 2400.0), "u": (350.0, 800.0)}
HISS, NEUTRAL_HZ = "s", (500.0, 1500.0)
"""The sound without a voice, and where formants rest meanwhile."""
ORDERS = list(permutations((*FORMANTS_HZ, HISS)))
WORDS = tuple("".join(ORDERS[k]) for k in (0, 3, 5, 8, 10, 13, 14, 17, 19, 22))
"""Ten orders of the same four sounds, so that what is in a word says nothing, but only when."""
GLIDE_S, LENGTH_S, SECOND, HISS_SHARE = 0.012, 0.42, 0.7, 0.45
"""Time constant of glides, how long a word is, and how loud the second formant and the hiss are beside the first."""


class Voice(NamedTuple):
    """How a word is said."""

    pitch_hz: float
    tract: float
    """What formants are multiplied by: above 1 for a shorter tract."""
    shares: tuple[float, ...]
    """How long each sound is, as a share of the word."""
    begins_s: float
    length_s: float
    level_pa: float
    """Root mean square over the word, 1 m away."""


def voice(random: np.random.Generator, variation: float, tract_std: float, level_pa: float) -> Voice:
    """How a speaker says a word this time: pitch of 90 to 160 Hz, level within 3 dB.

    Parameters
    ----------
    random : numpy Generator
    variation : float
        How much lengths of sounds differ, in ln.
    tract_std : float
        How much the tract does, in ln.
    level_pa : float
        Root mean square, on average.
    """
    shares = np.exp(variation * random.standard_normal(len(WORDS[0])))
    return Voice(
        pitch_hz=random.uniform(90.0, 160.0),
        tract=math.exp(tract_std * random.standard_normal()),
        shares=tuple((shares / shares.sum()).tolist()),
        begins_s=random.uniform(0.02, 0.08),
        length_s=LENGTH_S * random.uniform(0.9, 1.1),
        level_pa=level_pa * 10 ** (random.uniform(-3.0, 3.0) / 20),
    )


def said(random: np.random.Generator, word: str, voice: Voice, n: int, rate_hz: float) -> NDArray[np.float64]:
    """A word as a wave of pressure, (n,) in Pa; what does not fit in is cut off.

    Parameters
    ----------
    random : numpy Generator
        For the hiss.
    word : str
        Of the sounds in FORMANTS_HZ and HISS.
    voice : Voice
    n : int
    rate_hz : float
    """
    at_s = np.arange(n) / rate_hz
    ends_s = voice.begins_s + voice.length_s * np.cumsum((0.0, *voice.shares))
    first_hz, second_hz, voiced, hiss = _glides(word, np.searchsorted(ends_s, at_s, side="right") - 1, rate_hz)
    phase = 2 * np.pi * voice.pitch_hz * np.cumsum(1 - 0.1 * at_s / max(at_s[-1], 1e-9)) / rate_hz
    pulses = np.maximum(0.0, np.cos(phase)) ** 2 + 0.15
    tones = [np.sin(2 * np.pi * voice.tract / rate_hz * np.cumsum(hz)) for hz in (first_hz, second_hz)]
    noise = random.standard_normal(n + 1)
    wave = voiced * pulses * (tones[0] + SECOND * tones[1]) + HISS_SHARE * hiss * (noise[1:] - 0.9 * noise[:-1])
    spoken = wave[voiced + hiss > 0.5]
    return wave * (voice.level_pa / math.sqrt(np.mean(spoken**2)) if spoken.size else 0.0)


def _glides(word: str, part: NDArray[np.int64], rate_hz: float) -> list[NDArray[np.float64]]:
    """Both formants in Hz, and how much voice and hiss there is, at each instant, smoothed by GLIDE_S."""
    rows = [(*FORMANTS_HZ.get(sound, NEUTRAL_HZ), float(sound != HISS), float(sound == HISS)) for sound in word]
    table = np.array([*rows, (*NEUTRAL_HZ, 0.0, 0.0)])  # silence before and after
    wanted = table[np.where((part >= 0) & (part < len(word)), part, len(word))]
    share = -math.expm1(-1.0 / (GLIDE_S * rate_hz))
    return [lfilter([share], [1.0, share - 1.0], each, zi=[each[0] * (1 - share)])[0] for each in wanted.T]
