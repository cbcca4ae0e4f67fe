"""Whole runs with robots that fall silent, talk nonsense, start again, are unplugged or stopped, and over a bad link.

Only what no timing can change is asserted. A run ends when the robot's fault ends it, or after as many ticks as it has.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import bridge_fakes as fakes
import numpy as np
import pytest
from robots import LONG_S, PYTHON, Oddity, example, losing, robot_process, serving

from hilbench.envs.remote import Remote
from hilbench.errors import RecordError, RobotError, ScenarioError
from hilbench.metrics import measure
from hilbench.record.reader import read_run
from hilbench.robot.clocks import offsets
from hilbench.runs.replay import replay
from hilbench.runs.run import run
from hilbench.scenario import files as scenarios
from hilbench.types import SAFE

PAGE = Path(__file__).parents[2].joinpath("docs", "robots.md").read_text("utf-8")
TICKS, PERIOD_S = 120, 0.005
AT = 40
"""ACTs of the run's episode after which something happens."""
SENSE, RESET, ACT, STOP = 4, 2, 3, 5
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def _clean():
    with fakes.no_leaks():
        yield


@pytest.fixture
def pole(tmp_path):
    """The scenario of docs/robots.md, with its robot at an address, and what a test changes of it."""
    file = tmp_path / "pole.toml"
    file.write_text(PAGE.split("```toml\n")[1].split("```")[0], "utf-8")

    def of(address, **overrides):
        changes = {"loop.period_s": PERIOD_S, "loop.duration_s": TICKS * PERIOD_S, "loop.echo_s": 0.0}
        changes |= {"plant.address": address, "plant.stale_s": 0.1, "plant.lost_s": 0.4}
        return scenarios.load(file, changes | {name.replace("__", "."): value for name, value in overrides.items()})

    return of


def endless(pole, address, **overrides):
    """For as long as it takes until the robot ends it."""
    return pole(address, loop__duration_s=600.0, **overrides)


def go(scenario, folder):
    outcome = run(scenario, folder)
    found = read_run(folder)
    (rows,) = found.episodes or [{}]
    return outcome, found.meta, rows


def kind_of(data):
    return data[3] if len(data) >= 32 else 0


class AtAct(Oddity):
    """Something happens once, at an ACT of the run's episode; `happened` says that it has."""

    happened = False

    def incoming(self, data):
        if not self.happened and self.robot.episode >= 2 and kind_of(data) == ACT:
            self.count = getattr(self, "count", 0) + 1
            if self.count == AT:
                self.happened = True
                self.happens()
        return (data,)

    def happens(self):
        """Whatever it is."""


class Silent(AtAct):
    def outgoing(self, frame):
        return () if self.happened else (frame,)


def test_a_robot_that_falls_silent_is_told_to_stop(pole, tmp_path):
    oddity = Silent()
    with serving(oddity) as (address, robot):
        outcome, meta, rows = go(endless(pole, address), tmp_path / "run")
        assert robot.estop, "it hears, though it is not heard"
    assert outcome.status == meta.status == "fault"
    assert "'cartpole' has been silent for more than 0.4 s; it was told to stop" in outcome.fault
    (fault,) = meta.faults
    assert fault.error == "RobotError"
    assert (rows["sources"][-2:] == SAFE).all(), "the safe action acts on a stale observation"
    assert (rows["actions"][rows["sources"] == SAFE] == 0.0).all()
    assert robot.forces[-1] == 0.0


def test_a_robot_that_starts_again_ends_the_run(pole, tmp_path):
    class Restarted(AtAct):
        def happens(self):
            self.robot.__init__(b"a clock of its o")

    with serving(Restarted()) as (address, robot):
        outcome, _, _ = go(endless(pole, address), tmp_path / "run")
    assert outcome.status == "fault"
    assert "the robot was started again, and knows this session no more" in outcome.fault
    assert (robot.moving, robot.force_n) == (False, 0.0)


def test_a_robot_that_ends_says_so(pole, tmp_path):
    class Ends(AtAct):
        def outgoing(self, frame):
            return (frame, self.robot.frame(8, 0)) if self.happened else (frame,)

    with serving(Ends()) as (address, _):
        outcome, _, _ = go(endless(pole, address), tmp_path / "run")
    assert "the robot ended the session" in outcome.fault


def test_an_emergency_stop_ends_the_run_and_stays(pole, tmp_path):
    class Pressed(AtAct):
        def happens(self):
            self.robot.estop = True

    with serving(Pressed()) as (address, robot):
        outcome, _, _ = go(endless(pole, address), tmp_path / "run")
        assert outcome.status == "fault"
        assert "moves no more: its emergency stop is on" in outcome.fault
        pushed = len(robot.forces)
        with pytest.raises(RobotError, match="the emergency stop is on; release it at the robot, or run with --plant"):
            run(pole(address), tmp_path / "refused")
        assert set(robot.forces[pushed:]) <= {0.0}
        outcome, meta, _ = go(pole(address, plant__release_estop=True), tmp_path / "released")
    assert (outcome.status, meta.faults) == ("done", ())


def test_a_robot_with_a_fault_ends_the_run(pole, tmp_path):
    class Faulty(AtAct):
        def happens(self):
            self.robot.flags |= example.FAULT

    with serving(Faulty()) as (address, _):
        outcome, _, _ = go(endless(pole, address), tmp_path / "run")
    assert "moves no more: it reports a fault of its own" in outcome.fault


class Garbage(Oddity):
    """Every third SENSE is spoilt, in another way each time."""

    def __init__(self):
        self.spoilt = self.sensed = 0

    def outgoing(self, frame):
        if kind_of(frame) != SENSE or self.robot.episode < 2:
            return (frame,)
        self.sensed += 1
        if self.sensed % 3:
            return (frame,)
        self.spoilt += 1
        return (self._ways(frame)[self.spoilt % 7],)

    @staticmethod
    def _ways(frame):
        nan = example.pack("<f", float("nan"))
        other = bytes([frame[4] ^ 1])
        return (
            b"", b"garbage", frame[:-4], frame + b"x", b"XX" + frame[2:], frame[:-4] + nan,
            frame[:4] + other + frame[5:],
        )  # fmt: skip


def test_garbage_is_dropped_and_counted(pole, tmp_path):
    oddity = Garbage()
    with serving(oddity) as (address, _):
        outcome, meta, rows = go(pole(address, plant__lost_s=LONG_S), tmp_path / "run")
    assert (outcome.status, meta.faults) == ("done", ())
    assert 0 < meta.robot.broken_frames <= oddity.spoilt
    assert meta.robot.senses_lost > 0
    assert np.isfinite(rows["obs"]).all()


class Late(Oddity):
    """Each SENSE leaves after the one that was made after it."""

    kept = None

    def outgoing(self, frame):
        if kind_of(frame) != SENSE or self.robot.episode < 2:
            return (frame,)
        sent, self.kept = ((), frame) if self.kept is None else ((frame, self.kept), None)
        return sent


def test_what_comes_late_never_replaces_what_is_newer(pole, tmp_path):
    with serving(Late()) as (address, _):
        outcome, meta, rows = go(pole(address, plant__lost_s=LONG_S), tmp_path / "run")
    assert (outcome.status, meta.faults) == ("done", ())
    assert meta.robot.senses_outdated > 0
    assert (np.diff(rows["info.sense_seq"]) >= 0).all()


def test_a_frame_of_another_shape_is_none(pole, tmp_path):
    """From the run's first ACTs on the robot says more than HELLO promised."""

    class Grown(AtAct):
        def outgoing(self, frame):
            if self.happened and kind_of(frame) == SENSE:
                return (frame[:28] + b"\5\0" + frame[30:] + bytes(4),)
            return (frame,)

    with serving(Grown()) as (address, _):
        outcome, meta, _ = go(endless(pole, address), tmp_path / "run")
    assert "has been silent" in outcome.fault
    assert meta.robot.broken_frames > 0


def test_five_per_cent_loss_leaves_every_rule_in_force(pole, tmp_path):
    with serving(ahead_ns=10**15) as (address, robot), losing(address, 0.05) as (lossy, counts):
        outcome, meta, rows = go(pole(lossy, loop__duration_s=2.0, plant__lost_s=LONG_S), tmp_path / "run")
    assert (outcome.status, meta.faults) == ("done", ())
    assert min(each.lost for each in counts) > 0
    assert 0 < meta.robot.senses_lost <= counts[1].lost
    assert 0 < meta.robot.acts_lost <= counts[0].lost
    assert max(map(abs, robot.forces)) <= example.FORCE_N
    assert (np.abs(rows["actions"]) <= example.FORCE_N).all()
    found = measure(read_run(tmp_path / "run"))
    for name in ("sense_latency", "act_latency"):
        low_s, high_s = found[f"{name}[p50]"]["interval"]
        assert 0 <= low_s <= found[f"{name}[p50]"]["value"] <= high_s
    assert found["clock_uncertainty[max]"]["value"] >= 1e-4


def test_the_offset_of_a_clock_that_is_known_lies_within_its_error(monkeypatch, pole, tmp_path):
    """The robot is on this machine, its clock 10^15 ns ahead, and says nothing of it."""
    ahead_ns, rest, known = 10**15, Remote.rest, []

    def rest_and_tell(self):
        known.append(ahead_ns - self._robot.robot_origin_ns + self._robot.origin_ns)
        return rest(self)

    monkeypatch.setattr(Remote, "rest", rest_and_tell)
    with serving(ahead_ns=ahead_ns) as (address, _):
        _, meta, rows = go(pole(address), tmp_path / "run")
    assert not meta.robot.same_clock
    echoed = rows["info.act_sent_s"] >= 0
    assert echoed.any()
    names = ("act_sent_s", "act_taken_s", "sense_sent_s", "sense_arrived_s")
    found = offsets(*(rows[f"info.{name}"][echoed] for name in names))
    assert (np.abs(found.offset_s - known[0] * 1e-9) <= found.error_s).all()


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("udp://127.0.0.1:0", "has been silent for more than 0.4 s"),
        ("stream://127.0.0.1:0", "the connection was closed"),
        ("pty", "the connection was unplugged, or its other end closed"),
    ],
)
def test_a_robot_that_vanishes_ends_the_run(monkeypatch, pole, address, said, tmp_path):
    observe, looks = Remote.observe, iter(range(10**6))
    with robot_process(*PYTHON, address) as (popen, found):

        def observe_or_kill(self):
            if next(looks) == AT:
                popen.kill()
                popen.wait()
            return observe(self)

        monkeypatch.setattr(Remote, "observe", observe_or_kill)
        outcome, meta, _ = go(endless(pole, found), tmp_path / "run")
    assert outcome.status == "fault"
    assert said in outcome.fault
    assert len(meta.faults) == 1


def test_a_hilbench_that_is_killed_leaves_the_robot_to_its_watchdog(pole, tmp_path):
    killed = threading.Event()

    class Begun(AtAct):
        def happens(self):
            popen.kill()
            self.robot.watched.clear()  # it has watched before, between the check and the run
            killed.set()

    with serving(Begun()) as (address, robot), ExitStack() as stack:
        pole(address)  # writes the file
        command = [sys.executable, "-m", "hilbench", "run", str(tmp_path / "pole.toml"), "--plant.address", address]
        command += ["--loop.duration-s", "600", "--out", str(tmp_path / "gone")]
        popen = stack.enter_context(subprocess.Popen(command, stdout=subprocess.DEVNULL))
        assert killed.wait(60)
        assert robot.watched.wait(LONG_S)
        assert popen.wait(LONG_S) == -signal.SIGKILL
    assert robot.forces[-1] == 0.0


def test_no_robot_is_one_line(pole, tmp_path):
    with serving() as (address, _):
        pass
    for kind, said in (("udp", "no answer to HELLO within 0.3 s; does the robot run"), ("stream", "refused")):
        with pytest.raises(RobotError, match=said):
            run(pole(address.replace("udp", kind), plant__timeout_s=0.3), tmp_path / "run")
    with pytest.raises(RobotError, match="is the board plugged in"):
        run(pole("serial:///dev/ttyNOWHERE"), tmp_path / "run")
    with pytest.raises(RobotError, match="no robot can be at"):
        run(pole("udp://127.0.0.1"), tmp_path / "run")
    with pytest.raises(ScenarioError, match=r"plant\.address: found 'tcp://h:1'; allowed: udp://HOST:PORT"):
        pole("tcp://h:1")


def test_something_else_at_the_address_is_one_line(pole, tmp_path):
    class Device(Oddity):
        def outgoing(self, frame):
            return (b"HB" + frame[2:],)

    class Newer(Oddity):
        def outgoing(self, frame):
            return (frame[:2] + b"\2" + frame[3:],)

    for oddity, said in ((Device(), "frames from there were none of docs/robots.md"), (Newer(), "speaks version 2")):
        with serving(oddity) as (address, _), pytest.raises(RobotError, match=said):
            run(pole(address, plant__timeout_s=0.3), tmp_path / "run")


def test_a_robot_of_another_shape_is_one_line(pole, tmp_path):
    with serving() as (address, _):
        with pytest.raises(ScenarioError, match=r"plant\.obs: found a, b; the robot 'cartpole' at .* has x, xd, theta"):
            run(pole(address, plant__obs=["a", "b"]), tmp_path / "run")
        with pytest.raises(ScenarioError, match=r"plant\.actions: found torque; the robot 'cartpole' at .* has force"):
            run(pole(address, plant__actions=["torque"]), tmp_path / "run")
        with pytest.raises(ScenarioError, match=r"plant\.error: found 'obs:thetta'; .*did you mean 'obs:theta'"):
            run(pole(address, plant__error="obs:thetta"), tmp_path / "run")


def test_a_robot_that_another_run_has_is_one_line(pole, tmp_path):
    with serving() as (address, _):
        first = Remote(address=address)
        with pytest.raises(RobotError, match="refused HELLO: another hilbench drives this robot; end the other run"):
            run(pole(address), tmp_path / "run")
        first.close()
        first.close()
        assert run(pole(address), tmp_path / "run").status == "done"


@pytest.mark.parametrize("mode", ["lockstep", "delayed"])
def test_a_robot_waits_for_nobody(pole, mode, tmp_path):
    """Said before anything is sent: there is no robot at all."""
    with pytest.raises(ScenarioError, match=f"loop.mode: found '{mode}'; allowed: realtime; a plant of kind"):
        run(pole("udp://127.0.0.1:9", loop__mode=mode), tmp_path / "run")


def test_a_run_of_a_robot_is_not_replayed(pole, tmp_path):
    with serving() as (address, _):
        outcome, meta, rows = go(pole(address), tmp_path / "run")
    assert outcome.status == "done"
    assert meta.plant_spec.nondeterministic is True
    assert meta.plant_spec.state_meaning == "observation"
    assert np.array_equal(rows["state"], rows["obs"].astype(float))
    with pytest.raises(RecordError, match="its plant is nondeterministic: a robot does nothing twice"):
        replay(tmp_path / "run", tmp_path / "again")


def test_several_episodes_and_a_mean_controller(pole, tmp_path):
    """Each begins with a RESET; an action beyond the limits never reaches the robot."""
    with serving() as (address, robot):
        outcome = run(pole(address, loop__episodes=2, controllers__lqr__state_cost=[1e4, 1, 1e6, 1]), tmp_path / "run")
        assert robot.episode == 3
    assert outcome.status == "done"
    assert len(read_run(tmp_path / "run").episodes) == 2
    assert 0 < max(map(abs, robot.forces)) <= example.FORCE_N
