"""Who asks a process to end gets a record that was closed: Ctrl-C, a service manager, a terminal that closes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import recorded_rows
from pool_tasks import ended_from_outside
from recorded_rows import check
from small_suite import SMALL

from hilbench.machine.signals import as_interrupts
from hilbench.record.reader import read_run
from hilbench.studies.pool import Workers

pytestmark = pytest.mark.timeout(200)
HELPERS = os.path.dirname(recorded_rows.__file__)
CHILD = """
import os, signal, sys
sys.path[:0] = [sys.argv[2]]
import recorded_rows as t
from hilbench.cli import guard
from hilbench.record.writer import Recorder

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background has it ignored
numbers = [int(number) for number in sys.argv[4:]]
if sys.argv[3] == "nohup":
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
else:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

def run():
    with Recorder(sys.argv[1], t.run_meta()) as recorder:
        rows = recorder.episode(t.SHAPE, 10)
        for k in range(35):
            t.write_tick(rows, k)
            t.write_reply(rows, k)
            rows.flush(k + 1)
        signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        for number in numbers:
            os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, numbers)
        t.write_tick(rows, 35)

guard(run)
"""


def ended_by(folder, *numbers, way="foreground"):
    command = [sys.executable, "-c", CHILD, str(folder), HELPERS, way, *(str(int(number)) for number in numbers)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    return done.returncode, done.stderr, read_run(folder)


@pytest.mark.parametrize(
    "numbers",
    [
        [signal.SIGINT],
        [signal.SIGTERM],
        [signal.SIGHUP],
        [signal.SIGHUP, signal.SIGTERM],
        [signal.SIGINT, signal.SIGHUP],
        [signal.SIGTERM, signal.SIGINT],
    ],
    ids=["INT", "TERM", "HUP", "HUP and TERM", "INT and HUP", "TERM and INT"],
)
def test_a_run_that_is_asked_to_end_keeps_its_last_rows(tmp_path, numbers):
    """Batches have 10 rows: the last 5 would be lost with the process."""
    code, said, run = ended_by(tmp_path, *numbers)
    assert (code, said) == (130, "hilbench: interrupted\n")
    assert run.meta.status == "interrupted"
    check(run.episodes[0], 35, np.ones(35, bool))


def test_a_run_under_nohup_goes_on_when_its_terminal_closes(tmp_path):
    code, said, run = ended_by(tmp_path, signal.SIGHUP, way="nohup")
    assert (code, said, run.meta.status, len(run.episodes[0]["seq"])) == (0, "", "done", 36)


def signals_taken_while_closing(first, more):
    """Which of these signals did not interrupt what is being closed because of the first one."""
    taken = []

    def end():
        try:
            os.kill(os.getpid(), first)
        finally:
            for number in more:
                os.kill(os.getpid(), number)
                taken.append(number)

    with pytest.raises(KeyboardInterrupt), as_interrupts():
        end()
    return taken


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_being_closed_is_not_interrupted_by_a_second_signal(first, second, ctrl_c):
    assert signals_taken_while_closing(first, [second]) == [second]


def test_the_third_ctrl_c_ends_even_what_is_being_closed(ctrl_c):
    number = signal.SIGINT
    assert signals_taken_while_closing(number, [number] * 5) == [number]  # the one after it got out


@pytest.fixture
def ctrl_c():
    """Python's own handlers, whatever this test was started by."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    for number in before:
        signal.signal(number, signal.default_int_handler)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_handlers_are_as_they_were_afterwards():
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)]
    with pytest.raises(KeyboardInterrupt), as_interrupts():
        os.kill(os.getpid(), signal.SIGTERM)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)] == before


def test_a_worker_that_is_asked_to_end_closes_what_it_has_open_and_takes_no_more(tmp_path):
    told = []
    with Workers(1) as pool:
        pool.work([str(tmp_path / "a")], ended_from_outside, lambda *ended: told.append(type(ended[2]).__name__))
    assert told == ["BrokenProcessPool"]
    assert (tmp_path / "a").read_text() == "closed" * 2, "a task whose worker died is tried once more"


EVALUATION = """
import json, os, signal, sys
from hilbench.cli import guard
from hilbench.studies.evaluation import evaluate

if __name__ == "__main__":
    def step(step):
        os.killpg(0, signal.SIGTERM)  # as a service manager does: every process of the service

    guard(lambda: evaluate(json.loads(sys.argv[1]), sys.argv[2], step, 2) and None)
"""


def test_an_evaluation_that_is_asked_to_end_leaves_its_summary(tmp_path: Path):
    (tmp_path / "evaluate.py").write_text(EVALUATION)
    suite = SMALL | {"set": {"loop.duration_s": 2.0}, "seeds": [1, 2]}
    command = [sys.executable, str(tmp_path / "evaluate.py"), json.dumps(suite), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, start_new_session=True)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (130, "hilbench: interrupted")
    assert "Traceback" not in done.stderr
    assert json.loads((tmp_path / "out" / "summary.json").read_text())["status"] == "interrupted"
    statuses = [read_run(path.parent).meta.status for path in tmp_path.glob("out/runs/*/run.json")]
    assert "done" in statuses
    assert set(statuses) <= {"done", "interrupted"}
    assert not (tmp_path / "out" / ".reserve").exists()
