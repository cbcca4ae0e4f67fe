"""Sizes of a network for its record, so that operations and energy can be counted from the record alone."""

from __future__ import annotations

from typing import Any

from hilbench.nal.compile.operations import dense
from hilbench.nal.model.network import Network
from hilbench.types import Program


def network_facts(program: Program, period_us: int) -> dict[str, Any] | None:
    """Sizes of a network's parts, as plain numbers; None for a law.

    Of a projection, `synapses` are the weights that it stores and `dense` those of its structure, zeros among them; 0
    where it computes nothing.

    Parameters
    ----------
    program : Program
        What runs.
    period_us : int
        The control period, in microseconds.
    """
    return facts_of(program, period_us) if isinstance(program, Network) else None


def facts_of(network: Network, period_us: int) -> dict[str, Any]:
    """`network_facts` of a Network.

    Parameters
    ----------
    network : Network
        The network that runs.
    period_us : int
        The control period, in microseconds.
    """
    return {
        "steps_per_tick": period_us // network.dt_us,
        "populations": {
            p.name: {"kind": p.kind, "size": p.size, "plastic": p.rule is not None}
            for p in network.populations.values()
        },
        "projections": {
            p.name: {
                "source": p.source,
                "target": p.target,
                "shape": list(p.weights.shape),
                "synapses": int(p.weights.nnz),
                "dense": dense(network, p),
                "plastic": p.rule is not None,
            }
            for p in network.projections.values()
        },
    }
