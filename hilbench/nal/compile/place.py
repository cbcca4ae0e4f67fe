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
from typing import NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components, reverse_cuthill_mckee

from hilbench.nal.compile.check import Broken
from hilbench.nal.compile.target import Mesh, Most, Target
from hilbench.nal.compile.wiring import Wiring

OWN, CUTHILL_MCKEE, METIS = "the network's own", "reverse Cuthill-McKee", "METIS"
WHOLE = "shared targets'"
"""Orders of the neurons."""
WEIGHT = 2**30
"""Of all connections together, as METIS sees them in whole numbers of 32 bits."""
OPEN = 16
"""Cores that are kept open for whole groups of targets."""
MANY = 5_000_000
"""Connections, counted from either end, beyond which METIS takes too long and is left out."""


class Load(NamedTuple):
    """What a placement takes of each core, (n_cores,) int each, and of each neuron."""

    neurons: NDArray
    axons_in: NDArray
    axons_out: NDArray
    bits: NDArray
    cores_reached: NDArray  # (n_neurons,) int


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


class _Room(NamedTuple):
    """What one core holds, and what each neuron takes of it."""

    neurons: float
    axons_in: float
    axons_out: float
    bits: float
    taken: NDArray  # (n_neurons,) int: bits
    group: NDArray  # (n_neurons,) int: neurons of two groups share no core


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
    room, most = _room(wiring, target), target.cores_per_chip * chips
    cores = {}
    for name, order in _orders(wiring, room, spikes):
        cores[name] = _fill(order[np.argsort(room.group[order], kind="stable")], wiring, room)
    if target.limits.cores_reached is not None:
        cores[WHOLE] = _halved(_pack(wiring, room), np.arange(wiring.n_neurons), wiring, room)
    found = {
        name: (max(0, _count(core) - most), _over(core, wiring, room, target), _messages(core, wiring, spikes))
        for name, core in cores.items()
    }
    name = min(found, key=found.__getitem__)
    core, messages, in_order = cores[name], found[name][2], found[OWN][2]
    return Placement(
        core, _load(core, wiring, room), name, tuple(cores), messages, in_order,
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


def _room(wiring: Wiring, target: Target) -> _Room:
    limits, per_synapse = target.limits, wiring.synapses.sum(axis=1)
    taken = np.zeros(wiring.n_neurons, np.int64)
    if limits.memory is not None:
        taken = limits.memory.bits_per_neuron + limits.memory.bits_per_synapse * per_synapse.astype(np.int64)
    return _Room(
        neurons=target.neurons_per_core or inf,
        axons_in=limits.axons_in.value if limits.axons_in else inf,
        axons_out=limits.axons_out.value if limits.axons_out else inf,
        bits=limits.memory.bits if limits.memory else inf,
        taken=taken,
        group=wiring.group if limits.populations_per_core else np.zeros_like(wiring.group),
    )


def _orders(wiring: Wiring, room: _Room, spikes: NDArray) -> Iterator[tuple[str, NDArray]]:
    own = np.arange(wiring.n_neurons)
    yield OWN, own
    talk = _talk(wiring, spikes)
    if talk.nnz:
        yield CUTHILL_MCKEE, reverse_cuthill_mckee(talk, symmetric_mode=True)
    if 0 < talk.nnz <= MANY and find_spec("pymetis"):
        n_cores = _count(_fill(own, wiring, room))
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
    return np.asarray(pymetis.part_graph(n, graph, eweights=weights.astype(kind))[1])


def _fill(order: NDArray, wiring: Wiring, room: _Room) -> NDArray:
    """Cores for neurons in this order."""
    return _halved(_fill_in(order, wiring, room), order, wiring, room)


def _halved(core: NDArray, order: NDArray, wiring: Wiring, room: _Room) -> NDArray:
    """Cores with too many axons out are halved until none is left that can be."""
    while room.axons_out < inf:
        load = _load(core, wiring, room)
        over = np.flatnonzero((load.axons_out > room.axons_out) & (load.neurons > 1))
        if not over.size:
            break
        core = _halve(core, order, over)
    return core


def _pack(wiring: Wiring, room: _Room) -> NDArray:
    """Cores that hold whole groups of targets with shared sources, the largest first; the rest one by one."""
    whole = np.unique(_sharing(wiring).astype(np.int64) * (1 + room.group.max()) + room.group, return_inverse=True)[1]
    reached = _reached(whole, wiring)
    neurons, bits = np.bincount(whole), np.bincount(whole, room.taken)
    large = (neurons > room.neurons) | (np.diff(reached.indptr) > room.axons_in) | (bits > room.bits)
    rest = np.flatnonzero(large[whole])
    core = _fill_in(rest, wiring, room)
    first = int(core[rest].max()) + 1 if rest.size else 0
    group = np.empty_like(neurons)
    group[whole] = room.group
    number = np.empty_like(neurons)
    held: list[tuple[int, int, int, set[int]]] = []  # of each core: neurons, bits, group and sources
    for i in np.argsort(-neurons, kind="stable"):
        if large[i]:
            continue
        mine = set(reached.indices[reached.indptr[i] : reached.indptr[i + 1]].tolist())
        for at in range(max(0, len(held) - OPEN), len(held) + 1):
            if at == len(held):
                held.append((0, 0, group[i], set()))
            n, b, kind, sources = held[at]
            fits = n + neurons[i] <= room.neurons and b + bits[i] <= room.bits and kind == group[i]
            if fits and len(sources | mine) <= room.axons_in:
                break
        number[i], held[at] = at, (n + neurons[i], b + bits[i], kind, sources | mine)
    return np.where(large[whole], core, first + number[whole])


def _sharing(wiring: Wiring) -> NDArray:
    """(n_neurons,) int: the same number where neurons take from one neuron, or from ones that others tie together."""
    n = wiring.n_neurons
    sent = scipy.sparse.csr_array(wiring.synapses[:, :n])
    starts = np.concatenate([sent.indptr, np.full(n, sent.nnz)])
    both = scipy.sparse.csr_array((np.ones(sent.nnz, np.int32), sent.indices + n, starts), shape=(2 * n, 2 * n))
    return connected_components(both, directed=False)[1][:n]


def _fill_in(order: NDArray, wiring: Wiring, room: _Room) -> NDArray:
    starts, sources = wiring.synapses.indptr.tolist(), wiring.synapses.indices
    group, taken = room.group.tolist(), room.taken.tolist()
    last_core = np.full(wiring.synapses.shape[1], -1)  # that each source was found to reach
    core = np.empty(wiring.n_neurons, np.int64)
    here, neurons, axons, bits, kind = 0, 0, 0, 0, None
    for i in order.tolist():
        mine = sources[starts[i] : starts[i + 1]]
        new = int(np.count_nonzero(last_core[mine] != here))
        fits = (
            neurons < room.neurons and axons + new <= room.axons_in
            and bits + taken[i] <= room.bits and kind in (None, group[i])
        )  # fmt: skip
        if neurons and not fits:
            here, neurons, axons, bits, new = here + 1, 0, 0, 0, mine.size
        core[i], kind = here, group[i]
        neurons, axons, bits = neurons + 1, axons + new, bits + taken[i]
        last_core[mine] = here
    return core


def _halve(core: NDArray, order: NDArray, over: NDArray) -> NDArray:
    """The second half of each of these cores' neurons becomes a core of its own, numbered next to the first."""
    by_core = order[np.argsort(core[order], kind="stable")]
    ends = np.cumsum(np.bincount(core))
    doubled = 2 * core
    for number in over.tolist():
        members = by_core[0 if number == 0 else ends[number - 1] : ends[number]]
        doubled[members[members.size // 2 :]] += 1
    return np.unique(doubled, return_inverse=True)[1]


def _over(core: NDArray, wiring: Wiring, room: _Room, target: Target) -> int:
    """Neurons that reach too many cores, and cores with too many axons out."""
    reach = target.limits.cores_reached
    if reach is None and room.axons_out == inf:
        return 0
    load = _load(core, wiring, room)
    return int((load.axons_out > room.axons_out).sum() + (load.cores_reached > (reach.value if reach else inf)).sum())


def _count(core: NDArray) -> int:
    return int(core.max()) + 1


def _reached(core: NDArray, wiring: Wiring) -> scipy.sparse.csr_array:
    """(n_cores, n_sources): 1 where a source's spikes go to a core."""
    to = scipy.sparse.csr_array((np.ones(core.size, np.int32), (core, np.arange(core.size))))
    found = scipy.sparse.csr_array(to @ wiring.synapses)
    found.data[:] = 1
    return found


def _messages(core: NDArray, wiring: Wiring, spikes: NDArray) -> float:
    reached = _reached(core, wiring).tocoo()
    home = np.concatenate([core, np.full(spikes.size - core.size, -1)])
    return float(spikes[reached.col[home[reached.col] != reached.row]].sum())


def _load(core: NDArray, wiring: Wiring, room: _Room) -> Load:
    reached, n_cores = _reached(core, wiring), _count(core)
    cores_reached = reached.sum(axis=0)[: core.size]
    return Load(
        neurons=np.bincount(core, minlength=n_cores),
        axons_in=reached.sum(axis=1),
        axons_out=np.bincount(core, cores_reached, n_cores).astype(np.int64),
        bits=np.bincount(core, room.taken, n_cores).astype(np.int64),
        cores_reached=cores_reached,
    )


def _hops(core: NDArray, wiring: Wiring, spikes: NDArray, target: Target) -> float | None:
    mesh: Mesh | None = target.mesh
    if mesh is None or _count(core) > target.cores_per_chip:
        return None
    reached = _reached(core, wiring).tocoo()
    inside = reached.col < core.size
    y, x = np.divmod(np.arange(_count(core)) // mesh.cores_per_router, mesh.width)
    to, source = reached.row[inside], reached.col[inside]
    come_from = core[source]
    return float((spikes[source] * (np.abs(x[to] - x[come_from]) + np.abs(y[to] - y[come_from]))).sum())
