"""Projections that learn over synapses with different delays, as one projection for each delay.

An engine then needs one delay for all synapses of a rule. The parts keep the order of the synapses.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.nal.model.network import Network
from hilbench.nal.model.projection import Projection


@dataclass(frozen=True, slots=True, eq=False)
class ByDelay:
    """A network whose rules have one delay each, and where its parts come from."""

    network: Network
    origins: dict[str, Projection]
    """By the name of a part, the projection that was stated."""
    synapses: dict[str, NDArray]
    """By the name of a part, which of the stated projection's synapses are its own."""

    def parts(self, name: str) -> list[str]:
        """The parts of a projection that was taken apart; none where it is whole."""
        return [part for part, origin in self.origins.items() if origin.name == name]


def by_delay(network: Network) -> ByDelay:
    """The same network, taken apart where a rule has synapses with different delays."""
    origins: dict[str, Projection] = {}
    synapses: dict[str, NDArray] = {}
    projections: dict[str, Projection] = {}
    for p in network.projections.values():
        if p.rule is None or isinstance(p.delay_steps, int):
            projections[p.name] = p
            continue
        for number, delay in enumerate(np.unique(p.delay_steps).tolist()):
            part = _part(p, delay, number)
            projections[part.name], origins[part.name] = part, p
            synapses[part.name] = np.flatnonzero(p.delay_steps == delay)
    return ByDelay(replace(network, projections=projections) if origins else network, origins, synapses)


def _part(p: Projection, delay: int, number: int) -> Projection:
    """The synapses with one delay; the first part has the constant input. No projection can be stated with an @."""
    here = p.delay_steps == delay
    starts = np.concatenate([[0], np.cumsum(here)])[p.weights.indptr]
    weights = scipy.sparse.csc_array((p.weights.data[here], p.weights.indices[here], starts), shape=p.weights.shape)
    bias = None if number else p.bias
    return replace(p, name=f"{p.name}@{delay}", weights=weights, bias=bias, delay_steps=delay)
