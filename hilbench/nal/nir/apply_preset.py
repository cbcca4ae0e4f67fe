"""A preset's answers for a graph, where the user states none."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hilbench.errors import NetworkError
from hilbench.nal.nir.fields import Node
from hilbench.nal.nir.graph import Graph
from hilbench.nal.nir.nodes import FORMS, NEURONS
from hilbench.nal.nir.per_node import in_full
from hilbench.nal.nir.presets import Preset, TauUnit, preset, tau_unit_s
from hilbench.nal.nir.statements import Statements

TIMES = ("tau", "tau_mem", "tau_syn", "delay")


def apply_preset(graph: Graph, stated: Statements) -> tuple[Graph, Statements]:
    """The graph with its times in seconds, and the statements with all that their preset adds. Raises NetworkError.

    Parameters
    ----------
    graph : Graph
        The graph, its times as the file has them.
    stated : Statements
        What is stated of it.
    """
    p = None if stated.preset is None else preset(stated.preset)
    dt_s = stated.dt_s or (None if p is None else p.dt_s)
    if dt_s is None:
        if p is None:
            return graph, stated
        raise NetworkError(f"preset {stated.preset!r} leaves the network step open; state dt_s (seconds, as 1e-3)")
    graph = in_seconds(graph, stated.tau_unit or (p.tau_unit if p else "s"), dt_s)
    return graph, stated if p is None else _answered(graph, stated, p, dt_s)


def in_seconds(graph: Graph, unit: TauUnit, dt_s: float) -> Graph:
    """The graph with all times in seconds. Raises NetworkError for a time that float32 cannot hold then.

    Parameters
    ----------
    graph : Graph
        The graph, its times as the file has them.
    unit : str
        "s", "dt" or "1/dt".
    dt_s : float
        The network step, in seconds.
    """
    factor = tau_unit_s(unit, dt_s)

    def scaled(name: str, node: Node) -> Node:
        times = {key: _float32(array * np.float64(factor)) for key, array in node.arrays.items() if key in TIMES}
        if any(np.isinf(array).any() for array in times.values()):
            raise NetworkError(f"node {name!r}: its times counted in {unit!r} are more seconds than float32 holds")
        return replace(node, arrays=node.arrays | times)

    if unit == "s":
        return graph
    return replace(graph, nodes={name: scaled(name, node) for name, node in graph.nodes.items()})


def _float32(seconds: NDArray) -> NDArray:
    with np.errstate(over="ignore"):
        return seconds.astype(np.float32)


def _answered(graph: Graph, stated: Statements, p: Preset, dt_s: float) -> Statements:
    looped = _looped(graph)
    nodes = {
        name: _neurons(name, node, stated, p, dt_s, name in looped)
        for name, node in graph.nodes.items()
        if node.type in NEURONS
    } | {name: _carrying(graph, name, p) for name in graph.nodes if p.delay_steps and _carries(graph, name)}
    first = next(iter(p.behaviour.values()))
    return msgspec.structs.replace(
        stated,
        dt_s=dt_s,
        # Every population states its own; these only say that nothing is missing.
        integrator=stated.integrator or first["integrator"],
        reset=stated.reset or first["reset"],
        # A preset's delays count around a loop as well, so nothing is added to them.
        recurrent_delay=0 if p.delay_steps else _first(stated.recurrent_delay, p.recurrent_delay),
        spike_amplitude=_first(stated.spike_amplitude, p.spike_amplitude),
        nodes=stated.nodes | {name: fields | stated.nodes.get(name, {}) for name, fields in nodes.items()},
    )


def _first(given: Any, otherwise: Any) -> Any:
    return otherwise if given is None else given


def _neurons(name: str, node: Node, stated: Statements, p: Preset, dt_s: float, looped: bool) -> dict[str, Any]:
    """A population's behaviour, but for what is stated of all of them. A framework may lack what is stated in full."""
    if NEURONS[node.type][0] not in p.behaviour and in_full(node, stated.nodes.get(name, {}), stated):
        return {}
    try:
        fields = p.of(NEURONS[node.type][0], dt_s, looped)
    except NetworkError as error:
        raise NetworkError(f"node {name!r}: preset {stated.preset!r}: {error}") from None
    return {key: value for key, value in fields.items() if getattr(stated, key, None) is None}


def _looped(graph: Graph) -> set[str]:
    """Neurons that feed themselves through one linear node."""
    targets = graph.targets()
    return {
        name
        for name, node in graph.nodes.items()
        if node.type in NEURONS and any(name in targets[w] for w in targets[name] if graph.nodes[w].type in FORMS)
    }


def _carries(graph: Graph, name: str) -> bool:
    """Whether a linear node takes what neurons send. Raises NetworkError where neurons feed neurons without one."""
    sources = [graph.nodes[a].type in NEURONS for a, b in graph.edges if b == name]
    if graph.nodes[name].type in NEURONS and any(sources):
        raise NetworkError(f"node {name!r}: neurons feed it directly; this preset delays spikes at linear nodes alone")
    return graph.nodes[name].type in FORMS and any(sources)


def _carrying(graph: Graph, name: str, p: Preset) -> dict[str, Any]:
    onto_output = all(graph.nodes[b].type == "Output" for b in graph.targets()[name])
    return {} if onto_output else {"delay_steps": p.delay_steps, "after_threshold": False}
