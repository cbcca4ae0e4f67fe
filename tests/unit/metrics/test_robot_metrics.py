"""Latencies to and from a robot, on stamps whose answer is known; and what the report shows of them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from blank import run_meta

from hilbench.metrics import measure
from hilbench.record.data import RunData
from hilbench.report.data import ReportCell
from hilbench.report.robot import rows
from hilbench.robot.clocks import AGE, DRIFT, READ
from hilbench.studies.schema import Metric

AHEAD_S = 1e5
N = 2000
PERIOD_S = 0.01


def run(out_s=0.001, back_s=0.003, same_clock=False, ahead_s=AHEAD_S, **told):
    """2000 ticks of 10 ms. Sensors are read 2 ms before SENSE leaves, and the loop looks 0.5 ms after it came."""
    t_s = np.arange(N) * PERIOD_S
    home_s = t_s - 0.0005
    left_s = home_s - back_s
    taken_s = left_s - 0.004
    info = {
        READ: left_s - 0.002 + ahead_s, "sense_sent_s": left_s + ahead_s, "sense_arrived_s": home_s,
        "act_sent_s": taken_s - out_s, "act_taken_s": taken_s + ahead_s, AGE: np.full(N, 0.0005),
        "sense_seq": np.arange(N), "watchdog": (np.arange(N) < 7).astype(float),
    }  # fmt: skip
    first = info["act_sent_s"] < 0  # as before the first ACT
    info["act_sent_s"][first] = info["act_taken_s"][first] = -1.0
    never = np.zeros(N, bool)
    episode = {f"info.{name}": values for name, values in info.items()}
    episode |= {"terminated": never, "truncated": never}
    meta = {
        "scenario": {"loop": {"mode": "realtime", "period_s": PERIOD_S}, "phases": {}},
        "robot": {
            "name": "made up", "address": "", "period_s": PERIOD_S, "watchdog_s": 1.0, "same_clock": same_clock,
            "senses_received": 90, "senses_lost": 10, "acts_sent": 50, "acts_lost": 5, **told,
        },
    }  # fmt: skip
    return RunData(run_meta(**meta), [episode])


def found(data):
    return {name: answer for name, answer in measure(data).items() if name.split("[")[0] in NAMES}


NAMES = ("sense_latency", "act_latency", "robot_round_trip", "clock_uncertainty", "robot_losses", "watchdog")


def test_ways_of_equal_length_are_found_exactly():
    """2 ms out and 2 ms back; the observation is 2 + 2 + 0.5 ms old."""
    told = found(run(0.002, 0.002))
    assert told["sense_latency[p50]"]["value"] == pytest.approx(0.0045, abs=1e-9)
    assert told["act_latency[p50]"]["value"] == pytest.approx(0.002, abs=1e-9)
    assert told["robot_round_trip[p99]"]["value"] == pytest.approx(0.004, abs=1e-9)
    assert told["clock_uncertainty[max]"]["value"] == pytest.approx(0.002 + DRIFT, abs=1e-9)


def test_ways_of_another_length_lie_within_the_interval():
    """1 ms out and 3 ms back look like 2 and 2."""
    told = found(run(0.001, 0.003))
    assert told["sense_latency[p50]"]["value"] == pytest.approx(0.0045, abs=1e-9)
    for name, truth_s in (("sense_latency", 0.0055), ("act_latency", 0.001)):
        low_s, high_s = told[f"{name}[p50]"]["interval"]
        assert low_s <= truth_s <= high_s
        assert (high_s - low_s) / 2 == pytest.approx(0.002 + DRIFT, abs=2e-4)
    assert told["act_latency[p50]"]["interval"][0] == 0.0, "no latency is below 0"
    assert told["robot_round_trip[p50]"]["value"] == pytest.approx(0.004, abs=1e-9)
    assert "interval" not in told["robot_round_trip[p50]"]


def test_one_clock_leaves_nothing_open():
    told = found(run(0.001, 0.003, same_clock=True, ahead_s=0.0))
    assert told["act_latency[p50]"]["value"] == pytest.approx(0.001, abs=1e-9)
    assert told["sense_latency[p99]"]["value"] == pytest.approx(0.0055, abs=1e-9)
    assert "interval" not in told["act_latency[p50]"]
    assert told["clock_uncertainty[max]"]["value"] == 0


def test_a_short_stall_is_no_offset():
    """Every tenth ACT takes 50 ms longer; the least round trip of each second is another's."""
    data = run(0.002, 0.002)
    sent_s = data.episodes[0]["info.act_sent_s"]
    slow = (np.arange(N) % 10 == 3) & (sent_s > 0.1)
    sent_s[slow] -= 0.05
    told = found(data)
    assert told["act_latency[max]"]["value"] == pytest.approx(0.052, abs=1e-9)
    assert told["act_latency[p50]"]["value"] == pytest.approx(0.002, abs=1e-9)


def test_what_was_never_echoed_gives_no_latency():
    data = run()
    for name in ("act_sent_s", "act_taken_s"):
        data.episodes[0][f"info.{name}"][:] = -1.0
    assert set(found(data)) == {"robot_losses[to the loop]", "robot_losses[to the robot]", "watchdog"}


def test_losses_and_the_watchdog_are_counted():
    told = found(run())
    assert (told["robot_losses[to the loop]"]["value"], told["robot_losses[to the loop]"]["n"]) == (10, 100)
    assert (told["robot_losses[to the robot]"]["value"], told["robot_losses[to the robot]"]["n"]) == (5, 50)
    assert (told["watchdog"]["value"], told["watchdog"]["n"]) == (7, N)


def test_a_plant_that_is_no_robot_has_none_of_it():
    data = run()
    assert found(replace(data, meta=run_meta(scenario={"loop": {"mode": "realtime"}}))) == {}


def test_the_report_has_a_row():
    data = run(0.001, 0.003)
    metrics = {name: Metric(iqm=m["value"], interval=m.get("interval")) for name, m in found(data).items()}
    cell = ReportCell(label="a", scenario="s", controller="c", title="a", metrics=metrics, metas=[data.meta])
    other = ReportCell(label="b", scenario="s", controller="c", title="b", metas=[run_meta()])
    (row,) = rows([cell, other])
    assert row.cell == "a"
    (p50, bounds), _ = row.latencies["sensors to loop"]
    assert (p50, bounds) == ("4.50", "2.40 to 6.60")
    assert row.latencies["wire, both ways"][0] == ("4", "")
    assert (row.clocks, row.lost, row.watchdog) == ("± 2.10", "10 % / 10 %", "7")
