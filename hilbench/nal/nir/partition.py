"""How a graph without a profile becomes populations and projections, and where relays (`passthrough`) stand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from hilbench.errors import NetworkError
from hilbench.nal.nir.graph import Graph
from hilbench.nal.nir.nodes import FORMS, NEURONS
from hilbench.nal.nir.shapes import Shape

Edge = tuple[str, str]


@dataclass(slots=True)
class Partition:
    """The parts of a network that a graph is cut into, by name. A projection without a node stands for an edge."""

    names: dict[str, str]
    """Node -> its part."""
    relays: dict[str, Shape] = field(default_factory=dict)
    projections: dict[str, tuple[str, str, str | None]] = field(default_factory=dict)
    """Name -> source, target, node."""
    output_sources: dict[str, str] = field(default_factory=dict)
    """Output node -> what it reads."""
    carriers: dict[Edge, str] = field(default_factory=dict)
    """Edge -> the projection that alone stands for it."""
    taken: set[str] = field(default_factory=set)

    def relay(self, name: str, shape: Shape) -> str:
        """Add a relay, under this name or one like it.

        Parameters
        ----------
        name : str
            The name that is wanted.
        shape : tuple of int
            The relay's shape.
        """
        name = self.free(name)
        self.relays[name] = shape
        return name

    def free(self, name: str) -> str:
        """The name, or one like it that no part has."""
        return _free(name, self.taken)


def partition_of(graph: Graph, shapes: dict[str, tuple[Shape, Shape]]) -> Partition:
    """The network's parts: a linear node between two populations is a projection; relays stand where such nodes meet.

    Parameters
    ----------
    graph : Graph
        The graph, without a profile.
    shapes : dict
        (shape in, shape out) of each node.
    """
    out = Partition(_names(graph.nodes))
    out.taken.update(out.names.values())
    before, after = graph.sources(), graph.targets()
    entry = _entries(graph, shapes, out, before)
    gives = _places(graph, shapes, out, entry, after)

    def reads(name: str) -> str:
        return entry.get(name) or gives[before[name][0]]

    for name, node in graph.nodes.items():
        if node.type in FORMS:
            out.projections[out.names[name]] = reads(name), gives[name], name
            if name not in entry:
                out.carriers.setdefault((before[name][0], name), out.names[name])
        elif node.type == "Output":
            out.output_sources[name] = reads(name)
    for edge in graph.edges:
        a, b = edge
        if b in entry and edge not in out.carriers:
            name = out.carriers[edge] = out.free(f"{gives[a]}_to_{entry[b]}")
            out.projections[name] = gives[a], entry[b], None
    return out


def _entries(
    graph: Graph, shapes: dict[str, tuple[Shape, Shape]], out: Partition, before: dict[str, list[str]]
) -> dict[str, str]:
    """Nodes -> the populations that add up what leads to them: neurons, and relays where several edges end."""
    entry = {}
    for name, node in graph.nodes.items():
        if node.type in NEURONS:
            entry[name] = out.names[name]
        elif node.type != "Input":
            if not before[name]:
                raise NetworkError(f"node {name!r}: no edge leads to this {node.type}; allowed: one or more")
            # An Output reads a population, so one that an Input leads to needs a relay between.
            if len(before[name]) > 1 or (node.type == "Output" and graph.nodes[before[name][0]].type == "Input"):
                entry[name] = out.relay(f"{out.names[name]}_in", shapes[name][0])
    return entry


def _places(
    graph: Graph,
    shapes: dict[str, tuple[Shape, Shape]],
    out: Partition,
    entry: dict[str, str],
    after: dict[str, list[str]],
) -> dict[str, str]:
    """Nodes -> where what they give stands: in themselves, in the one place it leads to, or in a relay."""
    gives = {
        name: out.names[name] for name, node in graph.nodes.items() if node.type in NEURONS or node.type == "Input"
    }
    for name, node in graph.nodes.items():
        if node.type not in FORMS:
            continue
        if not after[name]:
            raise NetworkError(f"node {name!r}: no edge leads away from this {node.type}; allowed: one or more")
        only = after[name][0] if len(after[name]) == 1 else None
        if only in entry:
            gives[name] = entry[only]
            out.carriers[name, only] = out.names[name]
        else:
            gives[name] = out.relay(f"{out.names[name]}_out", shapes[name][1])
    return gives


def _names(nodes: Iterable[str]) -> dict[str, str]:
    """The nodes' names, with what a part's name cannot hold replaced."""
    fit = {name: re.sub(r"[^A-Za-z0-9_.\-]", "_", name)[:100] for name in nodes}
    fit = {name: part if re.match("[A-Za-z0-9_]", part) else f"_{part}" for name, part in fit.items()}
    taken = {name for name, part in fit.items() if name == part}
    return {name: part if name == part else _free(part, taken) for name, part in fit.items()}


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name
