"""A lowered network cut into parts, one for each thread of an engine: every population is cut into as many pieces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.nal.compile.lowered import Column, Lowered, ProjectionRow


def part_bounds(flat: Lowered, n_parts: int) -> NDArray:
    """(n_populations, n_parts + 1) int64: where each part of each population begins, and the last one ends.

    Parameters
    ----------
    flat : Lowered
        The network.
    n_parts : int
        Parts of each population, one a thread.
    """
    lo, hi = flat.populations[:, [Column.LO]], flat.populations[:, [Column.HI]]
    inner = lo + (hi - lo) * np.arange(n_parts) // n_parts
    return np.concatenate([inner, hi], axis=1)


def part_cuts(flat: Lowered, index: int, bounds: NDArray) -> NDArray:
    """(n_source n_parts + 1,) int64: a projection's synapses from source s onto part j begin at cuts[s n_parts + j].

    Parameters
    ----------
    flat : Lowered
        The network.
    index : int
        The projection's place in `flat.projections`.
    bounds : (n_populations, n_parts + 1) int64
        What `part_bounds` gave.
    """
    synapses, link = flat.synapses[index], flat.links[index]
    n_parts = bounds.shape[1] - 1
    if n_parts == 1:
        return synapses.starts
    inner = (
        bounds[flat.populations[:, Column.LO] == link[ProjectionRow.TARGET_LO], 1:-1][0] - link[ProjectionRow.TARGET_LO]
    )
    cuts = np.empty((link[ProjectionRow.N_SOURCE], n_parts), np.int64)
    for s in range(link[ProjectionRow.N_SOURCE]):
        a, b = synapses.starts[s : s + 2]
        cuts[s, 0], cuts[s, 1:] = a, a + np.searchsorted(synapses.targets[a:b], inner)
    return np.append(cuts.ravel(), synapses.starts[-1])
