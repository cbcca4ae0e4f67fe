"""Maps of discs and boxes on a square floor, and how far a point is from the nearest of them. NumPy only."""

from __future__ import annotations

from functools import lru_cache
from math import hypot
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.seeding import stream

HALF_M = 5.0
"""The walls stand so far from the middle."""
GAP_M = 0.75
"""The least way between two obstacles."""
N_OBSTACLES = 24
_REACH_M, _TRIES = 4.4, 3000


class Map(NamedTuple):
    """Obstacles as boxes with round edges: a disc has no sides, a box no radius."""

    centre_m: NDArray[np.float64]
    """(n, 2)."""
    half_m: NDArray[np.float64]
    """(n, 2) Half the sides along x and y."""
    radius_m: NDArray[np.float64]
    """(n,)."""

    def clearance_m(self, x_m: float, y_m: float) -> float:
        """The distance from a point to the nearest obstacle or wall; below 0 inside.

        Parameters
        ----------
        x_m, y_m : float
        """
        beyond = np.abs((x_m, y_m) - self.centre_m) - self.half_m
        outside = np.hypot(*np.maximum(beyond, 0.0).T)
        away = outside + np.minimum(beyond.max(axis=1), 0.0) - self.radius_m
        return min(float(away.min()), HALF_M - abs(x_m), HALF_M - abs(y_m))


@lru_cache(maxsize=64)
def made_map(seed: int, number: int) -> Map:
    """A map of 12 discs and 12 boxes, at least `GAP_M` apart.

    Parameters
    ----------
    seed, number : int
        Of a set of maps, and which of it.
    """
    random = stream(seed, f"map.{number}")
    while (found := _tried(random)) is None:
        pass
    return found


def _tried(random: np.random.Generator) -> Map | None:
    """A map, one obstacle after the other; None where the next one finds no room."""
    rows: list[tuple[float, ...]] = []
    for _ in range(_TRIES):
        x, y = random.uniform(-_REACH_M, _REACH_M, 2)
        size = random.uniform(0.25, 0.55)
        box = len(rows) % 2 == 1
        reach = 1.3 * size if box else size  # at least half a box's diagonal
        if all(hypot(x - a, y - b) > reach + other + GAP_M for a, b, other, *_ in rows):
            sides = (size, size * random.uniform(0.6, 0.83)) if box else (0.0, 0.0)
            rows.append((x, y, reach, *sides, 0.0 if box else size))
            if len(rows) == N_OBSTACLES:
                table = np.array(rows)
                return Map(table[:, :2], table[:, 3:5], table[:, 5])
    return None


def blocked_pair(found: Map, random: np.random.Generator) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A start and a goal, (2,) each in m: 5 to 8.5 m apart, free around, with something on the straight way.

    Parameters
    ----------
    found : Map
    random : np.random.Generator
    """
    while True:
        start, goal = random.uniform(-_REACH_M, _REACH_M, (2, 2))
        if not 5.0 < hypot(*(goal - start)) < 8.5:
            continue
        if min(found.clearance_m(*start), found.clearance_m(*goal)) < 0.45:
            continue
        if min(found.clearance_m(*(start + (goal - start) * share)) for share in np.linspace(0, 1, 100)) <= 0.05:
            return start, goal
