"""What the short ways through TICK and REPLY may not change: bytes, refusals, and what is kept between reads."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest

from hilbench.bridge.protocol.ticks import ReplyReader, TickReader, TickWriter, check_tick, encode_reply, encode_tick
from hilbench.bridge.protocol.wire import Code, FrameError, Sizes
from hilbench.types import EVENT, Reply, Tick

SIZES = Sizes(1000, 3, 4, 2, 2, 5)
TICK = Tick(7, 9, True, values=np.arange(3, dtype=np.float32), modulators=np.ones(2, np.float32))
EVENTS = np.array([(1, 3), (999, 0)], EVENT)


@pytest.mark.parametrize("more", [{}, {"learning": False}, {"events": EVENTS}, {"seq": 2**64 - 2, "t_ns": 2**64 - 1}])
def test_a_writer_writes_what_the_function_does_and_a_reader_reads_it(more):
    tick = replace(TICK, **more)
    data = TickWriter(SIZES, 513).write(tick)
    assert data == encode_tick(tick, 513)
    found = TickReader(SIZES).read(data)
    assert (found.seq, found.t_ns, found.learning) == (tick.seq, tick.t_ns, tick.learning)
    for name in ("events", "values", "modulators"):
        assert np.array_equal(getattr(found, name), getattr(tick, name))


@pytest.mark.parametrize(
    "more",
    [
        {"seq": -1},
        {"seq": 2**64 - 1},
        {"t_ns": 2**64},
        {"values": np.zeros(4, np.float32)},
        {"values": np.zeros((1, 3), np.float32)},
        {"values": np.zeros(3)},
        {"modulators": np.zeros(0, np.float32)},
        {"modulators": np.zeros(2, np.int32)},
        {"events": np.array([(1000, 0)], EVENT)},
        {"events": EVENTS[::-1]},
    ],
)
def test_a_writer_refuses_what_a_program_does_not_take(more):
    tick = replace(TICK, **more)
    with pytest.raises(FrameError) as expected:
        check_tick(tick, SIZES)
    with pytest.raises(FrameError) as found:
        TickWriter(SIZES, 1).write(tick)
    assert (found.value.code, str(found.value)) == (expected.value.code, str(expected.value))


def test_a_writer_that_knows_its_arrays_sends_what_they_hold_now_and_checks_all_others():
    writer, tick = TickWriter(SIZES, 513), replace(TICK, values=TICK.values.copy(), modulators=TICK.modulators.copy())
    for number in (2.0, 3.0):
        tick.seq, tick.values[1], tick.modulators[0] = int(number), number, -number
        assert writer.write(tick) == encode_tick(tick, 513)
    assert writer.write(replace(tick, events=EVENTS)) == encode_tick(replace(tick, events=EVENTS), 513)
    for more in ({"values": np.zeros(4, np.float32)}, {"modulators": np.zeros(2)}, {"seq": -1}, {"t_ns": 2**64}):
        for _ in range(2):
            with pytest.raises(FrameError):
                writer.write(replace(tick, **more))
    assert writer.write(tick) == encode_tick(tick, 513)


def test_counters_that_were_refused_once_are_refused_again_and_change_nothing():
    reader = ReplyReader(SIZES)
    values = np.ones(2, np.float32)
    good = encode_reply(Reply(seq=1, values=values, counters=np.full(5, 2**53, np.uint64)), 1)
    bad = encode_reply(Reply(seq=2, values=values, counters=np.array([0, 0, 2**53 + 1, 0, 0], np.uint64)), 1)
    for _ in range(2):
        assert reader.read(good).counters.tolist() == [2**53] * 5
        for _ in range(2):
            with pytest.raises(FrameError, match="neuron_updates of REPLY is 9007199254740993") as found:
                reader.read(bad)
            assert found.value.code == Code.RANGE


def test_counters_of_another_type_or_number_are_no_reply():
    assert encode_reply(Reply(counters=np.arange(5)), 1) == encode_reply(Reply(counters=np.arange(5, dtype="u8")), 1)
    for counters in (np.zeros(4, np.uint64), np.zeros(5), np.array([0, 0, 0, 0, -1])):
        with pytest.raises(struct.error):
            encode_reply(Reply(counters=counters), 1)
