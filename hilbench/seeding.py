"""Named random streams: a new stream shifts no other, and a name means the same stream on every machine."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def stream(seed: int, name: str) -> np.random.Generator:
    """The generator for `name` ("plant", "sensor", "disturbance", "encoder", "controller", ...) under `seed`."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(crc32(name.encode()),)))
