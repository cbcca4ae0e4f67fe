"""Small networks and made-up targets for what compiles them."""

from __future__ import annotations

import numpy as np
import scipy.sparse
from hypothesis import strategies as st

from hilbench.nal import Network
from hilbench.nal.compile.target import Limits, Memory, Mesh, Most, Target


def most(value: int) -> Most:
    return Most(value=value, source="made up")


def target(neurons_per_core: int | None = None, cores: int = 1000, **limits: object) -> Target:
    mesh = Mesh(width=cores, height=1, cores_per_router=1, source="made up")
    return Target(
        summary="made up", neurons_per_core=neurons_per_core, cores_per_chip=cores, source="made up", mesh=mesh,
        limits=Limits(**limits),
    )  # fmt: skip


def chain(*sizes: int, dt_s: float = 0.001, **lif: object) -> Network:
    """Populations a, b, ... behind an event port of 2; each neuron takes from all of those before it."""
    net = Network(dt_s)
    before = net.input("events", 2, kind="events")
    for name, size in zip("abcdefg", sizes, strict=False):
        net.lif(name, size, tau_s=0.02, **lif)
        n_source = 2 if before == "events" else net.populations[before].size
        net.connect(before, name, np.ones((size, n_source)), delay_steps=1)
        before = name
    return net


def communities(n: int, size: int, seed: int = 0) -> Network:
    """`n` groups whose neurons talk among themselves, dealt out at random over one population."""
    random = np.random.default_rng(seed)
    group = random.permutation(np.repeat(np.arange(n), size))
    net = Network(0.001)
    net.lif("a", n * size, tau_s=0.02)
    same = scipy.sparse.csr_array(group[:, None] == group[None, :]).astype(np.float32)
    net.connect("a", "a", same, delay_steps=1)
    return net


@st.composite
def targets(draw) -> Target:
    """Targets with room for at least one neuron of any small network."""

    def maybe(low: int, high: int) -> int | None:
        return draw(st.none() | st.integers(low, high))

    axons_in, bits = maybe(40, 60), maybe(3000, 5000)
    memory = bits and Memory(bits=bits, bits_per_synapse=8, bits_per_neuron=16, source="made up")
    limits = {"axons_in": axons_in and most(axons_in), "memory": memory or None}
    limits["populations_per_core"] = draw(st.sampled_from([None, most(1)]))
    axons_out = maybe(40, 60)
    return target(maybe(1, 12), **limits, axons_out=axons_out and most(axons_out))
