"""Whole runs in real time with devices that die, stop or are slow, links that break, and plants that vanish.

Only what no timing can change is asserted, and a run ends when it has shown what it is there for.
"""

from __future__ import annotations

import select
import socket as sockets
import subprocess
import sys
import threading
from time import monotonic

import bridge_fakes as fakes
import numpy as np
import pytest
from fault_runs import (
    AT,
    BINDS,
    LINKS,
    SECONDS,
    TICKS,
    arm,
    device_process,
    end_after,
    go,
    odd_process,
    realtime,
    safe_at,
    wake,
)

from hilbench import plugins
from hilbench.bridge.device import listeners
from hilbench.bridge.device.session import build_backend
from hilbench.bridge.protocol.framing import Cobs
from hilbench.bridge.protocol.wire import Kind, read_header
from hilbench.errors import LinkError
from hilbench.record.meta import LinkLosses
from hilbench.record.reader import read_run
from hilbench.types import SAFE

ENOUGH = 20
"""Replies by which a robot is driven again."""
SLOW_S = 0.02
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def _clean():
    with fakes.no_leaks():
        yield


def after(tick):
    return lambda seq: seq > tick


def assert_driven(rows, ticks):
    """The run is done, and it ended since these ticks' replies had come; they drove the robot."""
    assert rows["terminated"].tolist() == [False] * (len(rows["seq"]) - 1) + [True]
    assert rows["answered"][ticks].all()
    assert (rows["applied_step"][ticks] >= 0).any()


@LINKS
def test_a_killed_device_is_started_anew(monkeypatch, kind, tmp_path):
    odd_process(monkeypatch, tmp_path, f"kill:{AT}")
    told = end_after(monkeypatch, ENOUGH, after(AT))
    outcome, meta, rows = go(realtime(kind, loop__on_loss="recover"), tmp_path / "run")
    assert outcome.status == "done"
    (fault,) = meta.faults
    assert "the device came back" in fault.recovery
    safe_at(rows, fault.tick + 1, tmp_path / "run")
    assert rows["skipped"][fault.tick + 1]
    assert_driven(rows, told)


@LINKS
def test_a_stopped_device_that_goes_on_was_only_silent(monkeypatch, kind, tmp_path):
    done, ticks = odd_process(monkeypatch, tmp_path, f"stop:{AT}"), iter(range(10**6))

    def wake_later():
        if next(ticks) > AT + 50:
            wake(done)

    told = end_after(monkeypatch, ENOUGH, after(AT + 50), wake_later)
    outcome, meta, rows = go(realtime(kind), tmp_path / "run")
    assert (outcome.status, meta.faults) == ("done", ())
    silent = np.flatnonzero((rows["sources"] == SAFE).all(axis=1) & (rows["seq"] > AT))
    assert silent.size, "the robot was safe meanwhile"
    assert rows["skipped"][silent].any()
    assert_driven(rows, told)


@LINKS
def test_a_stopped_device_that_was_given_up_is_taken_back(monkeypatch, kind, tmp_path):
    """Its plant is the same one, so nobody waits for the lease of the session before."""
    done, link = odd_process(monkeypatch, tmp_path, f"stop:{AT}"), plugins.get("links", kind)
    given_up, abandon = threading.Event(), link.abandon
    monkeypatch.setattr(link, "abandon", lambda self: (given_up.set(), abandon(self)))
    told = end_after(monkeypatch, ENOUGH, after(AT), lambda: given_up.is_set() and wake(done))
    with device_process(kind) as address:
        scenario = realtime(kind, loop__on_loss="recover", link__timeout_s=0.5, link__address=address)
        outcome, meta, rows = go(scenario, tmp_path / "run")
    assert outcome.status == "done"
    assert "the device came back" in meta.faults[0].recovery
    assert_driven(rows, told)


@LINKS
def test_a_slow_device_answers_late_and_ticks_are_skipped(kind, tmp_path):
    backend, never = build_backend("law", {}), threading.Event()
    step = backend.step
    backend.step = lambda tick: (never.wait(SLOW_S), step(tick))[1]
    period_s = SLOW_S / 10
    late = {"loop__period_s": period_s, "loop__deadline_s": period_s, "loop__late": "safe"}
    with fakes.serving(backend, BINDS[kind]) as address:
        scenario = realtime(kind, loop__duration_s=SECONDS, link__address=address, **late)
        outcome, meta, rows = go(scenario, tmp_path / "run")
    assert (outcome.status, meta.faults) == ("done", ())
    answered = rows["answered"]
    assert answered.any()
    assert rows["skipped"].any()
    assert rows["late"][answered].any()  # not all: a loop that itself falls behind the clock waits for nobody
    assert (rows["sources"] == SAFE).any()


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
        command = [sys.executable, "-m", "hilbench", "run", "arm_payload", "--controller", "pd"]
        command += ["--loop.mode", "realtime", "--loop.echo-s", "0", "--link.kind", kind, "--link.address", address]
        with subprocess.Popen([*command, "--out", tmp_path / "gone"], stdout=subprocess.DEVNULL) as plant:
            assert begun.wait(60)
            plant.kill()
        assert read_run(tmp_path / "gone").meta.status == "running", "its record says that it never ended"
        outcome, meta, rows = first_served(arm(kind, link__address=address), tmp_path)
    assert (outcome.status, meta.faults) == ("done", ())
    assert len(rows["seq"]) == TICKS
    assert rows["answered"].all()


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

    monkeypatch.setattr(listeners, "Cobs", Noisy)
    with fakes.serving(build_backend("law", {}), BINDS["stream"]) as address:
        scenario = realtime("stream", loop__duration_s=SECONDS, link__address=address)
        outcome, meta, rows = go(scenario, tmp_path / "run")
    assert (outcome.status, meta.faults) == ("done", ())
    assert damaged
    assert meta.link_losses == LinkLosses(unsent_ticks=0, broken_frames=len(damaged))
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


@pytest.mark.parametrize("kind", ["zmq", "stream"])
def test_a_link_that_is_cut_and_restored(monkeypatch, kind, tmp_path):
    """A proxy closes every connection once; ZeroMQ makes a new one by itself, a byte stream is looked for."""
    with fakes.serving(build_backend("law", {}), BINDS[kind]) as device, Proxy(device) as proxy:
        told = end_after(monkeypatch, ENOUGH, lambda seq: proxy.cuts)
        scenario = realtime(kind, loop__on_loss="recover", link__address=proxy.address)
        outcome, meta, rows = go(scenario, tmp_path / "run")
    assert outcome.status == "done"
    assert proxy.cuts == 1
    assert not rows["answered"][: told[-1]].all()
    for fault in meta.faults:
        assert "closed the connection" in fault.message
        assert "the device came back" in fault.recovery
    assert len(meta.faults) == (kind == "stream")
    assert_driven(rows, told)


class Proxy:
    """A TCP proxy for one plant that closes its connections after so many bytes of the plant, once."""

    CUT_AFTER = 10_000

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
