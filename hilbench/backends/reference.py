"""The definition of what a Network does: NumPy, float64, slow and simple. Every other backend is compared with it.

One network step, in this order:

1. input. What arrives at a population in this step: its constant input, weights x values (values are held over a tick),
   and the weights of events, spikes and values that were sent `delay_steps` ago. An event counts 1, a spike has the
   network's `spike_amplitude`, graded spikes and what does not spike send their v; over a projection with short-term
   plasticity this is multiplied by what `nal/model/short_term.py` releases. Over a delay travels what the weight was
   when it was sent. A value or modulator that is no finite number counts as 0.
2. neurons, populations in `Network.order()`, by `StepConstants`, unless the membrane is held after a spike.
   Past its threshold a neuron spikes; one that `fires` on arrival does so only where something has come in over its
   synapses: in this step, or after the test of the last one. What it sends reaches later populations in this step
   where there is no delay.
3. what `after_threshold` projections bring acts on the membranes now, past the threshold test.
4. resets, holds and adaptation, for all populations that spiked.
5. learning, as `_reference/learning.py` says; weights and thresholds change while the tick says so.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from hilbench.backends._network import (
    MAX_SPIKES,
    all_or_nothing,
    check_snapshot,
    detached,
    n_probe_values,
    probe_ticks,
    runnable,
)
from hilbench.backends._reference.learning import Learning
from hilbench.nal.compile.operations import counted, multiplies
from hilbench.nal.model import noise
from hilbench.nal.model.neurons import Population, step_constants
from hilbench.nal.model.projection import Projection
from hilbench.nal.model.short_term import release, release_constants
from hilbench.types import (
    COUNTERS,
    EVENT,
    NO_VALUES,
    Backend,
    Carry,
    Empty,
    LoadReport,
    Probes,
    Program,
    Reply,
    Tick,
    size_of,
)


class Reference(Backend):
    """NumPy in float64: the definition of what a Network does. It is slow."""

    Config = Empty

    @all_or_nothing
    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        self._network = program = detached(runnable(program, period_us, probes, "reference"))
        self._steps = period_us // program.dt_us
        self._weight_ticks = probe_ticks(probes, period_us)
        self._probes = probes
        self._order = [program.populations[name] for name in program.order()]
        self._constants = {p.name: step_constants(p, program.dt_s) for p in self._order}
        self._values = np.zeros(size_of(program.inputs, "values"))
        self._modulators = np.zeros(size_of(program.modulators, "values"))
        self._learning = Learning(program)
        tiring = [p for p in program.projections.values() if p.short_term is not None]
        self._release = {p.name: release_constants(p.short_term, program.dt_s) for p in tiring if p.short_term}
        self._counted = {p.name for p in program.projections.values() if counted(program, p)}
        self.reset(0, "none")
        exact = (*program.populations, *program.projections)
        return LoadReport("reference", exact=exact, n_probe_values=n_probe_values(program, probes))

    def reset(self, seed: int, carry: Carry) -> None:
        net = self._network
        if carry == "none":
            self._weights = {p.name: p.weights.astype(np.float64) for p in net.projections.values()}
            self._thresholds = {p.name: _column(p.v_threshold, p.size) for p in self._order}
        if carry != "all":
            self._v = {p.name: _column(p.v_initial, p.size) for p in self._order}
            self._current = {p.name: np.zeros(p.size) for p in self._order}
            self._held = {p.name: np.zeros(p.size, int) for p in self._order}
            self._free: dict[str, NDArray] = {}
            self._pending = {p.name: np.zeros(p.size) for p in self._order}
            self._adapted = {p.name: np.zeros(p.size) for p in self._order}
            self._excess = {p.name: np.zeros(p.size) for p in self._order}
            self._learning.reset()
            self._short_term = {name: np.zeros((3, net.projections[name].weights.shape[1])) for name in self._release}
            self._clock = np.zeros(1, int)
            n_slots = 1 + max((p.max_delay_steps for p in net.projections.values()), default=0)
            self._arriving = {p.name: np.zeros((n_slots, p.size)) for p in self._order}
            self._arriving_after_threshold = {p.name: np.zeros((n_slots, p.size)) for p in self._order}
            on_arrival = [p for p in self._order if p.behaviour.fires == "on_arrival"]
            self._called_for = {p.name: np.zeros((n_slots + 1, p.size), bool) for p in on_arrival}
        self._keys = {p.name: np.array([noise.key(seed, p.name)]) for p in self._order if p.draws}
        self._since_reset, self._ticks = np.zeros((2, 1), int)  # what is drawn at random depends on the first
        self._values[:] = 0
        self._modulators[:] = 0
        self._counters = np.zeros(len(COUNTERS), np.uint64)

    def step(self, tick: Tick) -> Reply:
        self._values[:] = np.where(np.isfinite(tick.values), tick.values, 0)
        self._modulators[:] = np.where(np.isfinite(tick.modulators), tick.modulators, 0)
        spikes = self._run(self._steps, tick.events, tick.learning)
        taps, ports = self._network.output_sources, self._network.outputs
        values = np.concatenate([NO_VALUES, *(self._v[taps[port.name]] for port in ports if port.kind == "values")])
        reply = Reply(
            counters=self._counters.copy(),
            events=self._events(spikes, [taps[port.name] for port in ports if port.kind == "events"]),
            values=values.astype(np.float32),
            probe_events=self._events(spikes, self._probes.spikes),
            probe_values=self._weights_record(),
        )
        self._counters[:] = 0
        self._ticks += 1
        return reply

    def advance(self, n_periods: int) -> None:
        self._run(self._steps * n_periods, np.empty(0, EVENT), False)
        self._ticks += n_periods

    def snapshot(self) -> dict[str, NDArray]:
        return {name: array.copy() for name, array in self._arrays().items()}

    def restore(self, arrays: Mapping[str, NDArray], carry: Carry) -> None:
        mine = self._arrays()
        for name in check_snapshot(arrays, mine, carry):
            mine[name][...] = arrays[name]

    def _arrays(self) -> dict[str, NDArray]:
        """All that changes, in place, by name."""
        net = self._network
        found = {f"weights/{p.name}": self._weights[p.name].data for p in net.projections.values() if p.rule}
        found |= {f"thresholds/{p.name}": self._thresholds[p.name] for p in self._order if p.rule}
        states = {
            "v": self._v, "current": self._current, "held": self._held, "pending": self._pending,
            "adapted": self._adapted, "arriving": self._arriving,
            "arriving_after_threshold": self._arriving_after_threshold,
            "called_for": self._called_for, "keys": self._keys, "short_term": self._short_term,
        }  # fmt: skip
        found |= {f"{kind}/{name}": array for kind, by_name in states.items() for name, array in by_name.items()}
        now = {"clock": self._clock, "since_reset": self._since_reset, "ticks": self._ticks}
        held = {"values": self._values, "modulators": self._modulators, "counters": self._counters}
        return found | now | held | self._learning.traces

    def _run(self, n_steps: int, events: NDArray, learning: bool) -> list[dict[str, NDArray]]:
        """The spikes of every population, step by step."""
        bins = events["t_us"] // self._network.dt_us
        return [self._network_step(events["address"][bins == step], learning) for step in range(n_steps)]

    def _network_step(self, addresses: NDArray, learning: bool) -> dict[str, NDArray]:
        """How often each neuron spiked in this step."""
        spikes: dict[str, NDArray] = {}
        ports = self._port_activity(addresses)
        for source, crossings in ports.items():
            self._send(source, crossings, crossings)
        for p in self._order:
            arrived = self._take(self._arriving, p.name) + self._constant(p.name)
            spikes[p.name] = self._neurons(p, arrived)
            self._send(p.name, *self._sent(p, spikes[p.name]))
        for p in self._order:
            self._act_after_threshold(p, self._take(self._arriving_after_threshold, p.name))
            self._after_spikes(p, spikes[p.name])
            if p.kind != "passthrough":
                self._counters[0] += np.uint64(spikes[p.name].sum())
                self._counters[2] += np.uint64(p.size)
        updates = self._learning.step(
            int(self._clock[0]),
            ports | spikes,
            self._excess,
            self._v,
            self._modulators,
            self._weights,
            self._thresholds,
            learning,
        )
        self._counters[3] += np.uint64(updates)
        self._clock += 1
        self._since_reset += 1
        return spikes

    def _port_activity(self, addresses: NDArray) -> dict[str, NDArray]:
        values, address, active = 0, 0, {}
        for port in self._network.inputs:
            if port.kind == "values":
                active[port.name] = self._values[values : values + port.size]
                values += port.size
            else:
                mine = addresses[(addresses >= address) & (addresses < address + port.size)] - address
                active[port.name] = np.bincount(mine, minlength=port.size).astype(float)
                address += port.size
        return active

    def _sent(self, p: Population, spikes: NDArray) -> tuple[NDArray, NDArray]:
        """What a population sends in this step, and how often each of its neurons does."""
        v = self._v[p.name]
        if not p.spiking:
            return v, (v != 0).astype(float)
        if p.behaviour.spikes == "graded":
            return v * (spikes > 0), (spikes > 0) * (v != 0)
        return self._network.spike_amplitude * spikes, spikes

    def _send(self, source: str, sent: NDArray, crossings: NDArray) -> None:
        """Put what crosses each synapse where it arrives; one operation per weight other than 0 that is crossed."""
        port = self._network.port(source)
        if port is not None and port.kind == "values":
            crossings = sent != 0
        graded = self._multiplies(source, sent)
        for p in self._network.leaving(source):
            weights = self._weights[p.name]
            sources = np.repeat(np.arange(weights.shape[1]), np.diff(weights.indptr))
            ring = (self._arriving_after_threshold if p.after_threshold else self._arriving)[p.target]
            arrives = self._clock[0] + np.broadcast_to(p.delay_steps, sources.shape)
            acts = sent if p.short_term is None else self._released(p, crossings)
            np.add.at(ring, (arrives % len(ring), weights.indices), weights.data * acts[sources])
            if p.target in self._called_for:
                tests, something = self._called_for[p.target], sent[sources] != 0
                tests[((arrives + p.after_threshold) % len(tests))[something], weights.indices[something]] = True
            if p.name in self._counted:
                multiplies = graded or p.short_term is not None
                self._count((crossings[sources] * (weights.data != 0)).sum(), multiplies)

    def _released(self, p: Projection, spikes: NDArray) -> NDArray:
        """What each source's spikes of this step act with over a projection with short-term plasticity."""
        c, (raised, spent, last) = self._release[p.name], self._short_term[p.name]
        fired, total = spikes > 0, np.zeros(spikes.shape)
        since = self._clock[0] - last
        raised[fired] *= np.exp(-since * c.facil_speed)[fired]
        spent[fired] *= np.exp(-since * c.rec_speed)[fired]
        last[fired] = self._clock[0]
        for k in range(int(spikes.max(initial=0))):
            still = spikes > k
            used, raised[still], spent[still] = release(c.u, c.jump, raised[still], spent[still])
            total[still] += used
        return total if self._network.port(p.source) else self._network.spike_amplitude * total

    def _multiplies(self, source: str, sent: NDArray) -> bool:
        """Whether what is sent multiplies: spikes and events are ones, graded spikes are not, values may be."""
        if port := self._network.port(source):
            return port.kind == "values" and multiplies(sent, 1.0)
        p = self._network.populations[source]
        return p.behaviour.spikes == "graded" if p.spiking else multiplies(sent, self._network.spike_amplitude)

    def _count(self, operations: int, graded: bool) -> None:
        self._counters[1] += np.uint64(operations)
        self._counters[4] += np.uint64(operations if graded else 0)

    def _take(self, rings: dict[str, NDArray], name: str) -> NDArray:
        """What arrives at a population now; its slot is free then."""
        slot = rings[name][self._clock[0] % len(rings[name])]
        arrived = slot.copy()
        slot[:] = 0
        return arrived

    def _constant(self, name: str) -> NDArray:
        biases = [p.bias for p in self._network.onto(name) if p.bias is not None]
        return sum(biases, np.zeros(self._network.populations[name].size))

    def _neurons(self, p: Population, x: NDArray) -> NDArray:
        """How often each neuron spikes, after one step by `StepConstants`."""
        c, b, v = self._constants[p.name], p.behaviour, self._v[p.name]
        self._free[p.name] = free = self._held[p.name] == 0
        moved = c.rest + (v - c.rest) * c.decay
        if b.reset_at == "next":
            moved = self._reset(p, moved, self._pending[p.name])
        moved = moved + c.from_current * self._current[p.name] + c.from_input * x
        if b.v_floor is not None:
            moved = np.maximum(moved, b.v_floor)
        v[free] = moved[free]
        self._held[p.name][~free] -= 1
        self._current[p.name][:] = c.syn_decay * self._current[p.name] + c.syn_gain * x
        tested = free & self._take(self._called_for, p.name) if p.name in self._called_for else free
        spikes = tested * self._fires(p, v)
        self._excess[p.name][~tested] = -np.inf
        return spikes

    def _fires(self, p: Population, v: NDArray) -> NDArray:
        """How many spikes these membranes make."""
        if not p.spiking:
            return np.zeros(p.size)
        if p.kind == "poisson":
            return (self._drawn(p) < v * self._network.dt_s).astype(float)
        b = p.behaviour
        threshold = self._thresholds[p.name] + b.adapt_step * self._adapted[p.name]
        if b.threshold_noise:
            drawn = self._drawn(p)
            threshold += b.threshold_noise * np.log(drawn / (1 - drawn))
        self._excess[p.name][:] = v - threshold
        over = v >= threshold if b.threshold_test == ">=" else v > threshold
        if b.spikes != "multiple":
            return over.astype(float)
        fit = v / np.where(threshold > 0, threshold, np.inf)
        count = np.floor(fit) if b.threshold_test == ">=" else np.ceil(fit) - 1
        return over * np.clip(count, 1, MAX_SPIKES)

    def _drawn(self, p: Population) -> NDArray:
        neurons = np.arange(p.size, dtype=np.uint64)
        return noise.uniform(self._keys[p.name], self._since_reset.astype(np.uint64), neurons)

    def _act_after_threshold(self, p: Population, x: NDArray) -> None:
        c, free = self._constants[p.name], self._free[p.name]
        self._v[p.name][free] += (c.from_input * x)[free]
        self._current[p.name] += c.syn_gain * x

    def _after_spikes(self, p: Population, spikes: NDArray) -> None:
        """Resets, holds and adaptation."""
        fired, b = spikes > 0, p.behaviour
        if b.reset_at == "now":
            self._v[p.name][:] = self._reset(p, self._v[p.name], spikes)
        self._pending[p.name][:] = spikes
        self._held[p.name][fired] = round(b.refractory_s / self._network.dt_s)
        if b.adapt_tau_s is not None:
            self._adapted[p.name][:] = np.exp(-self._network.dt_s / b.adapt_tau_s) * self._adapted[p.name] + spikes

    def _reset(self, p: Population, v: NDArray, spikes: NDArray) -> NDArray:
        """The membranes after the resets that these spikes bring."""
        if p.v_reset is None:  # threshold and poisson keep nothing
            return v
        fired = spikes > 0
        taken = np.multiply(spikes, self._thresholds[p.name], out=np.zeros(p.size), where=fired)  # one may be infinite
        after = {"value": p.v_reset, "zero": np.zeros(p.size), "subtract": v - taken}
        return np.where(fired, after[p.behaviour.reset], v)

    def _events(self, spikes: list[dict[str, NDArray]], names: tuple[str, ...] | list[str]) -> NDArray:
        """Spikes of these populations, side by side in address, at the start of the step they fell in, as they fell."""
        found, dt_us, populations = [], self._network.dt_us, self._network.populations
        first = dict(zip(names, np.cumsum([0, *(populations[name].size for name in names)]).tolist(), strict=False))
        for step, fired in enumerate(spikes):
            for name in fired:
                if name in first:
                    each = np.repeat(np.arange(len(fired[name])), fired[name].astype(int))
                    found += [(step * dt_us, first[name] + i) for i in each]
        return np.array(found, EVENT)

    def _weights_record(self) -> NDArray:
        probes = self._probes
        if self._ticks[0] % self._weight_ticks or not (probes.weights or probes.weight_norms):
            return np.empty(0, np.float32)
        whole = [self._weights[name].data for name in probes.weights]
        norms = [[np.linalg.norm(self._weights[name].data)] for name in probes.weight_norms]
        return np.concatenate([*whole, *norms]).astype(np.float32)


def _column(value: NDArray | None, size: int) -> NDArray:
    """One of a population's arrays as states; 0 where its kind has none."""
    return np.zeros(size) if value is None else value.astype(np.float64)
