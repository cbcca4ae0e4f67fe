"""Links that delay, lose, double and reorder frames, or break: what the robot does, and what the record says of it."""

from __future__ import annotations

import re
import socket as sockets
from itertools import pairwise
from time import monotonic_ns

import bridge_fakes as fakes
import numpy as np
import pytest
import zmq
from fault_runs import LONG_S, end_after

from hilbench.bridge.device.session import Session, build_backend
from hilbench.bridge.impair.impairment import Counts, Cut, Impairment, Lane, Way
from hilbench.bridge.impair.relay import impair_link
from hilbench.bridge.protocol import handshakes, wire
from hilbench.bridge.protocol.handshakes import Hello
from hilbench.bridge.protocol.wire import Code, Kind
from hilbench.bridge.zmq import Config, ZmqLink
from hilbench.errors import LinkError
from hilbench.record.reader import read_run
from hilbench.runs.replay import replay
from hilbench.runs.run import run
from hilbench.scenario import files as scenarios
from hilbench.scenario.delays import ConstantDelay, GammaDelay, TraceDelay
from hilbench.types import HELD, REPLIED, SAFE

LONG_NS = 20_000_000_000
TICKS = 200
PERIOD_S = 0.005
LISTEN = "tcp://127.0.0.1:5556"
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(autouse=True)
def _clean(monkeypatch):
    # However slow this machine is, no queue overflows: what is lost, the relay has lost.
    monkeypatch.setattr("hilbench.bridge.transport.sockets.QUEUE", 10 * TICKS)
    with fakes.no_leaks():
        yield


def fake():
    return fakes.FakeBackend(fakes.FakeBackend.Config())


def law():
    """The backend for classical controllers, and the ticks it has run."""
    backend, ran = build_backend("law", {}), []
    step = backend.step

    def noted(tick):
        ran.append(tick.seq)
        return step(tick)

    backend.step = noted
    return backend, ran


def arm(address="", **overrides):
    changes = {"loop.period_s": PERIOD_S, "loop.duration_s": TICKS * PERIOD_S, "loop.echo_s": 0.0}
    if address:
        changes |= {"link.kind": "zmq", "link.address": address}
    changes |= {name.replace("__", "."): value for name, value in overrides.items()}
    return scenarios.load("arm_payload", changes, "pd")


def real_time(impairment, folder, **overrides):
    """A real-time run through a relay: its episode, the ticks that its device ran, and the tally."""
    backend, ran = law()
    with fakes.serving(backend) as device, fakes.impairing(device, impairment) as (address, tally):
        # No tick is skipped, however slow this machine is, so that the n-th frame is the n-th tick's.
        limits = {"loop__mode": "realtime", "loop__max_in_flight": 10 * TICKS, "loop__give_up_s": 1000.0}
        assert run(arm(address, **limits | overrides), folder).status == "done"
    return read_run(folder).episodes[0], ran, tally[0]


def kept(impairment, way, n):
    """Which of `n` frames the relay does not lose."""
    lane = Lane(impairment, way, Counts())
    for frame in range(n):
        lane.put(frame, 0)
    return np.array(sorted(lane.due(LONG_NS)))


def test_a_delay_changes_no_reply():
    impairment = Impairment(
        to_device=Way(delay=ConstantDelay(s=0.002)), to_plant=Way(delay=GammaDelay(mean_s=0.002, sd_s=0.002))
    )
    session = Session(fake())
    session.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
    session.reset(5, "none", 0)
    with (
        fakes.serving(fake()) as device,
        fakes.impairing(device, impairment) as (address, tally),
        ZmqLink(Config(address=address), "fake", {}) as link,
    ):
        link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
        assert link.same_clock
        link.reset(5, "none", 0)
        for tick in fakes.ticks(20):
            link.send(tick)
            assert fakes.fields(link.receive(LONG_NS)) == fakes.fields(session.tick(tick, 0))
        assert fakes.echo(link, 24, LONG_NS) is True
    counts = tally[0]
    assert counts.to_device.forwarded == counts.to_plant.forwarded == 24 + 1  # HELLO, LOAD, RESET, ECHO, BYE
    assert counts.to_device.lost == counts.to_plant.dropped == counts.cuts == 0


def test_the_delay_is_felt_where_it_is_put():
    """Every way's delay is seen in the record, in lockstep too, as time on the link."""
    impairment = Impairment(to_device=Way(delay=ConstantDelay(s=0.004)), to_plant=Way(delay=TraceDelay("")))
    traces_s = {"to_plant": np.array([0.001, 0.008])}
    with (
        fakes.serving(fake()) as device,
        fakes.impairing(device, impairment, traces_s=traces_s) as (address, _),
        ZmqLink(Config(address=address), "fake", {}) as link,
    ):
        link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
        link.reset(5, "none", 0)
        for k, tick in enumerate(fakes.ticks(4)):
            sent_ns = monotonic_ns()
            link.send(tick)
            reply = link.receive(LONG_NS)
            assert reply.recv_ns - sent_ns >= 4_000_000
            assert monotonic_ns() - reply.recv_ns - reply.compute_ns >= (1_000_000, 8_000_000)[k % 2]


def test_a_run_in_lockstep_is_the_same_bit_for_bit(tmp_path):
    run(arm(), tmp_path / "direct")
    backend, _ = law()
    impairment = Impairment(to_device=Way(delay=ConstantDelay(s=0.0005), jitter_s=0.001))
    with fakes.serving(backend) as device, fakes.impairing(device, impairment) as (address, _):
        run(arm(address), tmp_path / "impaired")
    direct, impaired = (read_run(tmp_path / name).episodes[0] for name in ("direct", "impaired"))
    for column in ("state", "values_out", "actions", "applied_step"):
        assert np.array_equal(direct[column], impaired[column]), column


@pytest.mark.parametrize("loss", [0.01, 0.05, 0.2])
def test_every_lost_frame_is_told_and_no_tick_is_lost_or_twice(tmp_path, loss):
    impairment = Impairment(
        to_device=Way(loss=loss), to_plant=Way(loss=loss), seed=2
    )  # of which the last tick is answered
    episode, ran, tally = real_time(impairment, tmp_path, loop__silence_s=10.0)
    reached = kept(impairment, "to_device", TICKS)
    answered = reached[kept(impairment, "to_plant", len(reached))]
    assert len(answered) < len(reached) < TICKS
    assert ran == reached.tolist()
    assert episode["seq"].tolist() == list(range(TICKS))
    assert not episode["skipped"].any()
    assert np.flatnonzero(episode["answered"]).tolist() == answered.tolist()
    # Of replies lost in a row, the next reply tells of the last tick's alone.
    told = sorted({*answered, *(before for before, after in pairwise(reached) if after in answered)})
    assert np.flatnonzero(episode["processed"]).tolist() == told
    gaps = np.diff(reached, prepend=-1)[np.isin(reached, answered)] - 1
    assert episode["slip"][answered].tolist() == gaps.tolist()
    driven = np.flatnonzero((episode["sources"] == REPLIED).any(axis=1))[0]
    assert SAFE not in episode["sources"][driven + 1 :], "the last action is held for a tick without a reply"
    assert (tally.to_device.lost, tally.to_plant.lost) == (TICKS - len(reached), len(reached) - len(answered))
    assert tally.to_device.dropped == tally.to_plant.dropped == 0


@pytest.mark.parametrize("name", ["to_device", "to_plant"])
def test_frames_twice_and_out_of_order_are_no_tick_twice(tmp_path, name):
    way = Way(delay=ConstantDelay(s=0.02), jitter_s=0.01, duplicate=0.2, reorder=0.2)
    # Of this seed the last reply passes none that waits, so none is missing at the end.
    episode, ran, tally = real_time(Impairment(**{name: way}, seed=1), tmp_path)
    assert ran == sorted(set(ran)), "the device runs no tick twice and none after a later one"
    assert (len(ran) < TICKS) == (name == "to_device")
    assert episode["seq"].tolist() == list(range(TICKS))
    assert np.flatnonzero(episode["answered"]).tolist() == ran
    applied = episode["applied_step"][episode["applied_step"] >= 0]
    assert (np.diff(applied) > 0).all(), "an older reply never replaces a newer one"
    counts = getattr(tally, name)
    assert min(counts.duplicated, counts.reordered) > 0


def test_a_run_over_a_bad_link_is_replayed_bit_for_bit(tmp_path):
    # Of this seed the last tick is not lost, whose reply the loop would wait for.
    impairment = Impairment(to_device=Way(loss=0.05), to_plant=Way(delay=GammaDelay(mean_s=0.006, sd_s=0.004)), seed=3)
    _, _, tally = real_time(impairment, tmp_path / "run")
    assert tally.to_device.lost > 0
    assert replay(tmp_path / "run", tmp_path / "again") == (True, TICKS)


def test_a_cut_link_means_the_safe_action_and_the_run_goes_on(monkeypatch, tmp_path):
    cut = Cut(at_s=0.3, for_s=0.4)
    over = round((cut.at_s + cut.for_s) / PERIOD_S)
    told = end_after(monkeypatch, 20, lambda seq: seq > over + 10)
    episode, ran, tally = real_time(Impairment(cut=(cut,)), tmp_path, loop__duration_s=LONG_S, loop__silence_s=0.1)
    assert tally.cuts == 1
    assert episode["seq"].tolist() == list(range(len(episode["seq"])))
    assert ran == sorted(set(ran))
    assert set(np.flatnonzero(episode["answered"])) <= set(ran)
    before = np.flatnonzero(episode["answered"])[0]
    silent = np.flatnonzero((episode["sources"] == SAFE).any(axis=1) & (episode["seq"] > before))
    assert silent.size, "the robot was safe while the link was away"
    assert (episode["applied_step"][told] >= 0).any(), "and was driven again afterwards"
    assert {HELD, SAFE} <= set(episode["sources"].reshape(-1))


def test_a_cut_closes_connections_and_drops_what_is_under_way_but_the_session_goes_on():
    impairment = Impairment(to_plant=Way(delay=ConstantDelay(s=0.8)), cut=(Cut(at_s=0.4, for_s=0.05),))
    with (
        fakes.serving(fake()) as device,
        fakes.impairing(device, impairment) as (address, tally),
        ZmqLink(Config(address=address), "fake", {}) as link,
    ):
        link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
        link.reset(5, "none", 0)
        first, *others = fakes.ticks(8)
        with sockets.create_connection(tuple(address[6:].split(":")), timeout=20) as raw:
            link.send(first)  # its reply waits when the cut comes
            while raw.recv(4096):  # ends with the connection
                pass
        for tick in others:  # one sent before libzmq has noticed goes nowhere
            link.send(tick)
            if (reply := link.receive(2_000_000_000)) is not None:
                break
        assert reply.seq > reply.prev_seq == 0
    assert tally[0].cuts == 1
    assert tally[0].to_plant.dropped == 1


def test_the_device_sees_each_plant_and_each_plant_the_device():
    with fakes.serving(fake()) as device, fakes.impairing(device, Impairment()) as (address, _):
        with ZmqLink(Config(address=address), "fake", {}) as first:
            first.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
            with (
                ZmqLink(Config(address=address), "fake", {}) as second,
                pytest.raises(LinkError, match=r"serves another plant.*BUSY"),
            ):
                second.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
        with zmq.Context() as context, context.socket(zmq.DEALER) as stranger:
            stranger.setsockopt(zmq.LINGER, 0)
            stranger.connect(address)
            hello = handshakes.encode_hello(0, 1, Hello())
            for parts, code in (([b"GET / HTTP/1.1"], Code.FRAME), ([b"", hello], Code.FRAME)):
                stranger.send_multipart(parts)
                assert stranger.poll(20_000)
                answer = stranger.recv()
                assert wire.read_header(answer).kind == Kind.ERROR
                assert handshakes.decode_error(answer)[0] == code


def test_handshakes_are_impaired_on_demand():
    impairment = Impairment(to_device=Way(loss=1.0), handshakes=True)
    with (
        fakes.serving(fake()) as device,
        fakes.impairing(device, impairment) as (address, tally),
        ZmqLink(Config(address=address, timeout_s=0.2), "fake", {}) as link,
        pytest.raises(LinkError, match="no answer to HELLO"),
    ):
        link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
    assert tally[0].to_device.lost == 1


def test_more_plants_than_are_remembered_come_and_go():
    with (
        fakes.serving(fake()) as device,
        fakes.impairing(device, Impairment()) as (address, _),
        zmq.Context() as context,
    ):
        for _ in range(40):
            with context.socket(zmq.DEALER) as stranger:
                stranger.setsockopt(zmq.LINGER, 0)
                stranger.connect(address)
                stranger.send(b"?")
                assert stranger.poll(20_000)


@pytest.mark.parametrize("address", ["nowhere", LISTEN, "udp://127.0.0.1:1", "tcp://127.0.0.1:port"])
def test_an_address_where_no_device_can_be_is_refused(address):
    with pytest.raises(LinkError, match=re.escape(address)):
        impair_link("tcp://127.0.0.1:*" if "port" in address else LISTEN, address, Impairment(), ready=pytest.fail)
