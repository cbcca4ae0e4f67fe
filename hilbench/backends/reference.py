"""The meaning of a Network: NumPy, float64, slow and obvious. Every other backend is compared with this one.

One network step, in this order:

1. input. Each population's current is its constant input, plus weights x values (values are held over a tick), plus
   the weights of events and spikes that arrive in this step. A spike has the network's `spike_amplitude`, an event 1.
   Over a delay travels what the weight was when it was sent.
2. neurons, populations in `Network.order()`: v <- rest + (v - rest) decay + gain I, unless the neuron is held after a
   spike. Past its threshold it spikes, is reset, and is held for `refractory_s`. Its spikes reach later populations in
   this step over projections without delay.
3. readouts, which are the populations that never spike.
4. learning, once per step, when the tick says so.
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from hilbench.backends._network import empty_reply, n_probe_values, probe_ticks, steps_per_tick
from hilbench.nal.lower import step_constants
from hilbench.nal.network import Network, Population, Projection
from hilbench.nal.rules import pes
from hilbench.types import EVENT, Backend, Carry, Empty, LoadReport, Probes, Program, Reply, Tick, size_of


class Reference(Backend):
    """NumPy in float64: the meaning of a Network, at no particular speed."""

    Config = Empty

    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        self._steps = steps_per_tick(program, period_us, probes, "reference")
        self._weight_ticks = probe_ticks(probes, period_us)
        self._network: Network = program
        self._probes = probes
        self._order = [program.populations[name] for name in program.order()]
        self._constants = {p.name: step_constants(p, program) for p in self._order}
        self._reply = empty_reply(program)
        self._values = np.zeros(size_of(program.inputs, "values"))
        self.reset(0, "none")
        exact = (*program.populations, *program.projections)
        return LoadReport("reference", exact=exact, n_probe_values=n_probe_values(program, probes))

    def reset(self, seed: int, carry: Carry) -> None:
        net = self._network
        if carry == "none":
            self._weights = {p.name: p.weights.astype(np.float64) for p in net.projections.values()}
        if carry != "all":
            self._v = {p.name: np.zeros(p.size) for p in self._order}
            self._held = {p.name: np.zeros(p.size, int) for p in self._order}
            self._rates = {p.name: np.zeros(p.weights.shape[1]) for p in net.projections.values() if p.rule}
            self._past = {
                p.name: deque([np.zeros(p.weights.shape[0])] * p.delay_steps, p.delay_steps)
                for p in net.projections.values()
            }
        self._values[:] = 0
        self._ticks = 0
        self._reply.counters[:] = 0
        self._counters = np.zeros(4, np.uint64)

    def step(self, tick: Tick) -> Reply:
        self._values[:] = tick.values
        spikes = self._run(self._steps, tick.events, tick.modulators if tick.learning else None)
        reply = self._reply
        reply.counters[:] = self._counters
        self._counters[:] = 0
        readouts = [self._v[port.name] for port in self._network.outputs if port.kind == "values"]
        reply.values[:] = np.concatenate(readouts or [[]])
        outputs = [port.name for port in self._network.outputs if port.kind == "events"]
        reply.events = self._events(spikes, outputs)
        reply.probe_events = self._events(spikes, self._probes.spikes)
        reply.probe_values = self._weights_record()
        self._ticks += 1
        return reply

    def advance(self, n_periods: int) -> None:
        self._run(self._steps * n_periods, np.empty(0, EVENT), None)
        self._ticks += n_periods

    def _run(self, n_steps: int, events: NDArray, modulators: NDArray | None) -> list[dict[str, NDArray]]:
        """The spikes of every population, step by step."""
        bins = events["t_us"] // self._network.dt_us
        return [self._network_step(events["address"][bins == step], modulators) for step in range(n_steps)]

    def _network_step(self, addresses: NDArray, modulators: NDArray | None) -> dict[str, NDArray]:
        net = self._network
        sources = self._port_activity(addresses)
        spikes: dict[str, NDArray] = {}
        for population in self._order:
            current = np.zeros(population.size)
            for p in net.projections.values():
                if p.target == population.name:
                    current += self._arriving(p, sources | spikes)
            spikes[population.name] = self._neurons(population, current)
            self._counters[0] += np.uint64(spikes[population.name].sum())
            self._counters[2] += np.uint64(population.size)
        for p in net.projections.values():
            sent = (sources | spikes)[p.source].astype(float)
            if p.delay_steps:
                self._past[p.name].append(self._brought(p, sent))
            self._counters[1] += self._operations(p, sent)
            if p.rule is not None:
                self._learn(p, spikes[p.source], modulators)
        return spikes

    def _port_activity(self, addresses: NDArray) -> dict[str, NDArray]:
        values, address, active = 0, 0, {}
        for port in self._network.inputs:
            if port.kind == "values":
                active[port.name] = self._values[values : values + port.size]
                values += port.size
            else:
                active[port.name] = np.bincount(
                    addresses[(addresses >= address) & (addresses < address + port.size)] - address,
                    minlength=port.size,
                ).astype(float)
                address += port.size
        return active

    def _arriving(self, p: Projection, now: dict[str, NDArray]) -> NDArray:
        """The current that a projection brings in this step."""
        current = self._past[p.name][0] if p.delay_steps else self._brought(p, now[p.source])
        return current if p.bias is None else current + p.bias

    def _brought(self, p: Projection, sent: NDArray) -> NDArray:
        amplitude = self._network.spike_amplitude if p.source in self._network.populations else 1.0
        return self._weights[p.name] @ (amplitude * sent)

    def _operations(self, p: Projection, sent: NDArray) -> np.uint64:
        """One operation per weight other than 0 that something other than 0 crosses, once per event."""
        weights = self._weights[p.name]
        fan_out = np.diff(np.concatenate([[0], np.cumsum(weights.data != 0)])[weights.indptr])
        port = self._network.port(p.source)
        crossings = sent if port is not None and port.kind == "events" else (sent != 0)
        return np.uint64((crossings * fan_out).sum())

    def _neurons(self, p: Population, current: NDArray) -> NDArray:
        v, held = self._v[p.name], self._held[p.name]
        decay, gain = self._constants[p.name]
        free = held == 0
        v[free] = (p.v_leak + (v - p.v_leak) * decay + gain * current)[free]
        held[~free] -= 1
        over = v >= p.v_threshold if p.threshold == ">=" else v > p.v_threshold
        spikes = free & over if p.kind == "lif" else np.zeros(p.size, bool)
        reset = {"value": p.v_reset, "zero": np.zeros(p.size), "subtract": v - p.v_threshold}[p.reset]
        v[spikes] = reset[spikes]
        held[spikes] = round(p.refractory_s / self._network.dt_s)
        return spikes

    def _learn(self, p: Projection, spikes: NDArray, modulators: NDArray | None) -> None:
        """PES. Traces run always; weights change only while learning is on."""
        net, rule = self._network, p.rule
        decay = np.exp(-net.dt_s / rule.pre_tau_s)
        rates = self._rates[p.name]
        rates[:] = pes.rate(rates, spikes, decay, net.dt_s)
        if modulators is None:
            return
        error = self._modulator(rule.modulator, modulators)
        weights = self._weights[p.name]
        scale = rule.learning_rate * net.dt_s / rates.size
        sources = np.repeat(np.arange(rates.size), np.diff(weights.indptr))
        weights.data += pes.change(scale, error[weights.indices], rates[sources])
        self._counters[3] += np.uint64(np.count_nonzero(error[weights.indices]))

    def _modulator(self, name: str, modulators: NDArray) -> NDArray:
        start = 0
        for port in self._network.modulators:
            if port.name == name:
                return modulators[start : start + port.size].astype(float)
            start += port.size
        raise KeyError(name)

    def _events(self, spikes: list[dict[str, NDArray]], names: tuple[str, ...] | list[str]) -> NDArray:
        """Spikes of these populations, side by side in address, at the start of the step they fell in, as they fell."""
        found, dt_us, populations = [], self._network.dt_us, self._network.populations
        first = dict(zip(names, np.cumsum([0, *(populations[name].size for name in names)]).tolist(), strict=False))
        for step, fired in enumerate(spikes):
            for name in fired:
                if name in first:
                    found += [(step * dt_us, first[name] + i) for i in np.flatnonzero(fired[name])]
        return np.array(found, EVENT)

    def _weights_record(self) -> NDArray:
        probes = self._probes
        if self._ticks % self._weight_ticks or not (probes.weights or probes.weight_norms):
            return np.empty(0, np.float32)
        whole = [self._weights[name].data for name in probes.weights]
        norms = [[np.linalg.norm(self._weights[name].data)] for name in probes.weight_norms]
        return np.concatenate([*whole, *norms]).astype(np.float32)
