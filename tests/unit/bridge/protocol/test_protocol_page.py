"""docs/protocol.md against the code: every size, offset, number and name in its tables."""

from __future__ import annotations

import re
import struct
from binascii import crc_hqx
from pathlib import Path
from typing import get_args

import msgspec
import numpy as np
import pytest

from hilbench import plugins
from hilbench.bridge.device.listeners import LINGER_MS, SLOWEST_BYTES_PER_S
from hilbench.bridge.device.watchdog import LOAD_TIMEOUT_S
from hilbench.bridge.protocol import framing, handshakes, states, wire
from hilbench.bridge.protocol.handshakes import Hello
from hilbench.bridge.protocol.states import States, Status
from hilbench.bridge.protocol.ticks import encode_reply
from hilbench.bridge.protocol.wire import Can, Code, Kind, Sizes
from hilbench.lines.cobs import CRC_START
from hilbench.nal.model import codec
from hilbench.nal.model.arrays import MAX_DELAY_STEPS
from hilbench.nal.model.forms import FormKind
from hilbench.nal.model.network import MAX_NEURONS
from hilbench.nal.model.neurons import CHOICES, KINDS, PARAMETERS, Behaviour
from hilbench.types import COUNTERS, EVENT, Empty, LawProgram, LoadReport, Port, Probes, Reply, Tick

PAGE = Path(__file__).parents[4].joinpath("docs", "protocol.md").read_text("utf-8")
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
        ("HELLO", handshakes.HELLO, ("capabilities", "boot_id", "program_hash", *Sizes._fields, "reserved")),
        ("RESET", handshakes.RESET, ("seed", "catch_up", "carry", "-")),
        (
            "REPLY",
            wire.REPLY,
            ("recv_ns", "compute_ns", "prev_seq", "n_probe_events", "n_probe_values", *COUNTERS, "energy_j"),
        ),
        ("ERROR", handshakes.ERROR, ("code",)),
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
    assert keys == {"LOAD": list(handshakes.Load.__struct_fields__), "REPORT": list(LoadReport.__struct_fields__)}
    named = re.findall(r"`(\w+)`", next(row for row in table("LOAD and REPORT") if row[1] == "probes")[3])
    assert named == list(Probes.__struct_fields__)
    body = msgspec.msgpack.decode(handshakes.encode_load(1, 2, handshakes.Load(1000, Probes(), b"x"))[32:])
    assert (type(body), body["program"]) == (dict, b"x")


def tables(title):
    """Every table under a heading, without its head."""
    found = re.findall(r"^\|---.*\n((?:\|.*\n)+)", section(title), re.M)
    return [[[cell.strip() for cell in row.strip("|").split("|")] for row in rows.splitlines()] for rows in found]


def test_programs():
    """The keys of every map, in the order of the code's, its choices, and its limits."""
    found = tables("Programs")
    structs = (
        LawProgram, Port, codec._Network, codec._Population, PARAMETERS, Behaviour, codec._Projection, codec._Form
    )  # fmt: skip
    for rows, kind in zip(found, structs, strict=True):
        keys = PARAMETERS if kind is PARAMETERS else kind.__struct_fields__
        assert [row[0] for row in rows] == list(keys)
    by_key = [{row[0]: row for row in rows} for rows in found]
    network, population, parameters, behaviour, projection, form = by_key[2:]
    for kind, row in parameters.items():
        assert re.findall(r"`(\w+)`", row[1]) == list(PARAMETERS[kind])
    for name, allowed in CHOICES.items():
        assert re.findall(r"`([^`]+)`", behaviour[name][1]) == list(allowed)
    assert re.findall(r"`(\w+)`", network["integrator"][1]) == list(CHOICES["integrator"])
    assert re.findall(r"`(\w+)`", population["kind"][2]) == list(KINDS)
    assert re.findall(r"`(\w+)`", form["kind"][2]) == list(get_args(FormKind))
    assert f"at most {codec.MAX_NODES}" in population_limit(network)
    assert all(f"1 to {MAX_NEURONS}" in row[1] for row in (population["shape"], projection["shape"], form["shape_in"]))
    assert f"0 to {MAX_DELAY_STEPS}" in projection["delay_steps"][1]
    for number in (codec.FREE_CLAIM, codec.FREE_CELLS, codec.CELLS_PER_BYTE):
        assert f" {number}" in section("Programs")


def population_limit(network):
    assert network["populations"][1] == network["projections"][1]
    return network["populations"][1]


def test_a_program_written_from_the_page_alone_runs():
    """As another language would write it: msgpack and raw bytes, nothing of this package."""
    lif = {"tau_s": 0.02, "r": 1.0, "v_leak": 0.0, "v_initial": 0.0, "v_threshold": 1.0, "v_reset": 0.0}
    behaviour = {
        "integrator": "exact", "synapse": "current", "synapse_update": "before", "reset": "value", "reset_at": "now",
        "threshold_test": ">", "refractory_s": 0.0, "spikes": "single", "v_floor": None, "threshold_noise": 0.0,
        "adapt_tau_s": None, "adapt_step": 0.0,
    }  # fmt: skip
    cells = {
        "name": "cells", "kind": "lif", "shape": [2], "behaviour": behaviour, "rule": None,
        "parameters": {name: struct.pack("<2f", value, value) for name, value in lif.items()},
    }  # fmt: skip
    drive = {
        "name": "drive", "source": "x", "target": "cells", "shape": [2, 1], "starts": struct.pack("<2q", 0, 2),
        "targets": struct.pack("<2i", 0, 1), "weights": struct.pack("<2f", 100.0, 0.5), "bias": None, "delay_steps": 0,
        "after_threshold": False, "rule": None, "form": None,
    }  # fmt: skip
    program = {
        "type": "network", "dt_s": 0.001, "integrator": "exact", "spike_amplitude": 1.0, "seed": 0,
        "inputs": [{"name": "x", "size": 1, "kind": "values", "units": []}],
        "outputs": [[{"name": "spikes", "size": 2, "kind": "events", "units": []}, "cells"]],
        "modulators": [], "shapes": {}, "populations": [cells], "projections": [drive],
    }  # fmt: skip
    backend = plugins.get("backends", "reference")(Empty())
    backend.load(codec.unpack(msgspec.msgpack.encode(program)), 1000, Probes())
    # 100 (1 - exp(-1/20)) is 4.9, past the threshold of 1; 0.5 (1 - exp(-1/20)) is not.
    assert backend.step(Tick(values=np.ones(1, np.float32))).events["address"].tolist() == [0]


def test_bounds_of_a_reply():
    said = re.sub(r"\s+", " ", section("REPLY"))
    assert wire.CLOCK_NS_MAX == 2**63 - 1
    assert "`recv_ns` is above 2^63 - 1" in said
    assert wire.COMPUTE_NS_MAX == 10**15
    assert "`compute_ns` above 10^15" in said
    assert wire.COUNT_MAX == 2**53
    assert "a counter above 2^53" in said
    assert wire.ENERGY_J_MAX == 1e9
    assert "above 10^9" in said
    assert f"{handshakes.TEXT_MAX_BYTES} bytes at most" in said
    assert f"{LOAD_TIMEOUT_S:g} by default" in section("LOAD and REPORT")


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
    assert crc_hqx(b"123456789", CRC_START) == int(re.search(r"it is (0x\w+)", section("Transport"))[1], 16)
    (whole,) = framing.Cobs().pack(b"\0a")
    assert whole == bytes([1, 4, *b"a", *crc_hqx(b"\0a", 0xFFFF).to_bytes(2, "little"), 0])
    assert f"longer than {framing.PIECE_BYTES} bytes" in section("Transport")
    patience = f"a frame {LINGER_MS * 1e-3:g} s, and 1 s more for each {SLOWEST_BYTES_PER_S:.0f} bytes"
    assert patience in section("Transport")
    assert framing.Datagrams().pack(bytes(70000))[0] == b"HBXL" + (70000).to_bytes(8, "little")


def test_limits():
    assert f"at most {handshakes.CATCH_UP_MAX}" in section("RESET")
    assert f"at most {handshakes.TEXT_MAX_BYTES} bytes" in section("ERROR")
    assert f"at most {wire.FRAME_MAX_BYTES // 2**20} MiB" in section("Transport")
    assert f"longer than {handshakes.ECHO_MAX_BYTES} bytes gets ERROR {wire.Code.FRAME}" in section("ECHO")
    assert f"at most {handshakes.ECHO_MAX_BYTES}" in section("Kinds")
    assert all(f"{number} {what}" in section("RESET") for number, what in enumerate(("nothing", "learnt", "all")))
    assert handshakes.CARRIES == ("none", "weights", "all")


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
    hello = handshakes.encode_hello(5, 6, Hello(1, b"b" * 16, b"h" * 16, Sizes(1000, 1, 2, 3, 4, 5)))
    assert int.from_bytes(hello[32 + at["HELLO"]["n_addresses_out"] :][:4], "little") == 5
