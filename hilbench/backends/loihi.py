"""Networks in Loihi's integers, bit for bit as Lava 0.10 computes them: what the chip would make of a network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.backends._network import all_or_nothing, check_folded, check_snapshot, probe_ticks, runnable
from hilbench.compiled.cache import kernels
from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.compile.fold import exact_parts, folded_for
from hilbench.nal.compile.zeros import ZEROS_MAX, check_zeros
from hilbench.nal.loihi import IntegerNetwork, equations, lower
from hilbench.nal.loihi.model import written
from hilbench.nal.loihi.quantise import from_network
from hilbench.types import EVENT, Backend, Carry, LoadReport, Probes, Program, Reply, Tick, size_of

NO_TIMES = np.empty(0, np.int64)


class LoihiConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a network of real numbers is brought onto integers."""

    weight_bits: Annotated[int, Meta(ge=2, le=8)] = 8
    """Bits of a weight; a projection with both signs spends one on the sign."""
    largest_value: Annotated[float, Meta(gt=0)] = 1.0
    """The largest input value that the scaling leaves room for; beyond it a bias may stop at the end of its range."""
    zeros_max: Annotated[float, Meta(ge=0, le=1)] = ZEROS_MAX
    """The share of a projection's weights that may become 0; a network that loses more of them is refused."""


class Loihi(Backend):
    """Integer neurons and synapses of Intel's Loihi, compiled; the same bits on any machine. No learning."""

    Config = LoihiConfig

    @all_or_nothing
    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        net, report, warnings = self._integers(program, period_us, probes)
        self._steps, self._weight_ticks = period_us // net.dt_us, probe_ticks(probes, period_us)
        self._network, self._flat = net, lower.lower(net, probes)
        n = self._flat.bias.size
        self._u, self._v, self._held = (np.zeros(n, np.int64) for _ in range(3))
        self._ring = np.zeros((self._flat.n_slots, n), np.int64)
        self._bias = self._flat.bias.copy()
        self._values = np.zeros(size_of(net.inputs, "values"))
        self._counts, self._marks, self._n_steps = np.zeros(2, np.int64), np.zeros(3, np.int64), 0
        self._reply, self._record = Reply(), weights_record(net, probes)
        tapped = [net.populations[net.output_sources[port.name]] for port in net.outputs if port.kind == "values"]
        self._read = np.concatenate([np.arange(n)[self._flat.at[p.name]] for p in tapped] + [np.zeros(0, np.int64)])
        self._volts = np.concatenate([*(p.volts for p in tapped), []])
        self._zero = np.concatenate([*(p.v_zero for p in tapped), []])
        self._bind(kernels("hilbench.backends._loihi.kernels", Path(equations.__file__), Path(lower.__file__)))
        self._run(0, NO_TIMES, NO_TIMES)  # compiles, or loads what the disk holds
        self.reset(0, "none")
        exact, approximated = report
        n_values = self._record.size
        return LoadReport("loihi", exact, approximated, n_probe_values=n_values, warnings=warnings)

    def reset(self, seed: int, carry: Carry) -> None:
        if carry != "all":
            for state in (self._u, self._held, self._ring, self._marks):
                state[...] = 0
            self._v[:] = self._flat.v_initial
        self._hold(np.zeros(self._values.size))
        self._counts[:] = 0
        self._ticks, self._n_steps, self._advanced = 0, 0, False

    def step(self, tick: Tick) -> Reply:
        self._new_counts()
        self._advanced = False
        if self._values.size:
            self._hold(tick.values)
        events = tick.events
        self._run(self._steps, events["t_us"].astype(np.int64), events["address"].astype(np.int64))
        reply = self._reply
        counters = np.array((*self._counts, self._n_steps * self._v.size, 0, 0), np.uint64)
        reply.renew((self._zero + self._volts * self._v[self._read]).astype(np.float32), counters)
        reply.events, reply.probe_events = self._out[: self._marks[0]], self._probe[: self._marks[1]]
        if self._ticks % self._weight_ticks == 0:
            reply.probe_values = self._record.copy()
        self._ticks += 1
        return reply

    def advance(self, n_periods: int) -> None:
        self._new_counts()
        self._advanced = True
        for _ in range(n_periods):
            self._run(self._steps, NO_TIMES, NO_TIMES)
        self._ticks += n_periods

    def snapshot(self) -> dict[str, NDArray]:
        marks = {"ticks": np.array([self._ticks]), "advanced": np.array([self._advanced, self._n_steps])}
        return {name: array.copy() for name, array in self._arrays().items()} | marks

    def restore(self, arrays: Mapping[str, NDArray], carry: Carry) -> None:
        mine = self._arrays() | {"ticks": np.zeros(1, int), "advanced": np.zeros(2, int)}
        names = check_snapshot(arrays, mine, carry)
        if carry == "all" and not 0 <= arrays["marks"][2] < self._flat.n_slots:
            found, last = arrays["marks"][2], self._flat.n_slots - 1
            raise NetworkError(f"snapshot: 'marks': found {found} for the delay ring; allowed: 0 to {last}")
        for name in names:
            mine[name][...] = arrays[name]
        if carry == "all":
            self._ticks, self._advanced = int(mine["ticks"][0]), bool(mine["advanced"][0])
            self._n_steps = int(mine["advanced"][1])

    def _arrays(self) -> dict[str, NDArray]:
        """All that changes, in place, by name."""
        return {
            "u": self._u, "v": self._v, "held": self._held, "ring": self._ring, "bias": self._bias,
            "values": self._values, "counts": self._counts, "marks": self._marks,
        }  # fmt: skip

    def states(self) -> dict[str, tuple[NDArray, NDArray]]:
        """Copies of each population's u and v, (size,) int64."""
        return {name: (self._u[at].copy(), self._v[at].copy()) for name, at in self._flat.at.items()}

    def _integers(self, program: Program, period_us: int, probes: Probes) -> tuple[IntegerNetwork, tuple, tuple]:
        """The program in integers, which parts of it are exact and which approximated, and warnings."""
        if not isinstance(program, IntegerNetwork):
            program = runnable(program, period_us, probes, "loihi")
            folded, early = folded_for(program, "loihi")
            check_folded(folded, probes)
            made = from_network(folded, self.config.weight_bits, self.config.largest_value)
            warnings = check_zeros(made.zeros, made.inputless, self.config.zeros_max)
            lines = (*early, *made.lines)
            return made.integers, (exact_parts(program, folded, lines), lines), warnings
        _check(program, period_us, probes)
        return program, ((*program.populations, *program.projections), ()), ()

    def _bind(self, compiled: ModuleType) -> None:
        """Resolve every array once; a step only calls."""
        flat, n = self._flat, self._v.size
        rooms = [self._room(taps) for taps in (flat.outputs, flat.probes)]
        self._out, self._probe = (room.view(EVENT).reshape(-1) for room in rooms)
        arrays = (
            self._network.dt_us, self._bias, flat.neurons, flat.populations, flat.outputs, flat.probes, flat.bundles,
            *flat.synapses, self._u, self._v, self._held, self._ring, np.zeros(n, np.int64), np.zeros(n, np.int64),
            np.zeros(len(flat.populations) + 1, np.int64), *rooms, self._counts, self._marks,
        )  # fmt: skip
        held_arrays = (flat.bias, self._bias, flat.held, flat.held_scales, *flat.held_synapses, np.zeros(n))
        run_kernel, hold_kernel = compiled.run, compiled.hold

        def run(n_steps: int, times_us: NDArray, addresses: NDArray) -> None:
            run_kernel(n_steps, times_us, addresses, *arrays)
            self._n_steps += n_steps

        def hold(values: NDArray) -> None:
            self._values[:] = np.where(np.isfinite(values), values, 0)
            hold_kernel(self._values, *held_arrays)

        self._run, self._hold = run, hold

    def _room(self, taps: NDArray) -> NDArray:
        """Room for the events of one tick in which every tapped neuron fires at every step."""
        spans = self._flat.populations[taps[:, lower.TapColumn.POPULATION]]
        n = int((spans[:, lower.PopulationColumn.HI] - spans[:, lower.PopulationColumn.LO]).sum())
        return np.zeros((n * self._steps, 2), np.uint32)

    def _new_counts(self) -> None:
        """The next reply counts from here, unless periods have passed since the last one."""
        if not self._advanced:
            self._counts[:] = 0
            self._n_steps = 0


def _check(program: IntegerNetwork, period_us: int, probes: Probes) -> None:
    """Raise NetworkError where an integer network cannot run like this."""
    if period_us % program.dt_us:
        text = f"is no multiple of the network step of {program.dt_us} us"
        raise NetworkError(f"the control period of {period_us} us {text}")
    spiking = [p.name for p in program.populations.values() if p.vth is not None]
    asked = (("spikes", probes.spikes, spiking), ("weights", probes.weights + probes.weight_norms, program.projections))
    for what, names, known in asked:
        for name in names:
            if name not in known:
                raise NetworkError(f"record.{what}: found {name!r}; {allowed_hint(name, known)}")


def weights_record(net: IntegerNetwork, probes: Probes) -> NDArray:
    """What each record of weights holds, (n_probe_values,) float32. The weights never change.

    Parameters
    ----------
    net : IntegerNetwork
        The network.
    probes : Probes
        Which weights and norms are recorded.
    """
    weights = {p.name: written(p) for p in net.projections.values()}
    weights |= {p.name: p.weights.data for p in net.value_inputs}
    norms = [[np.linalg.norm(weights[name])] for name in probes.weight_norms]
    return np.concatenate([*(weights[name] for name in probes.weights), *norms, []]).astype(np.float32)
