"""What every link promises: the replies of a Session, bit for bit and in order, and clean errors."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, ClassVar

import numpy as np
import pytest

from hilbench.bridge.device.session import Session
from hilbench.errors import HilbenchError, LinkError, NetworkError, ProtocolError
from hilbench.testing import devices
from hilbench.testing._parts import Contract, Part, broken, ensure, refusal
from hilbench.testing.devices import PERIOD_US, PROBES, PROGRAM, ShowingBackend, fields
from hilbench.testing.mistreatment import mistreat, untouched
from hilbench.types import EVENT, Link

LONG_NS = 5_000_000_000
WRONG_TICKS: tuple[dict[str, Any], ...] = (
    {"values": np.zeros(3, np.float32)},
    {"values": np.zeros(4)},
    {"modulators": np.zeros(9, np.float32)},
    {"events": np.array([(1000, 0)], EVENT)},
    {"events": np.array([(0, 5)], EVENT)},
)
"""What the program does not take."""


def direct(catch_up: int = 0) -> Session:
    """A session with the same backend, without a link."""
    session = Session(ShowingBackend(ShowingBackend.Config()))
    session.load(PROGRAM, PERIOD_US, PROBES)
    session.reset(5, "none", catch_up)
    return session


def equal(found: Any, expected: Any, line: str) -> None:
    """Fail unless a reply is the one that the session gives.

    Parameters
    ----------
    found : Reply or None
    expected : Reply, or what `fields` makes of one
    line : str
        Which promise this is.
    """
    ensure(found is not None, f"{line}: found no reply within {LONG_NS * 1e-9:g} s")
    wanted = expected if isinstance(expected, tuple) else fields(expected)
    ensure(fields(found) == wanted, f"{line}: found another reply to tick {found.seq}")


class LinkContract(Contract):
    """What every link promises.

    A link whose Config has an `address` gets that of a device on `bind`, which is the link's own `own_bind` when None;
    one without starts its backend itself.
    """

    kind = "links"
    bind: ClassVar[str | None] = None

    @pytest.fixture
    def build(self, part: Part, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Link]]:
        """A function that builds this link to a backend; everything it opened is closed and gone at the end."""
        devices.plug_in(monkeypatch, fake=ShowingBackend)

        def build_link(**config: Any) -> Link:
            settings = dict(part.settings)
            if "address" in part.cls.Config.__struct_fields__:
                backend = ShowingBackend(ShowingBackend.Config(**config))
                bind = self.bind or part.cls.own_bind
                settings["address"] = stack.enter_context(devices.serving(backend, bind))
            link = part.cls(part._replace(settings=settings).config, "fake", config)
            stack.callback(link.close)
            return link

        with devices.no_leaks(), ExitStack() as stack:
            yield build_link

    @pytest.fixture
    def link(self, build: Callable[..., Link]) -> Link:
        """A link with a program loaded."""
        link = build()
        report = link.load(PROGRAM, PERIOD_US, PROBES)
        found = report.backend, report.exact, report.n_probe_values
        ensure(found == ("fake", ("all",), 1), f"load gives the backend's own LoadReport: found {found}")
        return link

    @pytest.mark.parametrize("catch_up", [0, 3])
    def test_replies_are_those_of_a_session_bit_for_bit(self, link, catch_up):
        """Over gaps and repeated ticks too; a dropped tick has no reply, so the next reply is the next tick's."""
        sent = list(devices.ticks(40))
        del sent[5:7], sent[20:29]
        sent[9:9] = [sent[8], sent[2]]
        link.reset(5, "none", catch_up)
        session = direct(catch_up)
        for tick in sent:
            link.send(tick)
            if (wanted := session.tick(tick, 0)) is not None:
                equal(link.receive(LONG_NS), wanted, "a reply is the backend's, bit for bit")
        ensure(link.receive(0) is None, "a repeated tick has no reply: found one more")

    def test_a_device_that_is_there_says_so_and_ticks_go_on(self, link):
        link.reset(5, "none", 0)
        tick = next(devices.ticks(1))
        has_device = "address" in link.Config.__struct_fields__  # a link without a device cannot ask
        ensure(
            link.alive() == has_device, f"alive() is {has_device} where a device is{' not' * (not has_device)} asked"
        )
        link.send(tick)
        equal(link.receive(LONG_NS), direct().tick(tick, 0), "a reply after alive() is the backend's")

    def test_replies_wait_in_order_and_hold_until_the_next_receive(self, link):
        link.reset(5, "none", 0)
        session = direct()
        sent = list(devices.ticks(12))
        wanted = [fields(session.tick(tick, 0)) for tick in sent]
        for tick in sent[:6]:
            link.send(tick)
        for k, tick in enumerate(sent[6:]):
            reply = link.receive(LONG_NS)
            link.send(tick)
            equal(reply, wanted[k], "replies wait in order, each holds until the next receive")
        for expected in wanted[6:]:
            equal(link.receive(LONG_NS), expected, "replies wait in order")

    def test_what_a_reader_makes_of_ticks_and_replies_changes_nothing_later(self, link):
        """Every array of both is resized, overwritten and replaced between the ticks."""
        link.reset(5, "none", 0)
        session, foreign = direct(), []
        for tick in devices.ticks(20):
            mine = copy.deepcopy(tick)
            link.send(mine)
            foreign += mistreat(mine)
            reply = link.receive(LONG_NS)
            equal(reply, session.tick(tick, 0), "a reply does not depend on what became of an earlier tick or reply")
            foreign += mistreat(reply)
        ensure(untouched(foreign), "a link writes into no array that its reader has put into a tick or a reply")

    def test_the_devices_times_are_told(self, link):
        link.reset(5, "none", 0)
        link.send(next(devices.ticks(1)))
        reply = link.receive(LONG_NS)
        ensure(reply.recv_ns > 0, f"recv_ns is when the device received the tick: found {reply.recv_ns}")
        ensure(0 < reply.compute_ns < LONG_NS, f"compute_ns is how long the step took: found {reply.compute_ns}")

    def test_nothing_comes_without_a_tick(self, link):
        link.reset(5, "none", 0)
        for timeout_ns in (0, 300_000, 3_000_000):
            ensure(link.receive(timeout_ns) is None, f"receive({timeout_ns}) gives None without a tick: found a reply")

    def test_reset_forgets_the_replies_of_the_last_episode(self, link):
        link.reset(5, "none", 0)
        for tick in devices.ticks(5):
            link.send(tick)
        link.reset(5, "none", 0)
        first = next(devices.ticks(1))
        link.send(first)
        equal(link.receive(LONG_NS), direct().tick(first, 0), "reset gives up the replies of the episode before")
        ensure(link.receive(0) is None, "reset gives up the replies of the episode before: found one more")

    def test_an_echo_comes_back_and_leaves_the_run_alone(self, link):
        """Before an episode and between its ticks, shorter and longer than a device takes."""
        if (there := devices.echo(link, 0, LONG_NS)) is None:
            pytest.skip("it sends no echoes")
        ensure(there, "an echo comes back: found none")
        link.reset(5, "none", 0)
        session = direct()
        for n_bytes, tick in zip((0, 24, 1_000_000, 24), devices.ticks(4), strict=True):
            ensure(devices.echo(link, n_bytes, LONG_NS), f"an echo of {n_bytes} bytes comes back: found none")
            link.send(tick)
            equal(link.receive(LONG_NS), session.tick(tick, 0), "an echo changes no reply")

    def test_a_second_program_replaces_the_first(self, link):
        link.reset(5, "none", 0)
        link.send(next(devices.ticks(1)))
        link.load(PROGRAM, 2 * PERIOD_US, PROBES)
        link.reset(5, "none", 0)
        tick = next(devices.ticks(1))
        tick.events = np.array([(PERIOD_US + 1, 0)], tick.events.dtype)
        link.send(tick)
        found = link.receive(LONG_NS).events["t_us"][0]
        ensure(found == PERIOD_US + 1, f"a second load replaces period and program: found an event at {found} us")

    @pytest.mark.parametrize("wrong", WRONG_TICKS)
    def test_a_tick_the_program_does_not_take_is_refused_where_it_is_sent(self, link, wrong):
        link.reset(5, "none", 0)
        first, second = devices.ticks(2)
        session = direct()
        link.send(first)
        link.receive(LONG_NS)
        session.tick(first, 0)
        bad = next(devices.ticks(1, seed=9))
        bad.seq = 1
        for name, value in wrong.items():
            setattr(bad, name, value)
        said = refusal("a tick that the program does not take", link.send, bad, errors=ProtocolError)
        ensure(said, f"send refuses a tick that the program does not take: found no error for {wrong}")
        link.send(second)
        equal(link.receive(LONG_NS), session.tick(second, 0), "ticks go on after a refused one")

    def test_a_refused_program_gives_the_backends_reason(self, build):
        reason = "population 'a' is too large; allowed: 8"
        link = build(refuse=reason)
        said = refusal("a program", link.load, PROGRAM, PERIOD_US, PROBES, errors=HilbenchError)
        ensure(said and reason in said, f"load gives the backend's reason: found {said!r}")
        said = refusal("a tick without a program", link.send, next(devices.ticks(1)), errors=HilbenchError)
        ensure(said and "load" in said, f"send without a program says that load is missing: found {said!r}")

    def test_a_seed_no_frame_can_hold_is_refused(self, link):
        said = refusal("the seed -1", link.reset, -1, "none", 0, errors=ProtocolError)
        ensure(said and "seed" in said, f"reset refuses the seed -1 by name: found {said!r}")

    def test_close_twice_and_use_no_more(self, link):
        link.close()
        link.close()
        calls: dict[str, Callable[[], Any]] = {
            "load": lambda: link.load(PROGRAM, PERIOD_US, PROBES),
            "reset": lambda: link.reset(0, "none", 0),
            "send": lambda: link.send(next(devices.ticks(1))),
            "receive": lambda: link.receive(0),
        }
        for name, call in calls.items():
            said = refusal(f"{name} after close", call, errors=LinkError)
            ensure(said and "closed" in said, f"{name} after close() says that the link is closed: found {said!r}")

    def test_a_link_never_used_closes(self, build):
        with build():
            pass

    def test_a_snapshot_put_back_goes_on_as_it_did(self, build):
        """Into a second device too, which has run something else: what follows is what followed then."""
        first, second = build(), build()
        sent = list(devices.ticks(12))
        for link, seed in ((first, 5), (second, 6)):
            link.load(PROGRAM, PERIOD_US, PROBES)
            link.reset(seed, "none", 0)
        for tick in sent[:6]:
            first.send(tick)
            first.receive(LONG_NS)
        second.restore(first.snapshot(), "all")
        for tick in sent[6:]:
            first.send(tick)
            second.send(tick)
            one, two = first.receive(LONG_NS), second.receive(LONG_NS)
            ensure(one.values.tobytes() == two.values.tobytes(), "a restored snapshot goes on as it did: found others")

    def test_a_snapshot_that_does_not_fit_is_refused_and_changes_nothing(self, link):
        link.reset(5, "none", 0)
        before = _bytes(link.snapshot())
        wrong = {"other": np.zeros(3)}
        said = refusal("a snapshot that does not fit", link.restore, wrong, "all", errors=(NetworkError, LinkError))
        ensure(said, "restore refuses a snapshot that does not fit: found no error")
        ensure(_bytes(link.snapshot()) == before, "a refused snapshot changes nothing: found another state")

    def test_a_snapshot_may_come_while_ticks_go_on(self, link):
        """Of the state after the ticks that were sent before it was asked for, and no reply is lost to it."""
        link.reset(5, "none", 0)
        sent, received = list(devices.ticks(6)), []
        session = direct()
        wanted = [fields(session.tick(tick, 0)) for tick in sent[:3]]
        saved = session.snapshot()
        wanted += [fields(session.tick(tick, 0)) for tick in sent[3:]]
        for tick in sent[:3]:
            link.send(tick)
        link.request_checkpoint(received.append)
        for tick in sent[3:]:
            link.send(tick)
        for expected in wanted:
            equal(link.receive(LONG_NS), expected, "a checkpoint costs no reply")
        ensure(len(received) == 1, f"a checkpoint that was asked for comes once: found {len(received)}")
        ensure(_bytes(received[0]) == _bytes(saved), "a checkpoint is of the tick before it was asked for")

    def test_a_snapshot_is_of_the_tick_at_which_it_was_asked_for(self, link):
        """Not of the newest that was asked for, which may not have come, or be lost to the next episode's reset."""
        link.reset(5, "none", 0)
        session, states, received = direct(), [], {}
        for k, tick in enumerate(devices.ticks(6)):
            link.send(tick)
            session.tick(tick, 0)
            states.append(session.snapshot()["state"].tolist())
            link.request_checkpoint(partial(received.__setitem__, k))
        for _ in range(6):
            link.receive(LONG_NS)
        link.reset(5, "weights", 0)
        before = sorted(received)
        link.send(next(devices.ticks(1)))
        link.receive(LONG_NS)
        ensure(before, "checkpoints come while ticks go on: found none")
        ensure(sorted(received) == before, "none of the last episode's checkpoints comes in the next one")
        for k, arrays in received.items():
            if arrays["state"].tolist() != states[k]:
                broken(f"a checkpoint is of the tick at which it was asked for: that of tick {k} is of another one")

    def test_a_link_tells_what_was_lost_at_its_end(self, link):
        link.reset(5, "none", 0)
        link.send(next(devices.ticks(1)))
        link.receive(LONG_NS)
        tally = link.tally()
        ensure(set(tally) <= {"unsent", "broken"}, f"tally() counts 'unsent' and 'broken': found {sorted(tally)}")
        ensure(not any(tally.values()), f"tally() is 0 where nothing was lost: found {tally}")


def _bytes(arrays: dict[str, Any]) -> dict[str, bytes]:
    return {name: np.asarray(array).tobytes() for name, array in arrays.items()}
