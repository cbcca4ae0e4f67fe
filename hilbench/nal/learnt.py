"""A Network with what a backend has learnt on it, ready to be saved or run elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import NetworkError
from hilbench.nal.network import Network, Projection


def learnt(network: Network, snapshot: Mapping[str, NDArray]) -> Network:
    """A copy of `network` with the weights and thresholds of a backend's snapshot. Raises NetworkError."""
    return replace(
        network,
        projections={p.name: _with_weights(p, snapshot) if p.rule else p for p in network.projections.values()},
        populations={
            p.name: replace(p, v_threshold=_found(snapshot, f"thresholds/{p.name}", p.size)) if p.rule else p
            for p in network.populations.values()
        },
        **{name: dict(getattr(network, name)) for name in ("taps", "shapes")},
    )


def _with_weights(p: Projection, snapshot: Mapping[str, NDArray]) -> Projection:
    weights = p.weights.copy()
    weights.data[:] = _found(snapshot, f"weights/{p.name}", p.weights.nnz)
    return replace(p, weights=weights)


def _found(snapshot: Mapping[str, NDArray], name: str, size: int) -> NDArray:
    if name not in snapshot or np.shape(snapshot[name]) != (size,):
        raise NetworkError(f"snapshot: no {name!r} of {size} numbers; it is from another network")
    return np.asarray(snapshot[name], np.float32)
