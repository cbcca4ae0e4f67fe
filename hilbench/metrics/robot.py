"""How late a robot's sensors and actuators are, by two clocks, and how often its watchdog acted."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.metrics import Measure, Measures, column, count, live, metric
from hilbench.record.data import RunData
from hilbench.robot.clocks import AGE, READ, STAMPS, Offsets, offsets, round_trips_s

QUANTILES = {"p50": 0.5, "p99": 0.99}
LEAST = 10
"""Samples beyond a percentile, as for every latency."""


@metric("s", "lower", modes=("realtime",), wall=True)
def sense_latency(run: RunData) -> Measures:
    """From the reading of a robot's sensors to the instant at which the loop looks: how old each tick's observation is.

    Two clocks are compared by the least round trip of each second; the interval says by how much that may be wrong.
    Absent where no ACT of the run was echoed, so that nothing is known of the clocks, and for other plants.
    """
    found = _exchanges(run)
    if found is None:
        return {}
    out, clock, ticks = found
    age_s = ticks["arrived"] + ticks[AGE] - ticks[READ]
    return _percentiles(age_s + _at(clock.offset_s, out, ticks), _at(clock.error_s, out, ticks))


@metric("s", "lower", modes=("realtime",), wall=True)
def act_latency(run: RunData) -> Measures:
    """From the instant at which an action leaves the loop to its arrival at the robot, for those that the robot echoed.

    Clocks as in `sense_latency`.
    """
    found = _exchanges(run)
    if found is None:
        return {}
    out, clock, _ = found
    return _percentiles(out["act_taken_s"] - clock.offset_s - out["act_sent_s"], clock.error_s)


@metric("s", "lower", modes=("realtime",), wall=True)
def robot_round_trip(run: RunData) -> Measures:
    """The wire to a robot, there and back, without the time between them there. No clock is compared with another.

    A frame that waits to be read counts so far, but for datagrams on Linux, where the system knows its arrival.
    """
    if (found := _exchanges(run)) is None:
        return {}
    trip_s = round_trips_s(*_stamps(found[0]))
    return _percentiles(trip_s, np.zeros_like(trip_s))


@metric("s", "lower", modes=("realtime",), wall=True)
def clock_uncertainty(run: RunData) -> Measures:
    """By how much the robot's clock may be misjudged: half of each second's least round trip, and what clocks drift.

    0 where the robot reads the loop's own clock.
    """
    if (found := _exchanges(run)) is None:
        return {}
    error_s = found[1].error_s
    return {
        "p50": Measure(float(np.median(error_s)), error_s.size),
        "max": Measure(float(error_s.max()), error_s.size),
    }


@metric("ticks", "lower", modes=("realtime",))
def watchdog(run: RunData) -> Measures:
    """Ticks at which the robot's own watchdog held the safe action, since no ACT had come for too long."""
    acted = [e["info.watchdog"][live(e)] for e in run.episodes if "info.watchdog" in e]
    return count(sum(each.sum() for each in acted), sum(each.size for each in acted)) if run.meta.robot else {}


@metric("frames", "lower", modes=("realtime",))
def robot_losses(run: RunData) -> Measures:
    """Frames that were lost between the loop and a robot, each way, by the numbers that they carry."""
    if (told := run.meta.robot) is None:
        return {}
    found = {"to the loop": Measure(told.senses_lost, told.senses_lost + told.senses_received)}
    return found if told.acts_lost is None else found | {"to the robot": Measure(told.acts_lost, told.acts_sent)}


def _exchanges(run: RunData) -> tuple[dict[str, NDArray], Offsets, dict[str, NDArray]] | None:
    """The stamps of every ACT that was echoed, once each; what they say of the clocks; and every tick's own."""
    names = (READ, *STAMPS, AGE)
    if run.meta.robot is None or not all(f"info.{name}" in e for e in run.episodes for name in names):
        return None
    ticks = {name: column(run, f"info.{name}") for name in names} | {"arrived": column(run, "info.sense_arrived_s")}
    known = ticks["act_sent_s"] >= 0
    first = known & np.concatenate(([True], np.diff(ticks["act_sent_s"]) != 0))[: known.size]
    if not first.any():
        return None
    out = {name: values[first] for name, values in ticks.items()}
    if run.meta.robot.same_clock:
        nothing = np.zeros(int(first.sum()))
        return out, Offsets(nothing, nothing), ticks
    return out, offsets(*_stamps(out)), ticks


def _stamps(out: dict[str, NDArray]) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    return out["act_sent_s"], out["act_taken_s"], out["sense_sent_s"], out["sense_arrived_s"]


def _at(found: NDArray, out: dict[str, NDArray], ticks: dict[str, NDArray]) -> NDArray:
    """What was found for exchanges, for each tick: the exchange before it, or the first."""
    before = np.searchsorted(out["arrived"], ticks["arrived"], "right") - 1
    return found[np.maximum(before, 0)]


def _percentiles(latency_s: NDArray, error_s: NDArray) -> Measures:
    """Percentiles and maximum, each with the interval that the clocks leave open; no latency is below 0."""
    n = latency_s.size
    low_s, high_s = np.maximum(latency_s - error_s, 0), latency_s + error_s
    asked = {label: q for label, q in QUANTILES.items() if n * (1 - q) >= LEAST - 1e-6} | {"max": 1.0}
    return {
        label: Measure(
            float(np.quantile(latency_s, q)), n, None,
            (float(np.quantile(low_s, q)), float(np.quantile(high_s, q))) if error_s.any() else None,
        )
        for label, q in asked.items()
    }  # fmt: skip
