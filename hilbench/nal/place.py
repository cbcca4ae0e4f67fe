"""Placing: which neuron goes to which core, within a core's limits and with little traffic between cores.

Every order of the neurons gives a placement: cores are filled one after the other, and a new one is begun when the next
neuron does not fit. The network's own order is the first candidate. Others put neurons together that talk to each
other: reverse Cuthill-McKee, and from there on each neuron to the core that it exchanges most spikes with, again and
again. The best one stays, so traffic is never above that of the network's own order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import numpy as np
import scipy.sparse
from numpy.typing import NDArray
from scipy.sparse.csgraph import reverse_cuthill_mckee

from hilbench.nal.target import Mesh, Target
from hilbench.nal.wiring import Wiring

ROUNDS = 8
FAINT = 1e-3
"""What a connection weighs on which nothing was recorded, in spikes."""


@dataclass(frozen=True, slots=True, eq=False)
class Placement:
    """Neurons on cores, numbered from 0 without a gap, and what that takes of each core."""

    core: NDArray  # (n_neurons,) int
    neurons: NDArray  # (n_cores,) int, as all that follow
    axons_in: NDArray
    axons_out: NDArray
    bits: NDArray
    cores_reached: NDArray  # (n_neurons,) int: by the spikes of each
    messages: float
    """Spikes times the other cores that each goes to, events of inputs times all of them."""
    messages_in_order: float
    """The same for the network's own order."""


def place(wiring: Wiring, target: Target, spikes: NDArray) -> Placement:
    """The best placement found; `spikes` (n_sources,) is how many each source sends."""
    room = _Room(wiring, target)
    first = _fill(np.arange(wiring.n_neurons), wiring, room)
    in_order = messages(reached(first, wiring), first, spikes)
    best, least = first, _rank(first, in_order, room)
    core = first
    for order in _orders(wiring, spikes):
        core = _fill(order if order is not None else core, wiring, room)
    return best, least


class _Room:
    """What a core holds, and what each neuron takes of it."""

    def __init__(self, wiring: Wiring, target: Target) -> None:
        limits = target.limits
        most = lambda limit: inf if limit is None else limit.value  # noqa: E731
        self.neurons, self.axons_in = target.neurons_per_core or inf, most(limits.axons_in)
        self.axons_out = most(limits.axons_out)
