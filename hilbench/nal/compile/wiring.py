"""Who sends spikes to whom, neuron by neuron: what placing and counting need of a network, and nothing else.

Values of an input port are no spikes: the host turns them into constant inputs, so their weights take no synapses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.nal.model.network import Network
from hilbench.nal.model.projection import Projection


@dataclass(frozen=True, slots=True, eq=False)
class Wiring:
    """Neurons are numbered population by population; sources are the neurons, then the event inputs port by port."""

    slices: dict[str, slice]
    """Where a population's neurons lie, and a port's addresses, among the sources."""
    n_neurons: int
    group: NDArray  # (n_neurons,) int: which population
    synapses: scipy.sparse.csr_array  # (n_neurons, n_sources) int32: how many, row by row of their targets


def spiking_projections(network: Network) -> list[Projection]:
    """Those that spikes or events cross, in the network's order."""
    hosted = {port.name for port in network.inputs if port.kind == "values"}
    return [p for p in network.projections.values() if p.source not in hosted]


def wire(network: Network) -> Wiring:
    """The wiring of a network."""
    populations = list(network.populations.values())
    senders = populations + [port for port in network.inputs if port.kind == "events"]
    ends = np.cumsum([0, *(sender.size for sender in senders)]).tolist()
    slices = {s.name: slice(a, b) for s, a, b in zip(senders, ends[:-1], ends[1:], strict=True)}
    n_neurons = ends[len(populations)]
    rows, columns = [np.empty(0, np.int32)], [np.empty(0, np.int32)]
    for p in spiking_projections(network):
        rows.append(p.weights.indices + np.int32(slices[p.target].start))
        sources = np.arange(slices[p.source].start, slices[p.source].stop, dtype=np.int32)
        columns.append(np.repeat(sources, np.diff(p.weights.indptr)))
    at = np.concatenate(rows), np.concatenate(columns)
    synapses = scipy.sparse.csr_array((np.ones(at[0].size, np.int32), at), shape=(n_neurons, ends[-1]))
    group = np.repeat(np.arange(len(populations)), [p.size for p in populations])
    return Wiring(slices, n_neurons, group, synapses)
