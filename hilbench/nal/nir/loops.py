"""Where a loop's delay acts. It follows from edges and types of nodes alone, never from names or their order.

An edge closes a loop when it leads back to the node that every way into the loop passes first: when its end dominates
its start. Graphs whose loops are all closed so are called reducible (Hecht & Ullman, 1974, "Characterizations of
reducible flow graphs", J. ACM 21). A loop that can be entered in several places has no such node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import reduce
from typing import NamedTuple

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components

from hilbench.errors import NetworkError
from hilbench.nal.nir.graph import Graph
from hilbench.nal.nir.nodes import FORMS, NEURONS

Edge = tuple[str, str]


def closing_edges(graph: Graph, delaying: set[str]) -> list[Edge]:
    """The edges that close loops, sorted. `delaying` nodes hold what passes them back: a loop through one is closed.

    A loop that is entered in several places is closed where the spikes of its neurons leave, if it holds one node of
    neurons alone. Raises NetworkError for any other, as its delay could be put in several places.
    """
    looped = {edge for loop in _loops(edge for edge in graph.edges if edge[1] not in delaying) for edge in loop}
    if not looped:
        return []
    tree = _dominators(graph)
    closing = {(a, b) for a, b in looped if tree.dominates(b, a)}
    for loop in _loops(looped - closing):
        neurons = {a for a, _ in loop if graph.nodes[a].type in NEURONS}
        if len(neurons) == 1:
            closing |= {(a, b) for a, b in loop if a in neurons}
    for loop in _loops(looped - closing):
        raise NetworkError(_unclear(graph, loop))
    return sorted(closing)


def _unclear(graph: Graph, loop: list[Edge]) -> str:
    inside = {a for a, _ in loop}
    entries = {b for a, b in graph.edges if b in inside and a not in inside}
    entries = entries or {name for name in inside if graph.nodes[name].type in NEURONS} or inside
    linear = sorted(name for name in inside if graph.nodes[name].type in FORMS and graph.nodes[name].type != "Delay")
    remedy = "put a Delay node into it"
    if linear:
        remedy = f"state delay_steps (1 or more) of one of its linear nodes, as nodes.{linear[0]}.delay_steps"
    return (
        f"the loop through {_listed(inside)} can be entered at {_listed(entries)}, and edges do not say where its"
        f" recurrent_delay acts; {remedy}"
    )


def _listed(names: Iterable[str]) -> str:
    first = sorted(names)
    return ", ".join(map(repr, first[:4])) + " and more" * (len(first) > 4)


def _components(edges: Iterable[Edge], more: Iterable[str] = ()) -> dict[str, int]:
    """Node -> which strongly connected component it is in."""
    edges = list(edges)
    at = {name: i for i, name in enumerate(sorted({*more, *(name for edge in edges for name in edge)}))}
    ends = np.array([(at[a], at[b]) for a, b in edges], np.int32).reshape(-1, 2).T
    matrix = scipy.sparse.coo_array((np.ones(len(edges), np.int8), ends), shape=(len(at), len(at)))
    labels = connected_components(matrix.tocsr(), connection="strong")[1].tolist() if at else []
    return dict(zip(at, labels, strict=True))


def _loops(edges: Iterable[Edge]) -> list[list[Edge]]:
    """The edges on any loop, component by component, in the order of their names."""
    edges = sorted(edges)
    component, found = _components(edges), defaultdict(list)
    for a, b in edges:
        if component[a] == component[b]:
            found[component[a]].append((a, b))
    return sorted(found.values())


def _roots(graph: Graph) -> list[str]:
    """Where signals begin: Inputs, and of each part of the graph that nothing leads into, its neurons."""
    component = _components(graph.edges, graph.nodes)
    fed = {component[b] for a, b in graph.edges if component[a] != component[b]}
    parts = defaultdict(list)
    for name, label in component.items():
        if label not in fed:
            parts[label].append(name)
    neurons = {label: [n for n in names if graph.nodes[n].type in NEURONS] for label, names in parts.items()}
    return [name for label, names in parts.items() for name in neurons[label] or names]


class _Tree(NamedTuple):
    """The tree of dominators: nodes by number, and the number of the one above each. 0 is before all roots."""

    place: dict[str, int]
    above: list[int]

    def dominates(self, name: str, other: str) -> bool:
        """Whether every way to `other` passes `name`."""
        i, j = self.place[name], self.place[other]
        while j > i:
            j = self.above[j]
        return i == j

    def common(self, i: int, j: int) -> int:
        """The nearest that dominates both."""
        while i != j:
            i, j = (self.above[i], j) if i > j else (i, self.above[j])
        return i


def _dominators(graph: Graph) -> _Tree:
    """By Cooper, Harvey & Kennedy (2001), "A simple, fast dominance algorithm"."""
    roots = _roots(graph)
    order = _reverse_postorder(graph.targets(), roots)
    place = {name: i for i, name in enumerate(order, 1)}
    before: list[list[int]] = [[] for _ in range(len(order) + 1)]
    for root in roots:
        before[place[root]].append(0)
    for a, b in graph.edges:
        before[place[b]].append(place[a])
    tree, changed = _Tree(place, [0, *(-1 for _ in order)]), True
    while changed:
        changed = False
        for i in range(1, len(order) + 1):
            nearest = reduce(tree.common, (j for j in before[i] if tree.above[j] >= 0))
            changed |= tree.above[i] != nearest
            tree.above[i] = nearest
    return tree


def _reverse_postorder(after: dict[str, list[str]], roots: list[str]) -> list[str]:
    seen, done = set(), []
    for root in roots:
        if root in seen:
            continue
        seen.add(root)
        way = [(root, iter(after[root]))]
        while way:
            name, ends = way[-1]
            end = next((end for end in ends if end not in seen), None)
            if end is None:
                done.append(name)
                way.pop()
            else:
                seen.add(end)
                way.append((end, iter(after[end])))
    return done[::-1]
