"""A Network with what a backend has learnt on it, ready to be saved or run elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import NetworkError
from hilbench.files import regular, write_whole
from hilbench.nal.model.network import Network
from hilbench.nal.model.projection import Projection
from hilbench.nal.model.rule import Rule, bounds

LEARNT = "learnt.npz"
"""What a run with `loop.keep_weights` leaves in its folder."""
SEED = "seed"
"""In that file: from which the network was drawn."""


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


def write_learnt(folder: Path, snapshot: Mapping[str, NDArray], seed: int) -> list[str]:
    """Write what a snapshot says of weights and thresholds into a folder; return their names, none where it has none.

    Raises OSError.

    Parameters
    ----------
    folder : Path
        A run's folder.
    snapshot : mapping of str to NDArray
        A backend's, with `weights/NAME` and `thresholds/NAME` among its arrays.
    seed : int
        From which the network was drawn: what was learnt is of use to the same neurons alone.
    """
    found: dict[str, Any] = {
        name: array for name, array in snapshot.items() if name.startswith(("weights/", "thresholds/"))
    }
    if found:
        data = BytesIO()
        np.savez_compressed(data, **found, **{SEED: np.uint64(seed)})
        write_whole(folder / LEARNT, data.getvalue())
    return sorted(found)


def read_learnt(path: Path) -> tuple[dict[str, NDArray], int]:
    """What `write_learnt` wrote, from its file or the folder it is in: weights and thresholds, and the seed.

    Raises NetworkError.
    """
    file = path / LEARNT if path.is_dir() else path
    try:
        with np.load(BytesIO(regular(file).read_bytes()), allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        return arrays, int(arrays.pop(SEED))
    except (OSError, ValueError, TypeError, KeyError, EOFError, BadZipFile) as error:
        needs = "the folder of a run with loop.keep_weights = true, or its learnt.npz"
        raise NetworkError(f"{file.name} is not readable ({error}); allowed: {needs}") from None


def check_used(kept: Iterable[str], network: Network) -> None:
    """Raise NetworkError for weights or thresholds that nothing of a network would take.

    Parameters
    ----------
    kept : iterable of str
        Their names, as `read_learnt` has them.
    network : Network
    """
    ruled = {f"weights/{p.name}" for p in network.projections.values() if p.rule}
    ruled |= {f"thresholds/{p.name}" for p in network.populations.values() if p.rule}
    for name in sorted({*kept} - ruled):
        raise NetworkError(
            f"{name!r} would not be used, for no rule stands there; allowed: the rules that learnt it, with"
            " loop.learning = false where they are to learn no more"
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
