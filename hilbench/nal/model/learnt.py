"""A Network with what a backend has learnt on it, ready to be saved or run elsewhere."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from io import BytesIO
from operator import index
from pathlib import Path
from typing import Any, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import NetworkError
from hilbench.files import regular, write_whole
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import PARAMETERS, Behaviour
from hilbench.nal.model.projection import Projection
from hilbench.nal.model.rule import Rule, bounds

LEARNT = "learnt.npz"
"""What a run with `loop.keep_weights` leaves in its folder."""
SEED = "seed"
"""In that file: from which the network was drawn."""
DRAWN = "drawn/"
"""In that file: before the name of a part, what tells its constants from another network's."""
SAME = 1e-5
"""By how much of the sum of the sizes they may differ: about a hundred roundings of float32."""
UNREADABLE = (
    *(OSError, ValueError, TypeError, KeyError, EOFError, OverflowError, MemoryError),
    *(RuntimeError, BadZipFile, zlib.error),
)
"""What NumPy and zipfile raise over files that are damaged, or none of theirs."""


class Kept(NamedTuple):
    """What a run has left of its network."""

    arrays: dict[str, NDArray]
    """`weights/NAME` and `thresholds/NAME`."""
    seed: int
    """From which the network was drawn."""
    drawn: dict[str, NDArray]
    """By part, as `drawn` has it; empty in a file of an earlier version."""


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


def drawn(network: Network) -> dict[str, NDArray]:
    """What is not learnt, (4,) for each part, to tell it from another network's.

    Of a part's constants how many, the sum of their sizes, and a sum that depends on their order, which are equal on
    all processors but for rounding; then a checksum of what has no rounding, as which neurons its synapses join.
    What was learnt is of use to the same neurons alone: those drawn from one seed with one set of settings.

    Parameters
    ----------
    network : Network
    """
    found, step = {}, (network.dt_us, float(network.spike_amplitude))
    for p in network.projections.values():
        arrays = [p.bias, np.asarray(p.delay_steps, float), *([] if p.rule else [p.weights.data])]
        ends = [np.asarray(p.weights.indices, np.int64), np.asarray(p.weights.indptr, np.int64)]
        found[p.name] = _told(arrays, step, p.source, p.target, p.after_threshold, *(end.tobytes() for end in ends))
    for n in network.populations.values():
        arrays = [getattr(n, name) for name in PARAMETERS[n.kind] if name != "v_threshold" or n.rule is None]
        found[n.name] = _told(arrays, step, n.kind, *map(int, n.shape), *_stated(n.behaviour))
    return found


def _told(arrays: Iterable[NDArray | None], *exact: object) -> NDArray:
    values = np.concatenate([np.ravel(array).astype(float) for array in arrays if array is not None] or [np.zeros(0)])
    order = np.cos(np.arange(values.size))
    return np.array([values.size, np.abs(values).sum(), values @ order, zlib.crc32(repr(exact).encode())], float)


def _stated(behaviour: Behaviour) -> list[tuple[str, object]]:
    """What differs from the defaults: a field that a later version adds changes nothing."""
    usual = Behaviour()
    named = ((name, getattr(behaviour, name)) for name in behaviour.__struct_fields__)
    return [(name, value) for name, value in named if value != getattr(usual, name)]


def write_learnt(folder: Path, snapshot: Mapping[str, NDArray], program: object, seed: int) -> list[str]:
    """Write what a snapshot says of weights and thresholds into a folder; return their names, none where it has none.

    Raises OSError.

    Parameters
    ----------
    folder : Path
        A run's folder.
    snapshot : mapping of str to NDArray
        A backend's, with `weights/NAME` and `thresholds/NAME` among its arrays.
    program : Program
        What the backend ran; a Network, or something that has no weights.
    seed : int
        From which the program was drawn.
    """
    found: dict[str, Any] = {
        name: array for name, array in snapshot.items() if name.startswith(("weights/", "thresholds/"))
    }
    if found:
        found[SEED] = np.uint64(seed)
        if isinstance(program, Network):
            found |= {DRAWN + name: told for name, told in drawn(program).items()}
        data = BytesIO()
        np.savez_compressed(data, **found)
        write_whole(folder / LEARNT, data.getvalue())
    return sorted(name for name in found if "/" in name and not name.startswith(DRAWN))


def read_learnt(path: Path) -> Kept:
    """What `write_learnt` wrote, from its file or the folder it is in. Raises NetworkError."""
    file = path / LEARNT if path.is_dir() else path
    try:
        with np.load(BytesIO(regular(file).read_bytes()), allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        seed = index(arrays.pop(SEED))
        told = {name.removeprefix(DRAWN): arrays.pop(name) for name in list(arrays) if name.startswith(DRAWN)}
        if seed < 0 or any(array.shape != (4,) or array.dtype.kind != "f" for array in told.values()):
            raise ValueError("a seed below 0, or other numbers of its neurons than there are")
        return Kept(arrays, seed, told)
    except UNREADABLE as error:
        needs = "the folder of a run with loop.keep_weights = true, or its learnt.npz"
        raise NetworkError(f"{file.name} is not readable ({error}); allowed: {needs}") from None


def check_fits(kept: Kept, network: Network) -> None:
    """Raise NetworkError for what nothing of a network would take, and for what other neurons have learnt.

    Parameters
    ----------
    kept : Kept
        As `read_learnt` gives it.
    network : Network
    """
    ruled = {f"weights/{p.name}" for p in network.projections.values() if p.rule}
    ruled |= {f"thresholds/{p.name}" for p in network.populations.values() if p.rule}
    for name in sorted({*kept.arrays} - ruled):
        raise NetworkError(
            f"{name!r} would not be used, for no rule stands there; allowed: the rules that learnt it, with"
            " loop.learning = false where they are to learn no more"
        )
    own = drawn(network)
    for name, told in sorted(kept.drawn.items()):
        if name not in own or not _same(told, own[name]):
            raise NetworkError(
                f"{name!r} is not as it was where this was learnt; allowed: that scenario's controller, with the"
                " settings of that run but for its rules'"
            )


def _same(told: NDArray, own: NDArray) -> bool:
    return bool(told[3] == own[3] and np.all(np.abs(told[:3] - own[:3]) <= SAME * own[1] + 1e-9))


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
