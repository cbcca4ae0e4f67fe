"""Looking for a message without sleep: when, how long, and who may run in between."""

from __future__ import annotations

import pytest
import zmq

from hilbench.bridge.device import router
from hilbench.bridge.transport import sockets, spin

US, MS = 1_000, 1_000_000
NEVER_NS = 2**62


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(spin, "can_spin", lambda: True)


@pytest.fixture
def pair():
    with zmq.Context() as context, context.socket(zmq.PAIR) as here, context.socket(zmq.PAIR) as there:
        here.bind("inproc://pair")
        there.connect("inproc://pair")
        yield here, there


def test_the_next_frame_is_expected_after_the_last_interval():
    rhythm = spin.Rhythm(1e-3)
    for instant_ns in (50 * MS, 60 * MS):
        rhythm.heard(instant_ns)
    assert rhythm.window_ns() == (69 * MS, 71 * MS)


@pytest.mark.parametrize(("spin_s", "cores"), [(0.0, 2), (1e-3, 1)])
def test_nothing_is_looked_for_without_sleep_on_one_core_or_when_nobody_wants_it(monkeypatch, spin_s, cores):
    monkeypatch.setattr(spin, "can_spin", lambda: cores > 1)
    rhythm = spin.Rhythm(spin_s)
    for instant_ns in (50 * MS, 60 * MS):
        rhythm.heard(instant_ns)
    assert rhythm.window_ns() == (0, 0)


def test_a_read_looks_until_its_instant_and_lets_others_run_now_and_then(monkeypatch):
    looks, breaks = [], []

    def read(n_bytes):
        looks.append(n_bytes)
        raise BlockingIOError

    monkeypatch.setattr(spin, "monotonic_ns", lambda: len(looks))
    monkeypatch.setattr(spin, "let_others_run", lambda: breaks.append(len(looks)))
    assert spin.read_by(read, 9, 40) is None
    assert looks == [9] * 40
    assert breaks == [spin.PATIENT_LOOKS, 2 * spin.PATIENT_LOOKS]


@pytest.mark.parametrize("wait", [sockets.look_by, sockets.sleep_by])
def test_a_message_that_is_there_is_found_after_its_instant_too(pair, wait):
    here, there = pair
    assert not wait(here, 0)
    there.send(b"x")
    assert wait(here, 0)
    assert here.recv(zmq.NOBLOCK) == b"x"
    assert not wait(here, 0)


def test_a_message_that_comes_while_others_run_is_found(pair, monkeypatch):
    here, there = pair
    monkeypatch.setattr(sockets, "let_others_run", lambda: there.send(b"x"))
    assert sockets.look_by(here, NEVER_NS)
    assert here.recv(zmq.NOBLOCK) == b"x"


def test_a_message_wakes_who_sleeps(pair, monkeypatch):
    here, there = pair
    select = sockets.select.select

    def sent_meanwhile(*args):
        there.send(b"x")
        return select(*args)

    monkeypatch.setattr(sockets.select, "select", sent_meanwhile)
    assert sockets.sleep_by(here, NEVER_NS // 2**10)
    assert here.recv(zmq.NOBLOCK) == b"x"


@pytest.mark.parametrize(
    ("period_ns", "now_ns", "waits"),
    [
        (10 * MS, 11 * MS, [("sleep", 19 * MS), ("look", 21 * MS)]),  # it sleeps until 1 ms before 20 ms
        (10 * MS, 19 * MS, [("look", 21 * MS)]),
        (10 * MS, 21 * MS, []),  # it did not come: a blocking receive waits
        (1000 * MS, 1001 * MS, []),  # far away
    ],
)
def test_a_device_is_awake_around_its_plants_next_tick(monkeypatch, period_ns, now_ns, waits):
    found = []
    for name in ("sleep", "look"):
        monkeypatch.setattr(router, f"{name}_by", lambda _, until_ns, name=name: found.append((name, until_ns)))
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket, context.socket(zmq.DEALER) as plant:
        socket.bind("inproc://device")
        plant.routing_id = b"plant"
        plant.connect("inproc://device")
        device = router.Router(socket, 1e-3)
        device.admit(b"plant")
        for instant_ns in (0, period_ns):
            monkeypatch.setattr(router, "monotonic_ns", lambda instant_ns=instant_ns: instant_ns or 1)
            plant.send(b"tick")
            assert device.receive() == (b"plant", b"tick")
        socket.setsockopt(zmq.RCVTIMEO, 0)
        monkeypatch.setattr(router, "monotonic_ns", lambda: now_ns)
        found.clear()
        assert device.receive() is None
    assert [(name, round(until_ns / MS)) for name, until_ns in found] == [(n, t // MS) for n, t in waits]


def test_a_stranger_does_not_set_a_devices_rhythm():
    with zmq.Context() as context, context.socket(zmq.ROUTER) as socket, context.socket(zmq.DEALER) as stranger:
        socket.bind("inproc://device")
        stranger.routing_id = b"stranger"
        stranger.connect("inproc://device")
        device = router.Router(socket, 1e-3)
        device.admit(b"plant")
        before = device._rhythm.window_ns()
        for _ in range(3):
            stranger.send(b"tick")
            assert device.receive() == (b"stranger", b"tick")
        device._expect()
        assert device._rhythm.window_ns() == before
