"""What Lava is asked to build: neurons that share constants in one LIF, synapses in as few Dense as their bits allow.

What a step costs there grows with the number of Lava's processes, not with neurons. It imports nothing of Lava.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.nal.loihi import equations

LINES = -1
"""Stands for the network's event lines where a source is named."""
SPARSE_FROM = 100_000
"""Matrices with fewer entries are dense: Lava then takes columns of an array, which is faster."""
SPARSE_BELOW = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Neurons:
    """One population in Lava's numbers; integers where the plan is fixed."""

    name: str
    size: int
    du: float
    dv: float
    vth: float
    refractory_steps: int
    bias: NDArray  # (size,)
    v_initial: NDArray  # (size,)
    driven: bool
    """Whether the host sends it something with every tick."""


@dataclass(frozen=True, slots=True, eq=False)
class Wires:
    """One projection in Lava's numbers."""

    source: str | None
    """A population; None for event lines."""
    first_line: int
    target: str
    weights: scipy.sparse.csc_array  # (n_target, n_source)
    delay_steps: NDArray
    """(n_synapses,) from 1 on, in the order of `weights.data`."""
    exponent: int = 0


@dataclass(slots=True, eq=False)
class Group:
    """One LIF of Lava: populations side by side."""

    du: float
    dv: float
    vth: float
    refractory_steps: int
    driven: bool
    bias: NDArray
    v_initial: NDArray


@dataclass(slots=True, eq=False)
class Bundle:
    """One Dense, DelayDense or Sparse of Lava."""

    source: int
    """A group, or LINES."""
    target: int
    exponent: int
    sign: str
    delayed: bool
    weights: scipy.sparse.lil_array  # (n_target group, n_source group)
    delays: scipy.sparse.lil_array
    """Steps beyond the one that every Dense of Lava takes."""
    taken: list[tuple[str, str | None]] = field(default_factory=list)
    """Targets and sources in it."""

    def takes(self, wires: Wires) -> bool:
        """Whether sums stay what they are apart: each Dense is shifted right, and clipped, by itself."""
        same = [source for target, source in self.taken if target == wires.target]
        return not same or (self.exponent >= 0 and wires.source not in same)

    @property
    def sparse(self) -> bool:
        """Whether Lava's Sparse is the better one."""
        n = np.prod(self.weights.shape)
        return not self.delayed and n >= SPARSE_FROM and self.weights.nnz < SPARSE_BELOW * n


@dataclass(slots=True, eq=False)
class Plan:
    """What the process that Lava runs in gets: which processes of Lava to build, and how to connect them."""

    fixed: bool
    hardware: str
    n_steps: int
    """In one tick; more are run in several goes."""
    n_lines: int
    groups: list[Group]
    bundles: list[Bundle]
    at: dict[str, slice]
    """Where each population stands among all neurons, which lie side by side in the order of the groups."""


def plan(
    parts: Iterable[Neurons], wires: Iterable[Wires], n_lines: int, n_steps: int, fixed: bool, hardware: str
) -> Plan:
    """Group populations and projections that can share one process of Lava.

    Parameters
    ----------
    parts : iterable of Neurons
        The populations.
    wires : iterable of Wires
        The projections.
    n_lines : int
        How many event lines the network has.
    n_steps : int
        Network steps in a tick.
    fixed : bool
        Whether Lava computes in the chip's integers.
    hardware : str
        "sim" or "loihi2".
    """
    by_constants: dict[tuple, list[Neurons]] = {}
    for part in parts:
        by_constants.setdefault((part.du, part.dv, part.vth, part.refractory_steps, part.driven), []).append(part)
    made, at, place, start = [], {}, {}, 0
    for g, (constants, members) in enumerate(by_constants.items()):
        joined = (np.concatenate([getattr(p, name) for p in members]) for name in ("bias", "v_initial"))
        made.append(Group(*constants, *joined))
        first = start
        for part in members:
            at[part.name] = slice(start, start + part.size)
            place[part.name] = g, start - first
            start += part.size
    used = _used_lines(wires := list(wires), n_lines)
    bundles: list[Bundle] = []
    for each in wires:
        if each.weights.nnz:
            _bundle(each, bundles, place, used, made)
    return Plan(fixed, hardware, n_steps, used, made, bundles, at)


def _used_lines(wires: list[Wires], n_lines: int) -> int:
    """The number of event lines; none where nothing in Lava listens to them."""
    return n_lines if any(each.source is None for each in wires) else 0


def _bundle(
    wires: Wires, bundles: list[Bundle], place: dict[str, tuple[int, int]], n_lines: int, groups: list[Group]
) -> None:
    """Add a projection to a bundle that takes it, or to a new one."""
    target, row = place[wires.target]
    source, column = (LINES, wires.first_line) if wires.source is None else place[wires.source]
    delayed = bool((wires.delay_steps > 1).any())
    key = source, target, wires.exponent, equations.sign_of(wires.weights.data), delayed
    fit = (b for b in bundles if (b.source, b.target, b.exponent, b.sign, b.delayed) == key and b.takes(wires))
    if (bundle := next(fit, None)) is None:
        n_source = n_lines if source == LINES else groups[source].bias.size
        shape, kind = (groups[target].bias.size, n_source), wires.weights.dtype
        empty = scipy.sparse.lil_array(shape, dtype=kind), scipy.sparse.lil_array(shape, dtype=np.int64)
        bundles.append(bundle := Bundle(*key, *empty))
    n_target, n_source = wires.weights.shape
    window = slice(row, row + n_target), slice(column, column + n_source)
    bundle.weights[window] = bundle.weights[window] + wires.weights
    extra = scipy.sparse.csc_array(
        (wires.delay_steps - 1, wires.weights.indices, wires.weights.indptr), wires.weights.shape
    )
    bundle.delays[window] = bundle.delays[window] + extra
    bundle.taken.append((wires.target, wires.source))
