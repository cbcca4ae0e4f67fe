"""Weights that a number format turns into 0, and neurons that then receive nothing: what a mean error does not show."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.errors import NetworkError

ZEROS_MAX = 0.5
"""The share of a projection's weights that may become 0 where nobody states another one."""
NAMED = 8
"""How many neurons a line names."""


class Zeros(Struct, frozen=True):
    """What became of a projection's weights."""

    projection: str
    zeros: int
    """Weights that were other than 0 and now are 0."""
    of: int
    """Weights that were other than 0."""

    def __str__(self) -> str:
        return f"{self.projection}: {self.zeros} of {self.of} weights become 0"

    def beyond(self, share: float) -> bool:
        """Whether more than this share was lost."""
        return self.zeros > share * self.of


class Inputless(Struct, frozen=True):
    """Neurons of a population that lose all their input."""

    population: str
    neurons: tuple[int, ...]
    size: int

    def __str__(self) -> str:
        named = ", ".join(map(str, self.neurons[:NAMED])) + ", ..." * (len(self.neurons) > NAMED)
        return f"{self.population}: {len(self.neurons)} of {self.size} neurons lose all their input: {named}"


class Inputs:
    """Which neurons of one population receive anything, before and after."""

    def __init__(self, size: int) -> None:
        self._before, self._after = np.zeros(size, bool), np.zeros(size, bool)

    def add(self, neurons: NDArray, before: NDArray, after: NDArray) -> None:
        """Note input onto these neurons. An input of 0 is none.

        Parameters
        ----------
        neurons : (n,) int
            Who receives it.
        before, after : (n,) float
            What it was, and what it became.
        """
        self._before[neurons[before != 0]] = True
        self._after[neurons[after != 0]] = True

    def lost(self) -> tuple[int, ...]:
        """Those that lose all their input."""
        return tuple(np.flatnonzero(self._before & ~self._after).tolist())


def too_many(zeros: Iterable[Zeros], share: float) -> list[str]:
    """A line for each projection that loses more than this share of its weights.

    Parameters
    ----------
    zeros : iterable of Zeros
        One for each projection.
    share : float
        The share of a projection's weights that may become 0.
    """
    return [f"projection {z.projection!r}: {z.zeros} of {z.of} weights become 0; allowed: up to {share:.0%} (zeros_max)"
            for z in zeros if z.beyond(share)]  # fmt: skip


def told(zeros: Iterable[Zeros], inputless: Iterable[Inputless]) -> tuple[str, ...]:
    """A line for each projection whose weights become 0, and each population with neurons that lose all their input.

    Parameters
    ----------
    zeros : iterable of Zeros
        One for each projection.
    inputless : iterable of Inputless
        One for each population with such neurons.
    """
    return (*(str(z) for z in zeros if z.zeros), *map(str, inputless))


def check_zeros(zeros: Iterable[Zeros], inputless: Iterable[Inputless], share: float) -> tuple[str, ...]:
    """The lines of `told`. Raises NetworkError where a projection loses more than this share of its weights.

    Parameters
    ----------
    zeros : iterable of Zeros
        One for each projection.
    inputless : iterable of Inputless
        One for each population with such neurons.
    share : float
        The share of a projection's weights that may become 0.
    """
    if found := too_many(zeros, share):
        text = "bring the weights nearer together, or state a larger zeros_max"
        raise NetworkError("; ".join([*found, *map(str, inputless), text]))
    return told(zeros, inputless)
