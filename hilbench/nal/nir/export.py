"""A Network as one flat NIR graph with its profile in the metadata. Nothing here is read back by guessing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import scipy.sparse

from hilbench.errors import NetworkError
from hilbench.nal.model import forms
from hilbench.nal.model.codec import rule_to_dict
from hilbench.nal.model.forms import Form
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Behaviour, Integrator, Population
from hilbench.nal.model.projection import Projection
from hilbench.nal.nir.edges import edges_of, is_edge
from hilbench.nal.nir.nodes import TYPES, delay_s
from hilbench.nal.nir.profile import (
    KEY,
    InputEntry,
    OutputEntry,
    PopulationEntry,
    Profile,
    ProjectionEntry,
    Stored,
)
from hilbench.nal.nir.shapes import Shape

if TYPE_CHECKING:
    import nir

MAX_DENSE_ENTRIES = 100_000_000


def to_nir(network: Network) -> nir.NIRGraph:
    """The network as a NIR graph. Raises NetworkError for what NIR cannot hold, by name."""
    import nir

    nodes: dict[str, nir.NIRNode] = {}
    metadata: dict[str, Any] = {}
    for port in network.inputs:
        nodes[port.name] = nir.Input({"input": np.array(network.shapes.get(port.name, (port.size,)))})
    shapes = {p.name: _shape(network, p) for p in network.populations.values()}
    for p in network.populations.values():
        if p.kind != "passthrough":
            nodes[p.name] = _neurons(p, shapes[p.name])
    for q in network.projections.values():
        if is_edge(q):
            _check_edge(q)
        else:
            _check_image(network, q)
            nodes[q.name] = _weights(q, network.dt_s)
    outputs = _output_names(network, set(nodes))
    for name, node in outputs.items():
        nodes[node] = nir.Output({"output": np.array(shapes[network.output_sources[name]])})
    metadata[KEY] = msgspec.json.encode(_profile(network, shapes, outputs, metadata)).decode()
    edges = edges_of(network, {name: name for name in nodes}, outputs)
    if len(set(edges)) < len(edges):
        a, b = next(edge for edge, n in Counter(edges).items() if n > 1)
        raise NetworkError(f"{a!r} leads to {b!r} in two ways without a node between; NIR holds one edge for a pair")
    return nir.NIRGraph(nodes, edges, metadata=metadata, type_check=False)


def _shape(network: Network, p: Population) -> Shape:
    """A population's shape in the graph: flat where matrices alone touch it, because those have no other."""
    touching = [*network.onto(p.name), *network.leaving(p.name)]
    return p.shape if any(q.form is not None for q in touching) or not touching else (p.size,)


def _neurons(p: Population, shape: Shape) -> nir.NIRNode:
    import nir

    if p.kind == "poisson":
        return nir.Threshold(threshold=np.ones(shape, np.float32))
    name, names = TYPES[p.kind]
    return getattr(nir, name)(**{theirs: getattr(p, ours).reshape(shape) for theirs, ours in names.items()})


def _weights(p: Projection, dt_s: float) -> nir.NIRNode:
    import nir

    form = p.form or Form("linear", p.weights.shape[1:], p.weights.shape[:1])
    if form.kind == "linear":
        weight = _dense(p, form)
        return nir.Linear(weight) if p.bias is None else nir.Affine(weight, p.bias.reshape(form.shape_out))
    if form.kind == "scale":
        return nir.Scale(p.weights.diagonal().reshape(form.shape_in))
    if form.kind == "delay":
        return nir.Delay(form.arrays.get("delay", delay_s(p.delay_steps, dt_s, form.shape_in)))
    if form.kind == "flatten":
        return nir.Flatten({"input": np.array(form.shape_in)}, **form.settings)
    if form.kind in ("sum_pool2d", "avg_pool2d"):
        pool = nir.SumPool2d if form.kind == "sum_pool2d" else nir.AvgPool2d
        return pool(**{key: np.array(value) for key, value in form.settings.items()})
    return _convolution(p, form)


def _dense(p: Projection, form: Form) -> np.ndarray:
    n_entries = int(np.prod(form.shape_out, dtype=object)) * form.shape_in[-1]
    if n_entries > MAX_DENSE_ENTRIES:
        n_target, n_source = p.weights.shape
        raise NetworkError(
            f"projection {p.name!r}: NIR holds dense matrices and {n_target} x {n_source} is too large;"
            f" allowed: {MAX_DENSE_ENTRIES} entries"
        )
    return forms.matrices(p.weights, form.shape_in, form.shape_out)


def _convolution(p: Projection, form: Form) -> nir.NIRNode:
    import nir

    sides, settings = form.shape_in[1:], dict(form.settings)
    per_place = int(np.prod(form.shape_out[1:]))
    bias = np.zeros(form.shape_out[0], np.float32) if p.bias is None else p.bias[::per_place].copy()
    node, one = (nir.Conv1d, lambda value: value[0]) if form.kind == "conv1d" else (nir.Conv2d, tuple)
    settings |= {key: one(value) for key, value in settings.items() if isinstance(value, list)}
    return node(input_shape=one(sides), weight=form.arrays["weight"], bias=bias, **settings)


def _check_image(network: Network, p: Projection) -> None:
    """A pooling's node does not say what it takes in; that is the shape of what comes before it."""
    port = network.port(p.source)
    shape = network.populations[p.source].shape if port is None else network.shapes.get(port.name, (port.size,))
    if p.form is not None and p.form.kind in ("sum_pool2d", "avg_pool2d") and p.form.shape_in != shape:
        raise NetworkError(f"projection {p.name!r}: takes shape {p.form.shape_in} and {p.source!r} gives {shape}")


def _check_edge(p: Projection) -> None:
    """An edge of a graph passes on what it gets, and nothing else."""
    n_target, n_source = p.weights.shape
    if n_target != n_source or p.bias is not None or (p.weights != forms.identity(n_source)).nnz:
        raise NetworkError(f"projection {p.name!r}: form 'identity'; allowed: weights of the identity and no bias")


def _output_names(network: Network, taken: set[str]) -> dict[str, str]:
    """Output ports -> their nodes: their own names where no other part has them."""
    found = {}
    for port in network.outputs:
        name = port.name if port.name not in taken else f"{port.name}_output"
        while name in taken:
            name += "_"
        taken.add(name)
        found[port.name] = name
    return found


def _profile(network: Network, shapes: dict[str, Shape], outputs: dict[str, str], metadata: dict[str, Any]) -> Profile:
    return Profile(
        version=2,
        dt_s=network.dt_s,
        integrator=network.integrator,
        spike_amplitude=network.spike_amplitude,
        seed=network.seed,
        inputs={port.name: InputEntry(port=port) for port in network.inputs},
        outputs={
            port.name: OutputEntry(
                port=port, source=network.output_sources[port.name], node=_other(outputs[port.name], port.name)
            )
            for port in network.outputs
        },
        modulators=network.modulators,
        populations={p.name: _population(network, p, shapes[p.name], metadata) for p in network.populations.values()},
        projections={p.name: _projection(p, metadata) for p in network.projections.values()},
    )  # fmt: skip


def _other(node: str, name: str) -> str | None:
    return None if node == name else node


def _population(network: Network, p: Population, shape: Shape, metadata: dict[str, Any]) -> PopulationEntry:
    if p.v_initial is not None and p.v_initial.any():
        metadata[f"{KEY}.v_initial.{p.name}"] = p.v_initial
    return PopulationEntry(
        kind=p.kind if p.kind in ("passthrough", "poisson") else None,
        shape=p.shape if p.kind == "passthrough" or p.shape != shape else None,
        behaviour=stated(p.behaviour, network.integrator),
        rule=rule_to_dict(p.rule),
    )


def stated(behaviour: Behaviour, integrator: Integrator) -> dict[str, Any]:
    """The fields that differ from the network's defaults.

    Parameters
    ----------
    behaviour : Behaviour
        Of one population.
    integrator : str
        The network's own.
    """
    usual = msgspec.structs.asdict(Behaviour(integrator=integrator))
    return {key: value for key, value in msgspec.structs.asdict(behaviour).items() if value != usual[key]}


def _projection(p: Projection, metadata: dict[str, Any]) -> ProjectionEntry:
    delay = p.delay_steps
    if not isinstance(delay, int):
        metadata[f"{KEY}.delay.{p.name}"] = delay
    stored: Stored = "nonzero"
    if not p.weights.data.all():
        stored = "all" if p.weights.nnz == np.prod(p.weights.shape) else "mask"
    if stored == "mask":
        ones = np.ones(p.weights.nnz, bool)
        mask = scipy.sparse.csc_array((ones, p.weights.indices, p.weights.indptr), shape=p.weights.shape)
        metadata[f"{KEY}.mask.{p.name}"] = mask.toarray()
    return ProjectionEntry(
        source=p.source, target=p.target, form=None if p.form is None else p.form.kind,
        delay_steps=delay if isinstance(delay, int) else "array", after_threshold=p.after_threshold,
        rule=rule_to_dict(p.rule), stored=stored, short_term=p.short_term,
    )  # fmt: skip
