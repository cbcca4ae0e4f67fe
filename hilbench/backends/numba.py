"""Networks compiled over flat arrays, for real time. Kernels are compiled once and cached on disk.

Weights, rates and all that goes in or out are float32; currents and membranes are float64 (see `nal.lower`).
"""

from __future__ import annotations

from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from hilbench.backends._cache import kernels
from hilbench.backends._network import empty_reply, n_probe_values, probe_ticks, steps_per_tick
from hilbench.nal import lower as lowering
from hilbench.nal.rules import pes
from hilbench.types import EVENT, NO_VALUES, Backend, Carry, Empty, LoadReport, Probes, Program, Reply, Tick, size_of

NO_PAIRS = np.empty((0, 2), np.uint32)


class Numba(Backend):
    """Compiled kernels, spike for spike with the reference: the real-time simulator."""

    Config = Empty

    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        self._steps = steps_per_tick(program, period_us, probes, "numba")
        self._weight_ticks = probe_ticks(probes, period_us)
        self._probes, self._network = probes, program
        self._flat = flat = lowering.lower(program, probes)
        self._initial_weights = flat.weights.copy()
        n = flat.bias.size
        self._v, self._held = np.zeros(n), np.zeros(n, np.int32)
        self._current, self._held_current = np.zeros((flat.n_slots, n)), flat.bias.copy()
        self._rates, self._spiked = np.zeros(flat.n_traces, np.float32), np.zeros(n, np.uint8)
        self._values = np.zeros(size_of(program.inputs, "values"))
        self._modulators = np.zeros(size_of(program.modulators, "values"), np.float32)
        self._marks, self._events_in = np.zeros(3, np.int64), NO_PAIRS
        self._out, self._probe = (self._room(columns) for columns in (lowering.OUT_ADDRESS, lowering.PROBE_ADDRESS))
        self._reply = empty_reply(program)
        self._counts = self._reply.counters
        self._bind(kernels("_kernels", lowering, pes))
        self._run(0, True, NO_PAIRS)  # compiles, or loads what the disk holds
        self.reset(0, "none")
        learning = tuple(f"{p.name}: learns in float32" for p in program.projections.values() if p.rule is not None)
        exact = [p.name for p in program.projections.values() if p.rule is None]
        return LoadReport(
            "numba",
            exact=(*program.populations, *exact),
            approximated=learning,
            n_probe_values=n_probe_values(program, probes),
        )

    def reset(self, seed: int, carry: Carry) -> None:
        if carry == "none":
            self._flat.weights[:] = self._initial_weights
        if carry != "all":
            for state in (self._v, self._held, self._current, self._rates):
                state[...] = 0
            self._marks[:] = 0
        self._values[:] = 0
        self._counts[:] = 0
        self._ticks, self._advanced = 0, False

    def step(self, tick: Tick) -> Reply:
        if not self._advanced:
            self._counts[:] = 0
        self._advanced = False
        self._values[:] = tick.values
        self._modulators[:] = tick.modulators
        self._run(self._steps, tick.learning, self._pairs(tick.events) if tick.events.size else NO_PAIRS)
        reply, (n_out, n_probe, _) = self._reply, self._marks.tolist()
        reply.events = self._out_events[:n_out]
        reply.probe_events = self._probe_events[:n_probe]
        reply.probe_values = self._weights_record()
        self._ticks += 1
        return reply

    def advance(self, n_periods: int) -> None:
        if not self._advanced:
            self._counts[:] = 0  # the next reply counts from here
        self._advanced = True
        for _ in range(n_periods):
            self._run(self._steps, False, NO_PAIRS)
        self._ticks += n_periods

    def _pairs(self, events: NDArray) -> NDArray:
        """The events in an array of this backend's own: a read-only or strided one would be compiled for anew."""
        if events.size > len(self._events_in):
            self._events_in = np.zeros((2 * events.size, 2), np.uint32)
        pairs = self._events_in[: events.size]
        pairs[:, 0], pairs[:, 1] = events["t_us"], events["address"]
        return pairs

    def _bind(self, compiled: ModuleType) -> None:
        """Resolve every array once; a step only calls."""
        flat, net, reply = self._flat, self._network, self._reply
        arrays = (
            self._values, self._modulators, net.dt_us, np.float32(net.dt_s), float(net.spike_amplitude),
            flat.bias, flat.neurons, flat.refractory_steps, flat.populations, flat.projections, flat.n_from_values,
            flat.n_from_events, flat.starts, flat.targets, flat.weights, flat.plastic, flat.rule_constants,
            flat.readouts, self._v, self._held, self._current, self._held_current, self._rates, self._spiked,
            reply.values, self._out, self._probe, self._counts, self._marks,
        )  # fmt: skip
        kernel = compiled.run

        def run(n_steps: int, learning: bool, events: NDArray) -> None:
            kernel(n_steps, learning, events, *arrays)

        self._run = run
        self._out_events, self._probe_events = (a.view(EVENT).reshape(-1) for a in (self._out, self._probe))

    def _room(self, column: int) -> NDArray:
        """Room for the events of one tick in which every watched neuron fires at every step."""
        populations = self._flat.populations
        watched = populations[populations[:, column] >= 0]
        n = int((watched[:, lowering.HI] - watched[:, lowering.LO]).sum())
        return np.zeros((n * self._steps, 2), np.uint32)

    def _weights_record(self) -> NDArray:
        probes, flat = self._probes, self._flat
        if self._ticks % self._weight_ticks or not (probes.weights or probes.weight_norms):
            return NO_VALUES
        whole = [flat.weights[flat.weight_slices[name]] for name in probes.weights]
        norms = [[np.linalg.norm(flat.weights[flat.weight_slices[name]])] for name in probes.weight_norms]
        return np.concatenate([*whole, *norms], dtype=np.float32)
