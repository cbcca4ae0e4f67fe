"""Bit for bit: the same seed twice, over every link, under a given trace, and a real-time run against its replay."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest

from hilbench.record.reader import read_run
from hilbench.runs.replay import replay
from hilbench.runs.run import run, tick_times
from hilbench.scenario import files as scenarios
from hilbench.types import SAFE

CONTROLLERS = ("pes", "pid")
SAME = ("state", "obs", "actions", "reward", "values_in", "modulators", "values_out", "applied_step", "learning")
LOAD = {"disturbances.load.at_s": 0.1}


def record(folder, controller, duration_s=0.4, **loop):
    """A short run on the arm, which gets its payload at 0.1 s."""
    link = loop.pop("link", "inprocess")
    overrides = LOAD | {"loop.duration_s": duration_s, "link.kind": link}
    overrides |= {"loop.echo_s": 0.01} | {f"loop.{name.replace('__', '.')}": value for name, value in loop.items()}
    found = scenarios.load("arm_payload", overrides, controller)
    assert run(found, folder).status == "done"
    return read_run(folder)


def assert_equal(a, b, columns=SAME):
    assert len(a.episodes) == len(b.episodes) > 0
    for one, other in zip(a.episodes, b.episodes, strict=True):
        assert set(one) == set(other)
        for name in set(columns) & set(one):  # what has no width has no column
            assert np.array_equal(one[name], other[name], equal_nan=True), name


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_the_same_seed_twice_and_another_one(tmp_path, controller):
    first, again, other = (
        record(tmp_path / str(i), controller, seed=seed, episodes=2, carry="weights")
        for i, seed in enumerate((3, 3, 4))
    )
    assert_equal(first, again)
    assert not np.array_equal(first.episodes[0]["state"], other.episodes[0]["state"])
    assert not np.array_equal(first.episodes[0]["state"], first.episodes[1]["state"])
    # Episode n has seed + n, so the plant draws the same; the weights that were carried over make the difference.
    assert np.array_equal(first.episodes[1]["obs"][0], other.episodes[0]["obs"][0])
    assert not np.array_equal(first.episodes[1]["state"], other.episodes[0]["state"])


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_lockstep_in_process_and_over_zeromq(tmp_path, controller):
    here, there = (record(tmp_path / link, controller, 0.3, link=link) for link in ("inprocess", "zmq"))
    assert_equal(here, there)


@pytest.mark.parametrize("controller", CONTROLLERS)
def test_delayed_with_the_same_trace(tmp_path, controller):
    source = tmp_path / "source"
    record(source, "pd", 0.2, mode="realtime")
    delay = {"delay__kind": "trace", "delay__run": str(source), "mode": "delayed"}
    first, again = (record(tmp_path / name, controller, **delay) for name in "ab")
    assert_equal(first, again)
    [times] = tick_times(read_run(source))
    due = np.ceil(np.resize(times.delay_ns, 400) / 1e6).astype(int) + np.arange(400)
    applied, answered = first.episodes[0]["applied_step"], np.resize(times.answered, 400)
    assert np.array_equal(applied[applied >= 0], due[applied >= 0])
    assert (applied[~answered] == -1).all()
    assert np.array_equal(first.episodes[0]["skipped"], np.resize(times.skipped, 400))
    assert_equal(first, read_replay(tmp_path / "a", tmp_path / "again"), ("state", "actions"))


def read_replay(folder, out):
    same, ticks = replay(folder, out)
    assert same
    assert ticks == sum(len(e["seq"]) for e in read_run(folder).episodes)
    return read_run(out)


@pytest.mark.parametrize(("controller", "late"), [("pes", "hold"), ("pid", "hold"), ("pes", "drop"), ("pes", "safe")])
def test_a_real_time_run_and_its_replay(tmp_path, controller, late):
    """Whatever the machine's load: a deadline of half a period makes many replies late."""
    deadline_s = 0.001 if late == "hold" else 0.0005
    recorded = record(tmp_path / "a", controller, link="zmq", mode="realtime", late=late, deadline_s=deadline_s)
    again = read_replay(tmp_path / "a", tmp_path / "b")
    assert_equal(recorded, again, ("state", "actions", "sources", "skipped", "applied_step", "t_us"))
    assert again.meta.replay_of == str(tmp_path / "a")


def test_a_real_time_run_of_several_episodes_that_carry_weights_and_its_replay(tmp_path):
    recorded = record(
        tmp_path / "a", "pes", 0.2, link="zmq", mode="realtime", episodes=3, carry="weights", max_in_flight=4
    )
    assert_equal(recorded, read_replay(tmp_path / "a", tmp_path / "b"), ("state", "actions"))


def test_a_twin_is_the_same_run_until_the_change(tmp_path):
    learner, twin = record(tmp_path / "a", "pes"), record(tmp_path / "b", "pes", freeze_at_s=0.1)
    one, other = learner.episodes[0], twin.episodes[0]
    assert np.array_equal(one["state"][:101], other["state"][:101])
    assert not np.array_equal(one["state"], other["state"])
    assert other["learning"].tolist() == [k < 100 for k in range(400)]
    assert not other["weight_updates"][100:].any()
    assert one["weight_updates"][100:].all()


def test_a_device_that_is_killed_leaves_a_fault_and_a_safe_plant(tmp_path):
    """The device is found as the child of the running command, and killed once the first batch is on record."""
    folder = tmp_path / "run"
    overrides = ("--link.kind", "zmq", "--loop.mode", "realtime", "--loop.period_s", "0.01", "--loop.duration_s", "100")
    overrides += ("--loop.echo_s", "0")
    command = [sys.executable, "-m", "hilbench", "run", "arm_payload", *overrides, "--out", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        try:
            while not grown(folder / "episode_0000.arrow"):
                with pytest.raises(subprocess.TimeoutExpired):
                    process.wait(0.05)
            (device,) = device_of(process.pid)
            os.kill(device, signal.SIGKILL)
            message = process.stderr.read()
        finally:
            watchdog.cancel()
            watchdog.join()
    assert process.returncode == 1
    assert message.startswith("hilbench: ")
    assert f"pid {device}" in message
    assert "SIGKILL" in message
    assert "Traceback" not in message
    data = read_run(folder)
    assert data.meta.status == "fault"
    assert str(device) in data.meta.faults[0].message
    assert (data.episodes[0]["sources"][-1][-1:] == SAFE).all()
    assert replay(folder, tmp_path / "replay") == (True, len(data.episodes[0]["seq"]))


def grown(path):
    """Whether the run has begun: its stream holds more than a schema, which comes alone first."""
    try:
        return path.stat().st_size > 20_000
    except OSError:
        return False


def device_of(pid):
    """The processes that this one has started."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]
