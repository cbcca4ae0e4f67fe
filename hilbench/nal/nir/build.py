"""A Network from a graph and its profile."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import scipy.sparse

from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.model import forms
from hilbench.nal.model.codec import check_modulators, rule_from_dict
from hilbench.nal.model.forms import Form
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Behaviour
from hilbench.nal.nir.edges import edges_of
from hilbench.nal.nir.fields import Node
from hilbench.nal.nir.graph import Graph
from hilbench.nal.nir.nodes import FORMS, NEURONS, Matrix, delay_s, matrix, parameters
from hilbench.nal.nir.profile import KEY, PopulationEntry, Profile, ProjectionEntry
from hilbench.nal.nir.shapes import Shape, shapes_of

Shapes = dict[str, tuple[Shape, Shape]]


def build(graph: Graph, profile: Profile) -> Network:
    """The network that a graph and its profile stand for. Raises NetworkError, naming the node that does not fit.

    Parameters
    ----------
    graph : Graph
        The graph.
    profile : Profile
        Its execution profile.
    """
    _check_complete(graph, profile)
    shapes = shapes_of(graph)
    network = Network(profile.dt_s, profile.integrator, profile.spike_amplitude, profile.seed)
    for name, entry in profile.inputs.items():
        node = entry.node or name
        _typed(graph, node, ("Input",))
        port, shape = entry.port, shapes[node][0]
        if prod(shape) != port.size:
            raise NetworkError(f"node {node!r}: found shape {shape}; its port has {port.size} values")
        network.input(name, shape, kind=port.kind, units=port.units)
    network.modulators = profile.modulators
    for name, population in profile.populations.items():
        _add_population(network, graph, shapes, name, population)
    for name, projection in profile.projections.items():
        _add_projection(network, graph, shapes, name, projection)
    network.order()
    for name, output in profile.outputs.items():
        _typed(graph, output.node or name, ("Output",))
        network.output(name, output.source, kind=output.port.kind, units=output.port.units)
        if network.outputs[-1].size != output.port.size:
            raise NetworkError(f"output {name!r}: {output.source!r} has {network.outputs[-1].size} values")
    if profile.modulators:
        check_modulators(network, profile.modulators)
    _check_edges(graph, profile, network)
    return network


def _nodes(profile: Profile) -> dict[str, str]:
    """Parts of the network -> their nodes in the graph, for those that have one."""
    found = {name: entry.node or name for name, entry in profile.inputs.items()}
    found |= {name: e.node or name for name, e in profile.populations.items() if e.kind != "passthrough"}
    return found | {name: e.node or name for name, e in profile.projections.items() if e.form != "identity"}


def _check_complete(graph: Graph, profile: Profile) -> None:
    """Raise NetworkError for a node without a profile. Ports are excepted: nir adds some where edges are missing."""
    stated = set(_nodes(profile).values())
    for name, node in graph.nodes.items():
        if name not in stated and node.type not in ("Input", "Output"):
            raise NetworkError(f"node {name!r}: absent from the profile; {allowed_hint(name, stated)}")


def _check_edges(graph: Graph, profile: Profile, network: Network) -> None:
    nodes = _nodes(profile)
    outputs = {name: entry.node or name for name, entry in profile.outputs.items()}
    expected = set(edges_of(network, nodes, outputs))
    stated = {*nodes.values(), *outputs.values()}
    found = {edge for edge in graph.edges if stated.issuperset(edge)}
    for here, what in ((found - expected, "absent from the profile"), (expected - found, "absent from the graph")):
        if here:
            a, b = min(here)
            raise NetworkError(f"edge from {a!r} to {b!r}: {what}")


def _typed(graph: Graph, name: str, allowed: Any) -> Node:
    if name not in graph.nodes:
        raise NetworkError(f"node {name!r}: named by the profile, absent from the graph")
    if graph.nodes[name].type not in allowed:
        raise NetworkError(f"node {name!r}: found {graph.nodes[name].type}; allowed: {', '.join(sorted(allowed))}")
    return graph.nodes[name]


def _add_population(network: Network, graph: Graph, shapes: Shapes, name: str, entry: PopulationEntry) -> None:
    for key in entry.behaviour:
        if key not in Behaviour.__struct_fields__:
            raise NetworkError(
                f"population {name!r}: {key!r} is no behaviour; {allowed_hint(key, Behaviour.__struct_fields__)}"
            )
    kind, shape = entry.kind, entry.shape
    arrays: dict[str, Any] = {}
    if kind != "passthrough":
        node_name = entry.node or name
        node = _typed(graph, node_name, NEURONS if kind is None else ("Threshold",))
        given = shapes[node_name][0]
        if shape is not None and prod(shape) != prod(given):
            raise NetworkError(f"node {node_name!r}: found shape {given}; its profile says {shape}")
        shape = shape or given
        if kind is None:
            kind, arrays = NEURONS[node.type][0], parameters(node, given)
    initial = graph.metadata.get(f"{KEY}.v_initial.{name}")
    if initial is not None:
        arrays["v_initial"] = initial
    try:
        network.add_stated(name, kind, shape or (), arrays | entry.behaviour, rule=rule_from_dict(entry.rule))
    except NetworkError as error:  # the reader of the message knows the graph's name
        raise NetworkError(str(error).replace(f"population {name!r}", f"node {entry.node or name!r}", 1)) from None


def _add_projection(network: Network, graph: Graph, shapes: Shapes, name: str, entry: ProjectionEntry) -> None:
    if entry.form == "identity":
        found = _edge(network, name, entry)
    else:
        node_name = entry.node or name
        written = [kind for kind, form in FORMS.items() if form == (entry.form or "linear")]
        node = _typed(graph, node_name, written)
        found = matrix(node_name, node, *shapes[node_name])
        found = _stored(found, name, entry, graph)
    delay = graph.metadata.get(f"{KEY}.delay.{name}") if entry.delay_steps == "array" else entry.delay_steps
    if delay is None:
        raise NetworkError(f"projection {name!r}: its delays are missing from the file")
    network.connect(
        entry.source, entry.target, found.weights, bias=found.bias, delay_steps=delay,
        after_threshold=entry.after_threshold, rule=rule_from_dict(entry.rule), name=name,
        form=_form(found, entry, delay, network.dt_s), short_term=entry.short_term, bulk=True,
    )  # fmt: skip


def _form(found: Matrix, entry: ProjectionEntry, delay: Any, dt_s: float) -> Form | None:
    """The form; a delay keeps its node's seconds where whole steps do not give them again."""
    if entry.form is None:
        return None
    if found.delay_s is not None and not np.array_equal(found.delay_s, delay_s(delay, dt_s, found.form.shape_in)):
        found.form.arrays["delay"] = found.delay_s
    return found.form


def _edge(network: Network, name: str, entry: ProjectionEntry) -> Matrix:
    if entry.target not in network.populations:
        raise NetworkError(
            f"projection {name!r}: target: found {entry.target!r}; {allowed_hint(entry.target, network.populations)}"
        )
    p = network.populations[entry.target]
    return Matrix(Form("identity", p.shape, p.shape), forms.identity(p.size))


def _stored(found: Matrix, name: str, entry: ProjectionEntry, graph: Graph) -> Matrix:
    """The matrix with the zeros that are synapses too, as a rule may change them."""
    if entry.stored == "nonzero":
        return found
    dense = found.weights.toarray()
    mask = np.ones(dense.shape, bool) if entry.stored == "all" else graph.metadata.get(f"{KEY}.mask.{name}")
    if mask is None or np.shape(mask) != dense.shape:
        raise NetworkError(f"node {entry.node or name!r}: its synapse mask is missing or has another shape")
    sources, targets = np.nonzero(np.asarray(mask, bool).T)
    starts = np.searchsorted(sources, np.arange(dense.shape[1] + 1))
    weights = scipy.sparse.csc_array((dense[targets, sources], targets.astype(np.int32), starts), shape=dense.shape)
    return found._replace(weights=weights)
