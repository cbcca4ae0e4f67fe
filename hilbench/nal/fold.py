"""Relays taken out: a `sum` is where linear nodes meet and no hardware, so the matrices around it become one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import scipy.sparse

from hilbench.nal.network import Network
from hilbench.nal.projection import Projection


def fold(network: Network) -> Network:
    """The same network without its relays. One that learns, feeds itself or is fed by nothing stays.

    A constant that comes through a delay, or acts late, becomes one that is there from the first step on.

    Output ports that read a relay keep its name: what they give is computed beside the hardware.
    """
    projections: dict[str, Projection] = {}
    onto: dict[str, dict[str, Projection]] = defaultdict(dict)
    leaving: dict[str, dict[str, Projection]] = defaultdict(dict)

    def add(p: Projection) -> None:
        projections[p.name] = onto[p.target][p.name] = leaving[p.source][p.name] = p

    for p in network.projections.values():
        add(p)
    populations = dict(network.populations)
    for name in [p.name for p in populations.values() if p.kind == "sum"]:
        into, out = list(onto[name].values()), list(leaving[name].values())
        if not into or any(p.rule is not None for p in into + out) or any(p.source == name for p in into):
            continue
        del populations[name]
        for p in into + out:
            del projections[p.name], onto[p.target][p.name], leaving[p.source][p.name]
        for first in into:
            for then in out:
                for p in _joined(first, then, first is into[0]):
                    add(p)
    return replace(network, populations=populations, projections=projections)


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
        name = f"{first.name}__{then.name}" + (f"__{delay}" if number else "")
        matrix = scipy.sparse.csc_array(ways[delay], dtype=np.float32)
        matrix.sum_duplicates()
        constant = None if number or bias is None else np.asarray(bias, np.float32)
        yield Projection(name, first.source, then.target, matrix, constant, delay, then.late)


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
