"""The network that a graph without a profile stands for, under what is stated of it. Nothing is guessed."""

from __future__ import annotations

from math import prod
from typing import Any

import msgspec
import numpy as np

from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.model.arrays import MAX_DELAY_STEPS
from hilbench.nal.model.forms import FormKind
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import OTHER_UNITS, Behaviour
from hilbench.nal.nir.apply_preset import apply_preset
from hilbench.nal.nir.build import build
from hilbench.nal.nir.fields import Node
from hilbench.nal.nir.graph import Graph, gathered
from hilbench.nal.nir.loops import closing_edges
from hilbench.nal.nir.nodes import FORMS, NEURONS
from hilbench.nal.nir.partition import Partition, partition_of
from hilbench.nal.nir.per_node import BEHAVIOUR, RESETTING, SPIKING, check_nodes, delaying
from hilbench.nal.nir.profile import KEY, InputEntry, OutputEntry, PopulationEntry, Profile, ProjectionEntry, profile_of
from hilbench.nal.nir.shapes import check_shapes, shapes_of
from hilbench.nal.nir.statements import Statements
from hilbench.types import Port


def missing(statements: Statements, graph: Graph) -> dict[str, str]:
    """What must still be stated, and the values that it may have.

    Parameters
    ----------
    statements : Statements
        What is stated.
    graph : Graph
        The graph.
    """
    types = {node.type for node in graph.nodes.values()}
    found = {}
    if statements.dt_s is None:
        found["dt_s"] = "seconds, as 1e-4"
    if statements.integrator is None and types & set(BEHAVIOUR["integrator"]):
        found["integrator"] = "exact, euler or discrete"
    if statements.reset is None and types & set(RESETTING):
        found["reset"] = "value, zero or subtract"
    if statements.recurrent_delay is None and (loops := closing_edges(graph, delaying(graph, statements.nodes))):
        found["recurrent_delay"] = f"0 or 1, for the loop from {loops[0][0]!r} to {loops[0][1]!r}"
    return found


def attach(graph: Graph, statements: Statements) -> Network:
    """The network that a graph stands for under these statements. Raises NetworkError with all that is missing.

    Parameters
    ----------
    graph : Graph
        The graph, without a profile.
    statements : Statements
        What is stated of it.
    """
    if profile_of(graph) is not None:
        raise NetworkError("carries an execution profile already, which says all of this; load it as it is")
    shapes = shapes_of(graph)
    check_shapes(graph, shapes)
    check_nodes(graph, statements.nodes)
    graph, statements = apply_preset(graph, statements)
    if absent := missing(statements, graph):
        options = " ".join(f"--{name.replace('_', '-')} ..." for name in absent)
        raise NetworkError(
            f"no execution profile in this file, and nothing is guessed; state"
            f" {', '.join(f'{name} ({allowed})' for name, allowed in absent.items())}: hilbench import FILE {options}"
        )
    partition = partition_of(graph, shapes)
    graph.notes += [f"the node {node!r} is named {part}" for node, part in partition.names.items() if node != part]
    assert statements.dt_s is not None  # else `missing` had named it
    network = build(graph, _profile(graph, statements, partition, statements.dt_s))
    graph.notes += _short_times(network)
    return network


def _short_times(network: Network) -> list[str]:
    """A note on time constants below the network step, which mostly come of a file that counts in other units."""
    populations = network.populations.values()
    shortest = {
        p.name: min(a.min() for a in (p.tau_s, p.tau_syn_s) if a is not None)
        for p in populations
        if p.tau_s is not None
    }
    found = [name for name, tau_s in shortest.items() if tau_s < network.dt_s * (1 - 1e-6)]
    if not found:
        return []
    least = min(shortest[name] for name in found)
    what = f"time constants from {least:.3g} s are below the network step of {network.dt_s:g} s; {OTHER_UNITS}"
    return gathered([f"{what}: node {name}" for name in found])


def _profile(graph: Graph, stated: Statements, partition: Partition, dt_s: float) -> Profile:
    integrator = stated.integrator or "exact"
    amplitude = 1 / dt_s if stated.spike_amplitude == "impulse" else stated.spike_amplitude
    names = partition.names
    populations = {
        names[name]: _population(graph, stated, names[name], name, node)
        for name, node in graph.nodes.items()
        if node.type in NEURONS
    } | {name: PopulationEntry(kind="passthrough", shape=shape) for name, shape in partition.relays.items()}
    closing = {partition.carriers[edge] for edge in closing_edges(graph, delaying(graph, stated.nodes))}
    return Profile(
        version=2,
        dt_s=dt_s,
        integrator=integrator,
        spike_amplitude=amplitude or 1.0,
        seed=stated.seed or 0,
        inputs=_inputs(graph, stated, names),
        outputs=_outputs(graph, partition, populations),
        populations=populations,
        projections={
            name: _projection(graph, stated, name, parts, name in closing, partition, dt_s)
            for name, parts in partition.projections.items()
        },
    )


def _other(node: str, name: str) -> str | None:
    return None if node == name else node


def _inputs(graph: Graph, stated: Statements, names: dict[str, str]) -> dict[str, InputEntry]:
    nodes = [name for name, node in graph.nodes.items() if node.type == "Input"]
    kinds = stated.inputs if isinstance(stated.inputs, dict) else dict.fromkeys(nodes, stated.inputs or "values")
    for name in kinds:
        if name not in nodes:
            raise NetworkError(f"inputs: found {name!r}; {allowed_hint(name, nodes)}")
    found, shapes = {}, shapes_of(graph)
    for node in nodes:
        size = prod(shapes[node][0])
        port = Port(names[node], size, kinds.get(node, "values"))
        found[names[node]] = InputEntry(port=port, node=_other(node, names[node]))
    return found


def _outputs(graph: Graph, partition: Partition, populations: dict[str, PopulationEntry]) -> dict[str, OutputEntry]:
    types = {part: graph.nodes[node].type for node, part in partition.names.items()}
    shapes = shapes_of(graph)
    found = {}
    for node, source in partition.output_sources.items():
        spikes = types.get(source) in SPIKING and populations[source].behaviour.get("spikes") != "graded"
        name = partition.names[node]
        port = Port(name, prod(shapes[node][0]), "events" if spikes else "values")
        found[name] = OutputEntry(port=port, source=source, node=_other(node, name))
    return found


def _population(graph: Graph, stated: Statements, part: str, name: str, node: Node) -> PopulationEntry:
    own = dict(stated.nodes.get(name, {}))
    initial, kind = own.pop("v_initial", None), own.pop("kind", None)
    if initial is not None:
        graph.metadata[f"{KEY}.v_initial.{part}"] = initial
    behaviour = {
        key: getattr(stated, key)
        for key, types in BEHAVIOUR.items()
        if node.type in types and getattr(stated, key) is not None and kind is None
    } | own
    usual = msgspec.structs.asdict(Behaviour(integrator=stated.integrator or "exact"))
    return PopulationEntry(
        kind=kind,
        behaviour={key: value for key, value in behaviour.items() if value != usual[key]},
        node=_other(name, part),
    )


def _projection(
    graph: Graph, stated: Statements, name: str, parts: tuple[str, str, str | None], closing: bool,
    partition: Partition, dt_s: float,
) -> ProjectionEntry:  # fmt: skip
    source, target, node = parts
    own = dict(stated.nodes.get(node or "", {}))
    steps = own.get("delay_steps", 0)
    after_threshold = own.get("after_threshold", False)
    form: FormKind = "identity" if node is None else FORMS[graph.nodes[node].type]
    if node is not None and form == "delay":
        steps = np.add(_whole_steps(graph.nodes[node], node, dt_s), steps)  # what a preset delays beside
    if closing and stated.recurrent_delay and not own:
        steps = np.add(steps, stated.recurrent_delay)
    if closing and not stated.recurrent_delay and not own:
        after_threshold = True
        if target in partition.relays:
            raise NetworkError(
                f"recurrent_delay: found 0, but the loop closes at {target!r}, which has no membrane; allowed: 1"
            )
    if np.ndim(steps):
        graph.metadata[f"{KEY}.delay.{name}"] = np.asarray(steps)
    return ProjectionEntry(
        source=source, target=target, node=None if node is None else _other(node, name), form=form,
        delay_steps="array" if np.ndim(steps) else int(steps), after_threshold=after_threshold,
    )  # fmt: skip


def _whole_steps(node: Node, name: str, dt_s: float) -> Any:
    """The delays of a Delay node, in steps: one number where all are the same."""
    delays = node.arrays["delay"].astype(np.float64).ravel()
    steps = np.rint(delays / dt_s)
    wrong = (steps < 0) | (steps > MAX_DELAY_STEPS) | (np.abs(delays / dt_s - steps) > 1e-6 * np.maximum(steps, 1))
    if wrong.any():
        raise NetworkError(
            f"node {name!r}: delay: found {delays[wrong][0]:g} s; allowed: whole steps of {dt_s:g} s,"
            f" 0 to {MAX_DELAY_STEPS} of them; {OTHER_UNITS}"
        )
    return int(steps[0]) if steps.size and (steps == steps[0]).all() else steps.astype(np.int64)
