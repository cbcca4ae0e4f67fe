"""The edges of the graph that a Network stands for: relays (`passthrough`) and identity projections are no nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from hilbench.nal.model.network import Network
from hilbench.nal.model.projection import Projection


def is_edge(p: Projection) -> bool:
    """Whether a graph has an edge for it, and no node."""
    return p.form is not None and p.form.kind == "identity"


def edges_of(network: Network, node: Mapping[str, str], outputs: Mapping[str, str]) -> list[tuple[str, str]]:
    """All edges of the graph that a network stands for.

    Parameters
    ----------
    network : Network
        The network.
    node : mapping of str to str
        Parts of the network and their nodes.
    outputs : mapping of str to str
        Output ports and their nodes.
    """
    found = []
    into = defaultdict(list)
    for p in network.projections.values():
        into[p.target].append(p)
    heads = {name: _heads(network, name, into, node) for name in {p.source for p in network.projections.values()}}
    for p in network.projections.values():
        relayed = _is_relay(network, p.target)
        if not is_edge(p):
            found += [(head, node[p.name]) for head in heads[p.source]]
            found += [] if relayed else [(node[p.name], node[p.target])]
        elif not relayed:
            found += [(head, node[p.target]) for head in heads[p.source]]
    for port, source in network.output_sources.items():
        found += [(head, outputs[port]) for head in _heads(network, source, into, node)]
    return found


def _is_relay(network: Network, name: str) -> bool:
    return name in network.populations and network.populations[name].kind == "passthrough"


def _heads(network: Network, name: str, into: Mapping[str, list[Projection]], node: Mapping[str, str]) -> list[str]:
    """The nodes whose results are added up at this place."""
    heads, seen, waiting = [], set(), [name]
    while waiting:
        name = waiting.pop()
        if not _is_relay(network, name):
            heads.append(node[name])
        elif name not in seen:
            seen.add(name)
            heads += [node[p.name] for p in into[name] if not is_edge(p)]
            waiting += [p.source for p in into[name] if is_edge(p)]
    return heads
