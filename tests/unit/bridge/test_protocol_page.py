"""docs/protocol.md against the code: every size, offset, number and name in its tables."""

from __future__ import annotations

import re
from binascii import crc_hqx
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest

from hilbench.bridge import framing, states, wire
from hilbench.bridge._listeners import LINGER_MS, SLOWEST_BYTES_PER_S
from hilbench.bridge.states import States, Status
from hilbench.bridge.ticks import encode_reply
from hilbench.bridge.wire import Can, Code, Hello, Kind, Sizes
from hilbench.types import COUNTERS, EVENT, LoadReport, Probes, Reply

PAGE = Path(__file__).parents[3].joinpath("docs", "protocol.md").read_text("utf-8")
CHARS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "f64": "d"}


def section(title):
    found = re.search(rf"^##+ {title}\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S)
    assert found, title
    return found[1]


def table(title):
    """Rows of the first table under a heading, without its head."""
    rows = re.search(r"^\|---.*\n((?:\|.*\n)+)", section(title), re.M)[1].splitlines()
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def expanded(layout):
    """A struct format one character a field: '7I' as 'IIIIIII', '16s' and '3x' as they are."""
    pieces = re.findall(r"(\d*)([a-zA-Z])", layout.format)
    return [f"{n}{c}" if c in "sx" else c for n, c in pieces for _ in range(1 if c in "sx" else int(n or 1))]


@pytest.mark.parametrize(
    ("title", "layout", "names"),
    [
        ("Header", wire.HEADER, wire.Header._fields),
        ("HELLO", wire.HELLO, ("capabilities", "boot_id", "program_hash", *Sizes._fields, "reserved")),
        ("RESET", wire.RESET, ("seed", "catch_up", "carry", "-")),
        (
            "REPLY",
            wire.REPLY,
            ("recv_ns", "compute_ns", "prev_seq", "n_probe_events", "n_probe_values", *COUNTERS, "energy_j"),
        ),
        ("ERROR", wire.ERROR, ("code",)),
    ],
)
def test_layouts(title, layout, names):
    at, formats = 0, []
    for offset, size, kind, *_ in table(title):
        assert int(offset) == at
        at += int(size)
        formats.append({"bytes": f"{size}s", "pad": f"{size}x"}.get(kind) or CHARS[kind])
    assert formats == expanded(layout)
    assert at == layout.size
    assert tuple(row[3] for row in table(title)) == tuple(names)


def test_event():
    rows = table("TICK")
    assert {row[3]: (row[2], int(row[0])) for row in rows} == {
        name: (f"u{8 * kind.itemsize}", offset) for name, (kind, offset) in EVENT.fields.items()
    }


@pytest.mark.parametrize(
    ("title", "enum", "columns"),
    [
        ("Kinds", Kind, (0, 1)),
        ("Capabilities", Can, (1, 2)),
    ],
)
def test_numbers(title, enum, columns):
    rows = [(int(row[columns[0]]), row[columns[1]]) for row in table(title)]
    assert rows == [(member.value, member.name) for member in enum]


def test_codes():
    found = re.findall(r"^\| (\d+) \| ([A-Z]+) \|", section("ERROR"), re.M)
    assert [(int(code), name) for code, name in found] == [(code.value, code.name) for code in Code]


def test_keys_of_msgpack_bodies():
    keys = {"LOAD": [], "REPORT": []}
    for body, key, *_ in table("LOAD and REPORT"):
        keys[body].append(key)
    assert keys == {"LOAD": list(wire.Load.__struct_fields__), "REPORT": list(LoadReport.__struct_fields__)}
    named = re.findall(r"`(\w+)`", next(row for row in table("LOAD and REPORT") if row[1] == "probes")[3])
    assert named == list(Probes.__struct_fields__)
    body = msgspec.msgpack.decode(wire.encode_load(1, 2, wire.Load(1000, Probes(), b"x"))[32:])
    assert (type(body), body["program"]) == (dict, b"x")


def test_keys_of_states():
    keys = {"SNAPSHOT, RESTORE": [], "STATUS": []}
    for body, key, *_ in table("SNAPSHOT, RESTORE and STATUS"):
        keys[body].append(key)
    wanted = {"SNAPSHOT, RESTORE": list(States.__struct_fields__), "STATUS": list(Status.__struct_fields__)}
    assert keys == wanted
    listed = re.search(r"^Types are (.*?)\.", section("SNAPSHOT, RESTORE and STATUS"), re.M | re.S)[1]
    assert tuple(re.findall(r"`(\S+)`", listed)) == get_args(states.Kinds)
    assert f"at most {states.NAMES_MAX}" in section("SNAPSHOT, RESTORE and STATUS")


def test_byte_streams_are_as_the_page_says():
    assert crc_hqx(b"123456789", framing._CRC_START) == int(re.search(r"it is (0x\w+)", section("Transport"))[1], 16)
    (whole,) = framing.Cobs().pack(b"\0a")
    assert whole == bytes([1, 4, *b"a", *crc_hqx(b"\0a", 0xFFFF).to_bytes(2, "little"), 0])
    assert f"longer than {framing.PIECE_BYTES} bytes" in section("Transport")
    patience = f"a frame {LINGER_MS * 1e-3:g} s, and 1 s more for each {SLOWEST_BYTES_PER_S:.0f} bytes"
    assert patience in section("Transport")
    assert framing.Datagrams().pack(bytes(70000))[0] == b"HBXL" + (70000).to_bytes(8, "little")


def test_limits():
    assert f"at most {wire.CATCH_UP_MAX}" in section("RESET")
    assert f"at most {wire.TEXT_MAX_BYTES} bytes" in section("ERROR")
    assert f"at most {wire.FRAME_MAX_BYTES // 2**20} MiB" in section("Transport")
    assert f"longer than {wire.ECHO_MAX_BYTES} bytes gets ERROR {wire.Code.FRAME}" in section("ECHO")
    assert f"at most {wire.ECHO_MAX_BYTES}" in section("Kinds")
    assert all(f"{number} {what}" in section("RESET") for number, what in enumerate(("nothing", "learnt", "all")))
    assert wire.CARRIES == ("none", "weights", "all")


def test_frames_lie_as_the_page_says():
    """Read at the page's offsets, as a program in C would."""
    at = {title: {row[3]: int(row[0]) for row in table(title)} for title in ("Header", "HELLO", "REPLY")}
    values = np.array([1.5, -2], "<f4")
    events = np.array([(7, 8)], EVENT)
    data = encode_reply(Reply(seq=3, t_ns=4, energy_j=0.25, compute_ns=9, values=values, events=events), 5)
    assert int.from_bytes(data[at["Header"]["seq"] :][:8], "little") == 3
    assert int.from_bytes(data[32 + at["REPLY"]["compute_ns"] :][:8], "little") == 9
    assert data[32 + at["REPLY"]["prev_seq"] :][:8] == b"\xff" * 8
    assert np.frombuffer(data, "<f8", 1, 32 + at["REPLY"]["energy_j"])[0] == 0.25
    assert data[32 + 80 :] == events.tobytes() + values.tobytes()
    hello = wire.encode_hello(5, 6, Hello(1, b"b" * 16, b"h" * 16, Sizes(1000, 1, 2, 3, 4, 5)))
    assert int.from_bytes(hello[32 + at["HELLO"]["n_addresses_out"] :][:4], "little") == 5
