"""A device against frames of every kind of wrong: each gets its numbered ERROR, and nothing changes."""

from __future__ import annotations

import pytest
from bridge_fakes import PERIOD_US, PROBES, PROGRAM, FakeBackend, fields, ticks
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.bridge.device.device import Device
from hilbench.bridge.device.session import Session
from hilbench.bridge.protocol import handshakes, wire
from hilbench.bridge.protocol.handshakes import Hello
from hilbench.bridge.protocol.ticks import ReplyReader, encode_tick
from hilbench.bridge.protocol.wire import Code, Kind, Sizes
from hilbench.nal.model.codec import pack

SIZES = Sizes.of(PROGRAM, PERIOD_US)
ME, OTHER = b"me", b"other"


class Plant:
    """One plant's frames to a Device, without a socket between."""

    def __init__(self, device, name=ME):
        self.device, self.name, self.session = device, name, 0

    def say(self, frame):
        answer = self.device.answer(self.name, frame, 99)
        return answer and (wire.read_header(answer), answer)

    def refused(self, frame):
        header, answer = self.say(frame)
        assert header.kind == Kind.ERROR
        return handshakes.decode_error(answer)[0]

    def hello(self):
        header, answer = self.say(handshakes.encode_hello(0, 1, Hello()))
        self.session = header.session
        return handshakes.decode_hello(answer)

    def load(self, program=None):
        body = handshakes.Load(PERIOD_US, PROBES, pack(PROGRAM) if program is None else program)
        return self.say(handshakes.encode_load(self.session, 2, body))

    def start(self):
        self.hello()
        self.load()
        self.say(handshakes.encode_reset(self.session, 3, 5, "none", 0))
        return self

    def tick(self, tick):
        _, answer = self.say(encode_tick(tick, self.session))
        return ReplyReader(SIZES).read(answer)


def device(lease_s=10.0, clock_ns=lambda: 0, **config):
    return Device(FakeBackend(FakeBackend.Config(**config)), lease_s, clock_ns)


def header_with(**fields):
    counts = (4, 2) if fields.get("kind", Kind.TICK) == Kind.TICK else (0, 0)
    values = dict(zip(wire.Header._fields, (wire.MAGIC, wire.VERSION, Kind.TICK, 0, 0, 0, 0, 0, *counts), strict=True))
    return wire.HEADER.pack(*{**values, **fields}.values())


def test_handshake_gives_ids_and_sizes():
    plant = Plant(device())
    empty = plant.hello()
    assert (empty.capabilities, empty.program_hash, empty.sizes) == (
        wire.Can.LOAD | wire.Can.SNAPSHOT | wire.Can.ECHO | wire.Can.STATUS,
        bytes(16),
        Sizes(*[0] * 6),
    )
    assert plant.session != 0
    header, _ = plant.load()
    assert (header.kind, header.seq, header.session) == (Kind.REPORT, 2, plant.session)
    full = plant.hello()
    assert full.sizes == SIZES
    assert full.program_hash != empty.program_hash
    assert full.boot_id == empty.boot_id != bytes(16)


BAD = {
    "empty": (b"", Code.FRAME),
    "short": (b"HB\x01\x03", Code.FRAME),
    "another magic": (header_with(magic=b"XX"), Code.FRAME),
    "version": (header_with(version=2), Code.VERSION),
    "kind 0": (header_with(kind=0), Code.KIND),
    "kind 14": (header_with(kind=14), Code.KIND),
    "no body": (header_with(), Code.FRAME),
    "values": (header_with(n_values=65_535), Code.COUNT),
    "modulators": (header_with(n_modulators=3), Code.COUNT),
    "events": (header_with(n_events=2**32 - 1), Code.FRAME),
    "flags": (header_with(flags=2), Code.RANGE),
    "last seq": (header_with(seq=wire.NO_SEQ), Code.RANGE),
    "tail": (header_with() + bytes(25), Code.FRAME),
    "reset": (header_with(kind=Kind.RESET), Code.FRAME),
    "carry": (header_with(kind=Kind.RESET) + handshakes.RESET.pack(0, 0, 3), Code.RANGE),
    "catch_up": (header_with(kind=Kind.RESET) + handshakes.RESET.pack(0, 2**32 - 1, 0), Code.RANGE),
    **{
        f"{kind.name} tail": (header_with(kind=kind) + b"x", Code.FRAME)
        for kind in (Kind.BYE, Kind.SNAPSHOT, Kind.STATUS)
    },
    **{
        f"{kind.name} {name}": (header_with(kind=kind, **{name: 1}), Code.RANGE)
        for kind in (Kind.ECHO, Kind.BYE, Kind.RESET, Kind.STATUS, Kind.SNAPSHOT)
        for name in ("flags", "t_ns", "n_events", "n_values", "n_modulators")
    },
    "reset's pad": (header_with(kind=Kind.RESET) + handshakes.RESET.pack(0, 0, 0)[:-1] + b"\1", Code.RANGE),
    "hello": (header_with(kind=Kind.HELLO), Code.FRAME),
    "echo": (header_with(kind=Kind.ECHO) + bytes(handshakes.ECHO_MAX_BYTES + 1), Code.FRAME),
    **{
        kind.name: (header_with(kind=kind), Code.UNSUPPORTED)
        for kind in (Kind.SPIKES, Kind.REPLY, Kind.REPORT, Kind.ERROR)
    },
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_frame_gets_its_number_and_changes_nothing(name):
    plant = Plant(device()).start()
    frame, code = BAD[name]
    stream = list(ticks(4))
    answers = [plant.tick(stream[0])]
    frame = bytearray(frame)
    frame[4:6] = plant.session.to_bytes(2, "little")[: len(frame[4:6])]
    assert plant.refused(bytes(frame)) == code
    answers += [plant.tick(tick) for tick in stream[1:]]
    assert [fields(answer) for answer in answers] == expected(stream)


def expected(stream):
    session = Session(FakeBackend(FakeBackend.Config()))
    session.load(PROGRAM, PERIOD_US, PROBES)
    session.reset(5, "none", 0)
    return [fields(session.tick(tick, 99)) for tick in stream]


@given(st.binary(max_size=120), st.integers(1, max(Kind)))
@settings(max_examples=150)
def test_no_bytes_end_a_device(body, kind):
    plant = Plant(device()).start()
    wild = header_with(kind=kind, session=plant.session)[:24] + body
    for frame in (body, wild):
        plant.say(frame)
    assert plant.start().tick(next(ticks(1))).prev_seq == -1


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (header_with(kind=Kind.LOAD) + b"\xc1", Code.BODY),
        (handshakes.encode_load(0, 2, handshakes.Load(PERIOD_US, PROBES, b"no program")), Code.REFUSED),
    ],
)
def test_a_load_that_is_refused_leaves_no_program(frame, code):
    plant = Plant(device()).start()
    frame = frame[:4] + plant.session.to_bytes(2, "little") + frame[6:]
    assert plant.refused(frame) == code
    assert plant.refused(handshakes.encode_reset(plant.session, 3, 5, "none", 0)) == Code.STATE
    assert plant.refused(encode_tick(next(ticks(1)), plant.session)) == Code.STATE
    assert plant.hello().program_hash == bytes(16)


@pytest.mark.parametrize(
    "frame",
    [
        handshakes.encode_hello(1, 1, Hello()),
        handshakes.encode_hello(0, 1, Hello(capabilities=1)),
        handshakes.encode_hello(0, 1, Hello(program_hash=b"h" * 16)),
        handshakes.encode_hello(0, 1, Hello(sizes=Sizes(0, 0, 0, 0, 0, 1))),
        handshakes.encode_hello(0, 1, Hello())[:-1] + b"\1",
    ],
)
def test_a_hello_of_a_plant_has_zeros_but_for_its_boot_id(frame):
    assert Plant(device()).refused(frame) == Code.RANGE


def test_a_first_seq_above_0_is_a_gap():
    plant = Plant(device())
    plant.hello()
    plant.load()
    plant.say(handshakes.encode_reset(plant.session, 3, 5, "none", 2))
    tick = next(ticks(1))
    tick.seq = 5
    reply = plant.tick(tick)
    assert (reply.prev_seq, reply.values[1]) == (-1, 2)  # two of five periods, as catch_up says


def test_frames_of_no_session_are_refused():
    box = device()
    plant, stranger = Plant(box).start(), Plant(box, OTHER)
    tick = encode_tick(next(ticks(1)), plant.session)
    assert stranger.refused(tick) == Code.SESSION
    assert plant.refused(encode_tick(next(ticks(1)), plant.session ^ 1)) == Code.SESSION
    assert stranger.refused(wire.frame(Kind.BYE, plant.session, 0)) == Code.SESSION
    old = plant.session
    plant.start()
    assert plant.session != old
    assert plant.refused(tick) == Code.SESSION
    assert plant.tick(next(ticks(1))).seq == 0


def test_one_plant_at_a_time_until_it_leaves_or_falls_silent():
    now = [0]
    box = device(lease_s=10.0, clock_ns=lambda: now[0])
    plant, second = Plant(box).start(), Plant(box, OTHER)
    hello = handshakes.encode_hello(0, 1, Hello())
    now[0] = 9_000_000_000
    plant.tick(next(ticks(1)))
    now[0] = 19_000_000_000
    assert second.refused(hello) == Code.BUSY
    assert plant.refused(b"") == Code.FRAME
    now[0] = 19_000_000_001
    second.start()
    assert second.tick(next(ticks(1))).seq == 0
    assert plant.refused(hello) == Code.BUSY
    header, _ = second.say(wire.frame(Kind.BYE, second.session, 8))
    assert (header.kind, header.seq) == (Kind.BYE, 8)
    plant.start()


def test_a_stranger_with_a_bad_hello_takes_no_seat():
    box = device()
    assert Plant(box, OTHER).refused(header_with(kind=Kind.HELLO)) == Code.FRAME
    Plant(box).start()


def test_a_new_session_needs_a_reset_but_no_load():
    plant = Plant(device()).start()
    plant.hello()
    assert plant.refused(encode_tick(next(ticks(1)), plant.session)) == Code.STATE
    plant.say(handshakes.encode_reset(plant.session, 3, 5, "none", 0))
    assert plant.tick(next(ticks(1))).seq == 0


def test_ticks_need_a_program():
    plant = Plant(device())
    plant.hello()
    assert plant.refused(encode_tick(next(ticks(1)), plant.session)) == Code.STATE
    assert plant.refused(handshakes.encode_reset(plant.session, 3, 5, "none", 0)) == Code.STATE


def test_a_refused_program_gives_the_reason():
    plant = Plant(device(refuse="projection 'a' has 9 synapses; allowed: 8"))
    plant.hello()
    header, answer = plant.load()
    assert (header.kind, header.seq) == (Kind.ERROR, 2)
    assert handshakes.decode_error(answer) == (Code.REFUSED, "projection 'a' has 9 synapses; allowed: 8")


def test_a_program_that_is_none_is_refused():
    plant = Plant(device())
    plant.hello()
    header, answer = plant.load(b"\x93\x01")
    assert header.kind == Kind.ERROR
    assert handshakes.decode_error(answer)[0] == Code.REFUSED


def test_a_backend_that_breaks_is_logged_and_the_device_lives_on(caplog):
    plant = Plant(device(fail_at=1)).start()
    first, second, third = ticks(3)
    plant.tick(first)
    header, answer = plant.say(encode_tick(second, plant.session))
    assert (header.seq, handshakes.decode_error(answer)) == (1, (Code.INTERNAL, "RuntimeError: synapse on fire"))
    assert "synapse on fire" in caplog.text
    assert plant.tick(third).prev_seq == 0


def test_a_dropped_tick_has_no_answer():
    plant = Plant(device()).start()
    first, second = ticks(2)
    plant.tick(second)
    assert plant.say(encode_tick(first, plant.session)) is None


def test_an_echo_is_the_same_frame_and_touches_nothing():
    """Before a load, between ticks, and with the longest body; the ticks go on as if it had not been."""
    plant = Plant(device())
    plant.hello()
    echo = wire.frame(Kind.ECHO, plant.session, 77, b"any bytes")
    assert plant.say(echo)[1] == echo
    plant.start()
    stream, answers = list(ticks(4)), []
    for tick in stream:
        longest = wire.frame(Kind.ECHO, plant.session, tick.seq + 9, bytes(handshakes.ECHO_MAX_BYTES))
        assert plant.say(longest)[1] == longest
        answers.append(fields(plant.tick(tick)))
    assert answers == expected(stream)


def test_an_echo_needs_a_session_and_renews_its_lease():
    now = [0]
    box = device(lease_s=10.0, clock_ns=lambda: now[0])
    plant, stranger = Plant(box).start(), Plant(box, OTHER)
    assert stranger.refused(wire.frame(Kind.ECHO, plant.session, 1)) == Code.SESSION
    assert plant.refused(wire.frame(Kind.ECHO, plant.session ^ 1, 1)) == Code.SESSION
    now[0] = 9_000_000_000
    plant.say(wire.frame(Kind.ECHO, plant.session, 1))
    now[0] = 18_000_000_000
    assert stranger.refused(handshakes.encode_hello(0, 1, Hello())) == Code.BUSY
