"""Weights and thresholds that a number format turns into 0, and neurons that then receive nothing.

A mean error does not show them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.errors import NetworkError

ZEROS_MAX = 0.5
"""The share of a projection's weights, or a population's thresholds, that may become 0 where nobody states another."""
NAMED = 8
"""How many neurons a line names."""


class Zeros(Struct, frozen=True):
    """What became of a projection's weights, or of a population's thresholds, counted from the reset."""

    name: str
    zeros: int
    """Numbers that were other than 0 and now are 0."""
    of: int
    """Numbers that were other than 0."""
    what: Literal["weights", "thresholds"] = "weights"

    def __str__(self) -> str:
        return f"{self.name}: {self.lost}"

    @property
    def lost(self) -> str:
        """How many became 0, in words."""
        counted = ", counted from the reset" if self.what == "thresholds" else ""
        return f"{self.zeros} of {self.of} {self.what} become 0{counted}"

    @property
    def where(self) -> str:
        """Whose they are, in words."""
        return f"{'projection' if self.what == 'weights' else 'population'} {self.name!r}"

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
    """A line for each projection or population that loses more than this share of its weights or thresholds.

    Parameters
    ----------
    zeros : iterable of Zeros
        One for each projection, and each population with thresholds.
    share : float
        The share of weights or thresholds that may become 0.
    """
    return [f"{z.where}: {z.lost}; allowed: up to {share:.0%} (zeros_max)" for z in zeros if z.beyond(share)]


def told(zeros: Iterable[Zeros], inputless: Iterable[Inputless]) -> tuple[str, ...]:
    """A line for all weights and thresholds that become 0, and each population with neurons that lose all input.

    Parameters
    ----------
    zeros : iterable of Zeros
        One for each projection, and each population with thresholds.
    inputless : iterable of Inputless
        One for each population with such neurons.
    """
    return (*(str(z) for z in zeros if z.zeros), *map(str, inputless))


def check_zeros(zeros: Iterable[Zeros], inputless: Iterable[Inputless], share: float) -> tuple[str, ...]:
    """The lines of `told`. Raises NetworkError where more than this share of weights or thresholds is lost.

    Parameters
    ----------
    zeros : iterable of Zeros
        One for each projection, and each population with thresholds.
    inputless : iterable of Inputless
        One for each population with such neurons.
    share : float
        The share of weights or thresholds that may become 0.
    """
    if found := too_many(zeros, share):
        text = "bring the weights nearer together, or state a larger zeros_max"
        raise NetworkError("; ".join([*found, *map(str, inputless), text]))
    return told(zeros, inputless)
