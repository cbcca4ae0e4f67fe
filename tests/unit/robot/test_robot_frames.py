"""A robot's frames, byte by byte as docs/robots.md has them, and those that are none."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.errors import ProtocolError
from hilbench.robot import frames
from hilbench.robot.frames import NONE, Kind
from hilbench.types import EVENT

ABOUT = {
    "name": "arm", "period_us": 5000, "watchdog_us": 100_000, "obs": [{"name": "q", "unit": "rad"}],
    "actions": [{"name": "torque", "unit": "N m", "low": -2, "high": 2.5, "safe": 0}],
}  # fmt: skip
ABOUT["actions"][0]["unit"] = "N·m"


def header(kind, seq=7, t_ns=0, counts=(0, 0), session=0x0102, flags=0, **odd):
    """Written out by hand: offsets and sizes are the page's."""
    data = bytearray(32)
    data[0:2], data[2], data[3] = odd.get("magic", b"HR"), odd.get("version", 1), kind
    data[4:6], data[6:8] = session.to_bytes(2, "little"), flags.to_bytes(2, "little")
    data[8:16], data[16:24] = seq.to_bytes(8, "little"), t_ns.to_bytes(8, "little")
    data[24:28], data[28:30] = counts[0].to_bytes(4, "little"), counts[1].to_bytes(2, "little")
    data[30:32] = odd.get("reserved", 0).to_bytes(2, "little")
    return bytes(data)


def sense(obs=(0.5, -2.0), events=(), act=(3, 90), t_ns=80, sent_ns=100, reward=0.25, flags=4, n_values=None):
    body = struct.pack("<QQQ", sent_ns, *act) + struct.pack("<IIIf", 11, 12, 13, reward)
    body += b"".join(struct.pack("<II", *event) for event in events) + struct.pack(f"<{len(obs)}f", *obs)
    counts = len(events), len(obs) if n_values is None else n_values
    return header(Kind.SENSE, 9, t_ns, counts, flags=flags) + body


def read(data, n_obs=2, n_addresses=6, period_us=5000):
    frames.read_header(data)
    return frames.decode_sense(data, n_obs, n_addresses, period_us)


def answer(about=ABOUT, sent_ns=50, session=5, t_ns=40):
    return header(Kind.HELLO, 1, t_ns, session=session) + b"B" * 16 + sent_ns.to_bytes(8, "little") + text(about)


def text(about):
    return about if isinstance(about, bytes) else json.dumps(about).encode()


def test_requests():
    assert frames.frame(Kind.STOP, 0x0102, 7) == header(5)
    assert frames.frame(Kind.RESET, 0x0102, 7, frames.RESET.pack(0x99, True)) == (
        header(2) + bytes([0x99, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    )


def test_an_act():
    found = frames.encode_act(0x0102, 7, 1000, NONE, frames.encoded((1.0, -0.5)), frames.SAFE)
    values = bytes.fromhex("0000803f 000000bf")
    assert found == header(3, 7, 1000, (0, 2), flags=1) + b"\xff" * 8 + values
    assert len(found) == 48


def test_a_sense():
    found = read(sense(events=((0, 5), (4999, 0))))
    assert found[:10] == (9, 4, 80, 100, 3, 90, 11, 12, 13, 0.25)
    assert found.obs.tolist() == [0.5, -2.0]
    assert found.events.tolist() == [(0, 5), (4999, 0)]
    assert found.events.dtype == EVENT
    assert len(sense()) == 32 + 40 + 8


@pytest.mark.parametrize(
    ("odd", "said"),
    [
        ({"obs": (1.0,)}, "has 1 values"),
        ({"n_values": 3}, "has 3 values"),
        ({"obs": (1.0, float("nan"))}, "not finite"),
        ({"obs": (1.0, float("inf"))}, "not finite"),
        ({"reward": float("nan")}, "not finite"),
        ({"sent_ns": 79}, "no fall"),
        ({"sent_ns": 2**63}, "at most"),
        ({"act": (3, 101)}, "before its ACT came"),
        ({"events": ((0, 6),)}, "out of range"),
        ({"events": ((5000, 0),)}, "out of range"),
        ({"events": ((9, 0), (8, 0))}, "out of order"),
    ],
)
def test_a_sense_that_is_none(odd, said):
    with pytest.raises(ProtocolError, match=said):
        read(sense(**odd))


def test_an_act_that_never_came_has_no_time():
    assert read(sense(act=(NONE, 2**64 - 1))).act_seq == NONE


@pytest.mark.parametrize("odd", [{"magic": b"HB"}, {"version": 2}, {"reserved": 1}])
def test_a_header_that_is_none(odd):
    with pytest.raises(ProtocolError):
        frames.read_header(header(4, **odd))
    with pytest.raises(ProtocolError, match="31 bytes"):
        frames.read_header(header(4)[:31])
    with pytest.raises(ProtocolError, match="65508 bytes"):
        frames.read_header(header(4) + bytes(65508 - 32))


def test_a_hello():
    found = frames.decode_hello(answer())
    assert found[:4] == (5, b"B" * 16, 40, 50)
    (action,) = found.description.actions
    assert (action.low, action.high, action.safe, action.choices) == (-2, 2.5, 0, 0)
    assert found.description.n_addresses == 0


def changed(**fields):
    return {**ABOUT, **fields}


ACTION = ABOUT["actions"][0]


@pytest.mark.parametrize(
    ("about", "said"),
    [
        (b"{", "truncated"),
        (b"\xff", "description is not"),
        (b"[" * 20_000, "description is not"),
        (b" " * 32_769, "has 32769 bytes"),
        (changed(colour="red"), "unknown field `colour`"),
        ({k: v for k, v in ABOUT.items() if k != "obs"}, "missing required field `obs`"),
        (changed(obs=[]), "length >= 1"),
        (changed(obs=[{"name": "q", "unit": "rad"}] * 2), "each name once"),
        (changed(name="\x1b[31m"), "matching regex"),
        (changed(period_us=0), ">= 100"),
        (changed(actions=[ACTION | {"low": 3}]), "the lower first"),
        (changed(actions=[ACTION | {"safe": 3}]), "safe: found 3; allowed: -2 to 2.5"),
        (changed(actions=[ACTION | {"choices": 4}]), "the whole numbers"),
        (changed(actions=[ACTION | {"high": 1e31}]), "1e30|1e\\+30"),
        (changed(sensors=[{"name": "eye", "shape": [2, 2], "axes": ["y"]}]), "one for each size"),
        (changed(sensors=[{"name": "eye", "shape": [2**24], "axes": ["y"]},
                          {"name": "ear", "shape": [1], "axes": ["channel"]}]), "in all"),
    ],
)  # fmt: skip
def test_a_description_that_is_none(about, said):
    with pytest.raises(ProtocolError, match=said):
        frames.decode_hello(answer(about))


def test_a_hello_without_a_session_or_with_a_clock_that_falls():
    for odd in ({"session": 0}, {"sent_ns": 39}, {"sent_ns": 2**63}):
        with pytest.raises(ProtocolError):
            frames.decode_hello(answer(**odd))


def test_an_error_is_shown_without_control_characters():
    assert frames.decode_error(header(7) + b"\x0d\x00" + b"stop\x1b[1m\xff") == (13, "stop [1m�")
    with pytest.raises(ProtocolError):
        frames.decode_error(header(7) + b"\x0d")


DECODERS = (
    frames.read_header,
    lambda data: frames.decode_hello(data[:32] + data[32:]),
    lambda data: frames.decode_sense(data, 2, 6, 5000),
    frames.decode_error,
)


places = st.tuples(st.integers(0, 95), st.integers(0, 7))


@given(st.one_of(st.binary(max_size=200), places.map(lambda place: flipped(*place))))
def test_no_bytes_raise_anything_else(data):
    for decode in DECODERS if len(data) >= 32 else DECODERS[:1]:
        try:
            decode(data)
        except ProtocolError:
            continue


def flipped(where: int, bit: int) -> bytes:
    """A good SENSE with one bit turned."""
    data = bytearray(sense(events=((0, 5), (4999, 0))))
    data[where % len(data)] ^= 1 << bit
    return bytes(data)


def test_values_are_as_numpy_has_them():
    assert frames.encoded(np.array([1.5, 2])) == np.array([1.5, 2], "<f4").tobytes()
