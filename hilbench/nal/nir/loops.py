"""Where a loop's delay acts. It follows from edges and types of nodes alone, never from names or their order.

An edge closes a loop when it leads back to the node that every way into the loop passes first: when its end dominates
its start. Graphs whose loops are all closed so are called reducible (Hecht & Ullman, 1974, "Characterizations of
reducible flow graphs", J. ACM 21). A loop that can be entered in several places has no such node.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

import numpy as np
import scipy.sparse

from hilbench.errors import NetworkError
from hilbench.nal.nir.graph import Graph
from hilbench.nal.nir.nodes import FORMS, NEURONS

Edge = tuple[str, str]


def closing_edges(graph: Graph, delaying: set[str]) -> list[Edge]:
    """The edges that close loops, sorted.

    A loop that is entered in several places is closed where the spikes of its neurons leave, if it holds one node of
    neurons alone. Raises NetworkError for any other, as its delay could be put in several places.

    Parameters
    ----------
    graph : Graph
        The graph.
    delaying : set of str
        Nodes that delay what passes them: a loop through one needs no other delay.
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


def has_loop(edges: Iterable[Edge]) -> bool:
    """Whether these edges lead round anywhere."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for a, b in edges:
        sorter.add(b, a)
    try:
        sorter.prepare()
    except CycleError:
        return True
    return False


def _components(edges: Iterable[Edge], more: Iterable[str] = ()) -> dict[str, int]:
    """Node -> which strongly connected component it is in."""
    from scipy.sparse.csgraph import connected_components  # slow to import, and most graphs have no loop

    edges = list(edges)
    at = {name: i for i, name in enumerate(sorted({*more, *(name for edge in edges for name in edge)}))}
    ends = np.array([(at[a], at[b]) for a, b in edges], np.int32).reshape(-1, 2).T
    matrix = scipy.sparse.coo_array((np.ones(len(edges), np.int8), ends), shape=(len(at), len(at)))
    labels = connected_components(matrix.tocsr(), connection="strong")[1].tolist() if at else []
    return dict(zip(at, labels, strict=True))


def _loops(edges: Iterable[Edge]) -> list[list[Edge]]:
    """The edges on any loop, component by component, in the order of their names."""
    edges = sorted(edges)
    if not has_loop(edges):
        return []
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
    """The tree of dominators, laid out so that what a node dominates lies together."""

    start: dict[str, int]
    size: dict[str, int]

    def dominates(self, name: str, other: str) -> bool:
        """Whether every way to `other` passes `name`."""
        return 0 <= self.start[other] - self.start[name] < self.size[name]


def _dominators(graph: Graph) -> _Tree:
    """By semidominators: Georgiadis (2005), "Linear-time algorithms for dominators and related problems", SNCA.

    Nodes are numbered as a depth-first search meets them; 0 is before all roots.
    """
    roots = _roots(graph)
    order, above = _depth_first(graph.targets(), roots)
    place = {name: i for i, name in enumerate(order, 1)}
    before: list[list[int]] = [[] for _ in above]
    for root in roots:
        before[place[root]].append(0)
    for a, b in graph.edges:
        before[place[b]].append(place[a])
    semi, label, up = list(range(len(above))), list(range(len(above))), [-1] * len(above)
    for i in range(len(order), 0, -1):
        semi[i] = min(semi[_least(j, semi, label, up)] for j in before[i])
        up[i] = above[i]
    for i in range(1, len(above)):
        while above[i] > semi[i]:
            above[i] = above[above[i]]
    return _laid_out(order, above)


def _least(i: int, semi: list[int], label: list[int], up: list[int]) -> int:
    """The node with the least semidominator on the way up from i, which is made shorter for the next time."""
    if up[i] < 0:
        return i
    way = [i]
    while up[up[way[-1]]] >= 0:
        way.append(up[way[-1]])
    top = up[way[-1]]
    for j in reversed(way[:-1]):
        if semi[label[up[j]]] < semi[label[j]]:
            label[j] = label[up[j]]
        up[j] = top
    return label[i]


def _laid_out(order: list[str], above: list[int]) -> _Tree:
    size, start = [1] * len(above), [0] * len(above)
    for i in range(len(order), 0, -1):
        size[above[i]] += size[i]
    free = [1] * len(above)
    for i in range(1, len(above)):
        start[i] = free[above[i]]
        free[above[i]] += size[i]
        free[i] = start[i] + 1
    return _Tree(dict(zip(order, start[1:], strict=True)), dict(zip(order, size[1:], strict=True)))


def _depth_first(after: dict[str, list[str]], roots: list[str]) -> tuple[list[str], list[int]]:
    """Nodes as they are met, and for each of 0 (before all roots) and these, the number of the one it was met from."""
    place: dict[str, int] = {}
    above = [0]
    waiting = [(root, 0) for root in reversed(roots)]
    while waiting:
        name, parent = waiting.pop()
        if name not in place:
            place[name] = len(place) + 1
            above.append(parent)
            waiting += [(end, place[name]) for end in reversed(after[name]) if end not in place]
    return list(place), above
