"""Whole runs with device processes that die, stop, repeat themselves or talk nonsense, over every kind of link.

On the virtual clock everything is counted; in real time only what no timing can change is asserted.
"""

from __future__ import annotations

import select
import socket as sockets
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

import numpy as np
import pytest

from hilbench import scenario as scenarios
from hilbench.bridge import _listeners, process
from hilbench.bridge.framing import Cobs
from hilbench.bridge.session import build_backend
from hilbench.bridge.wire import Kind, read_header
from hilbench.errors import LinkError
from hilbench.recorder import read_run
from hilbench.running import run
from hilbench.types import SAFE

for folder in (Path(__file__).parent, Path(__file__).parents[1] / "unit" / "bridge"):
    sys.path.insert(0, str(folder))

import bridge_fakes as fakes  # noqa: E402 - found by the paths above
import odd_device  # noqa: E402

TICKS, AT = 120, 65
PERIOD_S = 0.005
SECONDS = TICKS * PERIOD_S
BINDS = {"zmq": "tcp://127.0.0.1:*", "unix": "unix://*", "stream": "stream://127.0.0.1:*"}
LINKS = pytest.mark.parametrize("kind", list(BINDS))
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def _clean():
    with fakes.no_leaks():
        yield


@pytest.fixture
def odd(monkeypatch, tmp_path):
    """Have links start a device that misbehaves."""

    def choose(how):
        monkeypatch.setattr(process, "COMMAND", (sys.executable, odd_device.__file__))
        monkeypatch.setenv("HILBENCH_ODD", how)
        monkeypatch.setenv("HILBENCH_ODD_DONE", str(tmp_path / "done"))

    return choose


def arm(kind, controller="pd", **overrides):
    changes = {"loop.period_s": PERIOD_S, "loop.duration_s": SECONDS, "loop.echo_s": 0.0, "link.kind": kind}
    changes |= {name.replace("__", "."): value for name, value in overrides.items()}
    return scenarios.load("arm_payload", changes, controller)


def realtime(kind, **overrides):
    return arm(kind, **{"loop__mode": "realtime", "loop__silence_s": 0.05, **overrides})


def go(scenario, folder):
    """Run it; the outcome, `run.json` and the columns. Every tick is there, and once."""
    outcome = run(scenario, folder)
    found = read_run(folder)
    for rows in found.episodes:
        assert rows["seq"].tolist() == list(range(len(rows["seq"])))
    return outcome, found.meta, found.episodes[-1]


def whole(rows, seconds=SECONDS):
    assert len(rows["seq"]) == round(seconds / PERIOD_S)
    applied = rows["applied_step"][rows["applied_step"] >= 0]
    assert (np.diff(applied) > 0).all(), "an older reply never replaces a newer one"


def driven_after(rows, tick):
    return bool((rows["answered"] & (rows["applied_step"] >= 0))[tick:].any())


def safe_at(rows, tick, folder):
    """Nothing but the plant's safe action in that tick."""
    assert (rows["sources"][tick] == SAFE).all()
    safe = read_run(folder).meta["sheet"]["safe_action"]
    assert (rows["actions"][tick].reshape(-1, len(safe)) == safe).all()


@LINKS
def test_a_killed_device_ends_the_run_in_the_safe_action(odd, kind, tmp_path):
    odd(f"kill:{AT}")
    outcome, meta, rows = go(arm(kind), tmp_path / "run")
    assert outcome.status == meta["status"] == "fault"
    assert f"episode 0, tick {AT}" in outcome.fault
    # A connection may end before the process can be seen to have ended.
    assert any(text in outcome.fault for text in ("was ended by SIGKILL", "closed the connection"))
    assert len(rows["seq"]) == AT + 1
    safe_at(rows, AT, tmp_path / "run")
    (fault,) = meta["faults"]
    assert fault["tick"] == AT
    assert "recovered" not in fault


@LINKS
def test_a_killed_device_is_started_anew_and_learns_on(odd, kind, tmp_path):
    """In lockstep the plant waits: one tick is lost, and the weights are those of the last snapshot."""
    odd(f"kill:{AT}")
    scenario = arm(
        kind, "pes", loop__on_loss="recover", loop__snapshot_s=10 * PERIOD_S, record__weights_period_s=PERIOD_S
    )
    outcome, meta, rows = go(scenario, tmp_path / "run")
    assert outcome.status == "done"
    whole(rows)
    safe_at(rows, AT, tmp_path / "run")
    assert np.flatnonzero(~rows["answered"]).tolist() == [AT]
    (fault,) = meta["faults"]
    assert (fault["tick"], outcome.notes[0]) == (
        AT,
        f"episode 0, tick {AT} (0.325 s): {fault['text']}; {fault['recovered']}",
    )
    assert "with the weights of tick 59" in fault["recovered"]
    norms = [float(values[0]) if len(values) else None for values in rows["probe_values"]]
    assert norms[AT + 1] == pytest.approx(norms[59], rel=0.05)
    assert norms[AT + 1] > 10 * norms[1]


@LINKS
def test_a_killed_device_in_real_time(odd, kind, tmp_path):
    odd(f"kill:{AT}")
    scenario = realtime(kind, loop__on_loss="recover", loop__duration_s=6.0, link__timeout_s=0.5)
    outcome, meta, rows = go(scenario, tmp_path / "run")
    assert outcome.status == "done"
    whole(rows, 6.0)
    fault = meta["faults"][0]
    assert "the device came back" in fault["recovered"]
    safe_at(rows, fault["tick"] + 1, tmp_path / "run")
    assert rows["skipped"][fault["tick"] + 1]
    assert driven_after(rows, fault["tick"] + 1)


@LINKS
def test_a_stopped_device_that_goes_on_was_only_silent(odd, kind, tmp_path):
    odd(f"stop:{AT}")
    outcome, meta, rows = go(realtime(kind, loop__duration_s=4.0, link__timeout_s=20.0), tmp_path / "run")
    assert (outcome.status, meta["faults"]) == ("done", [])
    whole(rows, 4.0)
    silent = np.flatnonzero((rows["sources"] == SAFE).all(axis=1) & (rows["seq"] > AT))
    assert silent.size, "the robot was safe meanwhile"
    assert rows["skipped"][silent].any()
    assert driven_after(rows, silent[-1])


@LINKS
def test_a_stopped_device_that_was_given_up_is_taken_back(odd, kind, tmp_path):
    """Its plant is the same one, so nobody waits for the lease of the session before."""
    odd(f"stop:{AT}")
    with device_process(kind) as address:
        scenario = realtime(
            kind, loop__on_loss="recover", loop__duration_s=5.0, link__timeout_s=0.3, link__address=address
        )
        outcome, meta, rows = go(scenario, tmp_path / "run")
    assert outcome.status == "done"
    whole(rows, 5.0)
    fault = meta["faults"][0]
    assert "the device came back" in fault["recovered"]
    assert driven_after(rows, fault["tick"] + 1)


@LINKS
def test_a_slow_device_answers_late_and_ticks_are_skipped(odd, kind, tmp_path):
    odd("slow")
    late = {"loop__deadline_s": odd_device.SLOW_S / 2, "loop__late": "safe"}
    outcome, meta, rows = go(realtime(kind, loop__period_s=0.002, **late), tmp_path / "run")
    assert (outcome.status, meta["faults"]) == ("done", [])
    answered = rows["answered"]
    assert answered.any()
    assert rows["skipped"].any()
    assert rows["late"][answered].any()  # not all: a loop that itself falls behind the clock waits for nobody
    assert (rows["sources"] == SAFE).any()


@LINKS
@pytest.mark.parametrize("how", ["twice", "old"])
def test_replies_that_come_twice_or_again_later_change_nothing(odd, monkeypatch, kind, how, tmp_path):
    _, _, rows = go(arm(kind), tmp_path / "well")
    odd(how)
    outcome, meta, again = go(arm(kind), tmp_path / "odd")
    assert (outcome.status, meta["faults"]) == ("done", [])
    for column in ("state", "actions", "applied_step", "answered", "values_out", "prev_seq"):
        assert np.array_equal(rows[column], again[column]), column
    live, meta, rows = go(realtime(kind), tmp_path / "live")
    assert (live.status, meta["faults"]) == ("done", [])
    whole(rows)


@LINKS
def test_garbage_for_a_reply_ends_the_run_or_the_device_is_asked_anew(odd, kind, tmp_path):
    odd(f"garbage:{AT}")
    outcome, meta, rows = go(arm(kind), tmp_path / "end")
    assert outcome.status == "fault"
    assert f"tick {AT}" in outcome.fault
    safe_at(rows, AT, tmp_path / "end")
    (tmp_path / "done").unlink()
    outcome, meta, rows = go(arm(kind, loop__on_loss="recover"), tmp_path / "recover")
    assert outcome.status == "done"
    whole(rows)
    assert [fault["tick"] for fault in meta["faults"]] == [AT]
    assert np.flatnonzero(~rows["answered"]).tolist() == [AT]


@LINKS
def test_a_device_that_restarts_at_its_address_gets_its_weights_back(odd, kind, tmp_path):
    """Nobody owns it but whoever started it, and starts it again; the new one knows nothing."""
    odd(f"kill:{AT}")
    with supervised(kind) as address:
        scenario = arm(
            kind, "pes", loop__on_loss="recover", loop__snapshot_s=10 * PERIOD_S, link__timeout_s=2.0,
            link__address=address, record__weights_period_s=PERIOD_S,
        )  # fmt: skip
        outcome, meta, rows = go(scenario, tmp_path / "run")
    assert outcome.status == "done"
    whole(rows)
    safe_at(rows, AT, tmp_path / "run")
    assert np.flatnonzero(~rows["answered"]).tolist() == [AT]
    assert "with the weights of tick 59" in meta["faults"][0]["recovered"]
    norms = [float(values[0]) if len(values) else None for values in rows["probe_values"]]
    assert norms[AT + 1] == pytest.approx(norms[59], rel=0.05)


@LINKS
def test_a_killed_plant_makes_room_for_the_next(kind, tmp_path):
    backend, begun = build_backend("law", {}), threading.Event()
    step = backend.step

    def noted(tick):
        if tick.seq >= 5:
            begun.set()
        return step(tick)

    backend.step = noted
    with fakes.serving(backend, BINDS[kind], lease_s=0.2) as address:
        command = [
            sys.executable,
            "-m",
            "hilbench",
            "run",
            "arm_payload",
            "--controller",
            "pd",
            "--out",
            tmp_path / "gone",
        ]
        command += ["--loop.mode", "realtime", "--loop.echo-s", "0", "--link.kind", kind, "--link.address", address]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as plant:
            assert begun.wait(60)
            plant.kill()
        assert read_run(tmp_path / "gone").meta["status"] == "running", "its record says that it never ended"
        outcome, meta, rows = first_served(arm(kind, link__address=address), tmp_path)
    assert (outcome.status, meta["faults"]) == ("done", [])
    whole(rows)
    assert rows["answered"].all()


@pytest.mark.parametrize("kind", ["zmq", "stream"])
def test_a_link_that_is_cut_and_restored(kind, tmp_path):
    """A proxy closes every connection once; ZeroMQ makes a new one by itself, a byte stream is looked for."""
    with fakes.serving(build_backend("law", {}), BINDS[kind]) as device, Proxy(device) as proxy:
        scenario = realtime(
            kind, loop__on_loss="recover", loop__duration_s=4.0, link__timeout_s=0.5, link__address=proxy.address
        )
        outcome, meta, rows = go(scenario, tmp_path / "run")
    assert outcome.status == "done"
    assert proxy.cuts == 1
    whole(rows, 4.0)
    assert (~rows["answered"]).any() or meta["faults"]
    assert all("the device came back" in fault["recovered"] for fault in meta["faults"])
    if kind == "stream":
        assert "closed the connection" in meta["faults"][0]["text"]
    assert driven_after(rows, len(rows["seq"]) // 2)


def test_damaged_replies_are_lost_and_counted(monkeypatch, tmp_path):
    damaged = []

    class Noisy(Cobs):
        def pack(self, frame):
            (whole,) = super().pack(frame)
            header = read_header(frame)
            if header.kind != Kind.REPLY or header.seq % 20:
                return [whole]
            damaged.append(header.seq)
            return [whole[:5] + bytes([whole[5] ^ 0x80 or 1]) + whole[6:]]

    monkeypatch.setattr(_listeners, "Cobs", Noisy)
    with fakes.serving(build_backend("law", {}), BINDS["stream"]) as address:
        outcome, meta, rows = go(realtime("stream", link__address=address), tmp_path / "run")
    assert (outcome.status, meta["faults"]) == ("done", [])
    assert damaged
    assert meta["link"] == {"unsent": 0, "broken": len(damaged)}
    assert not rows["answered"][damaged].any()


def first_served(scenario, folder):
    """The first run that the device takes: a vanished plant may have it for as long as its lease."""
    until = monotonic() + 30
    for number in range(10_000):
        try:
            return go(scenario, folder / f"next-{number}")
        except LinkError:
            if monotonic() > until:
                raise


@contextmanager
def device_process(kind, bind=None):
    """A device that nobody's link owns; yields its address."""
    command = [*process.COMMAND, "--backend", "law", "--bind", bind or BINDS[kind]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as popen:
        try:
            yield popen.stdout.readline().split()[4]
        finally:
            popen.kill()


@contextmanager
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


class Proxy:
    """A TCP proxy for one plant that closes its connections after so many bytes of the plant, once."""

    CUT_AFTER = 20_000

    def __init__(self, device):
        self.scheme, _, rest = device.partition("://")
        host, port = rest.split(":")
        self.device, self.cuts = (host, int(port)), 0
        self._server = sockets.create_server(("127.0.0.1", 0))
        self._end, self._ended = sockets.socketpair()
        self.address = f"{self.scheme}://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *exc):
        self._end.close()
        self._thread.join(20)
        self._ended.close()
        self._server.close()

    def _run(self):
        pairs, plants, passed = {}, set(), 0
        while self._ended not in (ready := select.select([self._ended, self._server, *pairs], (), (), 20)[0]):
            for each in ready:
                if each is self._server:
                    plant, device = self._server.accept()[0], sockets.create_connection(self.device, 20)
                    pairs |= {plant: device, device: plant}
                    plants.add(plant)
                elif each in pairs:
                    data = received(each)
                    passed += len(data) if each in plants else 0
                    cut = not self.cuts and passed > self.CUT_AFTER
                    self.cuts += cut
                    if cut or not data or not given(pairs[each], data):
                        for one in (pairs.pop(pairs[each]), pairs.pop(each)):
                            one.close()
        for one in pairs:
            one.close()


def received(socket):
    try:
        return socket.recv(65536)
    except OSError:
        return b""


def given(socket, data):
    try:
        socket.sendall(data)
    except OSError:
        return False
    return True
