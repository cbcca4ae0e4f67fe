"""Handshakes come across as they were sent, and what one may not say is refused."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.bridge.protocol import handshakes, wire
from hilbench.bridge.protocol.handshakes import Hello, Load
from hilbench.bridge.protocol.wire import Code, FrameError, Kind, Sizes
from hilbench.types import LoadReport, Probes

U64 = st.integers(0, 2**64 - 1)
SIZES = st.builds(Sizes, st.integers(1, 2**32 - 1), *[st.integers(0, 9)] * 5)


def test_what_an_error_says_is_cut_and_printable():
    said = "\x1b[2J" + "x" * 5_000_000
    code, text = handshakes.decode_error(wire.frame(Kind.ERROR, 1, 2, b"\x0b\0" + said.encode()))
    assert (code, text) == (11, " [2J" + "x" * 996)
    assert handshakes.decode_error(handshakes.encode_error(1, 2, wire.Code.REFUSED, "é" * 999))[1] == "é" * 500
    with pytest.raises(FrameError) as found:
        handshakes.decode_report(wire.frame(Kind.REPORT, 1, 2, msgspec.msgpack.encode({"backend": "x", said: 1})))
    assert len(str(found.value)) < 1100
    assert str(found.value).isprintable()


@pytest.mark.parametrize(
    "report",
    [
        {"backend": "x" * 65},
        {"backend": "x", "cores_used": -1},
        {"backend": "x", "n_probe_values": 2**32},
        {"backend": "x", "instruction_ns": 0},
        {"backend": "x", "exact": ["y" * 1001]},
        {"backend": "x", "dropped": ["y"] * 500_001},
    ],
)
def test_a_report_is_bounded(report):
    with pytest.raises(FrameError):
        handshakes.decode_report(wire.frame(Kind.REPORT, 1, 2, msgspec.msgpack.encode(report)))


def test_a_device_without_a_session_has_not_met_the_plant():
    with pytest.raises(FrameError, match="session of HELLO is 0"):
        handshakes.decode_answered_hello(handshakes.encode_hello(0, 1, Hello()))


@given(
    st.builds(Hello, st.integers(0, 2**32 - 1), st.binary(min_size=16, max_size=16), st.just(bytes(range(16))), SIZES)
)
def test_hello_round_trips(hello):
    assert handshakes.decode_hello(handshakes.encode_hello(3, 9, hello)) == hello


@given(U64, st.sampled_from(handshakes.CARRIES), st.integers(0, handshakes.CATCH_UP_MAX))
def test_reset_round_trips(seed, carry, catch_up):
    assert handshakes.decode_reset(handshakes.encode_reset(1, 2, seed, carry, catch_up)) == (seed, carry, catch_up)


def test_bodies_in_msgpack_round_trip():
    load = Load(1000, Probes(spikes=("a",), weights_period_s=0.5), b"\x00program")
    report = LoadReport("numba", exact=("a",), cores_used=3)
    assert handshakes.decode_load(handshakes.encode_load(1, 2, load)) == load
    assert handshakes.decode_report(handshakes.encode_report(1, 2, report)) == report
    assert handshakes.decode_error(handshakes.encode_error(1, 2, Code.BUSY, "Straße " * 999))[0] == Code.BUSY


@pytest.mark.parametrize("name", ["exact", "approximated", "dropped", "warnings"])
def test_lines_of_a_report_are_printable_and_few(name):
    lines = ("\x1b[31mred\nhilbench: forged", *(str(k) for k in range(30)))
    report = handshakes.decode_report(handshakes.encode_report(1, 2, LoadReport("\x1bx", **{name: lines})))
    assert getattr(report, name) == (" [31mred hilbench: forged", *(str(k) for k in range(19)), "and 11 more")
    assert report.backend == " x"
