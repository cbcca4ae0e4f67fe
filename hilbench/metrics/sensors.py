"""What a plant's event sensors told, and how much of it no program has seen."""

from __future__ import annotations

import numpy as np

from hilbench.metrics import Measure, Measures, column, count, live, metric
from hilbench.record.data import RunData


@metric("1/s", "neither")
def events_in(run: RunData) -> Measures:
    """Events per second that the plant's sensors told: all together, and of each sensor by its name."""
    windows = sum(len(episode["seq"]) - 1 for episode in run.episodes)  # nothing lies before tick 0
    if not run.event_sensors or windows <= 0:
        return {}
    span_s = sum(int(episode["t_us"][-1]) for episode in run.episodes) * 1e-6
    rows = column(run, "sensor_events")
    address = np.concatenate([row["address"] for row in rows])
    found = {"": Measure(address.size / span_s, windows)}
    for sensor, first in run.event_sensors.items():
        told = np.count_nonzero((address >= first) & (address < first + sensor.size))
        found[sensor.name] = Measure(told / span_s, windows)
    return found


@metric("events", "lower")
def events_lost(run: RunData) -> Measures:
    """Events of the plant's sensors whose tick was not sent, of all that they told before the plant ended."""
    if not run.event_sensors:
        return {}
    told = sum(sum(map(len, episode["sensor_events"][live(episode)])) for episode in run.episodes)
    return count(sum(episode["events_lost"][live(episode)].sum() for episode in run.episodes), told)
