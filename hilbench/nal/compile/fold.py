"""Relays taken out: a `passthrough` is where linear nodes meet, not hardware, so its matrices become one."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.errors import NetworkError
from hilbench.nal.model.network import Network
from hilbench.nal.model.projection import Projection

Chain = tuple[Projection, ...]
"""The projections, as stated, that one was made of."""
A_NEURON = "a neuron in every loop"
Way = tuple[Projection, Chain]


class Folded(NamedTuple):
    """A network without its relays, and what is then not as it was."""

    network: Network
    lines: tuple[str, ...]
    """As `NAME: how`."""


def fold(network: Network) -> Network:
    """The same network without its relays. One that learns, feeds itself or is fed by nothing stays; so does
    one that a rule hears.

    A constant that comes through a delay, or acts after the threshold test, becomes one that is there from the first
    step on (`early_constants`).

    A projection made of several is named after those that compute or delay, as `linear+scale`. Output ports that read
    a relay keep its name: what they give is computed beside the hardware.
    """
    found: dict[str, Way] = {}
    onto: dict[str, dict[str, Way]] = defaultdict(dict)
    leaving: dict[str, dict[str, Way]] = defaultdict(dict)

    def add(p: Projection, chain: Chain) -> None:
        found[p.name] = onto[p.target][p.name] = leaving[p.source][p.name] = p, chain

    for p in network.projections.values():
        add(p, (p,))
    populations, heard = dict(network.populations), set(network.heard())
    for name in [p.name for p in populations.values() if p.kind == "passthrough" and p.name not in heard]:
        into, out = list(onto[name].values()), list(leaving[name].values())
        own = any(p.rule is not None or p.short_term is not None for p, _ in into + out)
        if not into or own or any(p.source == name for p, _ in into):
            continue
        del populations[name]
        for p, _ in into + out:
            del found[p.name], onto[p.target][p.name], leaving[p.source][p.name]
        for first, chain in into:
            for then, rest in out:
                for p in _joined(first, then, first is into[0][0]):
                    add(p, chain + rest)
    return replace(network, populations=populations, projections=_named(found.values()))


def folded_for(network: Network, backend: str) -> Folded:
    """The network without its relays, for a backend that has none. Raises NetworkError where an output reads one.

    Such a backend has no short-term plasticity either, and that is refused, too.

    Parameters
    ----------
    network : Network
        The network.
    backend : str
        The backend's name, for the message.
    """
    for q in network.projections.values():
        if q.short_term is not None:
            text = f"found u {q.short_term.u:g}; allowed on backend {backend!r}: none"
            raise NetworkError(f"projection {q.name!r}: short_term: {text}")
    found = fold(network)
    for port in network.outputs:
        name = network.output_sources[port.name]
        if name in network.populations and name not in found.populations:
            text = f"found {_what_leads_to(network, name)}, which no neuron takes up"
            hint = "a population, as an integrator (I or LI) behind it"
            raise NetworkError(f"output {port.name!r}: {text}; allowed on backend {backend!r}: {hint}")
    if not found.populations:
        raise NetworkError(f"network: found relays alone; allowed on backend {backend!r}: a neuron, as lif or readout")
    for loop in loops(network, found):
        raise NetworkError(f"network: found {loop}; allowed on backend {backend!r}: {A_NEURON}")
    return Folded(found, tuple(f"{name}: {how}" for name, how in early_constants(network, found)))


def early_constants(network: Network, folded: Network) -> Iterator[tuple[str, str]]:
    """Each projection through which a constant comes later than it does in the folded network, and how much.

    Parameters
    ----------
    network : Network
        As stated.
    folded : Network
        Without its relays.
    """
    steady = _steady(network, network.populations.keys() - folded.populations.keys())
    for q in network.projections.values():
        if q.source not in steady:
            continue
        crossed = np.repeat(steady[q.source], np.diff(q.weights.indptr)) & (q.weights.data != 0)
        delays = np.broadcast_to(q.delay_steps, crossed.shape)[crossed]
        if n := int(delays.max(initial=0)):
            size = f"{'up to ' if delays.min() < n else ''}{n} step{'s' * (n > 1)} early"
            yield q.name, f"the constant input through it acts {size}, from the first step on"
        if q.after_threshold and crossed.any():
            yield q.name, "the constant input through it acts before the threshold test, not after it"


def _steady(network: Network, relays: Iterable[str]) -> dict[str, NDArray]:
    """(size,) bool of each relay: which of its sums a constant is part of."""
    found = {name: np.zeros(network.populations[name].size, bool) for name in relays}
    for name, there in found.items():
        for q in network.onto(name):
            if q.bias is not None:
                there |= q.bias != 0
    reached = [name for name, there in found.items() if there.any()]
    for name in reached:
        for q in network.leaving(name):
            if q.target not in found:
                continue
            more = (q.weights != 0) @ found[name].astype(int) > 0
            if (more & ~found[q.target]).any():
                found[q.target] |= more
                reached.append(q.target)
    return found


def loops(network: Network, folded: Network) -> list[str]:
    """Loops of linear nodes, which nothing can fold, each by the nodes' own names.

    Parameters
    ----------
    network : Network
        As stated.
    folded : Network
        Without its relays.
    """
    left = [p.name for p in folded.populations.values() if p.kind == "passthrough"]
    looped = [name for name in left if any(q.source == name for q in folded.onto(name))]
    found = dict.fromkeys(_around(network, name) for name in looped)
    return [f"a loop of linear nodes without a neuron: {names}" for names in found]


def _around(network: Network, relay: str) -> str:
    """The projections of the loops through a relay, by name."""
    after = _reached(network, relay, forward=True)
    before = _reached(network, relay, forward=False)
    inside = [q for q in network.projections.values() if q.source in after and q.target in before]
    return ", ".join(repr(q.name) for q in [q for q in inside if not _is_edge(q)] or inside)


def _reached(network: Network, relay: str, forward: bool) -> set[str]:
    """The relays to which a relay leads through relays alone, or that lead to it; itself among them."""
    found = [relay]
    for name in found:
        near = (q.target for q in network.leaving(name)) if forward else (q.source for q in network.onto(name))
        found += {p for p in near if p in network.populations and network.populations[p].kind == "passthrough"} - {
            *found
        }
    return set(found)


def exact_parts(network: Network, folded: Network, lines: Iterable[str]) -> tuple[str, ...]:
    """The populations and projections of a network that no line `NAME: ...` is about, without relays that are gone.

    A line about a projection that `fold` made is about all that it is named after.

    Parameters
    ----------
    network : Network
        The network as stated.
    folded : Network
        The same without relays.
    lines : iterable of str
        What is approximated, as `NAME: how`.
    """
    said = {part for line in lines for part in _parts_of(line.partition(": ")[0])}
    return tuple(name for name in (*folded.populations, *network.projections) if name not in said)


def _parts_of(name: str) -> list[str]:
    """What a projection is named after."""
    return re.sub("^[^>]*>|@.*$", "", name).split("+")


def copied_input(network: Network, relay: str) -> str | None:
    """The input port that a relay passes on as it is; None where it adds up anything or changes it.

    Parameters
    ----------
    network : Network
        The network.
    relay : str
        The relay's name.
    """
    while relay in network.populations and network.populations[relay].kind == "passthrough":
        into = network.onto(relay)
        if len(into) != 1 or not _is_edge(into[0]) or into[0].max_delay_steps:
            return None
        relay = into[0].source
    return None if relay in network.populations else relay


def _what_leads_to(network: Network, relay: str) -> str:
    """The projections onto a relay, by name; what they come from where they are edges alone."""
    if copied := copied_input(network, relay):
        return f"the input {copied!r} itself"
    names, relays = set(), [relay]
    for name in relays:
        for q in network.onto(name):
            if not _is_edge(q):
                names.add(q.name)
            elif q.source not in network.populations or network.populations[q.source].kind != "passthrough":
                names.add(q.source)
            elif q.source not in relays:
                relays.append(q.source)
    return f"the sum of {', '.join(map(repr, sorted(names)))}"


def sum_sources(network: Network, relay: str) -> set[str]:
    """The inputs and the populations whose sum a relay gives, through other relays too.

    Parameters
    ----------
    network : Network
        The network.
    relay : str
        The relay's name.
    """
    found, relays = set(), [relay]
    for name in relays:
        for q in network.onto(name):
            if q.source not in network.populations or network.populations[q.source].kind != "passthrough":
                found.add(q.source)
            elif q.source not in relays:
                relays.append(q.source)
    return found


def _is_edge(p: Projection) -> bool:
    return p.form is not None and p.form.kind == "identity"


def _named(ways: Iterable[tuple[Projection, Chain]]) -> dict[str, Projection]:
    """The projections under names made of those that a network's author gave."""
    ways = list(ways)
    found = {p.name: p for p, chain in ways if len(chain) == 1}
    for p, chain in ways:
        if len(chain) > 1:
            name = next(name for name in _names(p, chain, len(ways)) if name not in found)
            found[name] = replace(p, name=name)
    return found


def _names(p: Projection, chain: Chain, n: int) -> Iterator[str]:
    """What a projection made of several may be called, the plainest first."""
    nodes = [q for q in chain if not _is_edge(q)]
    computing = [q for q in nodes if q.form is None or q.form.computes or q.after_threshold or q.max_delay_steps]
    plain = "+".join(q.name for q in computing or nodes) or f"{p.source}_to_{p.target}"
    yield plain
    yield f"{p.source}>{plain}"
    yield from (f"{p.source}>{plain}@{number}" for number in range(1, n + 1))


def _joined(first: Projection, then: Projection, constant_too: bool) -> Iterator[Projection]:
    """One projection for each delay of the way through both; constant input goes with the first of them.

    `constant_too`: with that of `then`, which stands once however many ways lead to it.
    """
    ways: dict[int, scipy.sparse.csc_array] = {}
    for early, a in _by_delay(first).items():
        for late, b in _by_delay(then).items():
            ways[early + late] = ways.get(early + late, 0) + b @ a
    bias = then.bias if constant_too else None
    if first.bias is not None:
        bias = then.weights @ first.bias + (0 if bias is None else bias)
    for number, delay in enumerate(sorted(ways)):
        name = f"{first.name}+{then.name}@{delay}"
        matrix = scipy.sparse.csc_array(ways[delay], dtype=np.float32)
        matrix.sum_duplicates()
        constant = None if number or bias is None else np.asarray(bias, np.float32)
        yield Projection(name, first.source, then.target, matrix, constant, delay, then.after_threshold)


def _by_delay(p: Projection) -> dict[int, scipy.sparse.csc_array]:
    """The weights that each delay has."""
    if isinstance(p.delay_steps, int):
        return {p.delay_steps: p.weights}
    if not p.weights.nnz:
        return {0: p.weights}
    parts = {}
    for delay in np.unique(p.delay_steps).tolist():
        part = p.weights.copy()
        part.data = np.where(p.delay_steps == delay, part.data, 0).astype(np.float32)
        part.eliminate_zeros()
        parts[delay] = part
    return parts
