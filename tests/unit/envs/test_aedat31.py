"""The reader of AEDAT 3.1: every bit of an event, packets of other types, and files that are damaged."""

from __future__ import annotations

import pytest
from data_sets import END, HEADER, aedat31, packet

from hilbench.envs._aedat31 import check_aedat31, read_aedat31
from hilbench.errors import ScenarioError

EVENTS = [(10, 0, 0, 0), (12, 127, 3, 1), (12, 5, 127, 0), (99, 32767, 32767, 1)]


@pytest.fixture
def written(tmp_path):
    def write(data):
        (path := tmp_path / "a.aedat").write_bytes(data)
        return path

    return write


def rows(path):
    found = read_aedat31(path)
    return list(zip(found.t_us.tolist(), found.x.tolist(), found.y.tolist(), found.polarity.tolist(), strict=True))


def test_events_come_as_they_were_written(written):
    path = written(aedat31(packet(EVENTS[:2]), packet(EVENTS[2:])))
    check_aedat31(path)
    assert rows(path) == EVENTS
    assert rows(written(aedat31())) == []
    assert rows(written(aedat31(packet([])))) == []


def test_a_packet_is_the_bytes_that_the_format_says(written):
    # type 1, source 1, size 8, time at 4, no overflow, capacity 1, 1 event, 1 valid; y 2, x 3, ON, valid; 258 us
    data = bytes.fromhex("0100 0100 08000000 04000000 00000000 01000000 01000000 01000000 0b000600 02010000")
    assert packet([(258, 3, 2, 1)]) == data
    assert rows(written(HEADER + END + data)) == [(258, 3, 2, 1)]


def test_a_span_has_its_start_and_not_its_end(written):
    path = written(aedat31(packet(EVENTS[:2]), packet(EVENTS[2:]), packet([(3, 9, 9, 1)], overflows=1)))

    def times(first_us, end_us):
        return read_aedat31(path, first_us, end_us).t_us.tolist()

    assert times(12, 99) == [12, 12]
    assert times(0, 12) == [10]
    assert times(13, 2**31 + 4) == [99, 2**31 + 3]
    assert times(100, 2**31) == []


def test_time_goes_on_where_31_bits_are_full(written):
    assert rows(written(aedat31(packet([(5, 1, 1, 0)], overflows=2)))) == [(2 * 2**31 + 5, 1, 1, 0)]


def test_events_of_other_types_and_those_that_are_not_valid_are_left_out(written):
    other = aedat31(packet(EVENTS, kind=0), packet(EVENTS[:1]), packet(EVENTS, valid=0), packet(EVENTS, kind=3))
    assert rows(written(other)) == EVENTS[:1]


WHOLE = aedat31(packet(EVENTS[:2]), packet(EVENTS[2:]))
BEGINS = len(HEADER + END)


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"", r"found no line #!AER-DAT3.1 at its start"),
        (b"#!AER-DAT2.0\r\n" + WHOLE, r"found no line #!AER-DAT3.1 at its start"),
        (HEADER, r"found no line #!END-HEADER"),
        (WHOLE.replace(b"RAW", b"PNG"), r"found no line '#Format: RAW'"),
        (WHOLE[:-1], rf"packet at byte {BEGINS + 44}: found 15 bytes of its 16; the file is cut off"),
        (WHOLE[: BEGINS + 44 + 20], rf"packet at byte {BEGINS + 44}: found 20 bytes; a header has 28"),
        (aedat31(packet(EVENTS[:1]).replace(b"\x08", b"\x09", 1)), r"is damaged: found 1 events of type 1 with 9"),
        (aedat31(packet([])[:20] + b"\xff" * 8), r"its header is damaged: found -1 events"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_in_a_line(written, data, line):
    with pytest.raises(ScenarioError, match=line):
        read_aedat31(written(data))


def test_every_place_at_which_a_file_may_end_gives_packets_or_a_line(written):
    ends = {BEGINS, BEGINS + 44, len(WHOLE)}
    for n in range(len(WHOLE) + 1):
        path = written(WHOLE[:n])
        if n in ends:
            assert len(rows(path)) in (0, 2, 4)
            continue
        with pytest.raises(ScenarioError, match=r"a\.aedat: "):
            read_aedat31(path)


def test_a_file_that_is_not_there_is_refused_in_a_line(tmp_path):
    for reader in (check_aedat31, read_aedat31):
        with pytest.raises(ScenarioError, match=r"none.aedat: cannot be read: No such file"):
            reader(tmp_path / "none.aedat")
