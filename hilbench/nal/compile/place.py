"""Placing: which neuron goes to which core, within a core's limits and with little traffic between cores.

Every order of the neurons gives a placement: cores are filled one after the other, and a new one is begun where the
next neuron does not fit. The network's own order is one candidate. Others put together what talks to each other:
reverse Cuthill-McKee, and the parts of METIS where it is installed. Where a neuron may reach few cores only, one more
keeps the targets that share sources on one core. The one that breaks least stays, and of those the one with the least
traffic, which is then never above that of the network's own order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from math import inf

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.csgraph import reverse_cuthill_mckee

from hilbench.nal.compile.check import Broken
from hilbench.nal.compile.cores import Load, Room, count, fill, halved, load_of, pack, reached_by, room_of
from hilbench.nal.compile.target import Mesh, Most, Target
from hilbench.nal.compile.wiring import Wiring

OWN, CUTHILL_MCKEE, METIS = "the network's own", "reverse Cuthill-McKee", "METIS"
WHOLE = "shared targets'"
"""Orders of the neurons."""
WEIGHT = 2**30
"""Of all connections together, as METIS sees them in whole numbers of 32 bits."""
FEW = 30
"""Neurons in a part, below which METIS's k-way method makes no coarser graph of all: it only cuts in two, again and
again, several times over. Its recursive method does that once, in a tenth of the time.
"""
MANY = 5_000_000
"""Connections, counted from either end, beyond which METIS takes too long and is left out."""


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Neurons on cores, numbered from 0 without a gap, and the traffic that this makes."""

    core: NDArray  # (n_neurons,) int
    load: Load
    order: str
    """Which candidate it is, of those that were tried."""
    tried: tuple[str, ...]
    messages: float
    """Spikes times the other cores that each goes to, and events of inputs times all of theirs."""
    messages_in_order: float
    """The same in the network's own order."""
    hops: float | None
    """Routers that those between neurons go on to; None where the target has no mesh, or one chip is too small."""


def place(wiring: Wiring, target: Target, spikes: NDArray, chips: int = 1) -> Placement:
    """The best placement found.

    Cores beyond those of the chips weigh most, then what is over the limit of cores reached or axons out, then traffic.

    Parameters
    ----------
    wiring : Wiring
        Who sends spikes to whom.
    target : Target
        The hardware.
    spikes : (n_sources,) float64
        How many spikes, or events, each source sends.
    chips : int
        How many chips there are.
    """
    room, most = room_of(wiring, target), target.cores_per_chip * chips
    cores = {}
    for name, order in _orders(wiring, room, spikes):
        cores[name] = fill(order[np.argsort(room.group[order], kind="stable")], wiring, room)
    if target.limits.cores_reached is not None:
        cores[WHOLE] = halved(pack(wiring, room), np.arange(wiring.n_neurons), wiring, room)
    found = {
        name: (max(0, count(core) - most), _over(core, wiring, room, target), _messages(core, wiring, spikes))
        for name, core in cores.items()
    }
    name = min(found, key=found.__getitem__)
    core, messages, in_order = cores[name], found[name][2], found[OWN][2]
    return Placement(
        core, load_of(core, wiring, room), name, tuple(cores), messages, in_order,
        _hops(core, wiring, spikes, target),
    )  # fmt: skip


def broken(placement: Placement, target: Target, chips: int = 1) -> list[Broken]:
    """The limits of cores that this placement breaks.

    Either one neuron is too large for any core, or no better placement was found; the text of the limit says which.

    Parameters
    ----------
    placement : Placement
        What `place` found.
    target : Target
        The hardware.
    chips : int
        How many chips there are.
    """
    limits, load = target.limits, placement.load
    lines = []
    n_cores, most = load.neurons.size, target.cores_per_chip * chips
    if n_cores > most:
        sure = load.neurons.sum() > most * (target.neurons_per_core or inf)
        found = str(n_cores) if sure else f"no placement on fewer than {n_cores}"
        lines.append(Broken("cores", "network", found, f"{most} on {chips} chip{'s' * (chips > 1)}"))
    for name, limit, taken in (
        ("axons_in", _value(limits.axons_in), load.axons_in),
        ("axons_out", _value(limits.axons_out), load.axons_out),
        ("memory bits", None if limits.memory is None else limits.memory.bits, load.bits),
    ):
        if limit is not None and (over := int((taken > limit).sum())):
            where = f"core {int(taken.argmax())}" + (f" and {over - 1} more" if over > 1 else "")
            worst = _unkept(taken) if name == "axons_out" else str(int(taken.max()))
            lines.append(Broken(name, where, worst, str(limit)))
    reach = limits.cores_reached
    if reach is not None and (over := int((load.cores_reached > reach.value).sum())):
        where = f"{over} neuron{'s' * (over > 1)}"
        lines.append(Broken("cores_reached", where, _unkept(load.cores_reached), str(reach.value)))
    return lines


def _value(limit: Most | None) -> int | None:
    return None if limit is None else limit.value


def _unkept(found: NDArray) -> str:
    return f"no placement that keeps it, up to {int(found.max())} in the best one"


def _orders(wiring: Wiring, room: Room, spikes: NDArray) -> Iterator[tuple[str, NDArray]]:
    own = np.arange(wiring.n_neurons)
    yield OWN, own
    talk = _talk(wiring, spikes)
    if talk.nnz:
        yield CUTHILL_MCKEE, reverse_cuthill_mckee(talk, symmetric_mode=True)
    if 0 < talk.nnz <= MANY and find_spec("pymetis"):
        n_cores = count(fill(own, wiring, room))
        if n_cores > 1:
            yield METIS, np.argsort(_parts(talk, n_cores), kind="stable")


def _talk(wiring: Wiring, spikes: NDArray) -> scipy.sparse.csr_array:
    """(n_neurons, n_neurons) how much each pair of neurons sends each other."""
    sent = wiring.synapses[:, : wiring.n_neurons].astype(np.float64)
    sent.data = spikes[sent.indices].astype(np.float64)
    return scipy.sparse.csr_array(sent + sent.T)


def _parts(talk: scipy.sparse.csr_array, n: int) -> NDArray:
    """(n_neurons,) int: the part that METIS puts each neuron in."""
    import pymetis

    source = np.repeat(np.arange(talk.shape[0]), np.diff(talk.indptr))
    apart = source != talk.indices
    starts = np.concatenate([[0], np.cumsum(np.bincount(source[apart], minlength=talk.shape[0]))])
    sent = talk.data[apart]
    weights = 1 + np.floor(sent * ((WEIGHT - sent.size) / max(sent.sum(), 1e-300)))
    kind = pymetis.zero_copy_dtype()
    graph = pymetis.CSRAdjacency(starts.astype(kind), talk.indices[apart].astype(kind))
    recursive = True if talk.shape[0] < FEW * n else None  # None: METIS's own rule
    return np.asarray(pymetis.part_graph(n, graph, eweights=weights.astype(kind), recursive=recursive)[1])


def _over(core: NDArray, wiring: Wiring, room: Room, target: Target) -> int:
    """Neurons that reach too many cores, and cores with too many axons out."""
    reach = target.limits.cores_reached
    if reach is None and room.axons_out == inf:
        return 0
    load = load_of(core, wiring, room)
    return int((load.axons_out > room.axons_out).sum() + (load.cores_reached > (reach.value if reach else inf)).sum())


def _messages(core: NDArray, wiring: Wiring, spikes: NDArray) -> float:
    reached = reached_by(core, wiring).tocoo()
    home = np.concatenate([core, np.full(spikes.size - core.size, -1)])
    return float(spikes[reached.col[home[reached.col] != reached.row]].sum())


def _hops(core: NDArray, wiring: Wiring, spikes: NDArray, target: Target) -> float | None:
    mesh: Mesh | None = target.mesh
    if mesh is None or count(core) > target.cores_per_chip:
        return None
    reached = reached_by(core, wiring).tocoo()
    inside = reached.col < core.size
    y, x = np.divmod(np.arange(count(core)) // mesh.cores_per_router, mesh.width)
    to, source = reached.row[inside], reached.col[inside]
    come_from = core[source]
    return float((spikes[source] * (np.abs(x[to] - x[come_from]) + np.abs(y[to] - y[come_from]))).sum())
