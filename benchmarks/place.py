"""Orders of placement: messages between cores for one spike of every neuron, and how long each takes to find.

    python benchmarks/place.py

Communities talk among themselves nine times of ten and are dealt out at random; a grid is eight layers of 3 x 3
convolutions; the last network has no structure at all.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import scipy.sparse

from hilbench.nal import Network
from hilbench.nal.compile.place import place
from hilbench.nal.compile.target import Target
from hilbench.nal.compile.wiring import wire

CORE, SYNAPSES = 256, 20


def communities(random: np.random.Generator, n: int, groups: int, outside: float) -> scipy.sparse.csc_array:
    """(n, n): `SYNAPSES` onto each neuron, from its own group except for a share of them."""
    members = random.permutation(n).reshape(groups, -1)
    sources = np.empty((n, SYNAPSES), int)
    for group in members:
        sources[group] = random.choice(group, (group.size, SYNAPSES))
    anywhere = random.random(sources.shape) < outside
    sources[anywhere] = random.integers(0, n, anywhere.sum())
    rows = np.repeat(np.arange(n), SYNAPSES)
    return scipy.sparse.csc_array((np.ones(rows.size), (rows, sources.ravel())), shape=(n, n))


def grid(side: int, layers: int) -> scipy.sparse.csc_array:
    """(n, n): each neuron takes from the 3 x 3 around its place in the layer before."""
    line = scipy.sparse.diags_array([1.0, 1.0, 1.0], offsets=[-1, 0, 1], shape=(side, side))
    after = scipy.sparse.diags_array([1.0], offsets=[-1], shape=(layers, layers))
    return scipy.sparse.csc_array(scipy.sparse.kron(after, scipy.sparse.kron(line, line)))


def networks() -> Iterator[tuple[str, scipy.sparse.csc_array]]:
    random = np.random.default_rng(0)
    yield "32 communities of 256", communities(random, 8192, 32, 0.1)
    yield "8 layers of 32 x 32", grid(32, 8)
    yield "4096 neurons at random", communities(random, 4096, 1, 1.0)
    yield "100 000 neurons in communities", communities(random, 102_400, 400, 0.1)


def main() -> None:
    target = Target(summary="a core of 256", neurons_per_core=CORE, cores_per_chip=1000, source="none: made up")
    for name, weights in networks():
        net = Network(0.001)
        net.lif("a", weights.shape[0], tau_s=0.02)
        net.connect("a", "a", weights, delay_steps=1)
        start_s = time.perf_counter()
        wiring = wire(net)
        found = place(wiring, target, np.ones(wiring.synapses.shape[1]))
        took_s = time.perf_counter() - start_s
        print(
            f"{name}: {found.messages_in_order:.0f} messages in the network's own order, {found.messages:.0f} in"
            f" {found.order} order; {took_s:.1f} s (tried: {', '.join(found.tried)})"
        )


if __name__ == "__main__":
    main()
