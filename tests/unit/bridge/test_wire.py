"""Frames survive the round trip bit for bit, and no bytes at all do worse than raise ProtocolError."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hilbench.bridge import wire
from hilbench.bridge.ticks import ReplyReader, TickReader, check_tick, encode_reply, encode_tick
from hilbench.bridge.wire import Code, FrameError, Hello, Kind, Load, Sizes
from hilbench.types import EVENT, LawProgram, LoadReport, Port, Probes, Reply, Tick

U64 = st.integers(0, 2**64 - 1)
SEQ = st.integers(0, 2**64 - 2)
SIZES = st.builds(Sizes, st.integers(1, 2**32 - 1), *[st.integers(0, 9)] * 5)


def floats(n):
    """`n` float32 of any bit pattern, NaNs with payloads included."""
    return st.binary(min_size=4 * n, max_size=4 * n).map(lambda raw: np.frombuffer(raw, "<f4").copy())


@st.composite
def events(draw, period_us, n_addresses):
    if not n_addresses:
        return np.zeros(0, EVENT)
    pair = st.tuples(st.integers(0, period_us - 1), st.integers(0, n_addresses - 1))
    return np.array(sorted(draw(st.lists(pair, max_size=100))), EVENT)


@st.composite
def sized_tick(draw):
    s = draw(SIZES)
    drawn = events(s.period_us, s.n_addresses_in), floats(s.n_values_in), floats(s.n_modulators)
    return s, Tick(draw(SEQ), draw(U64), draw(st.booleans()), *(draw(part) for part in drawn))


@st.composite
def sized_reply(draw):
    s = draw(SIZES)
    return s, Reply(
        seq=draw(SEQ),
        t_ns=draw(U64),
        prev_seq=draw(st.integers(-1, 2**64 - 2)),
        recv_ns=draw(U64),
        compute_ns=draw(U64),
        counters=np.array(draw(st.lists(U64, min_size=5, max_size=5)), np.uint64),
        energy_j=draw(st.floats()),
        events=draw(events(s.period_us, s.n_addresses_out)),
        values=draw(floats(s.n_values_out)),
        probe_events=draw(events(s.period_us, 2**32)),
        probe_values=draw(floats(draw(st.integers(0, 9)))),
    )


def same(a, b):
    for name in a.__slots__:
        x, y = (np.asarray(getattr(side, name)) for side in (a, b))
        assert (x.shape, x.dtype, x.tobytes()) == (y.shape, y.dtype, y.tobytes()), name


@given(sized_tick(), sized_tick())
def test_ticks_round_trip_through_a_reader_that_is_used_again(first, second):
    sizes, tick = first
    check_tick(tick, sizes)
    data = encode_tick(tick, 7)
    reader = TickReader(sizes)
    same(reader.read(data), tick)
    if second[0] == sizes:
        data = encode_tick(second[1], 7)
        same(reader.read(data), second[1])
    arrays = reader.read(data)
    assert all(array.flags.writeable and array.flags.aligned for array in (arrays.values, arrays.modulators))


@given(sized_reply())
def test_replies_round_trip(case):
    sizes, reply = case
    data = encode_reply(reply, 7)
    assert data.startswith(wire.mark(Kind.REPLY, 7))
    same(ReplyReader(sizes).read(data), reply)


def test_replies_shrink_and_grow_again():
    """A reader keeps its arrays; what an earlier, longer frame left in them must not show."""
    reader = ReplyReader(Sizes(10, 0, 0, 0, 0, 9))
    for n in (3, 200, 0, 2, 199):
        reply = Reply(events=np.array([(i % 10, i % 9) for i in range(n)], EVENT), probe_values=np.ones(n, "f4") * n)
        data = encode_reply(reply, 0)
        same(reader.read(data), reply)


@given(
    st.builds(Hello, st.integers(0, 2**32 - 1), st.binary(min_size=16, max_size=16), st.just(bytes(range(16))), SIZES)
)
def test_hello_round_trips(hello):
    assert wire.decode_hello(wire.encode_hello(3, 9, hello)) == hello


@given(U64, st.sampled_from(wire.CARRIES), st.integers(0, wire.CATCH_UP_MAX))
def test_reset_round_trips(seed, carry, catch_up):
    assert wire.decode_reset(wire.encode_reset(1, 2, seed, carry, catch_up)) == (seed, carry, catch_up)


def test_bodies_in_msgpack_round_trip():
    load = Load(1000, Probes(spikes=("a",), weights_period_s=0.5), b"\x00program")
    report = LoadReport("numba", exact=("a",), cores_used=3)
    assert wire.decode_load(wire.encode_load(1, 2, load)) == load
    assert wire.decode_report(wire.encode_report(1, 2, report)) == report
    assert wire.decode_error(wire.encode_error(1, 2, Code.BUSY, "Straße " * 999))[0] == Code.BUSY


S = Sizes(1000, 3, 5, 2, 2, 4)
TICK = Tick(5, 6, True, np.array([(0, 1), (999, 4)], EVENT), np.ones(3, "f4"), np.ones(2, "f4"))
REPLY = Reply(5, 6, events=np.array([(1, 3)], EVENT), values=np.ones(2, "f4"), probe_events=np.array([(1, 9)], EVENT))
READERS = {
    "tick": (encode_tick(TICK, 1), lambda data: TickReader(S).read(data)),
    "reply": (encode_reply(REPLY, 1), lambda data: ReplyReader(S).read(data)),
    "hello": (wire.encode_hello(1, 2, Hello()), wire.decode_hello),
    "reset": (wire.encode_reset(1, 2, 3, "all", 4), wire.decode_reset),
    "load": (wire.encode_load(1, 2, Load(1000, Probes(), b"xyz")), wire.decode_load),
    "report": (wire.encode_report(1, 2, LoadReport("null")), wire.decode_report),
    "error": (wire.encode_error(1, 2, Code.RANGE, "text"), wire.decode_error),
    "echo": (wire.frame(Kind.ECHO, 1, 2, bytes(16)), wire.check_echo),
}


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@settings(max_examples=100)
def test_damaged_frames_raise_protocol_errors_or_read_as_another_frame(name, data):
    good, read = READERS[name]
    read(good)
    damaged = bytearray(good)
    for at, value in data.draw(st.lists(st.tuples(st.integers(0, len(good) - 1), st.integers(0, 255)), max_size=4)):
        damaged[at] = value
    damaged = bytes(damaged)[: data.draw(st.integers(0, len(good)))] + data.draw(st.binary(max_size=20))
    with suppress(FrameError):  # any other exception fails this test
        read(damaged)


@given(st.binary(max_size=200))
def test_random_bytes_are_no_frame(data):
    assume(data[:2] != wire.MAGIC)
    with pytest.raises(FrameError) as found:
        wire.read_header(data)
    assert found.value.code == Code.FRAME


def changed(**fields):
    values = {name: getattr(TICK, name) for name in TICK.__slots__}
    return Tick(**{**values, **fields})


def pairs(*events):
    return np.array(list(events), EVENT)


@pytest.mark.parametrize(
    ("tick", "code"),
    [
        (changed(values=np.ones(4, "f4")), Code.COUNT),
        (changed(modulators=np.ones(1, "f4")), Code.COUNT),
        (changed(events=pairs((1000, 0))), Code.RANGE),
        (changed(events=pairs((0, 5))), Code.RANGE),
        (changed(events=pairs((5, 0), (4, 0))), Code.RANGE),
        (changed(seq=2**64 - 1), Code.RANGE),
    ],
)
def test_both_ends_refuse_what_the_program_does_not_take(tick, code):
    with pytest.raises(FrameError) as sender:
        check_tick(tick, S)
    data = encode_tick(tick, 1)
    with pytest.raises(FrameError) as receiver:
        TickReader(S).read(data)
    assert (sender.value.code, receiver.value.code) == (code, code)


def test_only_float32_is_sent():
    with pytest.raises(FrameError, match="float64"):
        check_tick(changed(values=np.ones(3)), S)


@pytest.mark.parametrize(("at", "what"), [(28, "n_values"), (24, "n_events"), (30, "n_modulators")])
def test_counts_are_held_against_the_length(at, what):
    data = bytearray(READERS["tick"][0])
    data[at : at + 2] = b"\xff\xff"
    with pytest.raises(FrameError, match=r"bytes|values"):
        READERS["tick"][1](bytes(data))


def test_a_reply_cannot_claim_more_probes_than_it_has():
    data = bytearray(READERS["reply"][0])
    at = wire.HEADER.size + 24
    data[at : at + 8] = b"\xff" * 8
    with pytest.raises(FrameError, match="counts"):
        READERS["reply"][1](bytes(data))


def test_a_program_too_wide_for_a_frame_is_named():
    program = LawProgram("x", {}, inputs=(Port("a", 65_536),), outputs=())
    with pytest.raises(FrameError, match="n_values_in is 65536; a frame holds 65535"):
        Sizes.of(program, 1000)


def test_numbers_are_fixed():
    """Firmware is built against these: none may move."""
    assert [kind.value for kind in Kind] == list(range(1, 14))
    assert [code.value for code in Code] == list(range(1, 13))
    layouts = wire.HEADER.size, wire.HELLO.size, wire.RESET.size, wire.REPLY.size, EVENT.itemsize
    assert layouts == (32, 64, 16, 80, 8)
