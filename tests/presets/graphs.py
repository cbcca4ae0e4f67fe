"""What the tests of presets share: networks from graphs under a preset, and the spikes of each population."""

from __future__ import annotations

import nir
import numpy as np

from hilbench.backends.reference import Reference
from hilbench.nal import Network
from hilbench.nal.presets import preset
from hilbench.types import Empty, Probes, Tick, size_of

KINDS = {nir.LIF: "lif", nir.LI: "li", nir.IF: "if", nir.I: "i", nir.CubaLIF: "cuba_lif", nir.CubaLI: "cuba_li"}
NAMES = {"tau": "tau_s", "tau_mem": "tau_s", "tau_syn": "tau_syn_s"}


def read(path, name: str, dt_s: float | None = None) -> Network:
    """The network of a file under a preset: each linear node has one source and one target here."""
    graph, p = nir.read(path), preset(name)
    dt_s = dt_s or p.dt_s
    net = Network(dt_s, spike_amplitude=1 / dt_s if p.spike_amplitude == "impulse" else p.spike_amplitude)
    into = {b: a for a, b in graph.edges if type(graph.nodes[b]) not in KINDS}
    linear = {key: node for key, node in graph.nodes.items() if isinstance(node, (nir.Linear, nir.Affine))}
    ends = [(into[a], a, b) for a, b in graph.edges if a in linear]
    looped = {a for a, _, b in ends if a == b}
    for key, node in graph.nodes.items():
        if isinstance(node, nir.Input):
            net.input(key, int(np.prod(node.input_type["input"])))
        elif type(node) in KINDS:
            size = next(linear[w].weight.shape[0] for _, w, b in ends if b == key)
            net.add(
                key,
                KINDS[type(node)],
                size,
                **parameters(node, p.tau_unit_s(dt_s)),
                **p.of(KINDS[type(node)], dt_s, key in looped),
            )
    for source, key, target in ends:
        delay = 0 if net.port(source) else max(p.delay_steps, p.recurrent_delay if source == target else 0)
        net.connect(
            source, target, linear[key].weight, bias=getattr(linear[key], "bias", None), delay_steps=delay, name=key
        )
    return net


def parameters(node: nir.NIRNode, tau_unit_s: float) -> dict[str, np.ndarray]:
    """A node's arrays by hilbench's names, times in seconds."""
    found = {NAMES.get(k, k): v for k, v in node.to_dict().items() if isinstance(v, np.ndarray)}
    return {k: v * tau_unit_s if k.startswith("tau") else v for k, v in found.items()}


def spikes(net: Network, inputs: np.ndarray) -> dict[str, np.ndarray]:
    """How often each neuron of each spiking population spikes in each step, (n_steps, size); values of the others.

    inputs : (n_steps, n_values), each row for one step.
    """
    watched = tuple(p.name for p in net.populations.values() if p.spiking)
    for p in net.populations.values():
        if not p.spiking and p.kind != "sum" and p.name not in net.taps.values():
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
        np.array(values), {net.taps[port.name]: port.size for port in net.outputs if port.kind == "values"}
    )


def split(columns: np.ndarray, sizes: dict[str, int]) -> dict[str, np.ndarray]:
    """Columns that lie side by side, by name."""
    ends = np.cumsum(list(sizes.values())).tolist()
    return {name: columns[:, end - sizes[name] : end] for name, end in zip(sizes, ends, strict=True)}


def lively(found: np.ndarray) -> None:
    """A comparison of silent neurons says nothing."""
    assert 0.01 < found.mean() < 0.9
    assert (found.sum(axis=0) > 0).mean() > 0.5
