"""Both ends of a connection whose other end takes nothing for a while: nobody waits longer than may be."""

from __future__ import annotations

import select
import socket
from collections import deque
from time import monotonic_ns
from types import SimpleNamespace

import pytest
from bridge_fakes import no_leaks
from msgspec.structs import replace

from hilbench import plugins
from hilbench.bridge import unix
from hilbench.bridge.client import connection
from hilbench.bridge.device import listeners
from hilbench.bridge.protocol.framing import PIECE_BYTES, Cobs
from hilbench.errors import LinkError

KINDS = {"unix": socket.SOCK_SEQPACKET, "stream": socket.SOCK_STREAM}
MOST = 5000
pytestmark = pytest.mark.timeout(30)


@pytest.fixture(params=KINDS)
def ends(request, monkeypatch):
    """A link that is connected, and the socket at the other end."""
    kind = plugins.get("links", request.param)
    link = kind(kind.Config(address=f"{request.param}:///nowhere"), "fake", {})
    pairs = []

    def opened(address):
        pairs.append(socket.socketpair(socket.AF_UNIX, KINDS[request.param]))
        pairs[-1][1].setblocking(False)
        return pairs[-1][0]

    monkeypatch.setattr(link, "_open", opened)
    with no_leaks():
        link._connect()
        yield link, lambda: pairs[-1][1]
        for pair in pairs:
            for end in pair:
                end.close()


def filled(link, n_bytes):
    """Write until there is no room; the frames that were taken."""
    taken, refused = [], 0
    for k in range(MOST):
        frame = k.to_bytes(4, "little") * (n_bytes // 4)
        if link._write(frame):
            taken.append(frame)
        elif (refused := refused + 1) == 5:
            return taken
    pytest.fail(f"{MOST} frames found room")


def decoder(link):
    framing = link._new_framing()
    framing.admit()
    return framing


def arrived(link, there, framing=None):
    """The frames that come out at the other end while the link is looked at again and again."""
    framing, frames, quiet = framing or decoder(link), [], 0
    while quiet < 3:
        try:
            frames += framing.feed(there.recv(PIECE_BYTES))
            quiet = 0
        except BlockingIOError:
            link._next(0)
            quiet += 1
    return frames


@pytest.mark.parametrize("n_bytes", [40, 50_000, 300_000])
def test_a_write_never_waits_and_what_has_begun_leaves_whole(ends, monkeypatch, n_bytes):
    link, there = ends
    with monkeypatch.context() as patch:
        patch.setattr(connection, "select", SimpleNamespace(select=lambda *_: pytest.fail("a write waited")))
        taken = filled(link, n_bytes)
    assert arrived(link, there()) == taken
    assert link._write(b"after")
    assert arrived(link, there()) == [b"after"]


def test_what_is_left_of_a_frame_leaves_while_the_link_waits_for_a_reply(ends):
    link, there = ends
    taken, got = filled(link, 300_000), []
    sleep = link._sleep

    def drained(left_ns, for_room):
        if link._rest:
            got.extend(receiver.feed(there().recv(PIECE_BYTES)))
        else:
            there().send(b"".join(receiver.pack(b"a reply")))
        return sleep(left_ns, for_room)

    receiver = decoder(link)
    link._sleep = drained
    assert link._next(monotonic_ns() + 20_000_000_000) == b"a reply"
    assert not link._rest
    assert got + arrived(link, there(), receiver) == taken


def test_no_tick_waits_for_the_rest_of_a_long_frame(ends):
    """A snapshot that comes in pieces is put together by one look after another."""
    link, there = ends
    frame, looks = bytes(range(1, 251)) * 1000, 0
    for piece in decoder(link).pack(frame):
        for at in range(0, len(piece), PIECE_BYTES):
            there().send(piece[at : at + PIECE_BYTES])
            if (found := link._next(0)) is not None:
                assert found == frame
                assert looks >= 3
                return
            looks += 1
    pytest.fail("it did not arrive")


def test_a_look_takes_one_piece_however_much_is_there(ends):
    link, there = ends
    for piece in decoder(link).pack(bytes(range(1, 251)) * 400):
        for at in range(0, len(piece), PIECE_BYTES):
            there().sendall(piece[at : at + PIECE_BYTES])
    assert link._next(0) is None
    assert select.select((link._fd,), (), (), 0)[0]


@pytest.mark.parametrize("n_bytes", [40, 300_000])
def test_a_request_waits_for_room_until_its_deadline(ends, n_bytes):
    link, _ = ends
    filled(link, n_bytes)
    link.config = replace(link.config, timeout_s=0.05)
    with pytest.raises(LinkError, match=r"no answer to HELLO within 0.05 s; it takes no more bytes"):
        link._meet()


def test_damaged_frames_are_counted_over_all_connections(ends):
    link, there = ends
    for number in (1, 2):
        there().send(b"\x05ab\0")
        if isinstance(link._new_framing(), Cobs):
            assert link._next(0) is None
            assert link.tally() == {"unsent": 0, "broken": number}
        else:
            assert link._next(0) == b"\x05ab\0"
            assert link.tally() == {"unsent": 0, "broken": 0}
        link._connect()


def test_a_frame_that_is_taken_byte_by_byte_holds_a_device_no_longer_than_one_that_is_not_taken(monkeypatch):
    """The time is of the whole frame, not of every stall."""
    now = [0]

    def drained(readers, writers, _, wait_s):
        now[0] += int(min(wait_s, 0.15) * 1e9)
        plant.recv(4096)
        return [], writers, []

    monkeypatch.setattr(listeners, "monotonic_ns", lambda: now[0])
    device, plant = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with device, plant:
        device.setblocking(False)
        monkeypatch.setattr(select, "select", drained)
        assert not listeners._send_all(device, deque([bytes(4_000_000)]), 0.2)
        assert now[0] == 200_000_000


def test_a_plant_that_is_always_about_to_send_keeps_no_stranger_from_an_answer(monkeypatch):
    now = [0]

    def clock():
        now[0] += 1_000_000
        return now[0]

    monkeypatch.setattr(listeners, "monotonic_ns", clock)
    with no_leaks(), listeners.listening("unix://*", 1.0) as listener:
        plant, stranger = unix.new_socket(), unix.new_socket()
        with plant, stranger:
            plant.connect(listener.address.removeprefix(unix.SCHEME))
            plant.send(b"plant")
            name = next(found for _ in range(1000) if (found := listener.receive()))[0]
            listener.admit(name)
            stranger.connect(listener.address.removeprefix(unix.SCHEME))
            stranger.send(b"stranger")
            heard = set()
            for _ in range(1000):
                plant.send(b"plant")
                heard.add(listener.receive()[1])
            assert heard == {b"plant", b"stranger"}
