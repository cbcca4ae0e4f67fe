"""Which addresses of a sensor feed which cells, and how late: fields of random places."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.controllers._streams import Stream

PLACES = ("x", "y", "channel")
"""Axes along which neighbours are alike. Of any other, as polarity, a field has one value."""


class Fields(NamedTuple):
    """How cells are fed."""

    n_exciting: int
    n_inhibiting: int
    radius: float
    """How far a field reaches around its middle; 0 for one address."""
    spread: float | None
    """Standard deviation of a cell's other fields around its first; None for anywhere."""
    delay_steps: int
    """The longest delay of a cell's first field, drawn evenly from 0 on."""
    more_steps: int
    """By how much its other fields are late beside that at most."""


def wiring(
    fields: Fields, stream: Stream, n_cells: int, random: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Weights of 1 and -1 and delays in steps, both (n_cells, n_addresses).

    Where fields of a cell overlap, their weights add up and the last one's delay holds.

    Parameters
    ----------
    fields : Fields
    stream : Stream
        The sensor's shape and axes.
    n_cells : int
    random : numpy Generator
    """
    weights, delays = np.zeros((n_cells, stream.n_addresses)), np.zeros((n_cells, stream.n_addresses), np.int64)
    if fields.radius == 0 and fields.spread is None:
        _scatter(fields, weights, random)
        if fields.delay_steps or fields.more_steps:
            delays[:] = random.integers(fields.delay_steps + 1, size=(n_cells, 1))
            delays += random.integers(fields.more_steps + 1, size=delays.shape)
    else:
        places = np.stack(np.unravel_index(np.arange(stream.n_addresses), stream.shape), 1)
        placed = np.array([axis in PLACES for axis in stream.axes])
        for row, late in zip(weights, delays, strict=True):
            _feed(fields, stream.shape, places, placed, row, late, random)
    return weights, delays


def _scatter(fields: Fields, weights: NDArray[np.float64], random: np.random.Generator) -> None:
    """Single addresses from anywhere, none twice of a sign."""
    n = weights.shape[1]
    for sign, count in ((-1.0, fields.n_inhibiting), (1.0, fields.n_exciting)):
        for row in weights:
            np.add.at(row, random.choice(n, min(count, n), replace=False), sign)


def _feed(
    fields: Fields, shape: tuple[int, ...], places: NDArray[np.int64], placed: NDArray[np.bool_],
    row: NDArray[np.float64], late: NDArray[np.int64], random: np.random.Generator,
) -> None:  # fmt: skip
    """Write a cell's weights and delays: discs of places, each of one polarity."""
    sizes = np.array(shape)
    margin = np.minimum(fields.radius, (sizes - 1) / 2) * placed
    first, first_steps = None, int(random.integers(fields.delay_steps + 1))
    for sign in [1.0] * fields.n_exciting + [-1.0] * fields.n_inhibiting:
        middle = random.uniform(margin, sizes - 1 - margin)
        if first is not None and fields.spread is not None:
            middle = np.where(placed, first + fields.spread * random.standard_normal(sizes.size), middle)
        middle = np.where(placed, middle, random.integers(sizes))
        steps = first_steps if first is None else first_steps + int(random.integers(fields.more_steps + 1))
        first = middle if first is None else first
        away = places - middle
        within = ((away * placed) ** 2).sum(1) <= max(fields.radius, 0.5) ** 2
        within &= (away[:, ~placed] == 0).all(1)
        row[within] += sign
        late[within] = steps
