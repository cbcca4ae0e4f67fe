"""Frames survive the round trip bit for bit, and no bytes at all do worse than raise ProtocolError."""

from __future__ import annotations

import re
from contextlib import suppress

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hilbench.bridge.protocol import handshakes, states, wire
from hilbench.bridge.protocol.handshakes import Hello, Load
from hilbench.bridge.protocol.ticks import ReplyReader, TickReader, check_tick, encode_reply, encode_tick
from hilbench.bridge.protocol.wire import Code, FrameError, Kind, Sizes
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
    s, seq = draw(SIZES), draw(SEQ)
    count = st.integers(0, wire.COUNT_MAX)
    return s, Reply(
        seq=seq,
        t_ns=draw(U64),
        prev_seq=draw(st.integers(-1, seq - 1)),
        recv_ns=draw(st.integers(0, wire.CLOCK_NS_MAX)),
        compute_ns=draw(st.integers(0, wire.COMPUTE_NS_MAX)),
        counters=np.array(draw(st.lists(count, min_size=5, max_size=5)), np.uint64),
        energy_j=draw(st.floats(0, wire.ENERGY_J_MAX) | st.just(float("nan"))),
        events=draw(events(s.period_us, s.n_addresses_out)),
        values=draw(floats(s.n_values_out)),
        probe_events=draw(events(s.period_us, 2**32 - 1)),
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
        events = np.array([(i * 10 // n, i % 9) for i in range(n)], EVENT)
        reply = Reply(events=events, probe_values=np.ones(n, "f4") * n)
        data = encode_reply(reply, 0)
        same(reader.read(data), reply)


LIES = {
    "compute_ns": ({"compute_ns": 2**63}, "compute_ns of REPLY is 9223372036854775808; allowed: 0 to 1000000000000000"),
    "recv_ns": ({"recv_ns": 2**63}, "recv_ns of REPLY is 9223372036854775808; allowed: 0 to 9223372036854775807"),
    "seq": ({"seq": 2**64 - 1}, "seq of REPLY is 18446744073709551615; allowed: less"),
    "prev_seq": ({"prev_seq": 3}, "prev_seq of REPLY is 3; allowed: below seq 3, or 18446744073709551615"),
    "counter": ({"counters": np.array([0, 2**53 + 1, 0, 0, 0], np.uint64)}, "synaptic_operations of REPLY is"),
    "energy": ({"energy_j": -1e-9}, "energy_j of REPLY is -1e-09; allowed: 0 to 1e"),
    "no end of energy": ({"energy_j": float("inf")}, "energy_j of REPLY is inf; allowed: 0 to 1e"),
    "address": ({"events": np.array([(0, 2)], EVENT)}, "address is 2; allowed: below 2"),
    "t_us": ({"events": np.array([(10, 0)], EVENT)}, "t_us is 10; allowed: below the period of 10"),
    "order": ({"events": np.array([(5, 0), (4, 0)], EVENT)}, "not in the order of t_us"),
    "probe address": ({"probe_events": np.array([(0, 3)], EVENT)}, "address is 3; allowed: below 3"),
    "probe order": ({"probe_events": np.array([(5, 0), (4, 0)], EVENT)}, "not in the order of t_us"),
    "probe values": ({"probe_values": np.ones(4, "f4")}, "4 probe values; allowed: 0 or the 5 of REPORT"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_reply_is_bounded_before_it_is_used(name):
    fields, said = LIES[name]
    reader = ReplyReader(Sizes(10, 0, 0, 0, 0, 2), n_probe_addresses=3, n_probe_values=5)
    reply = Reply(seq=3, prev_seq=2)
    reader.read(encode_reply(reply, 1))
    for field, value in fields.items():
        setattr(reply, field, value)
    with pytest.raises(FrameError, match=re.escape(said)):
        reader.read(encode_reply(reply, 1))


def test_flags_of_a_reply_are_0():
    data = bytearray(encode_reply(Reply(), 1))
    data[6] = 1
    with pytest.raises(FrameError, match="REPLY has flags 0x0001; allowed: 0"):
        ReplyReader(Sizes(10, 0, 0, 0, 0, 0)).read(bytes(data))


@pytest.mark.parametrize("status", [{"ticks": 2**53 + 1}, {"slip": -1}, {"temperature_c": float("inf")}])
def test_a_status_is_bounded(status):
    with pytest.raises(FrameError):
        states.decode_status(wire.frame(Kind.STATUS, 1, 2, msgspec.msgpack.encode(status)))


S = Sizes(1000, 3, 5, 2, 2, 4)
TICK = Tick(5, 6, True, np.array([(0, 1), (999, 4)], EVENT), np.ones(3, "f4"), np.ones(2, "f4"))
REPLY = Reply(5, 6, events=np.array([(1, 3)], EVENT), values=np.ones(2, "f4"), probe_events=np.array([(1, 9)], EVENT))
READERS = {
    "tick": (encode_tick(TICK, 1), lambda data: TickReader(S).read(data)),
    "reply": (encode_reply(REPLY, 1), lambda data: ReplyReader(S).read(data)),
    "hello": (handshakes.encode_hello(1, 2, Hello()), handshakes.decode_hello),
    "reset": (handshakes.encode_reset(1, 2, 3, "all", 4), handshakes.decode_reset),
    "load": (handshakes.encode_load(1, 2, Load(1000, Probes(), b"xyz")), handshakes.decode_load),
    "report": (handshakes.encode_report(1, 2, LoadReport("null")), handshakes.decode_report),
    "error": (handshakes.encode_error(1, 2, Code.RANGE, "text"), handshakes.decode_error),
    "echo": (wire.frame(Kind.ECHO, 1, 2, bytes(16)), handshakes.check_echo),
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
    layouts = wire.HEADER.size, handshakes.HELLO.size, handshakes.RESET.size, wire.REPLY.size, EVENT.itemsize
    assert layouts == (32, 64, 16, 80, 8)
