"""Networks compiled over flat arrays, for real time. Kernels are compiled once and cached on disk.

Weights that stay and all that goes in or out are float32; currents, membranes and what learns are float64, as in the
reference (see `nal.compile.lower`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from inspect import getfile
from itertools import pairwise
from pathlib import Path
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.backends._network import (
    all_or_nothing,
    check_snapshot,
    detached,
    n_probe_values,
    probe_ticks,
    runnable,
)
from hilbench.backends._numba import plans
from hilbench.backends._numba.plans import Move, Plans, check_rules
from hilbench.backends._numba.table import RELEASED, Address, Argument, addresses, fill, io, state
from hilbench.compiled.cache import beside, disk_cache, kernels
from hilbench.errors import NetworkError, said
from hilbench.nal import rules
from hilbench.nal.compile import lowered
from hilbench.nal.compile.by_delay import by_delay
from hilbench.nal.compile.cuts import part_bounds, part_cuts
from hilbench.nal.compile.lower import lower
from hilbench.nal.compile.lowered import Column, ConstantColumn, Lowered
from hilbench.nal.model import noise, short_term
from hilbench.nal.model.network import Network
from hilbench.nal.model.rule import Rule
from hilbench.types import (
    COUNTERS,
    EVENT,
    NO_EVENTS,
    NO_VALUES,
    Backend,
    Carry,
    LoadReport,
    Probes,
    Program,
    Reply,
    Tick,
)

NOW, LAST_RESET = range(2)
ADVANCE = 2
OUTPUTS = [Column.OUT_ADDRESS, Column.PROBE_ADDRESS]
SCRATCH = (
    "HELD_CURRENT", "HOLDING", "HOLD_V", "QUEUE", "HOT_BLOCKS", "OVER", "FIRED", "AMOUNT", "SPIKED", "EXCESS",
    "N_FIRED", "TOTALS", "ARRIVED", "ROWS",
)  # fmt: skip
"""Arrays that hold nothing from one step to the next."""


class NumbaConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `numba`."""

    threads: Annotated[int, Meta(ge=1, le=64)] = 1
    """How many cores run the network. More than 1 pays for networks whose step takes about 100 us or more."""


class Numba(Backend):
    """Compiled kernels, spike for spike with the reference: the real-time simulator."""

    Config = NumbaConfig

    @all_or_nothing
    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        program = runnable(program, period_us, probes, "numba")
        self._steps = period_us // program.dt_us
        check_rules(program)
        self._weight_ticks = probe_ticks(probes, period_us)
        self._probes, self._network = probes, detached(program)
        self._apart = by_delay(program)
        self._flat = flat = lower(self._apart.network, probes)
        self._state = state(flat, self.config.threads)
        tiring = [p for p in flat.projections if p.short_term is not None]
        self._releases = {p.name: np.zeros((self.config.threads, 3, p.weights.shape[1])) for p in tiring}
        self._io = _buffers(flat, program, self._steps)
        self._plans = Plans(flat, self._apart.network, self._apart.origins, _rule_address)
        self._thresholds = {
            p.name: flat.constants[ConstantColumn.THRESHOLD, row[Column.LO] : row[Column.HI]]
            for p, row in zip(flat.order, flat.populations, strict=True)
            if p.rule is not None
        }
        self._reply, self._values_out = Reply(), np.zeros(flat.readouts.size, np.float32)
        self._counts, self._counts_out = np.zeros((2, len(COUNTERS)), np.uint64)
        # What each step puts into the Reply. Views cannot be resized, so that no reader moves the kernel's arrays.
        self._fresh = self._values_out[:], self._counts_out[:], NO_EVENTS, NO_EVENTS, NO_VALUES
        self._values, self._modulators = self._io["VALUES"], self._io["MODULATORS"]
        self._out, self._probe = (self._io[name].view(EVENT).reshape(-1) for name in ("OUT", "PROBE"))
        self._weights = {p.name: s.weights for p, s in zip(flat.projections, flat.synapses, strict=True)}
        # The compiled function itself: numba's dispatcher would first check the arguments' types, longer than the call.
        (compiled,) = kernels("hilbench.backends._numba.kernels", *_sources()).run.overloads.values()
        self._kernel, self._tables = compiled.entry_point, self._fill(self.config.threads)
        self._table_at, *others_at = (table.ctypes.data for table in self._tables)
        if others_at:
            self._kernel = _in_parts(self._kernel, others_at, self._state["ARRIVED"])
        self._recording = bool(probes.weights or probes.weight_norms)
        self._modulated = self._modulators.size > 0
        self.reset(0, "none")
        exact = (*program.populations, *program.projections)
        return LoadReport("numba", exact=exact, n_probe_values=n_probe_values(program, probes))

    def reset(self, seed: int, carry: Carry) -> None:
        if carry == "none":
            for p in self._flat.projections:
                if p.rule is not None:
                    self._weights[p.name][:] = p.weights.data
            for name, thresholds in self._thresholds.items():
                thresholds[:] = self._network.populations[name].v_threshold
            self._settle_thresholds()
        if carry != "all":
            for array in (*self._state.values(), *self._releases.values()):
                array[...] = 0
            self._state["V"][:] = self._flat.v_initial
            self._plans.reset()
        self._state["CLOCKS"][LAST_RESET] = self._state["CLOCKS"][NOW]
        for i, name in self._drawing:
            self._keys[i] = noise.key(seed, name)
        self._values[:] = 0
        self._modulators[:] = 0
        self._counts[:] = 0
        self._state["FRESH"][:] = True

    def step(self, tick: Tick) -> Reply:
        n_events = len(tick.events)
        if n_events:
            self._take_events(tick.events)
        self._values[...] = tick.values
        if self._modulated:
            self._modulators[...] = tick.modulators
        found = self._kernel(self._table_at, n_events, tick.learning)
        reply = self._reply
        reply.values, reply.counters, reply.events, reply.probe_events, reply.probe_values = self._fresh
        if found:  # in most ticks of a small network there are no events
            n_out, n_probe = found >> 32, found & 0xFFFFFFFF
            if n_out:
                reply.events = self._out[:n_out]
            if n_probe:
                reply.probe_events = self._probe[:n_probe]
        if self._recording:
            reply.probe_values = self._weights_record()
        return reply

    def advance(self, n_periods: int) -> None:
        for _ in range(n_periods):
            self._kernel(self._table_at, 0, ADVANCE)

    def snapshot(self) -> dict[str, NDArray]:
        return {name: array.copy() for name, array in self._arrays().items()}

    def restore(self, arrays: Mapping[str, NDArray], carry: Carry) -> None:
        mine = self._arrays()
        names = check_snapshot(arrays, mine, carry)
        if carry == "all":
            _check_clocks(arrays["clocks"])
        for name in names:
            mine[name][...] = arrays[name]
        for part, at in self._apart.synapses.items():
            self._weights[part][:] = mine[f"weights/{self._apart.origins[part].name}"][at]
        self._settle_thresholds()
        if carry == "all":
            self._hold_again()
            for states in self._releases.values():
                states[1:] = states[0]  # each thread has its own

    def _arrays(self) -> dict[str, NDArray]:
        """All that changes, by name: in place, but for weights that are taken apart by their delays."""
        ruled = [p for p in self._network.projections.values() if p.rule is not None]
        learnt = {f"weights/{p.name}": self._whole(p.name) for p in ruled}
        learnt |= {f"thresholds/{name}": thresholds for name, thresholds in self._thresholds.items()}
        state = {name.lower(): array for name, array in self._state.items() if name not in SCRATCH}
        held = {"values": self._values, "modulators": self._modulators, "counters": self._counts}
        tired = {f"short_term/{name}": states[0] for name, states in self._releases.items()}
        return learnt | state | held | {"keys": self._keys} | self._plans.traces | tired

    def _whole(self, name: str) -> NDArray:
        """The weights of a projection in the order of its synapses."""
        if name in self._weights:
            return self._weights[name]
        found = np.empty(self._network.projections[name].weights.nnz)
        for part in self._apart.parts(name):
            found[self._apart.synapses[part]] = self._weights[part]
        return found

    def _settle_thresholds(self) -> None:
        """The constants that follow from thresholds which a rule moves."""
        constants = self._flat.constants
        for move in self._plans.moves:
            own = slice(move[Move.LO], move[Move.HI])
            theta = constants[ConstantColumn.THRESHOLD, own]
            constants[ConstantColumn.LIMIT, own] = np.nextafter(theta, -np.inf) if move[Move.AT_LEAST] else theta
            if move[Move.SUBTRACT]:
                constants[ConstantColumn.ADD, own] = -theta

    def _hold_again(self) -> None:
        """Fill the rings of held neurons, oldest first, as RELEASE says."""
        held, now = self._state["RELEASE"], self._state["CLOCKS"][NOW]
        self._state["QUEUE"][:] = 0
        for q, bounds in enumerate(self._constant["BOUNDS"]):
            for part, (lo, hi) in enumerate(pairwise(bounds)):
                ages = np.argsort(held[lo:hi], kind="stable")
                ring = ages[held[lo:hi][ages] > now]
                self._state["HOLDING"][lo : lo + ring.size] = ring
                self._state["QUEUE"][q, part, 1] = ring.size

    def _take_events(self, events: NDArray) -> None:
        if events.size > len(self._io["EVENTS"]):
            self._io["EVENTS"] = np.zeros(2 * events.size, EVENT)
            self._tables[:, Argument.EVENTS] = self._io["EVENTS"].ctypes.data
        self._io["EVENTS"][: events.size] = events

    def _fill(self, n_parts: int) -> NDArray:
        """(n_parts, entries) int64: the kernel's table of each part. It has addresses; this object keeps the arrays."""
        flat, net = self._flat, self._network
        plans, moves = self._plans.plans, self._plans.moves
        self._keys = np.zeros(len(flat.order), np.uint64)
        self._drawing = [(i, p.name) for i, p in enumerate(flat.order) if p.draws]
        bounds = part_bounds(flat, n_parts)
        self._cuts = [part_cuts(flat, i, bounds) for i in range(len(flat.synapses))]
        rows = zip(flat.synapses, self._cuts, (self._releases.get(p.name) for p in flat.projections), strict=True)
        where = np.array([addresses(*row) for row in rows], np.int64).reshape(-1, len(Address))
        sizes: dict[str, NDArray | int] = {
            "N": flat.bias.size, "N_SLOTS": flat.n_slots, "N_POPULATIONS": len(flat.order), "N_LINKS": len(flat.links),
            "N_HELD": flat.n_held, "N_FROM_VALUES": flat.n_from_values, "N_FROM_EVENTS": flat.n_from_events,
            "N_COUNTED": sum(p.size for p in flat.order if p.kind != "passthrough"), "N_READOUTS": flat.readouts.size,
            "N_VALUES": self._values.size, "N_MODULATORS": self._modulators.size, "N_PLANS": len(plans),
            "N_MOVES": len(moves), "DT_US": net.dt_us, "ANY_AFTER_THRESHOLD": flat.after_threshold,
            "ANY_RULE": len(plans) + len(moves) > 0,
            "N_PARTS": n_parts, "PART": 0, "N_STEPS": self._steps,
            "N_MARK_SLOTS": flat.n_mark_slots, "N_EARS": len(self._plans.ears),
            "N_HEARD": self._plans.traces["heard"].size,
        }  # fmt: skip
        self._constant: dict[str, NDArray] = {
            "CONSTANTS": flat.constants, "POPULATIONS": flat.populations, "TRAITS": flat.traits, "LINKS": flat.links,
            "SYNAPSES": where, "BIAS": flat.bias, "READOUTS": flat.readouts, "KEYS": self._keys,
            "NUMBERS": np.array([net.dt_s, net.spike_amplitude]), "PLANS": plans, "MOVES": moves,
            "BOUNDS": bounds, "EARS": self._plans.ears, "HEARD": self._plans.traces["heard"],
        }  # fmt: skip
        reply: dict[str, NDArray] = {
            "VALUES_OUT": self._values_out,
            "COUNTS": self._counts,
            "COUNTS_OUT": self._counts_out,
        }
        tables = np.tile(fill({**sizes, **self._constant, **self._state, **self._io, **reply}), (n_parts, 1))
        tables[:, Argument.PART] = np.arange(n_parts)
        return tables

    def _weights_record(self) -> NDArray:
        now, begun = self._state["CLOCKS"].tolist()
        if ((now - begun) // self._steps - 1) % self._weight_ticks:
            return NO_VALUES
        whole = [self._whole(name) for name in self._probes.weights]
        norms = [[np.linalg.norm(self._whole(name))] for name in self._probes.weight_norms]
        return np.concatenate([*whole, *norms], dtype=np.float32)


def _buffers(flat: Lowered, net: Network, n_steps: int) -> dict[str, NDArray]:
    try:
        return io(flat, net, n_steps)
    except (MemoryError, ValueError):  # NumPy raises the second one for more than an address can say
        asked = [p.name for p, row in zip(flat.order, flat.populations, strict=True) if max(row[OUTPUTS]) >= 0]
        names = ", ".join(map(repr, asked))
        text = f"{names}: the spikes of a control period of {n_steps} steps may not fit into memory"
        raise NetworkError(f"{text}; allowed: a shorter period, or fewer populations put out or recorded") from None


def _check_clocks(clocks: NDArray) -> None:
    if not 0 <= clocks[LAST_RESET] <= clocks[NOW] < 1 << 60:
        raise NetworkError(f"snapshot: 'clocks': found {clocks.tolist()}; allowed: 0 or more, the second first")


def _in_parts(kernel: Callable[..., int], others_at: list[int], arrived: NDArray) -> Callable[..., int]:
    """The kernel, with one more thread for each further part's table. `arrived` (1,) is their barrier's counter."""
    others = None

    def run(table_at: int, *arguments: int) -> int:
        nonlocal others
        others = others or ThreadPoolExecutor(len(others_at), thread_name_prefix="hilbench-numba")
        try:
            running = [others.submit(kernel, at, *arguments) for at in others_at]
            found = kernel(table_at, *arguments)
            for other in running:
                other.result()
        except BaseException:
            arrived[:] = RELEASED
            others.shutdown()  # waits for all that was submitted
            others, arrived[:] = None, 0
            raise
        return found

    return run


def _sources() -> list[Path]:
    """The files with the kernels' equations, and of the kernels themselves."""
    own = Path(lowered.__file__), Path(noise.__file__), Path(short_term.__file__)
    return [*own, *beside(Path(rules.__file__)), *beside(Path(plans.__file__))]


@cache
def _rule_address(rule: type[Rule]) -> int:
    """The address of the compiled kernel of a class of rules. Raises NetworkError for a rule that does not compile."""
    rule_kernels = kernels("hilbench.backends._numba.rules", *_sources())
    sources, own = _sources(), Path(getfile(rule))
    try:
        with disk_cache(*sources, *(() if own in sources else (own,))):
            return rule_kernels.compiled(rule).address
    except Exception as error:  # whatever the functions of a rule from elsewhere make numba raise
        text = f"'numba' cannot compile the rule {rule.__name__} ({said(error)}); it runs in 'reference'"
        raise NetworkError(text) from error
