"""A Network with what a backend has learnt on it, ready to be saved or run elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import NetworkError
from hilbench.nal.model.network import Network
from hilbench.nal.model.projection import Projection
from hilbench.nal.model.rule import Rule, bounds


def learnt(network: Network, snapshot: Mapping[str, NDArray]) -> Network:
    """A copy of `network` with the weights and thresholds of a backend's snapshot. Raises NetworkError.

    Parameters
    ----------
    network : Network
        The network that the backend ran.
    snapshot : mapping of str to NDArray
        `weights/NAME`, (n_synapses,), and `thresholds/NAME`, (size,), for each part with a rule.
    """
    return replace(
        network,
        projections={p.name: _with_weights(p, p.rule, snapshot) if p.rule else p for p in network.projections.values()},
        populations={
            p.name: replace(p, v_threshold=_found(snapshot, f"thresholds/{p.name}", p.size, p.rule)) if p.rule else p
            for p in network.populations.values()
        },
        output_sources=dict(network.output_sources),
        shapes=dict(network.shapes),
    )


def _with_weights(p: Projection, rule: Rule, snapshot: Mapping[str, NDArray]) -> Projection:
    weights = p.weights.copy()
    weights.data[:] = _found(snapshot, f"weights/{p.name}", p.weights.nnz, rule)
    return replace(p, weights=weights)


def _found(snapshot: Mapping[str, NDArray], name: str, size: int, rule: Rule) -> NDArray:
    if name not in snapshot or np.shape(snapshot[name]) != (size,):
        raise NetworkError(f"snapshot: no {name!r} of {size} numbers; it is from another network")
    found = np.asarray(snapshot[name])
    if not np.can_cast(found.dtype, np.float32, "same_kind") or not np.isfinite(found).all():
        raise NetworkError(f"snapshot: {name!r}: allowed: finite numbers")
    found = found.astype(np.float32)
    low, high = (np.float32(bound) for bound in bounds(rule))
    if ((found < low) | (found > high)).any():
        text = f"found {found.min():g} to {found.max():g}; allowed: {low:g} to {high:g}"
        raise NetworkError(f"snapshot: {name!r}: {text}, the bounds of its rule")
    return found
