"""The arrays that the compiled engine keeps for each rule: traces, constants and indices, and tables of addresses."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.errors import NetworkError, PluginError
from hilbench.modules import is_allowed
from hilbench.nal.compile.lowered import Column, Lowered, ProjectionRow
from hilbench.nal.model.columns import table_of
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population
from hilbench.nal.model.projection import Projection
from hilbench.nal.rules import Rule, bounds

Plan = IntEnum(
    "Plan",
    [
        "LINK", "SOURCE", "FROM_EVENTS", "DEPTH", "MODULATOR_LO", "N_MODULATORS", "FEEDBACK_LINK",
        "CONSTANTS", "BOUNDS", "PRE", "POST", "SYNAPSE", "UNDER_WAY", "SIGNAL", "DRIVE", "FEEDBACK",
        "BY_TARGET", "AT_SYNAPSE", "AT_SOURCE", "STEP", "INSIDE", "GATE", "FIRST", "OLDEST",
    ],
    start=0,
)  # fmt: skip
"""Columns of PLANS, a row for each plastic projection: numbers, then addresses (0 where there is no array).

MODULATOR_LO is a place in MODULATORS, or in HEARD where the modulator is INSIDE. GATE is a place in HEARD, -1 without.
What arrives stands OLDEST slots after what is sent, in a ring of DEPTH slots; the plans of one projection, a plan for
each delay, share a ring, which the FIRST of them fills.
"""

Move = IntEnum(
    "Move", ["LO", "HI", "AT_LEAST", "SUBTRACT", "CONSTANTS", "BOUNDS", "STEP", "GATE", "POOL_LO", "POOL_HI"], start=0
)
"""Columns of MOVES, a row for each population whose thresholds move, alike by the mean spikes of the pool where there
is one."""

Ear = IntEnum("Ear", ["LO", "SIZE", "SPIKING", "AT"], start=0)
"""Columns of EARS, a row for each population that rules hear: its neurons, and where its values stand in HEARD."""


class Plans:
    """The arrays of one network's rules, and the tables of their addresses. `traces` change from step to step.

    Parameters
    ----------
    flat : Lowered
        The network's arrays, whose weights and thresholds the rules change.
    network : Network
        What `flat` was made of.
    origins : dict of Projection
        What `nal.compile.by_delay` has taken apart, by the name of a part.
    compiled : callable
        Gives the address of the compiled kernel of a class of rules.
    """

    def __init__(
        self, flat: Lowered, network: Network, origins: dict[str, Projection], compiled: Callable[[type[Rule]], int]
    ) -> None:
        self._compiled, self._origins = compiled, origins
        self.traces: dict[str, NDArray] = {}
        self._kept: list[NDArray] = []
        self._links = {p.name: i for i, p in enumerate(flat.projections)}
        starts = np.cumsum([0, *(port.size for port in network.modulators)]).tolist()
        self._modulators = {port.name: at for port, at in zip(network.modulators, starts, strict=False)}
        self.ears, self._heard = _ears(flat, network)
        self.traces["heard"] = np.zeros(sum(row[Ear.SIZE] for row in self.ears))
        rows = [self._plan(i, p, p.rule, flat, network) for i, p in enumerate(flat.projections) if p.rule is not None]
        self.plans = table_of(Plan, rows, np.int64)
        columns = {p.name: row for p, row in zip(flat.order, flat.populations, strict=True)}
        moves = [self._move(p, columns, network) for p in flat.order if p.rule]
        self.moves = table_of(Move, moves, np.int64)

    def reset(self) -> None:
        """Empty every trace."""
        for trace in self.traces.values():
            trace[...] = 0

    def _plan(self, index: int, p: Projection, rule: Rule, flat: Lowered, network: Network) -> dict[str, int]:
        (n_target, n_source), name = p.weights.shape, p.name
        inside = rule.modulator_is == "population"
        known = self._heard if inside else self._modulators
        lo = 0 if rule.modulator is None else known[rule.modulator]
        stated = self._origins.get(name, p)
        depth, ring = stated.max_delay_steps + 1, f"under_way/{stated.name}"
        first = ring not in self.traces
        under_way = self._trace(ring, (depth, n_source), np.float32) if first else self.traces[ring].ctypes.data
        constants, limits = self._rule(rule, network, stated)
        feedback = rule.feedback(network, stated)
        to_link = self._links[feedback] if isinstance(feedback, str) else -1
        return {
            "STEP": self._compiled(type(rule)), "LINK": index, "INSIDE": inside, "GATE": self._gate(rule),
            "SOURCE": flat.links[index, ProjectionRow.SOURCE_LO],
            "FROM_EVENTS": network.port(p.source) is not None, "DEPTH": depth, "MODULATOR_LO": lo, "FIRST": first,
            "OLDEST": depth - p.max_delay_steps,
            "N_MODULATORS": 0 if rule.modulator is None else rule.modulator_size(network, p), "FEEDBACK_LINK": to_link,
            "CONSTANTS": constants, "BOUNDS": limits,
            "PRE": self._trace(f"pre_traces/{name}", (len(rule.pre_traces), n_source)),
            "POST": self._trace(f"post_traces/{name}", (len(rule.post_traces), n_target)),
            "SYNAPSE": self._trace(f"synapse_traces/{name}", (len(rule.synapse_traces), p.weights.nnz)),
            "UNDER_WAY": under_way,
            "SIGNAL": self._keep(np.zeros(n_target)), "DRIVE": self._keep(np.zeros(n_target)),
            "FEEDBACK": self._keep(feedback) if isinstance(feedback, np.ndarray) else 0,
        } | (self._by_target(p) if rule.by_spikes else {"BY_TARGET": 0, "AT_SYNAPSE": 0, "AT_SOURCE": 0})  # fmt: skip

    def _move(self, p: Population, columns: dict[str, NDArray], network: Network) -> dict[str, int]:
        assert p.rule is not None
        row, pool = columns[p.name], p.rule.pooled
        lo, hi = (0, 0) if pool is None else columns[pool][[Column.LO, Column.HI]].tolist()
        constants, limits = self._rule(p.rule, network, p)
        return {
            "LO": row[Column.LO], "HI": row[Column.HI], "AT_LEAST": p.behaviour.threshold_test == ">=",
            "SUBTRACT": p.behaviour.reset == "subtract", "CONSTANTS": constants, "BOUNDS": limits,
            "STEP": self._compiled(type(p.rule)), "GATE": self._gate(p.rule), "POOL_LO": lo, "POOL_HI": hi,
        }  # fmt: skip

    def _gate(self, rule: Rule) -> int:
        return -1 if rule.gate is None else self._heard[rule.gate]

    def _rule(self, rule: Rule, network: Network, part: object) -> tuple[int, int]:
        """Addresses of its constants, and of its bounds with its softness and the level of its gate."""
        constants = np.array(rule.constants(network, part), np.float64)
        return self._keep(constants), self._keep(np.array([*bounds(rule), rule.softness, rule.gate_above]))

    def _by_target(self, p: Projection) -> dict[str, int]:
        """Where the synapses of each target neuron lie among those by source."""
        targets = p.weights.indices
        at = np.argsort(targets, kind="stable")
        sources = np.repeat(np.arange(p.weights.shape[1]), np.diff(p.weights.indptr))
        starts = np.searchsorted(targets[at], np.arange(p.weights.shape[0] + 1))
        return {
            "BY_TARGET": self._keep(starts.astype(np.int64)),
            "AT_SYNAPSE": self._keep(at.astype(np.int64)),
            "AT_SOURCE": self._keep(sources[at].astype(np.int32)),
        }

    def _trace(self, name: str, shape: tuple[int, int], kind: type = np.float64) -> int:
        self.traces[name] = np.zeros(shape, kind)
        return self.traces[name].ctypes.data

    def _keep(self, array: NDArray) -> int:
        self._kept.append(np.ascontiguousarray(array))
        return self._kept[-1].ctypes.data


def _ears(flat: Lowered, network: Network) -> tuple[NDArray, dict[str, int]]:
    """The rows of EARS, and where in HEARD each population's values begin."""
    heard, at = network.heard(), 0
    rows: list[dict[str, int]] = []
    found: dict[str, int] = {}
    for p, row in zip(flat.order, flat.populations, strict=True):
        if p.name in heard:
            rows.append({"LO": row[Column.LO], "SIZE": p.size, "SPIKING": p.spiking, "AT": at})
            found[p.name] = at
            at += p.size
    return table_of(Ear, rows, np.int64), found


def check_rules(network: Network) -> None:
    """Refuse rules that are not compiled. Raises NetworkError."""
    on_weights = [("projection", p.name, p.rule) for p in network.projections.values() if p.rule is not None]
    on_thresholds = [("population", p.name, p.rule) for p in network.populations.values() if p.rule is not None]
    parts = on_weights + on_thresholds
    known = compiled_rules() if parts else ()
    for kind, name, rule in parts:
        if type(rule) not in known and not is_allowed(type(rule).__module__):
            raise NetworkError(
                f"{kind} {name!r}: 'numba' has not compiled the rule {type(rule).__name__}; it runs in 'reference'"
            )


def compiled_rules() -> tuple[type[Rule], ...]:
    """The rules that are compiled: every plug-in that loads and says what it moves."""
    found = []
    for plugin in plugins.all_of("rules").values():
        with suppress(PluginError):
            found.append(plugin.load())
    return tuple(rule for rule in found if hasattr(rule, "moves"))
