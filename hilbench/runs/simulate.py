"""A network in open loop on one or several backends: timed, compared, and with the energy that its counts stand for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.nal.compile.facts import facts_of
from hilbench.nal.feed import Feed
from hilbench.nal.model.network import Network
from hilbench.nal.open_loop import Simulation, Spikes, drive
from hilbench.settings import to_config
from hilbench.types import COUNTERS


@dataclass(frozen=True, eq=False)
class Simulated:
    """What one backend did, and how long it took."""

    backend: str
    simulation: Simulation
    load_s: float
    """From the settings to the first tick: building, and compiling where that was needed."""

    @property
    def timing(self) -> dict[str, float]:
        """Wall time of a network step in us, over the calls of the backend, and seconds of the network per second."""
        ns = self.simulation.tick_ns
        step_us = ns / 1000 * ns.size / self.simulation.n_steps
        return {
            "load_s": self.load_s,
            "steps": self.simulation.n_steps,
            "steps_per_call": self.simulation.n_steps // ns.size,
            "step_us_p50": float(np.percentile(step_us, 50)),
            "step_us_p99": float(np.percentile(step_us, 99)),
            "realtime_factor": self.simulation.duration_s / (float(ns.sum()) * 1e-9),
        }


class SpikeDifference(Struct, frozen=True):
    """The first spike that one of two backends fired and the other did not."""

    t_s: float
    population: str
    neuron: int
    backend: str
    """Which one fired it."""


class ValueDifference(Struct, frozen=True):
    """Where two backends' values are furthest apart."""

    difference: float
    port: str
    index: int
    t_s: float


class Comparison(Struct, frozen=True):
    """Two backends on the same input."""

    backends: tuple[str, str]
    spikes_equal: bool
    spikes: tuple[int, int]
    common: int
    """Spikes of the same neuron in the same network step."""
    first_difference: SpikeDifference | None
    largest_difference: ValueDifference | None
    """None where there are no values."""


def simulate(
    network: Network,
    given: Feed,
    backends: Mapping[str, Mapping[str, Any]],
    *,
    seed: int = 0,
    membranes: Sequence[str] = (),
    learning: bool = False,
    progress: Callable[[str, float], None] | None = None,
) -> list[Simulated]:
    """Run a network on each backend in turn. Raises NetworkError, PluginError or ScenarioError.

    Parameters
    ----------
    network : Network
        What runs.
    given : Feed
        What it gets.
    backends : dict
        Name -> settings.
    seed : int
        Of the network's own randomness.
    membranes : sequence of str
        Populations whose membranes are kept.
    learning : bool
        Whether learning rules change weights and thresholds.
    progress : callable, optional
        Is told the backend's name and the second of the network's time.
    """
    kinds = {name: plugins.get("backends", name) for name in backends}
    configs = {name: to_config(kind.Config, backends[name], name, name) for name, kind in kinds.items()}
    found = []
    for name, kind in kinds.items():
        began_ns, first_ns = time.perf_counter_ns(), 0

        def clock_ns() -> int:
            nonlocal first_ns
            now = time.perf_counter_ns()
            first_ns = first_ns or now
            return now

        def told(t_s: float, name: str = name) -> None:
            if progress:
                progress(name, t_s)

        done = drive(
            kind(configs[name]), network, given, seed=seed, membranes=membranes, learning=learning, progress=told,
            clock_ns=clock_ns,
        )  # fmt: skip
        found.append(Simulated(name, done, (first_ns - began_ns) * 1e-9))
    return found


def compare(first: Simulated, other: Simulated) -> Comparison:
    """What differs between two backends on the same input.

    Parameters
    ----------
    first, other : Simulated
        Two runs of one network on one feed.
    """
    a, b = first.simulation, other.simulation
    differing, common = [], 0
    for name in a.spikes:
        size = a.network.populations[name].size
        keys, n = _surplus(_keys(a.spikes[name], size), _keys(b.spikes[name], size))
        common += len(a.spikes[name].t_s) - int(n[n > 0].sum())
        if keys.size:
            who = first.backend if n[0] > 0 else other.backend
            differing.append(SpikeDifference(float(keys[0] // size / 1e6), name, int(keys[0] % size), who))
    counts = tuple(sum(len(spikes.t_s) for spikes in each.spikes.values()) for each in (a, b))
    return Comparison(
        backends=(first.backend, other.backend),
        spikes_equal=not differing,
        spikes=(counts[0], counts[1]),
        common=common,
        first_difference=min(differing, key=lambda found: found.t_s, default=None),
        largest_difference=max(_values(a, b), key=lambda found: found.difference, default=None),
    )


def _keys(spikes: Spikes, size: int) -> NDArray[np.int64]:
    return np.rint(spikes.t_s * 1e6).astype(np.int64) * size + spikes.neuron


def _surplus(mine: NDArray, theirs: NDArray) -> tuple[NDArray, NDArray]:
    """The keys that do not occur equally often, in order, and how much more often in the first."""
    signs = np.repeat([1, -1], [mine.size, theirs.size])
    keys, which = np.unique(np.concatenate([mine, theirs]), return_inverse=True)
    n = np.bincount(which.ravel(), weights=signs, minlength=keys.size).astype(int)
    return keys[n != 0], n[n != 0]


def _values(a: Simulation, b: Simulation) -> Iterator[ValueDifference]:
    for name, mine in {**a.values, **{f"membrane of {name}": v for name, v in a.membranes.items()}}.items():
        theirs = b.values[name] if name in a.values else b.membranes[name.removeprefix("membrane of ")]
        apart = np.abs(mine.astype(float) - theirs)
        if apart.size:
            row, index = np.unravel_index(int(apart.argmax()), apart.shape)
            yield ValueDifference(float(apart[row, index]), name, int(index), float(a.t_s[row]))


def energy(done: Simulation) -> dict[str, dict[str, Any]]:
    """Modelled joules of a period, by target: metric `energy_modelled` of the counted operations."""
    from hilbench.metrics.energy import modelled

    facts = facts_of(done.network, round(done.period_s * 1e6))
    n = done.n_periods
    found = modelled(facts, {name: done.counters[name] / n for name in COUNTERS}, n, done.period_s)
    return {name: {"joules_per_period": m.value, "interval": m.interval, "note": m.note} for name, m in found.items()}
