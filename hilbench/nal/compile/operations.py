"""What counts as a synaptic operation: which projections have weights that are added or multiplied.

NeuroBench (Yik et al., arXiv:2304.04640) counts layers with weights: `Linear` and convolutions. What only passes
numbers on, averages them, or scales them by 1 is part of the way to the next layer.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.nal.model.network import Network
from hilbench.nal.model.projection import Projection


def counted(network: Network, p: Projection) -> bool:
    """Whether what crosses this projection counts as operations.

    Without weights of its own it counts only where spikes or events reach neurons through it, with nothing between: a
    chip needs synapses for that.

    Parameters
    ----------
    network : Network
        The network.
    p : Projection
        One of its projections.
    """
    if p.form is None or p.rule is not None:
        return True
    if p.form.computes:
        return p.form.kind != "scale" or not (p.weights.data == 1).all()
    port = network.port(p.source)
    spikes = network.populations[p.source].spiking if port is None else port.kind == "events"
    return spikes and network.populations[p.target].kind != "passthrough"


def dense(network: Network, p: Projection) -> int:
    """How many weights a counted projection has by its structure, zeros among them; 0 for one that does not count.

    Of a convolution those are the kernel positions that lie inside the image: padding has no synapses.

    Parameters
    ----------
    network : Network
        The network.
    p : Projection
        One of its projections.
    """
    if not counted(network, p):
        return 0
    if p.form is None:
        return int(np.prod(p.weights.shape, dtype=object))
    return p.form.size if p.form.computes else int(p.weights.nnz)


def multiplies(sent: NDArray, spike_amplitude: float) -> bool:
    """Whether a layer with this input multiplies: it holds other numbers than 0 and one size, that of a spike or 1.

    Parameters
    ----------
    sent : NDArray
        The numbers that the layer takes in.
    spike_amplitude : float
        The value of a spike.
    """
    size = np.abs(sent[sent != 0])
    return bool((size != 1).any() and (size != spike_amplitude).any())
