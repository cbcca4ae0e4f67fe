"""Named random streams: a new stream changes no other, and a name gives the same stream on every machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from zlib import crc32

import numpy as np

_AT_ONCE = 256


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


class Rows:
    """Random rows one by one, drawn many at once: a draw of a few numbers costs nearly what one of hundreds does.

    Parameters
    ----------
    draw : callable
        Gives as many rows as it is asked for, in a list.
    """

    def __init__(self, draw: Callable[[int], list[Any]]) -> None:
        self._draw = draw
        self._rows: list[Any] = []

    def next(self) -> Any:
        """The next row."""
        if not self._rows:
            self._rows = self._draw(_AT_ONCE)
        return self._rows.pop()
