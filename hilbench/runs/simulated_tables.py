"""What a network did in open loop, as tables in words: the command line and the page show the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from hilbench.nal.open_loop import Simulation, Spikes
from hilbench.runs.simulate import Simulated
from hilbench.runs.simulation_file import Comparison, ModelledEnergy

TIMES = {
    "load_s": "loading (s)",
    "steps": "network steps",
    "steps_per_call": "steps in a call",
    "step_p50_us": "wall time of a step, p50 (us)",
    "step_p99_us": "wall time of a step, p99 (us)",
    "realtime_factor": "times as fast as real time",
}
COUNTED = ("spikes", "synaptic_operations", "neuron_updates", "weight_updates")


class Table(NamedTuple):
    """A table; the first column names the row."""

    title: str
    headings: tuple[str, ...]
    rows: list[tuple[str, ...]]


def tables(
    found: Sequence[Simulated], compared: Sequence[Comparison], energy: Mapping[str, ModelledEnergy]
) -> list[Table]:
    """Spikes of the first backend, time and counts of all, how they differ, and modelled energy.

    Parameters
    ----------
    found : sequence of Simulated
        What each backend did.
    compared : sequence of Comparison
        Each further one against the first.
    energy : dict
        What `runs.simulate.energy` says.
    """
    first = found[0]
    headings = ("population", "neurons", "spikes", "mean rate (Hz)", "first (s)")
    fired = [_fired(first.simulation, name, each) for name, each in first.simulation.spikes.items()]
    return [
        Table(f"Spikes on {first.backend}", headings, fired),
        Table("Time and counts", ("", *(each.backend for each in found)), [*_times(found), *_counts(found)]),
        *([_comparisons(compared)] if compared else []),
        Table("Modelled energy of a period", ("target", "J", "range"), _joules(energy)),
    ]


def _fired(done: Simulation, name: str, fired: Spikes) -> tuple[str, ...]:
    size, n = done.network.populations[name].size, fired.t_s.size
    return name, str(size), str(n), f"{n / size / done.duration_s:.4g}", f"{fired.t_s[0]:g}" if n else "none"


def _times(found: Sequence[Simulated]) -> list[tuple[str, ...]]:
    timings = [each.timing for each in found]
    return [
        (title, *(str(n) if isinstance(n, int) else f"{n:.4g}" for n in (getattr(each, key) for each in timings)))
        for key, title in TIMES.items()
    ]


def _counts(found: Sequence[Simulated]) -> list[tuple[str, ...]]:
    return [(key.replace("_", " "), *(str(each.simulation.counters[key]) for each in found)) for key in COUNTED]


def _comparisons(compared: Sequence[Comparison]) -> Table:
    first, n = compared[0].backends[0], compared[0].spikes[0]
    rows = [
        ("spikes", *(f"{c.spikes[1]}, {first} {n}" for c in compared)),
        ("in common", *(str(c.common_spikes) for c in compared)),
        ("first difference", *map(_first_difference, compared)),
        ("largest difference of values", *map(_largest_difference, compared)),
    ]
    return Table(f"Against {first}", ("", *(c.backends[1] for c in compared)), rows)


def _first_difference(c: Comparison) -> str:
    one = c.first_difference
    return "none: all equal" if one is None else f"{one.t_s:g} s: {one.population} {one.neuron}, on {one.backend} alone"


def _largest_difference(c: Comparison) -> str:
    far = c.largest_difference
    if far is None:
        return "no values"
    size = "no number" if far.difference is None else f"{far.difference:.3g}"
    return f"{size}: {far.port}[{far.index}] at {far.t_s:g} s"


def _joules(energy: Mapping[str, ModelledEnergy]) -> list[tuple[str, ...]]:
    rows = [
        (name, f"{part.period_j:.3g}", " to ".join(f"{end:.3g}" for end in part.interval_j or ()))
        for name, part in energy.items()
        if part.period_j is not None
    ]
    unknown = ", ".join(name for name, part in energy.items() if part.period_j is None)
    return [*rows, *([(unknown, "unknown", "a constant is not public")] if unknown else [])]
