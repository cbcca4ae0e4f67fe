"""What the tests of presets share: the spikes of each population."""

from __future__ import annotations

import numpy as np

from hilbench.backends.reference import Reference
from hilbench.nal import Network
from hilbench.types import Empty, Probes, Tick, size_of


def spikes(net: Network, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """How often each neuron of each spiking population spikes in each step, (n_steps, size); values of the others.

    inputs : (n_steps, n_values), each row for one step.
    """
    watched = tuple(p.name for p in net.populations.values() if p.spiking)
    for p in net.populations.values():
        if not p.spiking and p.kind != "passthrough" and p.name not in net.output_sources.values():
            net.output(p.name, p.name)
    backend = Reference(Empty())
    backend.load(net, net.dt_us, Probes(spikes=watched))
    counts, values = [], []
    width = sum(net.populations[name].size for name in watched)
    for seq, row in enumerate(inputs):
        reply = backend.step(Tick(seq, values=row.astype(np.float32)))
        counts.append(np.bincount(reply.probe_events["address"], minlength=width))
        values.append(reply.values.copy())
    found = split(np.array(counts), {name: net.populations[name].size for name in watched})
    assert values[0].size == size_of(net.outputs, "values")
    return found | split(
        np.array(values), {net.output_sources[port.name]: port.size for port in net.outputs if port.kind == "values"}
    )


def split(columns: np.ndarray, sizes: dict[str, int]) -> dict[str, np.ndarray]:
    """Columns that lie side by side, by name."""
    ends = np.cumsum(list(sizes.values())).tolist()
    return {name: columns[:, end - sizes[name] : end] for name, end in zip(sizes, ends, strict=True)}


def lively(found: np.ndarray) -> None:
    """A comparison of silent neurons says nothing."""
    assert 0.01 < found.mean() < 0.9
    assert (found.sum(axis=0) > 0).mean() > 0.5
