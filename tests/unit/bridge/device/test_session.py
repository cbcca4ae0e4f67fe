"""What a device does with ticks: order, gaps, and failures of the backend."""

from __future__ import annotations

import pytest
from bridge_fakes import PERIOD_US, PROBES, PROGRAM, FakeBackend, ticks

from hilbench.bridge.device.session import Session, build_backend
from hilbench.errors import PluginError, ProtocolError, ScenarioError


@pytest.fixture
def backend():
    return FakeBackend(FakeBackend.Config())


@pytest.fixture
def session(backend):
    session = Session(backend)
    session.load(PROGRAM, PERIOD_US, PROBES)
    return session


@pytest.mark.parametrize(("catch_up", "advanced", "slip"), [(0, 0, 6), (4, 4, 2), (6, 6, 0), (9, 6, 0)])
def test_a_gap_advances_what_catch_up_allows_and_jumps_the_rest(session, catch_up, advanced, slip):
    session.reset(1, "none", catch_up)
    stream = list(ticks(9))
    session.tick(stream[0], 0)
    reply = session.tick(stream[7], 0)
    assert (reply.values[1], session.slip) == (advanced, slip)
    assert (reply.prev_seq, reply.seq, reply.t_ns) == (0, 7, stream[7].t_ns)


def test_an_episode_whose_first_ticks_were_lost_starts_with_a_gap(session):
    session.reset(1, "none", 1)
    reply = session.tick(list(ticks(4))[3], 0)
    assert (reply.values[1], session.slip, reply.prev_seq) == (1, 2, -1)


def test_old_ticks_are_dropped_and_counted_and_change_nothing(session, backend):
    session.reset(1, "none", 5)
    first, second, third = ticks(3)
    session.tick(second, 0)
    assert session.tick(second, 0) is None
    assert session.tick(first, 0) is None
    assert (session.dropped, backend.steps) == (2, 1)
    assert session.tick(third, 0).prev_seq == 1


def test_reset_counts_from_zero_again_and_says_what_survives(session, backend):
    for carry in ("none", "weights", "all"):
        session.reset(3, carry, 0)
        reply = session.tick(next(ticks(1)), 11)
        assert (reply.seq, reply.prev_seq, reply.recv_ns) == (0, -1, 11)
    assert backend.resets[1:] == [(3, "none"), (3, "weights"), (3, "all")]


def test_no_tick_before_load_and_reset(backend):
    session = Session(backend)
    tick = next(ticks(1))
    with pytest.raises(ProtocolError, match="LOAD one first"):
        session.reset(0, "none", 0)
    session.load(PROGRAM, PERIOD_US, PROBES)
    with pytest.raises(ProtocolError, match="RESET first"):
        session.tick(tick, 0)
    session.reset(0, "none", 0)
    session.load(PROGRAM, PERIOD_US, PROBES)
    with pytest.raises(ProtocolError, match="RESET first"):
        session.tick(tick, 0)


def test_a_failed_step_is_not_run_again():
    session = Session(FakeBackend(FakeBackend.Config(fail_at=1)))
    session.load(PROGRAM, PERIOD_US, PROBES)
    session.reset(0, "none", 3)
    first, second, third = ticks(3)
    session.tick(first, 0)
    with pytest.raises(RuntimeError):
        session.tick(second, 0)
    assert session.tick(second, 0) is None
    reply = session.tick(third, 0)
    assert (reply.prev_seq, reply.values[1]) == (0, 0)


def test_a_mad_gap_neither_hangs_nor_overflows(session):
    session.reset(0, "none", 10_000)
    tick = next(ticks(1))
    tick.seq = 2**64 - 2
    assert session.tick(tick, 0).values[1] == 10_000
    with pytest.raises(ProtocolError, match="catch_up is 10001"):
        session.reset(0, "none", 10_001)


def test_compute_time_is_the_step_alone(session, backend, monkeypatch):
    clock = iter(range(0, 10**6, 1000))
    monkeypatch.setattr("hilbench.bridge.device.session.monotonic_ns", lambda: next(clock))
    session.reset(0, "none", 0)
    assert session.tick(next(ticks(1)), 123).compute_ns == 1000


def test_backends_are_built_from_plain_settings():
    assert type(build_backend("null", {})).__name__ == "Null"
    with pytest.raises(ScenarioError, match=r"backend\.gain: no such field of kind 'null'"):
        build_backend("null", {"gain": 1})
    with pytest.raises(PluginError, match="did you mean 'null'"):
        build_backend("nul", {})


def test_a_refused_reset_names_the_value(session):
    for arguments in ((-1, "none", 0), (2**64, "none", 0), (0, "some", 0)):
        with pytest.raises(ProtocolError, match="allowed"):
            session.reset(*arguments)
