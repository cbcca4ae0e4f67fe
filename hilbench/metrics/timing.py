"""When replies came and acted: latency without coordinated omission, misses, skipped ticks, faults."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.metrics import Measure, Measures, column, count, live, metric, n_periods
from hilbench.record.data import RunData
from hilbench.types import SAFE

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


@metric("s", "lower")
def latency(run: RunData) -> Measures:
    """From a tick's scheduled instant to the first action of that tick or a newer one: percentiles, maximum and N.

    A skipped or unanswered tick counts until a newer tick's action, or until the run's end. In real time by the clock;
    on the virtual clock by the physics step, so that it is 0 in lockstep. A percentile needs ten samples beyond it.
    Absent from a run in which no reply ever acted: misses tell of that.
    """
    if not (column(run, "applied_step") >= 0).any():
        return {}
    return _percentiles(latencies_s(run))


@metric("s", "lower", wall=True)
def round_trip(run: RunData) -> Measures:
    """From the observation to the reply's arrival, by the clock, for answered ticks: what the controller took."""
    answered = column(run, "answered").astype(bool)
    taken_ns = (column(run, "arrived_ns") - column(run, "captured_ns"))[answered]
    return _percentiles(taken_ns * 1e-9)


@metric("s", "lower", wall=True)
def compute(run: RunData) -> Measures:
    """The device's own time per tick. Absent where it counts instructions: `instructions` has those."""
    return {} if run.instruction_ns else _percentiles(_computed_ns(run) * 1e-9)


@metric("1/tick", "lower")
def instructions(run: RunData) -> Measures:
    """Instructions per tick, where the device is an emulator that counts them. They are not cycles."""
    return _percentiles(_computed_ns(run) / run.instruction_ns) if run.instruction_ns else {}


@metric("s", "lower", modes=("realtime",), wall=True)
def loop_lag(run: RunData) -> Measures:
    """From a tick's scheduled instant to its observation, by the clock: how far the loop itself fell behind.

    Misses are counted on the plant's time, which stops while the loop is behind; this says how far behind it was.
    """
    return _percentiles(lags_s(run))


@metric("1", "higher", wall=True)
def realtime_factor(run: RunData) -> Measures:
    """The plant's time per time of the clock, from each episode's first observation to that of its last tick.

    On the virtual clock above 1 where the run was faster than its plant would be; in real time 1, or less where the
    loop fell behind. Starting, resets and the last period are left out.
    """
    columns = ("t_us", "captured_ns")
    passed_us, taken_ns = (np.concatenate([[], *(np.diff(e[name][live(e)]) for e in run.episodes)]) for name in columns)
    return {"": Measure(1000 * passed_us.sum() / taken_ns.sum(), taken_ns.size)} if taken_ns.any() else {}


@metric("s", "lower")
def jitter(run: RunData) -> Measures:
    """How far the slow replies lie from the usual ones: the 99th percentile of `latency` less its median."""
    found = latency(run)
    if "p99" not in found:
        return {}
    return {"": Measure(_value(found["p99"]) - _value(found["p50"]), found["p99"].n)}


@metric("s", "lower")
def actuation_sd(run: RunData) -> Measures:
    """Standard deviation of the time between one reply's first action and the next one's."""
    between_us = np.concatenate([np.diff(_acted_us(run, e)) for e in run.episodes] or [np.empty(0)])
    return {"": Measure(float(between_us.std()) * 1e-6, between_us.size)} if between_us.size else {}


@metric("s", "lower")
def age_of_information(run: RunData) -> Measures:
    """At each physics step, how old the observation is that the acting reply answers: held replies grow older.

    On the plant's time, from the first action on; steps in which the safe action acted are left out.
    """
    return _percentiles(np.concatenate([_ages_s(run, e) for e in run.episodes] or [np.empty(0)]))


@metric("1", "higher", modes=("realtime",), wall=True)
def latency_margin(run: RunData) -> Measures:
    """How many times `latency`'s 99.9th percentile fits into the delay at which this controller is known to fail."""
    scenario, found = run.meta.scenario, latency(run)
    critical_s = scenario.score.critical_delay_s.get(scenario.controller)
    if critical_s is None or "p99.9" not in found:
        return {}
    return {"": Measure(critical_s / _value(found["p99.9"]), found["p99.9"].n)}


@metric("s", "lower", modes=("realtime",), wall=True)
def link_round_trip(run: RunData) -> Measures:
    """From a bare echo's scheduled instant to its return, over the run's own link at its rate: what the link costs."""
    return _percentiles(run.echo_ns * 1e-9)


@metric("ticks", "lower")
def misses(run: RunData) -> Measures:
    """Ticks without an action of theirs, or of a newer tick, in a physics step within the deadline.

    By the plant's time, which stands still while the loop is behind; for a robot, by the clock.
    """
    missed = [_missed(run, e) for e in run.episodes]
    return count(sum(m.sum() for m in missed), sum(m.size for m in missed))


@metric("ticks", "lower")
def longest_miss_run(run: RunData) -> Measures:
    """The most misses in a row."""
    missed = [_missed(run, e) for e in run.episodes]
    return count(max((_longest(m) for m in missed), default=0), sum(m.size for m in missed))


@metric("ticks", "lower")
def skipped(run: RunData) -> Measures:
    """Ticks that were not sent: too many were unanswered, or the device was lost. The plant's own end is none."""
    return count(sum(e["skipped"][live(e)].sum() for e in run.episodes), n_periods(run))


@metric("faults", "lower")
def faults(run: RunData) -> Measures:
    """Faults on record."""
    return {"": Measure(len(run.meta.faults), 1)}


def _computed_ns(run: RunData) -> NDArray:
    return column(run, "compute_ns")[column(run, "answered").astype(bool)]


def lags_s(run: RunData) -> NDArray:
    """How far behind its schedule each tick began, in seconds."""
    behind_ns = [(e["captured_ns"] - e["scheduled_ns"])[live(e)] for e in run.episodes]
    return np.concatenate(behind_ns or [np.empty(0)]) * 1e-9


def latencies_s(run: RunData) -> NDArray:
    """One latency per tick, in seconds; a reply that never came counts until the end of its episode's last period."""
    return np.concatenate([_latencies_s(run, e) for e in run.episodes] or [np.empty(0)])


def _latencies_s(run: RunData, episode: dict[str, NDArray]) -> NDArray:
    if run.mode != "realtime":
        return _felt_us(run, episode) * 1e-6
    done_ns = np.where(episode["applied_step"] >= 0, episode["applied_ns"], np.inf)
    period_ns = run.meta.scenario.loop.period_s * 1e9
    end_ns = max(_last(episode, "scheduled_ns") + period_ns, episode["applied_ns"].max())
    return (np.minimum(_or_newer(done_ns), end_ns) - episode["scheduled_ns"])[live(episode)] * 1e-9


def _acted_us(run: RunData, episode: dict[str, NDArray]) -> NDArray:
    """When each reply that acted first did: by the clock in real time, else by the physics step."""
    acted = episode["applied_step"] >= 0
    if run.mode == "realtime":
        return episode["applied_ns"][acted] / 1000
    return episode["applied_step"][acted] * round(run.meta.plant_spec.physics_step_s * 1e6)


def _ages_s(run: RunData, episode: dict[str, NDArray]) -> NDArray:
    step_us = round(run.meta.plant_spec.physics_step_s * 1e6)
    acted = np.flatnonzero(episode["applied_step"] >= 0)
    if not acted.size:
        return np.empty(0)
    first = episode["applied_step"][acted]  # rises with the tick: an older tick never replaces a newer one
    sources = episode["sources"][live(episode)].ravel()
    steps = np.flatnonzero(sources != SAFE)
    steps = steps[steps >= first[0]]
    behind = acted[np.searchsorted(first, steps, "right") - 1]
    return (steps * step_us - episode["t_us"][behind]) * 1e-6


def _missed(run: RunData, episode: dict[str, NDArray]) -> NDArray:
    """Whether each tick missed its deadline, by the schedule of physics steps.

    A tick without an answer whose deadline comes after the run's end is left out: it may have been in time.
    """
    loop = run.meta.scenario.loop
    deadline_us = round((loop.deadline_s or loop.period_s) * 1e6)
    age_us = _end_us(run, episode) - episode["t_us"]
    felt_us = _or_newer(_due_us(run, episode)) - episode["t_us"]
    return (felt_us > deadline_us)[live(episode) & (np.isfinite(felt_us) | (age_us > deadline_us))]


def _felt_us(run: RunData, episode: dict[str, NDArray]) -> NDArray:
    """Time from each tick's instant to the physics step in which it, or a newer one, first acted: by the schedule."""
    # A tick that is unanswered at the end counts until the run's end.
    done_us = np.minimum(_or_newer(_due_us(run, episode)), _end_us(run, episode))
    return (done_us - episode["t_us"])[live(episode)]


def _due_us(run: RunData, episode: dict[str, NDArray]) -> NDArray:
    """When each tick's reply first acted, by the schedule; infinite where it never did.

    A robot keeps to no schedule but the clock's.
    """
    if run.meta.robot is not None:
        start_ns = episode["scheduled_ns"] - episode["t_us"] * 1000
        return np.where(episode["applied_step"] >= 0, (episode["applied_ns"] - start_ns) / 1000, np.inf)
    step_us = round(run.meta.plant_spec.physics_step_s * 1e6)
    return np.where(episode["applied_step"] >= 0, episode["applied_step"] * float(step_us), np.inf)


def _end_us(run: RunData, episode: dict[str, NDArray]) -> int:
    return int(_last(episode, "t_us")) + round(run.meta.scenario.loop.period_s * 1e6)


def _last(episode: dict[str, NDArray], name: str) -> float:
    """What a column holds for the last period; for an episode without one, whose rows nobody asks for, its first.

    0 where there is no row at all.
    """
    return episode[name][max(int(live(episode).sum()) - 1, 0)] if episode[name].size else 0


def _or_newer(done: NDArray) -> NDArray:
    """For each tick the time at which it, or a newer one, first acted."""
    return np.minimum.accumulate(done[::-1])[::-1]


def _longest(missed: NDArray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate(([0], missed.astype(np.int8), [0]))))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _value(percentile: Measure) -> float:
    assert percentile.value is not None  # `_percentiles` leaves out what it has no value for
    return percentile.value


def _percentiles(samples: NDArray) -> Measures:
    n = samples.size
    found = {
        label: Measure(float(np.quantile(samples, q)), n) for label, q in QUANTILES.items() if n * (1 - q) >= 10 - 1e-6
    }
    return {**found, "max": Measure(float(samples.max()), n)} if n else {}
