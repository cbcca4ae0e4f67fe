"""An engine for networks of LIF neurons: dense matrices and NumPy, one network step after the other.

It runs a part of what hilbench's networks may be, and says at load what it does not run. What it runs means what the
backend `reference` means by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.backends import all_or_nothing, check_snapshot, detached, n_probe_values, probe_ticks, runnable
from hilbench.errors import NetworkError
from hilbench.nal import Network, Population, Projection
from hilbench.nal.compile.operations import multiplies
from hilbench.nal.model.neurons import Behaviour, step_constants
from hilbench.types import (
    COUNTERS,
    EVENT,
    NO_EVENTS,
    NO_VALUES,
    Backend,
    Carry,
    Empty,
    Events,
    LoadReport,
    Probes,
    Program,
    Reply,
    States,
    Tick,
    size_of,
)

NAME = "tiny_lif"


class TinyLIF(Backend):
    """LIF neurons and leaky readouts with fixed weights, in NumPy."""

    Config = Empty

    @all_or_nothing
    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        self._net = net = detached(runnable(program, period_us, probes, NAME))
        for population in net.populations.values():
            _check_population(population)
        for projection in net.projections.values():
            _check_projection(projection)
        self._steps, self._probes, self._every = period_us // net.dt_us, probes, probe_ticks(probes, period_us)
        self._order = [net.populations[name] for name in net.order()]
        self._constants = {p.name: step_constants(p, net.dt_s) for p in self._order}
        self._weights = {p.name: p.weights.toarray().astype(np.float64) for p in net.projections.values()}
        self._synapses = {name: np.count_nonzero(weights, axis=0) for name, weights in self._weights.items()}
        self._bias = {p.name: _bias(net, p) for p in self._order}
        self._slots = 1 + max((int(p.delay_steps) for p in net.projections.values()), default=0)
        self._whole = [net.projections[name].weights.data for name in probes.weights]
        self._norms = [np.linalg.norm(net.projections[name].weights.data) for name in probes.weight_norms]
        self.reset(0, "none")
        self._run(NO_EVENTS, self._steps)
        self.reset(0, "none")
        exact = (*net.populations, *net.projections)
        return LoadReport(NAME, exact=exact, n_probe_values=n_probe_values(net, probes))

    def reset(self, seed: int, carry: Carry) -> None:
        if carry != "all":
            self._v = {p.name: np.array(p.v_initial, np.float64) for p in self._order}
            self._held = {p.name: np.zeros(p.size, np.int64) for p in self._order}
            self._arriving = {p.name: np.zeros((self._slots, p.size)) for p in self._order}
            self._clock = np.zeros(1, np.int64)
        self._values = np.zeros(size_of(self._net.inputs, "values"))
        self._counters, self._ticks = np.zeros(len(COUNTERS), np.uint64), np.zeros(1, np.int64)

    def step(self, tick: Tick) -> Reply:
        self._values[:] = np.where(np.isfinite(tick.values), tick.values, 0)
        fired = self._run(tick.events, self._steps)
        sources, ports = self._net.output_sources, self._net.outputs
        values = [self._v[sources[port.name]] for port in ports if port.kind == "values"]
        reply = Reply(
            counters=self._counters.copy(),
            events=self._events(fired, [sources[port.name] for port in ports if port.kind == "events"]),
            values=np.concatenate([NO_VALUES, *values]).astype(np.float32),
            probe_events=self._events(fired, self._probes.spikes),
            probe_values=self._record(),
        )
        self._counters[:] = 0
        self._ticks += 1
        return reply

    def advance(self, n_periods: int) -> None:
        self._run(NO_EVENTS, n_periods * self._steps)
        self._ticks += n_periods

    def snapshot(self) -> States:
        return {name: array.copy() for name, array in self._arrays().items()}

    def restore(self, arrays: Mapping[str, NDArray[Any]], carry: Carry) -> None:
        mine = self._arrays()
        for name in check_snapshot(arrays, mine, carry):
            mine[name][...] = arrays[name]

    def _arrays(self) -> States:
        """All that changes while it runs, in place."""
        states = {"v": self._v, "held": self._held, "arriving": self._arriving}
        found = {f"{kind}/{name}": array for kind, by_name in states.items() for name, array in by_name.items()}
        now = {"clock": self._clock, "values": self._values, "counters": self._counters, "ticks": self._ticks}
        return found | now

    def _run(self, events: Events, n_steps: int) -> list[dict[str, NDArray[np.bool_]]]:
        """Which neurons fired, step by step."""
        of_step = events["t_us"] // self._net.dt_us
        return [self._network_step(events["address"][of_step == step]) for step in range(n_steps)]

    def _network_step(self, addresses: NDArray[np.uint32]) -> dict[str, NDArray[np.bool_]]:
        fired, slot, value, address = {}, self._clock[0] % self._slots, 0, 0
        for port in self._net.inputs:
            if port.kind == "values":
                sent = self._values[value : value + port.size]
                self._send(port.name, sent, sent != 0, multiplies(sent, 1.0))
                value += port.size
            else:
                mine = addresses[(addresses >= address) & (addresses < address + port.size)] - address
                sent = np.bincount(mine, minlength=port.size).astype(np.float64)
                self._send(port.name, sent, sent, False)
                address += port.size
        for p in self._order:
            x = self._arriving[p.name][slot] + self._bias[p.name]
            self._arriving[p.name][slot] = 0
            fired[p.name] = spikes = self._neurons(p, x)
            amplitude, v = self._net.spike_amplitude, self._v[p.name]
            if p.spiking:
                self._send(p.name, amplitude * spikes, spikes, False)
                self._reset_fired(p, spikes)
            else:
                self._send(p.name, v, v != 0, multiplies(v, amplitude))
            self._counters[0] += np.uint64(spikes.sum())
            self._counters[2] += np.uint64(p.size)
        self._clock += 1
        return fired

    def _neurons(self, p: Population, x: NDArray[np.float64]) -> NDArray[np.bool_]:
        c, v, held = self._constants[p.name], self._v[p.name], self._held[p.name]
        free = held == 0
        v[free] = (c.rest + (v - c.rest) * c.decay + c.from_input * x)[free]
        held[~free] -= 1
        return free & (v > p.v_threshold) if p.spiking else np.zeros(p.size, bool)

    def _reset_fired(self, p: Population, spikes: NDArray[np.bool_]) -> None:
        self._v[p.name][spikes] = p.v_reset[spikes]
        self._held[p.name][spikes] = round(p.behaviour.refractory_s / self._net.dt_s)

    def _send(self, source: str, sent: NDArray[Any], crossings: NDArray[Any], multiplied: bool) -> None:
        for p in self._net.leaving(source):
            slot = (self._clock[0] + int(p.delay_steps)) % self._slots
            self._arriving[p.target][slot] += self._weights[p.name] @ sent
            operations = np.uint64(crossings @ self._synapses[p.name])
            self._counters[1] += operations
            self._counters[4] += operations if multiplied else np.uint64(0)

    def _events(self, fired: list[dict[str, NDArray[np.bool_]]], names: tuple[str, ...] | list[str]) -> Events:
        """Spikes of some populations, side by side in address, at the start of the step in which they fell."""
        found, first = [], {}
        for name in names:
            first[name] = sum(self._net.populations[each].size for each in first)
        for step, by_name in enumerate(fired):
            for name in by_name:
                if name in first:
                    found += [(step * self._net.dt_us, first[name] + i) for i in np.flatnonzero(by_name[name]).tolist()]
        return np.array(found, EVENT)

    def _record(self) -> NDArray[np.float32]:
        due = self._ticks[0] % self._every == 0
        return np.concatenate([NO_VALUES, *self._whole, self._norms]).astype(np.float32) if due else NO_VALUES[:]


def _bias(net: Network, p: Population) -> NDArray[np.float64]:
    biases = [each.bias.astype(np.float64) for each in net.onto(p.name) if each.bias is not None]
    return sum(biases, np.zeros(p.size))


def _check_population(p: Population) -> None:
    if p.kind not in ("lif", "li"):
        raise NetworkError(f"{NAME}: population {p.name!r} is of kind {p.kind!r}; allowed: lif, li")
    allowed = Behaviour(
        integrator=p.behaviour.integrator, synapse=p.behaviour.synapse, refractory_s=p.behaviour.refractory_s,
        synapse_update=p.behaviour.synapse_update,
    )  # fmt: skip
    if p.behaviour != allowed or p.rule is not None:
        allowed = "a threshold that v must pass, and a reset to v_reset"
        raise NetworkError(f"{NAME}: population {p.name!r}: found another behaviour; allowed: {allowed}")


def _check_projection(p: Projection) -> None:
    if p.rule is not None or p.after_threshold or p.form is not None or np.ndim(p.delay_steps):
        allowed = "fixed weights, one delay for all, acting before the threshold test"
        raise NetworkError(f"{NAME}: projection {p.name!r}: found another kind of synapse; allowed: {allowed}")
