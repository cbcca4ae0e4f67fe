"""A NIR graph as plain, checked data: nodes with finite float32 arrays, and edges between nodes that are there.

Nested graphs are flattened to `outer.inner` names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.nir.fields import Node, node_of, says_anything

if TYPE_CHECKING:
    import nir

MAX_DEPTH = 16
MAX_NODES = 100_000
MAX_EDGES = 1_000_000
KEY = "hilbench"
"""Of the graph's metadata: the execution profile; arrays that belong to it stand under `hilbench.WHAT.NAME`."""
GRAPH = ("type", "nodes", "edges", "metadata", "version")
"""What a graph holds, and a file of an old version beside it."""


class Inner(NamedTuple):
    """A port of a graph within the graph, and the nodes that lead to it."""

    type: str
    shape: tuple[int, ...] | None
    sources: list[str]


@dataclass(slots=True)
class Graph:
    """A flat graph. Every edge is there once, and its ends are nodes."""

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)
    inner: dict[str, Inner] = field(default_factory=dict)
    """Inputs and Outputs of graphs within the graph; they pass on what comes, and are no nodes any more."""
    notes: list[str] = field(default_factory=list)
    """What the file did not say, and what of it is not kept; one line each."""

    def sources(self) -> dict[str, list[str]]:
        """For each node those before it, in the order of the edges."""
        found: dict[str, list[str]] = {name: [] for name in self.nodes}
        for a, b in self.edges:
            found[b].append(a)
        return found

    def targets(self) -> dict[str, list[str]]:
        """For each node those after it, in the order of the edges."""
        found: dict[str, list[str]] = {name: [] for name in self.nodes}
        for a, b in self.edges:
            found[a].append(b)
        return found


def tree_of(graph: nir.NIRGraph) -> dict[str, Any]:
    """A graph of the nir library as the nested dicts that its files hold."""
    import nir

    nodes = {
        name: tree_of(node) if isinstance(node, nir.NIRGraph) else node.to_dict() for name, node in graph.nodes.items()
    }
    return {"type": "NIRGraph", "nodes": nodes, "edges": graph.edges, "metadata": graph.metadata or {}}


def graph_of(tree: dict[str, Any]) -> Graph:
    """The graph in nested dicts. Raises NetworkError, naming the node."""
    if str(tree.get("type")) != "NIRGraph":
        raise NetworkError(f"found a single {str(tree.get('type'))[:80]}; allowed: a NIRGraph")
    metadata = tree.get("metadata", {})
    if not isinstance(metadata, dict | None):
        raise NetworkError(f"metadata: found {type(metadata).__name__}; allowed: a group")
    graph = Graph(metadata=dict(metadata or {}))
    through: set[str] = set()
    if any(str(key).partition(".")[0] != KEY for key in graph.metadata):
        graph.notes.append("metadata is not kept: node of the graph itself")
    raw_edges = _flatten(tree, "", graph, through, 0)
    _pass_through(graph, raw_edges, through)
    _check_ends(graph)
    # The meaning of a graph must not depend on the order in which a file, or a dict, holds its parts.
    graph.nodes = dict(sorted(graph.nodes.items()))
    graph.edges.sort()
    graph.notes[:] = gathered(graph.notes)
    return graph


def _flatten(tree: dict, prefix: str, graph: Graph, through: set[str], depth: int) -> list[tuple[str, str]]:
    """Add the nodes of a graph; its edges, by full names. `through`: Inputs and Outputs of graphs within it."""
    if depth > MAX_DEPTH:
        raise NetworkError(f"node {prefix[:-1]!r}: graphs within graphs; allowed: {MAX_DEPTH} deep")
    edges, nodes = [], tree.get("nodes", {})
    if not isinstance(nodes, dict):
        raise NetworkError(f"nodes: found {type(nodes).__name__}; allowed: a group")
    where = prefix[:-1] or "of the graph itself"
    graph.notes += [f"{key} is not kept: node {where}" for key in tree if key not in GRAPH]
    if prefix and says_anything(tree.get("metadata")):
        graph.notes.append(f"metadata is not kept: node {where}")
    for name, raw in nodes.items():
        full = f"{prefix}{name}"
        if not isinstance(raw, dict):
            raise NetworkError(f"node {full!r}: found {type(raw).__name__}; allowed: a group with a type")
        if len(graph.nodes) >= MAX_NODES:
            raise NetworkError(f"more than {MAX_NODES} nodes; allowed: {MAX_NODES}")
        if _is(raw, "NIRGraph"):
            edges += _flatten(raw, f"{full}.", graph, through, depth + 1)
            continue
        if full in graph.nodes:
            raise NetworkError(f"node {full!r} stands twice: once by itself and once in a graph within the graph")
        graph.nodes[full] = node_of(full, raw, graph.notes)
        if prefix and graph.nodes[full].type in ("Input", "Output"):
            through.add(full)
    return edges + [
        (_end(nodes, prefix, a, "Output"), _end(nodes, prefix, b, "Input"))
        for a, b in _edge_names(tree.get("edges", ()))
    ]


def _is(raw: Any, kind: str) -> bool:
    """Whether this is a node of a type."""
    found = raw.get("type") if isinstance(raw, dict) else None
    return isinstance(found, str) and found == kind


def _edge_names(edges: Any) -> Iterator[tuple[str, str]]:
    """Pairs of names; before NIR 0.1 nodes had numbers."""
    if np.ndim(edges) == 0 or len(edges) > MAX_EDGES:
        raise NetworkError(f"edges: found {np.shape(edges) or edges}; allowed: {MAX_EDGES} pairs of names")
    for edge in edges:
        try:
            a, b = (end.decode() if isinstance(end, bytes) else str(end) for end in edge)
        except (TypeError, ValueError, UnicodeDecodeError):
            raise NetworkError(f"edges: found {str(edge)[:80]!r}; allowed: pairs of names") from None
        yield a, b


def _end(nodes: dict, prefix: str, name: str, port: str) -> str:
    """The full name of an edge's end; for a graph that stands as a node, of its one Input or Output."""
    if name not in nodes:
        raise NetworkError(f"edge at {prefix + name!r}: no such node; {allowed_hint(name, list(nodes)[:20])}")
    if not _is(nodes[name], "NIRGraph"):
        return prefix + name
    inner = nodes[name].get("nodes", {})
    ports = [key for key, node in inner.items() if _is(node, port)]
    if len(ports) != 1:
        raise NetworkError(f"node {prefix + name!r}: an edge to a graph with {len(ports)} {port} nodes; allowed: 1")
    return f"{prefix}{name}.{ports[0]}"


def _pass_through(graph: Graph, edges: list[tuple[str, str]], through: set[str]) -> None:
    """The graph's edges, with the ports of inner graphs cut out."""
    after: dict[str, list[str]] = {name: [] for name in through}
    before: dict[str, list[str]] = {name: [] for name in through}
    for a, b in edges:
        if a in through:
            after[a].append(b)
    for a, b in edges:
        if a not in through:
            ends, passed = _beyond(b, after)
            graph.edges += [(a, end) for end in ends]
            for name in passed:
                before[name].append(a)
    for name in sorted(through):
        port = graph.nodes.pop(name)
        graph.inner[name] = Inner(port.type, _stated(port.settings.get("shape")), before[name])
        if not before[name]:
            graph.notes.append(f"nothing leads to this {port.type} of a graph within the graph: node {name}")
        if not after[name]:
            graph.notes.append(f"nothing leads on from this {port.type} of a graph within the graph: node {name}")


def _stated(shape: Any) -> tuple[int, ...] | None:
    """The shape that an inner port gives; some files give none."""
    return tuple(shape) if isinstance(shape, list) and shape else (shape,) if isinstance(shape, int) else None


def _beyond(name: str, after: dict[str, list[str]]) -> tuple[list[str], set[str]]:
    """Where an edge to this node ends, and the inner ports that it passes."""
    ends, seen, waiting = [], set(), [name]
    while waiting:
        name = waiting.pop(0)
        if name not in after:
            ends.append(name)
        elif name not in seen:
            seen.add(name)
            waiting += after[name]
    return ends, seen


def _check_ends(graph: Graph) -> None:
    seen = set()
    for a, b in graph.edges:
        if (a, b) in seen:
            raise NetworkError(f"the edge from {a!r} to {b!r} stands twice; allowed: once")
        seen.add((a, b))
        if graph.nodes[b].type == "Input" or graph.nodes[a].type == "Output":
            raise NetworkError(f"the edge from {a!r} to {b!r}: nothing leads to an Input, or away from an Output")


def gathered(notes: list[str]) -> list[str]:
    """Notes that differ only in their node, as one."""
    nodes: dict[str, list[str]] = {}
    for note in notes:
        what, _, name = note.rpartition(": node ")
        nodes.setdefault(what, []).append(name)
    return [f"{what}: {', '.join(names[:5])}{' and more' * (len(names) > 5)}" for what, names in nodes.items()]
