"""What tests share that run the arm whole while its device, its link or another plant fails."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading

import numpy as np
import odd_device
import pytest

from hilbench.bridge.device import process
from hilbench.envs.arm_payload import ArmPayload
from hilbench.record.reader import read_run
from hilbench.record.rows import EpisodeRows
from hilbench.runs.run import run
from hilbench.scenario import files as scenarios
from hilbench.types import SAFE

TICKS, AT = 120, 65
PERIOD_S = 0.005
SECONDS = TICKS * PERIOD_S
LONG_S = 60.0
"""Longer than any machine needs, for runs that end by themselves and for links whose device is alive."""
BINDS = {"zmq": "tcp://127.0.0.1:*", "unix": "unix://*", "stream": "stream://127.0.0.1:*"}
LINKS = pytest.mark.parametrize("kind", list(BINDS))


def arm(kind, controller="pd", **overrides):
    changes = {"loop.period_s": PERIOD_S, "loop.duration_s": SECONDS, "loop.echo_s": 0.0, "link.kind": kind}
    changes |= {name.replace("__", "."): value for name, value in overrides.items()}
    return scenarios.load("arm_payload", changes, controller)


def realtime(kind, **overrides):
    """For as long as it takes until `end_after` ends it; no device that is alive is too slow."""
    changes = {"loop__duration_s": LONG_S, "loop__silence_s": 0.05, "link__timeout_s": LONG_S}
    return arm(kind, loop__mode="realtime", **changes | overrides)


def go(scenario, folder):
    """Run it; the outcome, `run.json` and the columns. Every tick is there, and once."""
    outcome = run(scenario, folder)
    found = read_run(folder)
    for rows in found.episodes:
        assert rows["seq"].tolist() == list(range(len(rows["seq"])))
        applied = rows["applied_step"][rows["applied_step"] >= 0]
        assert (np.diff(applied) > 0).all(), "an older reply never replaces a newer one"
    return outcome, found.meta, found.episodes[-1]


def end_after(monkeypatch, n, counts, each_tick=lambda: None):
    """Have the arm end its episode once `n` replies have come for whose ticks `counts` holds; those ticks.

    A run in real time is then as long as it must be, however slow the machine is, and no longer.
    """
    told, record, observe = [], EpisodeRows.reply, ArmPayload.observe

    def record_and_tell(self, reply, *more):
        if counts(reply.seq):
            told.append(reply.seq)
        record(self, reply, *more)

    def observe_or_end(self):
        each_tick()
        obs, reward, terminated, truncated, info = observe(self)
        return obs, reward, terminated or len(told) >= n, truncated, info

    monkeypatch.setattr(EpisodeRows, "reply", record_and_tell)
    monkeypatch.setattr(ArmPayload, "observe", observe_or_end)
    return told


def odd_process(monkeypatch, folder, how):
    """Have links start a device that misbehaves; the file that says it has, with its pid."""
    done = folder / "done"
    monkeypatch.setattr(process, "COMMAND", (sys.executable, odd_device.__file__))
    monkeypatch.setenv("HILBENCH_ODD", how)
    monkeypatch.setenv("HILBENCH_ODD_DONE", str(done))
    return done


def wake(done):
    """Let a device that stands still go on, if it has come to that."""
    with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
        os.kill(int(done.read_text()), signal.SIGCONT)


def safe_at(rows, tick, folder):
    """Nothing but the plant's safe action in that tick."""
    assert (rows["sources"][tick] == SAFE).all()
    safe = read_run(folder).meta.plant_spec.safe_action
    assert (rows["actions"][tick].reshape(-1, len(safe)) == safe).all()


def weight_norms(rows):
    return [float(values[0]) if len(values) else None for values in rows["probe_values"]]


@contextlib.contextmanager
def device_process(kind, backend="law"):
    """A device that nobody's link owns; yields its address."""
    command = [*process.COMMAND, "--backend", backend, "--bind", BINDS[kind]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as popen:
        try:
            yield popen.stdout.readline().split()[4]
        finally:
            popen.kill()


@contextlib.contextmanager
def supervised(kind):
    """A device process that is started again, once, at the address that it had; yields that."""
    command = [*process.COMMAND, "--backend", "numba", "--bind"]
    with subprocess.Popen([*command, BINDS[kind]], stdout=subprocess.PIPE, text=True) as first:
        address, started = first.stdout.readline().split()[4], []

        def again():
            first.wait()
            started.append(subprocess.Popen([*command, address], stdout=subprocess.DEVNULL))

        thread = threading.Thread(target=again)
        thread.start()
        try:
            yield address
        finally:
            first.kill()
            thread.join(20)
            for popen in started:
                popen.kill()
                popen.wait(20)
