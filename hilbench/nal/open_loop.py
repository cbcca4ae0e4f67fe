"""Feeding a network in open loop: inputs as arrays in, spikes and values as arrays out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.feed import Feed, feed
from hilbench.nal.model.network import Network
from hilbench.settings import to_config
from hilbench.types import COUNTERS, EVENT, Backend, Events, LoadReport, Probes, size_of

MEMBRANE = "membrane_of_"
"""How the ports begin that are added for membranes which are watched."""


class Spikes(NamedTuple):
    """Spikes of one population, in the order of time."""

    t_s: NDArray[np.float64]
    """(n,) The start of the network step in which each was fired, in s."""
    neuron: NDArray[np.int64]
    """(n,) Which neuron fired it, from 0."""


@dataclass(frozen=True, eq=False)
class Simulation:
    """What a network did. It unpacks as `spikes, values`."""

    network: Network
    period_s: float
    n_periods: int
    spikes: dict[str, Spikes]
    """By population."""
    values: dict[str, NDArray[np.float32]]
    """By output port of values: (n_periods, size), as they are at the end of each period."""
    membranes: dict[str, NDArray[np.float32]]
    """By population that was asked for: (n_periods, size), at the end of each period."""
    learnt: dict[str, NDArray[Any]]
    """What learning made: `weights/PROJECTION` and `thresholds/POPULATION`, as `hilbench.nal.learnt` takes them."""
    counters: dict[str, int]
    """Over the whole run: spikes, synaptic operations, neuron updates, weight updates and multiplications."""
    report: LoadReport
    """What the backend ran as stated, and what not."""
    tick_ns: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """(n_ticks,) How long each call of the backend took, where a clock was given, or the backend has its own."""

    def __iter__(self) -> Iterator[Any]:
        return iter((self.spikes, self.values))

    @property
    def t_s(self) -> NDArray[np.float64]:
        """(n_periods,) The end of each period, in s: the instants of `values` and `membranes`."""
        return np.arange(1, self.n_periods + 1) * round(self.period_s * 1e6) / 1e6

    @property
    def duration_s(self) -> float:
        """How long the network ran, in its own time."""
        return self.n_periods * self.period_s

    @property
    def n_steps(self) -> int:
        """How many network steps it ran."""
        return self.n_periods * round(self.period_s / self.network.dt_s)


def run(
    network: Network,
    inputs: Any = None,
    *,
    backend: str = "numba",
    settings: Mapping[str, Any] | None = None,
    period_s: float | None = None,
    duration_s: float | None = None,
    seed: int = 0,
    record: Sequence[str] | None = None,
    membranes: Sequence[str] = (),
    learning: bool = False,
    modulators: Any = None,
    progress: Callable[[float], None] | None = None,
) -> Simulation:
    """Feed a network, and return its spikes and values. Raises NetworkError, ScenarioError or PluginError.

    `spikes, values = run(network, {"x": np.ones((1000, 2))})`. A port that gets nothing gets zeros, or no events.

    Parameters
    ----------
    network : Network
        What runs; it stays as it is.
    inputs : array_like, dict or pair, optional
        Port -> what it gets. A value port takes (n_periods, size) numbers, a row for each period; or (size,) numbers,
        or one, that are held all the time. An event port takes (t_s, address): two (n,) arrays in order of time, as
        `Spikes` are; or an (n,) array with fields `t_us` and `address`. In place of a dict one array, or one pair, is
        for all ports of its kind, side by side.
    backend : str
        The backend's name.
    settings : dict, optional
        The backend's settings, as `{"threads": 2}`.
    period_s : float, optional
        How long each row is held, in s: a whole number of network steps; one step when absent.
    duration_s : float, optional
        How long the network runs, in s; as long as the inputs last when absent.
    seed : int
        Of the network's own randomness.
    record : sequence of str, optional
        Populations whose spikes are returned; all that spike when absent.
    membranes : sequence of str
        Populations whose membranes are returned.
    learning : bool
        Whether learning rules change weights and thresholds.
    modulators : array_like or dict, optional
        What learning signals are, as `inputs` of value ports; zeros when absent.
    progress : callable, optional
        Is told now and then which second of the network's time has been reached.
    """
    if modulators is not None and not learning:
        raise NetworkError("modulators: given, but learning is off; allowed: learning=True, or no modulators")
    given = feed(network, inputs, period_s=period_s, duration_s=duration_s, modulators=modulators)
    engine = plugins.get("backends", backend)
    made = engine(to_config(engine.Config, settings or {}, "settings", backend))
    return drive(
        made, network, given, seed=seed, record=record, membranes=membranes, learning=learning, progress=progress
    )


def drive(
    engine: Backend,
    network: Network,
    given: Feed,
    *,
    seed: int = 0,
    record: Sequence[str] | None = None,
    membranes: Sequence[str] = (),
    learning: bool = False,
    progress: Callable[[float], None] | None = None,
    clock_ns: Callable[[], int] | None = None,
) -> Simulation:
    """Load a network into a backend, feed it, and collect what it does. Raises NetworkError.

    Parameters
    ----------
    engine : Backend
        What runs it.
    network : Network
        What runs.
    given : Feed
        What it gets.
    seed, record, membranes, learning, progress
        As in `run`.
    clock_ns : callable, optional
        Returns the time in ns; each call of the backend is timed with it.
    """
    watched = _with_membranes(network, membranes)
    spiking = [p.name for p in network.populations.values() if p.spiking] if record is None else list(record)
    per_tick = 1 if engine.own_time else given.periods_per_tick(watched)
    report = engine.load(watched, given.period_us * per_tick, Probes(spikes=tuple(spiking)))
    engine.reset(seed, "none")
    n_ticks = given.n_periods // per_tick
    spikes, counters, tick_ns = _Spikes(), np.zeros(len(COUNTERS), np.uint64), np.zeros(n_ticks, np.int64)
    values = _room(n_ticks, size_of(watched.outputs, "values"))
    often = max(1, n_ticks // 200)
    for tick in given.ticks(per_tick, learning):
        began_ns = clock_ns() if clock_ns else 0
        reply = engine.step(tick)
        seq = tick.seq
        tick_ns[seq] = reply.compute_ns if engine.own_time else clock_ns() - began_ns if clock_ns else 0
        values[seq] = reply.values
        counters += reply.counters
        if reply.probe_events.size:
            spikes.add(seq, reply.probe_events)
        if progress and seq % often == 0:
            progress(tick.t_ns * 1e-9)
    by_port = _by_port(watched, values)
    watching = {name: by_port.pop(f"{MEMBRANE}{name}") for name in membranes}
    return Simulation(
        network=network,
        period_s=given.period_us / 1e6,
        n_periods=given.n_periods,
        spikes=spikes.by_population(network, spiking, given.period_us * per_tick),
        values=by_port,
        membranes=watching,
        learnt=_learnt(engine) if learning else {},
        counters=dict(zip(COUNTERS, counters.tolist(), strict=True)),
        report=report,
        tick_ns=tick_ns if clock_ns or engine.own_time else tick_ns[:0],
    )


def _room(n_rows: int, n_values: int) -> NDArray[np.float32]:
    try:
        return np.zeros((n_rows, n_values), np.float32)
    except (MemoryError, ValueError):
        text = f"{n_rows} rows of {n_values} output values do not fit into memory"
        raise NetworkError(f"{text}; allowed: a longer period_s, or a shorter run") from None


def _with_membranes(network: Network, names: Sequence[str]) -> Network:
    """A copy of the network with a port for each membrane that is watched."""
    copy = replace(network, output_sources=dict(network.output_sources))
    for name in names:
        if name not in network.populations:
            raise NetworkError(f"membranes: found {name!r}; {allowed_hint(name, network.populations)}")
        copy.output(f"{MEMBRANE}{name}", name, kind="values")
    return copy


def _by_port(network: Network, values: NDArray) -> dict[str, NDArray]:
    ports = [port for port in network.outputs if port.kind == "values"]
    ends = np.cumsum([0, *(port.size for port in ports)])
    return {port.name: values[:, a:b] for port, a, b in zip(ports, ends[:-1], ends[1:], strict=True)}


def _learnt(engine: Backend) -> dict[str, NDArray]:
    kept = ("weights/", "thresholds/")
    return {name: array for name, array in engine.snapshot().items() if name.startswith(kept)}


class _Spikes:
    """Spikes of all populations, tick by tick, in arrays that grow."""

    def __init__(self) -> None:
        self._n = 0
        self._events, self._seq = np.zeros(1024, EVENT), np.zeros(1024, np.int64)

    def add(self, seq: int, events: Events) -> None:
        end = self._n + len(events)
        if end > len(self._seq):
            more = max(end, 2 * len(self._seq)) - len(self._seq)
            self._events = np.concatenate([self._events, np.zeros(more, EVENT)])
            self._seq = np.concatenate([self._seq, np.zeros(more, np.int64)])
        self._events[self._n : end], self._seq[self._n : end] = events, seq
        self._n = end

    def by_population(self, network: Network, names: Sequence[str], tick_us: int) -> dict[str, Spikes]:
        events = self._events[: self._n]
        ends = np.cumsum([network.populations[name].size for name in names])
        which = np.searchsorted(ends, events["address"], side="right")
        order = np.argsort(which, kind="stable")
        t_s = ((self._seq[: self._n] * tick_us + events["t_us"]) / 1e6)[order]
        address = events["address"][order].astype(np.int64)
        cuts = np.searchsorted(which[order], np.arange(1, len(names)))
        parts = zip(names, np.split(t_s, cuts), np.split(address, cuts), [0, *ends], strict=False)
        return {name: Spikes(times, neurons - first) for name, times, neurons, first in parts}
