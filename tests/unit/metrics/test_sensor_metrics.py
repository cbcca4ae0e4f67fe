"""What event sensors told and what of it was lost, against counts by hand."""

from __future__ import annotations

import event_camera
import numpy as np
import pytest
from blank import run_meta

from hilbench.metrics import measure
from hilbench.record.data import RunData
from hilbench.record.reader import read_run
from hilbench.runs.run import run
from hilbench.types import EVENT, EventSensor

SENSORS = (EventSensor("eye", (2, 2), ("y", "x")), EventSensor("ear", (3,), ("channel",)))


def rows(*addresses):
    found = np.empty(len(addresses), object)
    found[:] = [np.array([(0, a) for a in row], EVENT) for row in addresses]
    return found


def episode(told, lost, ended=False):
    n = len(told)
    end = np.arange(n) == n - 1 if ended else np.zeros(n, bool)
    return {
        "seq": np.arange(n), "t_us": 10_000 * np.arange(n), "sensor_events": rows(*told),
        "events_lost": np.array(lost), "terminated": end, "truncated": np.zeros(n, bool),
    }  # fmt: skip


def measured(*episodes, sensors=SENSORS):
    meta = {"scenario": {"loop": {"mode": "realtime"}}, "plant_spec": {"event_sensors": sensors}}
    found = measure(RunData(run_meta(**meta), list(episodes)), wall=False)
    return {name: found[name] for name in found if name.startswith("events_")}


def test_rates_are_counts_over_the_windows_of_all_episodes():
    """Three windows and two of 10 ms. Addresses 0 to 3 are the eye's, 4 to 6 the ear's."""
    found = measured(episode([[], [0, 4], [3, 3], [6]], [0] * 4), episode([[], [1], []], [0] * 3))
    assert {name: m["value"] for name, m in found.items() if name != "events_lost"} == pytest.approx(
        {"events_in": 6 / 0.05, "events_in[eye]": 4 / 0.05, "events_in[ear]": 2 / 0.05}
    )
    assert found["events_in"]["n"] == 5


def test_events_lost_are_those_of_ticks_not_sent_and_not_of_the_plants_own_end():
    found = measured(episode([[], [0, 4], [3, 3], [6, 6, 6]], [0, 0, 2, 3], ended=True))["events_lost"]
    assert (found["value"], found["n"], found["unit"], found["better"]) == (2, 4, "events", "lower")


def test_a_plant_without_event_sensors_has_neither():
    assert measured(episode([[], []], [0, 0]), sensors=()) == {}


def test_a_run_of_an_event_camera(tmp_path, monkeypatch):
    """A column in 20 ms: 16 pixels ON, 16 OFF, and an event of the ear."""
    event_camera.register(monkeypatch)
    run(event_camera.scenario(tmp_path), tmp_path / "run")
    found = measure(read_run(tmp_path / "run"))
    rates = {name: found[name]["value"] for name in ("events_in", "events_in[camera]", "events_in[ear]")}
    assert rates == pytest.approx({"events_in": 1650, "events_in[camera]": 1600, "events_in[ear]": 50})
    assert found["events_lost"]["value"] == 0
