"""What every link promises: the replies of a Session, bit for bit, in order, and clean errors."""

from __future__ import annotations

import copy
from contextlib import ExitStack
from functools import partial

import bridge_fakes as fakes
import numpy as np
import pytest
from mistreatment import mistreat, untouched

from hilbench import plugins
from hilbench.bridge.device.session import Session
from hilbench.errors import HilbenchError, LinkError, NetworkError, ProtocolError
from hilbench.types import Link

LONG_NS = 5_000_000_000
pytestmark = pytest.mark.timeout(30)


@pytest.fixture(params=plugins.all_of("links"))
def build(request, monkeypatch):
    """A function that builds this link to a fake backend; everything it opened is closed and gone at the end."""
    fakes.plug_in(monkeypatch, fake=fakes.FakeBackend)
    link_type = plugins.get("links", request.param)

    def build_link(**config) -> Link:
        settings = {}
        if "address" in link_type.Config.__struct_fields__:
            backend = fakes.FakeBackend(fakes.FakeBackend.Config(**config))
            settings["address"] = stack.enter_context(fakes.serving(backend, link_type.own_bind))
        link = link_type(link_type.Config(**settings), "fake", config)
        stack.callback(link.close)
        return link

    with fakes.no_leaks(), ExitStack() as stack:
        yield build_link


@pytest.fixture
def link(build):
    link = build()
    report = link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
    assert (report.backend, report.exact, report.n_probe_values) == ("fake", ("all",), 1)
    return link


def direct(catch_up):
    session = Session(fakes.FakeBackend(fakes.FakeBackend.Config()))
    session.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
    session.reset(5, "none", catch_up)
    return session


@pytest.mark.parametrize("catch_up", [0, 3])
def test_replies_are_those_of_a_session_bit_for_bit(link, catch_up):
    """Over gaps and repeated ticks too; a dropped tick has no reply, so the next reply is the next tick's."""
    stream = list(fakes.ticks(40))
    del stream[5:7], stream[20:29]
    stream[9:9] = [stream[8], stream[2]]
    link.reset(5, "none", catch_up)
    session = direct(catch_up)
    for tick in stream:
        link.send(tick)
        wanted = session.tick(tick, 0)
        if wanted is not None:
            assert fakes.fields(link.receive(LONG_NS)) == fakes.fields(wanted)
    assert link.receive(0) is None
    assert session.dropped == 2


def test_a_device_that_is_there_says_so_and_ticks_go_on(link):
    link.reset(5, "none", 0)
    tick = next(fakes.ticks(1))
    assert link.alive() == ("address" in link.Config.__struct_fields__)  # a link without a device cannot ask
    link.send(tick)
    assert link.receive(LONG_NS).seq == tick.seq


def test_replies_wait_in_order_and_hold_until_the_next_receive(link):
    link.reset(5, "none", 0)
    session = direct(0)
    stream = list(fakes.ticks(12))
    wanted = [fakes.fields(session.tick(tick, 0)) for tick in stream]
    for tick in stream[:6]:
        link.send(tick)
    for k, tick in enumerate(stream[6:]):
        reply = link.receive(LONG_NS)
        link.send(tick)
        assert fakes.fields(reply) == wanted[k]
    assert [fakes.fields(link.receive(LONG_NS)) for _ in range(6)] == wanted[6:]


def test_what_a_reader_makes_of_ticks_and_replies_changes_nothing_later(link):
    """Every array of both is resized, overwritten and replaced between the ticks."""
    link.reset(5, "none", 0)
    session = direct(0)
    foreign = []
    for tick in fakes.ticks(20):
        mine = copy.deepcopy(tick)
        link.send(mine)
        foreign += mistreat(mine)
        reply = link.receive(LONG_NS)
        assert fakes.fields(reply) == fakes.fields(session.tick(tick, 0))
        foreign += mistreat(reply)
    assert untouched(foreign)


def test_the_devices_times_are_told(link):
    link.reset(5, "none", 0)
    link.send(next(fakes.ticks(1)))
    reply = link.receive(LONG_NS)
    assert reply.recv_ns > 0
    assert 0 < reply.compute_ns < LONG_NS


def test_nothing_comes_without_a_tick(link):
    link.reset(5, "none", 0)
    for timeout_ns in (0, 300_000, 3_000_000):
        assert link.receive(timeout_ns) is None


def test_reset_forgets_the_replies_of_the_last_episode(link):
    link.reset(5, "none", 0)
    for tick in fakes.ticks(5):
        link.send(tick)
    link.reset(5, "none", 0)
    first = next(fakes.ticks(1))
    link.send(first)
    assert fakes.fields(link.receive(LONG_NS)) == fakes.fields(direct(0).tick(first, 0))
    assert link.receive(0) is None


def test_an_echo_comes_back_and_leaves_the_run_alone(link):
    """Before an episode and between its ticks, shorter and longer than a device takes."""
    assert fakes.echo(link, 0, LONG_NS) is True
    link.reset(5, "none", 0)
    session = direct(0)
    for n_bytes, tick in zip((0, 24, 1_000_000, 24), fakes.ticks(4), strict=True):
        assert fakes.echo(link, n_bytes, LONG_NS) is True
        link.send(tick)
        assert fakes.fields(link.receive(LONG_NS)) == fakes.fields(session.tick(tick, 0))
    assert link.receive(0) is None


def test_a_second_program_replaces_the_first(link):
    link.reset(5, "none", 0)
    link.send(next(fakes.ticks(1)))
    link.load(fakes.PROGRAM, 2 * fakes.PERIOD_US, fakes.PROBES)
    link.reset(5, "none", 0)
    tick = next(fakes.ticks(1))
    tick.events = np.array([(fakes.PERIOD_US + 1, 0)], tick.events.dtype)
    link.send(tick)
    assert link.receive(LONG_NS).events["t_us"][0] == fakes.PERIOD_US + 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"values": np.zeros(3, np.float32)},
        {"values": np.zeros(4)},
        {"modulators": np.zeros(9, np.float32)},
        {"events": np.array([(1000, 0)], fakes.EVENT)},
        {"events": np.array([(0, 5)], fakes.EVENT)},
    ],
)
def test_a_tick_the_program_does_not_take_is_refused_where_it_is_sent(link, wrong):
    link.reset(5, "none", 0)
    first, second = fakes.ticks(2)
    session = direct(0)
    link.send(first)
    link.receive(LONG_NS)
    session.tick(first, 0)
    bad = next(fakes.ticks(1, seed=9))
    bad.seq = 1
    for name, value in wrong.items():
        setattr(bad, name, value)
    with pytest.raises(ProtocolError):
        link.send(bad)
    link.send(second)
    assert fakes.fields(link.receive(LONG_NS)) == fakes.fields(session.tick(second, 0))


def test_a_refused_program_gives_the_backends_reason(build):
    link = build(refuse="population 'a' is too large; allowed: 8")
    with pytest.raises(HilbenchError, match="population 'a' is too large; allowed: 8"):
        link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
    with pytest.raises(HilbenchError, match="load"):
        link.send(next(fakes.ticks(1)))


def test_a_seed_no_frame_can_hold_is_refused(link):
    with pytest.raises(ProtocolError, match="seed"):
        link.reset(-1, "none", 0)


def test_close_twice_and_use_no_more(link):
    link.close()
    link.close()
    for call in (
        lambda: link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES),
        lambda: link.reset(0, "none", 0),
        lambda: link.send(next(fakes.ticks(1))),
        lambda: link.receive(0),
        lambda: fakes.echo(link, 24, 0),
    ):
        with pytest.raises(LinkError, match="closed"):
            call()


def test_a_link_never_used_closes(build):
    with build():
        pass


def test_a_snapshot_put_back_goes_on_as_it_did(build):
    """Into a second device too, which has run something else: what follows is what followed then."""
    first, second = build(), build()
    stream = list(fakes.ticks(12))
    for link, seed in ((first, 5), (second, 6)):
        link.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
        link.reset(seed, "none", 0)
    for tick in stream[:6]:
        first.send(tick)
        first.receive(LONG_NS)
    saved = first.snapshot()
    second.restore(saved, "all")
    for tick in stream[6:]:
        first.send(tick)
        second.send(tick)
        assert second.receive(LONG_NS).values.tobytes() == first.receive(LONG_NS).values.tobytes()


def test_a_snapshot_that_does_not_fit_is_refused_and_changes_nothing(link):
    link.reset(5, "none", 0)
    before = link.snapshot()
    with pytest.raises((NetworkError, LinkError), match="state"):
        link.restore({"other": np.zeros(3)}, "all")
    after = link.snapshot()
    assert {name: array.tobytes() for name, array in after.items()} == {k: a.tobytes() for k, a in before.items()}


def test_a_snapshot_may_come_while_ticks_go_on(link):
    """Of the state after the ticks that were sent before it was asked for, and no reply is lost to it."""
    link.reset(5, "none", 0)
    stream, received = list(fakes.ticks(6)), []
    session = direct(0)
    wanted = [fakes.fields(session.tick(tick, 0)) for tick in stream[:3]]
    saved = session.snapshot()
    wanted += [fakes.fields(session.tick(tick, 0)) for tick in stream[3:]]
    for tick in stream[:3]:
        link.send(tick)
    link.request_checkpoint(received.append)
    for tick in stream[3:]:
        link.send(tick)
    assert [fakes.fields(link.receive(LONG_NS)) for _ in stream] == wanted
    (arrays,) = received
    assert {name: array.tobytes() for name, array in arrays.items()} == {k: a.tobytes() for k, a in saved.items()}


def test_a_snapshot_is_of_the_tick_at_which_it_was_asked_for(link):
    """Not of the newest that was asked for, which may not have come, or be lost to the next episode's reset."""
    link.reset(5, "none", 0)
    session, states, received = direct(0), [], {}
    for k, tick in enumerate(fakes.ticks(6)):
        link.send(tick)
        session.tick(tick, 0)
        states.append(session.snapshot()["state"].tolist())
        link.request_checkpoint(partial(received.__setitem__, k))
    for _ in range(6):
        link.receive(LONG_NS)
    link.reset(5, "weights", 0)
    before = sorted(received)
    link.send(next(fakes.ticks(1)))
    link.receive(LONG_NS)
    assert before
    assert sorted(received) == before, "none of the last episode's comes in this one"
    assert all(arrays["state"].tolist() == states[k] for k, arrays in received.items())


def test_a_link_tells_what_was_lost_at_its_end(link):
    link.reset(5, "none", 0)
    link.send(next(fakes.ticks(1)))
    link.receive(LONG_NS)
    assert set(link.tally()) <= {"unsent", "broken"}
    assert not any(link.tally().values())
