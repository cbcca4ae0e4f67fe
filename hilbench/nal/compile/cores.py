"""Filling cores with neurons within what a core holds: in an order, or by groups of targets with shared sources."""

from __future__ import annotations

from math import inf
from typing import NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from hilbench.nal.compile.target import Target
from hilbench.nal.compile.wiring import Wiring

OPEN = 16
"""Cores that are kept open for whole groups of targets."""


class Load(NamedTuple):
    """What a placement takes of each core, (n_cores,) int each, and of each neuron."""

    neurons: NDArray
    axons_in: NDArray
    axons_out: NDArray
    bits: NDArray
    cores_reached: NDArray  # (n_neurons,) int


class Room(NamedTuple):
    """What one core holds, and what each neuron takes of it."""

    neurons: float
    axons_in: float
    axons_out: float
    bits: float
    taken: NDArray  # (n_neurons,) int: bits
    group: NDArray  # (n_neurons,) int: neurons of two groups share no core


def room_of(wiring: Wiring, target: Target) -> Room:
    """What one core of a target holds, and what the neurons take.

    Parameters
    ----------
    wiring : Wiring
        Who sends spikes to whom.
    target : Target
        The hardware.
    """
    limits, per_synapse = target.limits, wiring.synapses.sum(axis=1)
    taken = np.zeros(wiring.n_neurons, np.int64)
    if limits.memory is not None:
        taken = limits.memory.bits_per_neuron + limits.memory.bits_per_synapse * per_synapse.astype(np.int64)
    return Room(
        neurons=target.neurons_per_core or inf,
        axons_in=limits.axons_in.value if limits.axons_in else inf,
        axons_out=limits.axons_out.value if limits.axons_out else inf,
        bits=limits.memory.bits if limits.memory else inf,
        taken=taken,
        group=wiring.group if limits.populations_per_core else np.zeros_like(wiring.group),
    )


def fill(order: NDArray, wiring: Wiring, room: Room) -> NDArray:
    """Cores for neurons in this order.

    Parameters
    ----------
    order : (n_neurons,) int
        All neurons, in the order in which cores are filled.
    wiring : Wiring
        Who sends spikes to whom.
    room : Room
        What one core holds.
    """
    return halved(_fill_in(order, wiring, room), order, wiring, room)


def halved(core: NDArray, order: NDArray, wiring: Wiring, room: Room) -> NDArray:
    """Cores with too many axons out are halved until none is left that can be.

    Parameters
    ----------
    core : (n_neurons,) int
        The core of each neuron.
    order : (n_neurons,) int
        All neurons; a core is cut in two in this order.
    wiring : Wiring
        Who sends spikes to whom.
    room : Room
        What one core holds.
    """
    while room.axons_out < inf:
        load = load_of(core, wiring, room)
        over = np.flatnonzero((load.axons_out > room.axons_out) & (load.neurons > 1))
        if not over.size:
            break
        core = _halve(core, order, over)
    return core


def pack(wiring: Wiring, room: Room) -> NDArray:
    """Cores that hold whole groups of targets with shared sources, the largest first; the rest one by one.

    Parameters
    ----------
    wiring : Wiring
        Who sends spikes to whom.
    room : Room
        What one core holds.
    """
    whole = np.unique(_sharing(wiring).astype(np.int64) * (1 + room.group.max()) + room.group, return_inverse=True)[1]
    reached = reached_by(whole, wiring)
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


def _fill_in(order: NDArray, wiring: Wiring, room: Room) -> NDArray:
    starts, sources = wiring.synapses.indptr.tolist(), wiring.synapses.indices
    counted = room.axons_in < inf  # without a limit, who sends to whom makes no difference
    group, taken = room.group.tolist(), room.taken.tolist()
    nobody = sources[:0]
    last_core = np.full(wiring.synapses.shape[1], -1)  # that each source was found to reach
    core = np.empty(wiring.n_neurons, np.int64)
    here, neurons, axons, bits, kind = 0, 0, 0, 0, None
    for i in order.tolist():
        mine = sources[starts[i] : starts[i + 1]] if counted else nobody
        new = int(np.count_nonzero(last_core[mine] != here)) if counted else 0
        fits = (
            neurons < room.neurons and axons + new <= room.axons_in
            and bits + taken[i] <= room.bits and kind in (None, group[i])
        )  # fmt: skip
        if neurons and not fits:
            here, neurons, axons, bits, new = here + 1, 0, 0, 0, mine.size
        core[i], kind = here, group[i]
        neurons, axons, bits = neurons + 1, axons + new, bits + taken[i]
        if counted:
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


def count(core: NDArray) -> int:
    """How many cores there are."""
    return int(core.max()) + 1


def reached_by(core: NDArray, wiring: Wiring) -> scipy.sparse.csr_array:
    """(n_cores, n_sources): 1 where a source's spikes go to a core.

    Parameters
    ----------
    core : (n_neurons,) int
        The core of each neuron.
    wiring : Wiring
        Who sends spikes to whom.
    """
    to = scipy.sparse.csr_array((np.ones(core.size, np.int32), (core, np.arange(core.size))))
    found = scipy.sparse.csr_array(to @ wiring.synapses)
    found.data[:] = 1
    return found


def load_of(core: NDArray, wiring: Wiring, room: Room) -> Load:
    """What a placement takes of each core, and of each neuron.

    Parameters
    ----------
    core : (n_neurons,) int
        The core of each neuron.
    wiring : Wiring
        Who sends spikes to whom.
    room : Room
        What one core holds.
    """
    reached, n_cores = reached_by(core, wiring), count(core)
    cores_reached = reached.sum(axis=0)[: core.size]
    return Load(
        neurons=np.bincount(core, minlength=n_cores),
        axons_in=reached.sum(axis=1),
        axons_out=np.bincount(core, cores_reached, n_cores).astype(np.int64),
        bits=np.bincount(core, room.taken, n_cores).astype(np.int64),
        cores_reached=cores_reached,
    )
