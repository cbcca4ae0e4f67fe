"""Devices that are lost and come back, over a fake link and under a fake time: the robot, the record, the weights."""

from __future__ import annotations

import threading
from functools import partial

import numpy as np
import pytest
from loop_fakes import SAFE_ACTION, STEPS, Bench, Device, always

from hilbench.errors import LinkError, NetworkError, RecordError
from hilbench.loop import recovery
from hilbench.loop.virtual import Lockstep
from hilbench.record.reader import read_run
from hilbench.runs.replay import check_repeatable
from hilbench.types import SAFE, LoadReport

pytestmark = pytest.mark.timeout(30)
LOST_AT = 5
NOBODY = LinkError("nobody there")


class Mortal(Device):
    """Dies when tick `LOST_AT` is sent, and comes back at the `attempts`-th load after that, if it does."""

    def __init__(self, time, script, attempts=1, refuses=NOBODY, **more):
        super().__init__(time, script, faults={"send": (LOST_AT, LinkError("it died"))}, **more)
        self.attempts, self.refuses, self.loads, self.restored = attempts, refuses, 0, []
        self.coming = None

    def load(self, program, period_us, probes):
        if self.loads and self.loads < self.attempts + 1:
            self.loads += 1
            if self.loads <= self.attempts:
                raise self.refuses
            self.faults = {}
        self.loads = max(self.loads, 1)
        return LoadReport("fake")

    def abandon(self):
        pass

    def request_checkpoint(self, received):
        """It comes when the next one is asked for."""
        if self.coming is not None:
            self.coming()
        self.coming = partial(received, {"weights/w": np.array([self.sent[-1][0]])})

    def restore(self, arrays, carry):
        self.restored.append((arrays["weights/w"][0], carry))


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch):
    monkeypatch.setattr(recovery, "PAUSE_S", 0.0)


def bench(folder, attempts=1, refuses=NOBODY, lockstep=False, **loop):
    found = Bench(folder, always(100_000), **{"on_loss": "recover", **loop})
    found.link = Mortal(found.time, found.link.script, attempts, refuses)
    if lockstep:
        found.clock = Lockstep(STEPS)
    return found


def run_in_lockstep(found):
    """Without the wall's schedule, which `Bench.run` checks."""
    found.outcome = found.drive(found.clock, found.link, found.folder)
    found.data = read_run(found.folder)
    found.rows = found.data.episodes[-1]
    return found


def check_rows(found, ticks=20):
    """Every tick is there once; from the loss on the safe action acts, until a reply of the device that is back."""
    rows = found.rows
    assert rows["seq"].tolist() == list(range(ticks))
    assert len(found.plant.ran) == ticks * STEPS
    assert rows["skipped"][LOST_AT]
    first = LOST_AT + 1 + int(np.argmax(~rows["skipped"][LOST_AT + 1 :]))
    assert (rows["sources"][LOST_AT:first] == SAFE).all()
    assert (rows["actions"][LOST_AT:first].reshape(-1, 2) == SAFE_ACTION).all()
    return first


@pytest.mark.parametrize("attempts", [1, 3])
def test_in_lockstep_the_plant_waits_for_the_device(tmp_path, attempts):
    found = run_in_lockstep(bench(tmp_path, attempts, lockstep=True, snapshot_s=0.002))
    assert found.outcome.status == "done"
    assert check_rows(found) == LOST_AT + 1
    assert found.rows["answered"][LOST_AT + 1 :].all()
    assert found.link.restored == [(1, "weights")]
    (fault,) = found.data.meta.faults
    assert (fault.tick, fault.message) == (LOST_AT, "it died")
    assert fault.recovery.endswith("with the weights of tick 1")
    assert found.outcome.notes == (f"episode 0, tick {LOST_AT} (0.005 s): it died; {fault.recovery}",)
    with pytest.raises(RecordError, match=f"lost at tick {LOST_AT} and came back"):
        check_repeatable(found.data, tmp_path)


def patient(found, at=40):
    """Has the plant wait at that tick until the device is there: how long that takes is its thread's affair."""
    observe = found.plant.observe

    def observe_then():
        for thread in threading.enumerate() if found.plant.observed == at else ():
            if thread.name == "hilbench-recovery":
                thread.join(20)
        return observe()

    found.plant.observe = observe_then
    return found


def test_in_real_time_the_robot_is_safe_meanwhile(tmp_path):
    """The schedule, the rows and the safe action hold however long it takes."""
    found = patient(bench(tmp_path, ticks=100)).run()
    assert found.outcome.status == "done"
    first = check_rows(found, 100)
    assert LOST_AT < first <= 41
    assert "with new weights" in found.data.meta.faults[0].recovery
    assert found.rows["slip"][first] == first


def test_what_sensors_see_while_it_is_away_is_lost_and_counted(tmp_path):
    found = patient(bench(tmp_path, ticks=100, plant={"senses": 3})).run()
    assert check_rows(found, 100) > LOST_AT
    np.testing.assert_array_equal(found.rows["events_lost"], 3 * found.rows["skipped"])
    assert found.plant.observed == 100 + 1, "every tick, and the end"


def test_one_that_stays_away_ends_the_run(tmp_path):
    found = run_in_lockstep(bench(tmp_path, attempts=10**9, lockstep=True, recover_s=0.001))
    assert found.outcome.status == "fault"
    assert "did not come back within 0.001 s: nobody there" in found.outcome.fault
    assert found.rows["seq"].tolist() == list(range(LOST_AT + 2))


def test_one_that_comes_back_as_another_is_asked_again_until_the_time_is_over(tmp_path):
    found = run_in_lockstep(
        bench(tmp_path, attempts=10**9, refuses=NetworkError("too big"), lockstep=True, recover_s=0.001)
    )
    assert "did not come back within 0.001 s: too big" in found.outcome.fault


def test_a_loss_ends_the_run_where_the_scenario_does_not_say_otherwise(tmp_path):
    found = bench(tmp_path, on_loss="end").run()
    assert found.outcome.status == "fault"
    assert len(found.data.meta.faults) == 1


@pytest.mark.parametrize("lockstep", [True, False])
@pytest.mark.parametrize(("number", "carry"), [(1, "weights"), (2, "weights"), (2, "none")])
def test_one_that_is_lost_at_a_reset_is_waited_for(tmp_path, number, carry, lockstep):
    """What it had learnt comes back only where the episode was to begin with it."""
    found = bench(tmp_path, lockstep=lockstep, episodes=2, carry=carry, snapshot_s=0.002)
    found.link.faults = {"reset": (number, LinkError("it died"))}
    run_in_lockstep(found) if lockstep else found.run()
    assert found.outcome.status == "done"
    (fault,) = found.data.meta.faults
    assert (fault.episode, fault.tick, fault.message) == (number - 1, 0, "it died")
    (note,) = found.outcome.notes
    assert note == f"episode {number - 1}, tick 0 (0.000 s): it died; {fault.recovery}"
    new = number == 1 or carry == "none"
    assert found.link.restored == ([] if new else [(17, "weights")])
    assert note.endswith("with new weights" if new else "with the weights of episode 0, tick 17")
    for rows in found.data.episodes:
        assert rows["seq"].tolist() == list(range(20))
        assert not rows["skipped"].any()


def test_one_that_is_lost_at_a_reset_ends_the_run_where_the_scenario_does_not_say_otherwise(tmp_path):
    found = bench(tmp_path, on_loss="end")
    found.link.faults = {"reset": (1, LinkError("it died"))}
    outcome = found.drive(found.clock, found.link, tmp_path)
    assert (outcome.status, outcome.notes) == ("fault", ())
    assert len(read_run(tmp_path).meta.faults) == 1


@pytest.mark.parametrize("episodes", [1, 2])
def test_one_that_falls_silent_after_the_last_tick_is_lost_too(tmp_path, episodes):
    """The last replies of an episode never come: the run is whole, and the next episode waits for the device."""
    found = Bench(tmp_path, lambda seq: [100_000] if seq < 5 else None, on_loss="recover", episodes=episodes,
                  silence_s=0.001, max_in_flight=40, device={"timeout_s": 1.0})  # fmt: skip
    found.link = Mortal(found.time, found.link.script, timeout_s=1.0)
    found.link.faults = {}
    found.run()
    assert found.outcome.status == "done"
    assert [(fault.episode, fault.tick) for fault in found.data.meta.faults] == [
        (number, 19) for number in range(episodes)
    ]
    assert len(found.outcome.notes) == episodes
    for rows in found.data.episodes:
        assert rows["seq"].tolist() == list(range(20))
