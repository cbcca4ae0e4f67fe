"""wire.c against a plant's side that shares no code with it: framing, every check, and hostile bytes."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from host_device import BYE, ECHO, HASH, HELLO, RESET, TICK, Host, compiled, crc16, framed, header, stuffed, unstuffed
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integer_networks import PERIOD_US, network, ticks

from hilbench.types import Tick

pytestmark = pytest.mark.usefixtures("cortexm")
FRAME, VERSION, KIND, SESSION, COUNT, RANGE, STATE, UNSUPPORTED = 1, 2, 3, 4, 5, 6, 8, 10
NO_SEQ = 2**64 - 1


@pytest.fixture(scope="module")
def program(tmp_path_factory, cortexm):
    return compiled(network(3), PERIOD_US, tmp_path_factory.mktemp("wire"))


@pytest.fixture
def host(program):
    with Host(program) as found:
        found.hello()
        found.reset()
        yield found


@pytest.fixture(scope="module")
def shared(program):
    """One device for all examples of a property."""
    with Host(program) as found:
        found.hello()
        found.reset()
        yield found


def sent(n: int) -> list[Tick]:
    return ticks(network(3), n, seed=4)


def test_the_other_side_is_right():
    assert crc16(b"123456789") == 0x29B1
    assert stuffed(b"\x11\x22\0\x33") == b"\x03\x11\x22\x02\x33"
    for data in (b"\0", b"\0\0", bytes(range(1, 255)), bytes(range(256)), b"a" * 254 + b"\0", b"a" * 600):
        assert unstuffed(stuffed(data)) == data
        assert 0 not in stuffed(data)


edges = st.sampled_from([b"\0", b"a" * 252, b"a" * 253, b"a" * 254, b"a" * 255, b"\0" * 3])


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(parts=st.lists(st.one_of(st.binary(max_size=40), edges), max_size=3))
def test_any_bytes_come_back_whole(shared, parts):
    body = b"".join(parts)
    frame = header(ECHO, shared.session, 9) + body[:980]
    assert shared.ask(frame) == frame


def test_hello_tells_the_program(program):
    with Host(program) as host:
        body = host.hello()
        capabilities, boot_id, found, *sizes = struct.unpack("<I16s16s7I", body)
        assert (capabilities, found) == (8, HASH)
        assert boot_id != HASH
        net = network(3)
        n_out = [sum(p.size for p in net.outputs if p.kind == kind) for kind in ("values", "events")]
        assert sizes == [PERIOD_US, 3, 7, 0, *n_out, 0]
        first = host.session
        host.hello()
        assert 0 < first < host.session


def bad_frames(session: int) -> list[tuple[int, bytes]]:
    """(the number of its ERROR, a frame) for everything that a device checks."""
    values, event = bytes(12), struct.pack("<II", 0, 0)

    def tick(events: bytes = b"", flags=1, seq=50, counts=None, tail=b"") -> bytes:
        counts = counts or (len(events) // 8, 3, 0)
        return header(TICK, session, seq, flags, 0, counts) + events + values + tail

    late = struct.pack("<IIII", 500, 0, 250, 0)
    return [
        (FRAME, b""),
        (FRAME, header(TICK, session)[:31]),
        (FRAME, b"XB" + header(BYE, session)[2:]),
        (VERSION, b"HB\x02" + header(BYE, session)[3:]),
        (KIND, header(0, session)),
        (KIND, header(14, session)),
        *((UNSUPPORTED, header(kind, session)) for kind in (4, 5, 6, 7, 9, 10, 11, 12)),
        (SESSION, header(BYE, session + 1)),
        (SESSION, header(TICK, 0)),
        (FRAME, header(HELLO) + bytes(63)),
        (FRAME, header(RESET, session) + bytes(15)),
        (RANGE, header(RESET, session) + struct.pack("<QIB3x", 0, 10_001, 0)),
        (RANGE, header(RESET, session) + struct.pack("<QIB3x", 0, 0, 3)),
        (COUNT, tick(counts=(0, 2, 0))),
        (COUNT, tick(counts=(0, 3, 1))),
        (RANGE, tick(flags=2)),
        (RANGE, tick(seq=NO_SEQ)),
        (FRAME, tick(tail=b"\0")),
        (FRAME, tick(event, counts=(2, 3, 0))),
        (FRAME, tick(counts=(2**32 - 1, 3, 0))),
        (RANGE, tick(struct.pack("<II", PERIOD_US, 0))),
        (RANGE, tick(struct.pack("<II", 0, 7))),
        (RANGE, tick(late)),
        (FRAME, header(ECHO, session) + bytes(5000)),
    ]


def test_a_bad_frame_gets_its_error_and_changes_nothing(host):
    first, second = sent(2)
    before = host.tick(first)
    for code, frame in bad_frames(host.session):
        assert host.code(frame) == code, (code, frame[:40])
    found = host.tick(second)
    assert found[4] == 0
    host.reset()
    assert [host.tick(first)[:4], host.tick(second)[:4]] == [before[:4], found[:4]]


def test_a_tick_needs_an_episode_and_an_old_one_is_dropped(host):
    first, second = sent(2)
    host.tick(second)
    host.send(framed(host.tick_frame(first)) + framed(host.tick_frame(second)))
    echo = header(ECHO, host.session, 3)
    assert host.ask(echo) == echo
    host.hello()
    assert host.code(host.tick_frame(first)) == STATE
    assert host.ask(header(BYE, host.session, 8))[3] == BYE
    assert host.code(header(ECHO, host.session)) == SESSION


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(noise=st.binary(max_size=300), flips=st.lists(st.integers(0, 999), min_size=1, max_size=3))
def test_damaged_and_random_bytes_are_survived(shared, noise, flips):
    """What follows a zero byte is read as if nothing had been before; the state is that of a device left alone."""
    frame = bytearray(framed(shared.tick_frame(sent(1)[0]))[:-1])
    for flip in flips:
        frame[flip % len(frame)] ^= 1 << flip % 8
    echo = header(ECHO, shared.session, 2**40 + 1)
    shared.send(noise + b"\0" + bytes(frame) + b"\0" + framed(echo))
    while shared.frame() != echo:
        pass


def test_after_all_that_it_still_computes_the_same(shared, host):
    shared.reset()
    for tick in sent(10):
        assert shared.tick(tick)[:4] == host.tick(tick)[:4]


def test_frames_with_random_fields_never_change_the_state(host, program):
    """Whole frames with a valid CRC, their fields at random: each gets an ERROR."""
    random = np.random.default_rng(5)
    first, second = sent(2)
    host.tick(first)
    for _ in range(1500):
        frame = bytearray(host.tick_frame(second) if random.random() < 0.7 else random.bytes(random.integers(0, 120)))
        for _ in range(random.integers(1, 4)):
            if frame:
                frame[random.integers(0, min(len(frame), 40))] = random.integers(256)
        if frame[3:4] in (bytes([BYE]), bytes([ECHO])):
            frame[3] = 14  # those would be right with any body
        if bytes(frame[:6]) == host.tick_frame(second)[:6]:
            frame[6:8] = b"\xff\xff"  # what is left of a right TICK has a wrong flag
        assert host.code(bytes(frame)) > 0
    with Host(program) as other:
        other.hello()
        other.reset()
        other.tick(first)
        assert host.tick(second) == other.tick(second)
