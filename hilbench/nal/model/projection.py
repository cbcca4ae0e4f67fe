"""Synapses between two parts of a Network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.nal.model.forms import Form
from hilbench.nal.model.rule import Rule
from hilbench.nal.model.short_term import ShortTerm


@dataclass(frozen=True, slots=True, eq=False)
class Projection:
    """Synapses from a port or a population onto a population, with a constant input (NIR's Linear and Affine).

    Its arrays are read-only, because an engine may use them in place, by their addresses. Change one with `replace`.
    """

    name: str
    source: str
    target: str
    weights: scipy.sparse.csc_array
    """(n_target, n_source) float32, column by column, so that a source's synapses lie together."""
    bias: NDArray | None = None
    delay_steps: int | NDArray = 0
    """One for all, or (n_synapses,) uint16 in the order of `weights.data`."""
    after_threshold: bool = False
    """Whether what arrives acts after the threshold test of its step, instead of before the membrane's update."""
    rule: Rule | None = None
    form: Form | None = None
    short_term: ShortTerm | None = None

    def __post_init__(self) -> None:
        w = self.weights
        for array in (w.data, w.indices, w.indptr, self.bias, self.delay_steps):
            if isinstance(array, np.ndarray):
                array.flags.writeable = False

    @property
    def at_once(self) -> bool:
        """Whether anything acts on the target's threshold test in the step in which the source sends it."""
        return bool(self.weights.nnz) and not self.after_threshold and self.min_delay_steps == 0

    @property
    def min_delay_steps(self) -> int:
        """The shortest delay of all synapses."""
        return int(np.min(self.delay_steps))

    @property
    def max_delay_steps(self) -> int:
        """The longest delay of all synapses."""
        return int(np.max(self.delay_steps))
