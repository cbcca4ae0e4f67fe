"""Named random streams: a new stream changes no other, and a name gives the same stream on every machine."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """The random generator of a name under a seed.

    Parameters
    ----------
    seed : int
        0 or more.
    name : str
        As "plant", "sensor", "disturbance", "encoder" or "controller".
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(crc32(name.encode()),)))
