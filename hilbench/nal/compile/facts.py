"""Sizes of a network for its record, so that operations and energy can be counted from the record alone."""

from __future__ import annotations

from hilbench.nal.compile.operations import dense
from hilbench.nal.model.network import Network
from hilbench.types import NetworkFacts, PopulationFacts, Program, ProjectionFacts


def network_facts(program: Program, period_us: int) -> NetworkFacts | None:
    """Sizes of a network's parts; None for a law.

    Parameters
    ----------
    program : Program
        What runs.
    period_us : int
        The control period, in microseconds of the network's time.
    """
    return facts_of(program, period_us) if isinstance(program, Network) else None


def facts_of(network: Network, period_us: int) -> NetworkFacts:
    """`network_facts` of a Network.

    Parameters
    ----------
    network : Network
        The network that runs.
    period_us : int
        The control period, in microseconds of the network's time.
    """
    populations = {p.name: PopulationFacts(p.kind, p.size, p.rule is not None) for p in network.populations.values()}
    projections = {
        p.name: ProjectionFacts(
            source=p.source,
            target=p.target,
            shape=(int(p.weights.shape[0]), int(p.weights.shape[1])),
            n_synapses=int(p.weights.nnz),
            n_dense_synapses=int(dense(network, p)),
            plastic=p.rule is not None,
        )
        for p in network.projections.values()
    }
    return NetworkFacts(period_us // network.dt_us, populations, projections)
