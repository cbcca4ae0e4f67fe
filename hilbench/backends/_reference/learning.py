"""Learning in the backend `reference`: the rules' equations over whole projections, NumPy and float64.

In each step, for every rule: the modulator of each target neuron, by weights as they stand before the step's learning;
the traces; then, while learning is on and the rule's gate open, weights within their bounds; thresholds last.
Eligibilities are traces and go on while learning is off. A population that is a modulator or a gate is heard as it was
after the step before: its values, or its spikes per second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import Population
from hilbench.nal.model.projection import Projection
from hilbench.nal.rules import Rule, bounded, bounds, softened


class Learning:
    """The traces of a network's rules by name, and the step that moves them, its weights and its thresholds."""

    def __init__(self, network: Network) -> None:
        self._network = network
        # Any: which functions change weights or thresholds, and of what, differs from rule to rule.
        self._plastic: list[tuple[Projection, Any]] = [(p, p.rule) for p in network.projections.values() if p.rule]
        self._moving: list[tuple[Population, Any]] = [(p, p.rule) for p in network.populations.values() if p.rule]
        self._constants = {p.name: rule.constants(network, p) for p, rule in self._plastic}
        self._constants |= {p.name: rule.constants(network, p) for p, rule in self._moving}
        self._feedback = {p.name: rule.feedback(network, p) for p, rule in self._plastic}
        self.traces: dict[str, NDArray] = {}
        for p, rule in self._plastic:
            n_target, n_source = p.weights.shape
            n_pre = n_source if isinstance(p.delay_steps, int) else p.weights.nnz
            self.traces[f"pre_traces/{p.name}"] = np.zeros((len(rule.pre_traces), n_pre))
            self.traces[f"post_traces/{p.name}"] = np.zeros((len(rule.post_traces), n_target))
            self.traces[f"synapse_traces/{p.name}"] = np.zeros((len(rule.synapse_traces), p.weights.nnz))
            self.traces[f"under_way/{p.name}"] = np.zeros((p.max_delay_steps + 1, n_source))
        self._heard = [network.populations[name] for name in network.heard()]
        self.traces |= {f"heard/{p.name}": np.zeros(p.size) for p in self._heard}

    def reset(self) -> None:
        """Empty every trace."""
        for trace in self.traces.values():
            trace[:] = 0

    def step(
        self,
        clock: int,
        spikes: dict[str, NDArray],
        excess: dict[str, NDArray],
        values: dict[str, NDArray],
        modulators: NDArray,
        weights: dict[str, scipy.sparse.csc_array],
        thresholds: dict[str, NDArray],
        learning: bool,
    ) -> int:
        """One step, after the neurons. Changes weights and thresholds in place; returns how many it updated.

        Parameters
        ----------
        clock : int
            Network steps since the states were made new.
        spikes : dict of (size,) float64
            How often each neuron spiked in this step, by population or input port.
        excess : dict of (size,) float64
            By population, how far each membrane was above its threshold at the test; minus infinity while held.
        values : dict of (size,) float64
            The membranes of each population after this step.
        modulators : (n_modulators,) float64
            The tick's learning signals.
        weights : dict of csc_array
            The weights of each projection, (n_target, n_source).
        thresholds : dict of (size,) float64
            The thresholds of each population.
        learning : bool
            Whether weights and thresholds change; traces always do.
        """
        signals = {p.name: self._signal(p, rule, modulators, weights) for p, rule in self._plastic}
        updates = 0
        for p, rule in self._plastic:
            arrived = self._arrived(p, clock, spikes[p.source], weights[p.name])
            fired, signal = spikes[p.target], signals[p.name]
            self._move_traces(p, rule, arrived, fired, excess[p.target], signal)
            change = _by_spikes if rule.by_spikes else _every_step
            live = learning and self._open(rule)
            updates += change(p, rule, self, arrived, fired, signal, weights[p.name], live)
        for population, rule in self._moving:
            if learning and self._open(rule):
                name = population.name
                theta = thresholds[name]
                z = spikes[name] if rule.pooled is None else np.full(theta.shape, spikes[rule.pooled].mean())
                theta[:] = _within(rule, theta, rule.change(self._constants[name], z))
                updates += population.size
        self._hear(spikes, values)
        return updates

    def constants(self, p: Projection) -> tuple[float, ...]:
        """What the rule's functions take as `c`."""
        return self._constants[p.name]

    def _signal(
        self, p: Projection, rule: Rule, modulators: NDArray, weights: dict[str, scipy.sparse.csc_array]
    ) -> NDArray:
        """The modulator of each target neuron."""
        feedback = self._feedback[p.name]
        inside = rule.modulator_is == "population"
        mine = self.traces[f"heard/{rule.modulator}"] if inside else self._from_outside(rule, modulators)
        if feedback is None:
            return np.broadcast_to(mine, p.weights.shape[0])
        return (weights[feedback].T if isinstance(feedback, str) else feedback) @ mine

    def _from_outside(self, rule: Rule, modulators: NDArray) -> NDArray:
        mine, start = np.zeros(1), 0
        for port in self._network.modulators:
            if port.name == rule.modulator:
                mine = modulators[start : start + port.size].astype(np.float64)
            start += port.size
        return mine

    def _open(self, rule: Rule) -> bool:
        return rule.gate is None or bool(self.traces[f"heard/{rule.gate}"][0] > rule.gate_above)

    def _hear(self, spikes: dict[str, NDArray], values: dict[str, NDArray]) -> None:
        """Keep what the rules hear of the network for the next step; what is no finite number counts as 0."""
        for p in self._heard:
            now = spikes[p.name] / self._network.dt_s if p.spiking else values[p.name]
            self.traces[f"heard/{p.name}"][:] = np.where(np.isfinite(now), now, 0)

    def _arrived(self, p: Projection, clock: int, spikes: NDArray, weights: scipy.sparse.csc_array) -> NDArray:
        """How many spikes arrive in this step from each source, or at each synapse where their delays differ.

        Presynaptic traces are those of sources, or of synapses, likewise.
        """
        ring = self.traces[f"under_way/{p.name}"]
        ring[clock % len(ring)] = spikes
        came = (clock - np.asarray(p.delay_steps, int)) % len(ring)
        return ring[came] if isinstance(p.delay_steps, int) else ring[came, _sources(weights)]

    def _move_traces(
        self, p: Projection, rule: Rule, arrived: NDArray, fired: NDArray, excess: NDArray, signal: NDArray
    ) -> None:
        c = self._constants[p.name]
        x, y = self.traces[f"pre_traces/{p.name}"], self.traces[f"post_traces/{p.name}"]
        _put(x, rule.pre(c, tuple(x), arrived))
        _put(y, rule.post(c, tuple(y), fired, excess, signal))


def _by_spikes(
    p: Projection,
    rule: Any,
    state: Learning,
    arrived: NDArray,
    fired: NDArray,
    signal: NDArray,
    weights: scipy.sparse.csc_array,
    learning: bool,
) -> int:
    """First what arriving spikes change, then what the target's spikes do."""
    if not learning:
        return 0
    sources, targets = _before(p, weights), weights.indices
    c, s, z = state.constants(p), arrived[sources], fired[targets]
    x, y = state.traces[f"pre_traces/{p.name}"][:, sources], state.traces[f"post_traces/{p.name}"][:, targets]
    for on_spike, crossed in ((rule.on_pre, s > 0), (rule.on_post, z > 0)):
        changed = _within(rule, weights.data, on_spike(c, weights.data, s, tuple(x), z, tuple(y)))
        weights.data[crossed] = changed[crossed]
    return int(np.count_nonzero(s) + np.count_nonzero(z))


def _every_step(
    p: Projection,
    rule: Any,
    state: Learning,
    arrived: NDArray,
    fired: NDArray,
    signal: NDArray,
    weights: scipy.sparse.csc_array,
    learning: bool,
) -> int:
    """Synapses' traces go on; weights change where there is a drive."""
    sources, targets = _before(p, weights), weights.indices
    c, e = state.constants(p), state.traces[f"synapse_traces/{p.name}"]
    x, y = state.traces[f"pre_traces/{p.name}"], state.traces[f"post_traces/{p.name}"]
    drive = rule.drive(c, tuple(y), signal)[targets]
    change, after = rule.change(
        c, weights.data, tuple(e), arrived[sources], tuple(x[:, sources]), fired[targets], tuple(y[:, targets]), drive
    )
    _put(e, after)
    if not learning:
        return 0
    weights.data[:] = _within(rule, weights.data, change)
    return int(np.count_nonzero(drive))


def _put(traces: NDArray, after: tuple[NDArray, ...]) -> None:
    for trace, new in zip(traces, after, strict=True):
        trace[:] = new


def _sources(weights: scipy.sparse.csc_array) -> NDArray:
    """The source of each synapse."""
    return np.repeat(np.arange(weights.shape[1]), np.diff(weights.indptr))


def _before(p: Projection, weights: scipy.sparse.csc_array) -> NDArray:
    """Where what arrives at each synapse stands among what arrives, and in the presynaptic traces."""
    return _sources(weights) if isinstance(p.delay_steps, int) else np.arange(weights.nnz)


def _within(rule: Rule, values: NDArray, change: NDArray) -> NDArray:
    """Weights or thresholds after a change, within the rule's bounds."""
    low, high = bounds(rule)
    if rule.softness:
        change = softened(values, change, low, high, rule.softness)
    return bounded(values + change, low, high)
