"""What a reader of a Tick or a Reply may do to it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields

import numpy as np

from hilbench.types import Reply, Tick


def mistreat(message: Tick | Reply) -> list[np.ndarray]:
    """Resize, overwrite and replace each of its arrays; the foreign arrays that stand in it now."""
    foreign = []
    for field in fields(message):
        array = getattr(message, field.name)
        if isinstance(array, np.ndarray):
            with suppress(ValueError):  # a view cannot be resized
                array.resize(array.size + 10_000, refcheck=False)
            with suppress(ValueError):  # read-only
                array.view(np.uint8)[:] = 0x47
            foreign.append(np.full(array.size + 3, 7).astype(array.dtype))
            setattr(message, field.name, foreign[-1])
    return foreign


def untouched(foreign: list[np.ndarray]) -> bool:
    """Whether nobody has written over the arrays that `mistreat` put in."""
    return all((array == np.full(array.size, 7).astype(array.dtype)).all() for array in foreign)
