"""A network in open loop on one or several backends: timed, compared, and with the energy that its counts stand for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.errors import escaped
from hilbench.nal.compile.facts import facts_of
from hilbench.nal.feed import Feed
from hilbench.nal.model.network import Network
from hilbench.nal.open_loop import Simulation, Spikes, drive
from hilbench.runs.simulation_file import (
    BackendSummary,
    Comparison,
    ModelledEnergy,
    SimulationSummary,
    SpikeDifference,
    Timing,
    ValueDifference,
)
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
    def timing(self) -> Timing:
        """Wall time of a network step, over the calls of the backend, and seconds of the network per second."""
        ns = self.simulation.tick_ns
        step_us = ns / 1000 * ns.size / self.simulation.n_steps
        return Timing(
            load_s=self.load_s,
            steps=self.simulation.n_steps,
            steps_per_call=self.simulation.n_steps // ns.size,
            step_p50_us=float(np.percentile(step_us, 50)),
            step_p99_us=float(np.percentile(step_us, 99)),
            realtime_factor=self.simulation.duration_s / (float(ns.sum()) * 1e-9),
        )


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
            t_s = float(keys[0] // size / 1e6)
            differing.append(SpikeDifference(t_s=t_s, population=name, neuron=int(keys[0] % size), backend=who))
    counts = tuple(sum(len(spikes.t_s) for spikes in each.spikes.values()) for each in (a, b))
    return Comparison(
        backends=(first.backend, other.backend),
        spikes_equal=not differing,
        spikes=(counts[0], counts[1]),
        common_spikes=common,
        first_difference=min(differing, key=lambda found: found.t_s, default=None),
        largest_difference=max(_values(a, b), key=_how_far, default=None),
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
            far = float(apart[row, index])
            yield ValueDifference(
                difference=far if isfinite(far) else None, port=name, index=int(index), t_s=float(a.t_s[row])
            )


def _how_far(found: ValueDifference) -> float:
    """Nothing is further apart than a number and none."""
    return inf if found.difference is None else found.difference


def summarise(
    network: Path,
    found: Sequence[Simulated],
    compared: Sequence[Comparison],
    notes: Sequence[str],
    *,
    seed: int = 0,
    learning: bool = False,
) -> SimulationSummary:
    """What `summary.json` says.

    Parameters
    ----------
    network : Path
        The network's file.
    found : sequence of Simulated
        What each backend did.
    compared : sequence of Comparison
        Each further one against the first.
    notes : sequence of str
        What reading the file had to say.
    seed : int
        Of the network's own randomness.
    learning : bool
        Whether learning rules might change weights and thresholds.
    """
    first = found[0].simulation
    return SimulationSummary(
        network=escaped(network),
        dt_s=first.network.dt_s,
        period_s=first.period_s,
        duration_s=first.duration_s,
        seed=seed,
        learning=learning,
        backends={each.backend: _summary(each) for each in found},
        comparisons=tuple(compared),
        energy=energy(first),
        notes=tuple(notes),
    )


def _summary(each: Simulated) -> BackendSummary:
    done = each.simulation
    return BackendSummary(
        timing=each.timing,
        counters=done.counters,
        spikes={name: int(fired.t_s.size) for name, fired in done.spikes.items()},
        approximated=done.report.approximated,
        dropped=done.report.dropped,
    )


def energy(done: Simulation) -> dict[str, ModelledEnergy]:
    """Modelled joules of a period, by target: metric `energy_modelled` of the counted operations."""
    from hilbench.metrics.energy import modelled

    facts = facts_of(done.network, round(done.period_s * 1e6))
    n = done.n_periods
    found = modelled(facts, {name: done.counters[name] / n for name in COUNTERS}, n, done.period_s)
    return {name: ModelledEnergy(period_j=m.value, interval_j=m.interval, note=m.note) for name, m in found.items()}
