"""Programs as bytes: what goes in comes out, and bytes from a stranger are refused, never obeyed."""

from __future__ import annotations

import math
import tracemalloc

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from network_equality import assert_equal

from hilbench.errors import NetworkError, ProtocolError
from hilbench.nal import Network
from hilbench.nal.model.codec import pack, rule_from_dict, unpack
from hilbench.nal.rules.pes import PES
from hilbench.testing.networks import networks
from hilbench.types import LawProgram, Port

RELAXED = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def learner() -> Network:
    net = Network(0.001, seed=1)
    net.input("x", 2)
    net.lif("a", 3, tau_s=0.02, output=True)
    net.readout("y", 2, tau_s=0.1)
    net.connect("x", "a", [[1, 0], [0, 2], [3, 4]], bias=1.5)
    net.connect("a", "y", np.zeros((2, 3)), rule=PES(modulator="error"), delay_steps=2)
    return net


def tampered(path: tuple, value) -> bytes:
    """The learner's bytes with one field replaced."""
    tree = msgspec.msgpack.decode(pack(learner()))
    node = tree
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return msgspec.msgpack.encode(tree)


@RELAXED
@given(net=networks())
def test_a_network_comes_back_bit_for_bit(net):
    assert_equal(unpack(pack(net)), net)
    assert pack(unpack(pack(net))) == pack(net)


def test_a_law_comes_back():
    law = LawProgram("pd", {"kp": 1.5, "names": ["a"], "deep": {"b": None}}, (Port("x", 2),), (Port("u", 1),))
    assert unpack(pack(law)) == law


def test_only_programs_are_packed():
    with pytest.raises(NetworkError, match="found dict"):
        pack({"type": "law"})


@RELAXED
@given(data=st.data())
def test_damaged_bytes_are_refused_or_give_a_whole_program(data):
    raw = bytearray(pack(learner()))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    check(bytes(raw[: data.draw(st.sampled_from([len(raw), len(raw), len(raw) // 2]))]))


LEAVES = st.sampled_from(
    [None, True, -1, 0, 2**31, 2**63, math.inf, math.nan, 1e-9, "", "a", "y", b"", b"\0" * 8, [], [[]], {}, {"kind": 1}]
)


@settings(RELAXED, max_examples=300)
@given(data=st.data())
def test_any_field_may_hold_anything(data):
    tree = msgspec.msgpack.decode(pack(learner()))
    node, key = None, None
    below = tree
    while isinstance(below, dict | list) and below and (node is None or data.draw(st.integers(0, 3))):
        node = below
        key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        below = node[key]
    node[key] = data.draw(LEAVES)
    check(msgspec.msgpack.encode(tree))


@RELAXED
@given(raw=st.binary(max_size=200))
def test_noise_is_refused(raw):
    with pytest.raises((ProtocolError, NetworkError)):
        unpack(raw)


def check(raw: bytes) -> None:
    try:
        program = unpack(raw)
    except (ProtocolError, NetworkError):
        return
    assert_equal(unpack(pack(program)), program)


def starts(*values: int) -> bytes:
    return np.array(values, "<i8").tobytes()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("projections", 0, "starts"), starts(0, 2, 5)),
        (("projections", 0, "starts"), starts(1, 2, 4)),
        (("projections", 0, "starts"), starts(0, 5, 4)),
        (("projections", 0, "starts"), starts(0, 2)),
        (("projections", 0, "targets"), np.array([0, 2, 1, 3], "<i4").tobytes()),
        (("projections", 0, "targets"), np.array([0, 2, 1, -1], "<i4").tobytes()),
        (("projections", 0, "shape"), [3, -2]),
        (("projections", 0, "shape"), [3, 10**12]),
        (("projections", 0, "weights"), np.array([1, 2, 3, math.nan], "<f4").tobytes()),
        (("projections", 0, "weights"), b"123"),
        (("populations", 0, "parameters", "tau_s"), b""),
        (("populations", 0, "parameters"), {}),
        (("populations", 0, "behaviour", "refractory_s"), math.inf),
        (("populations", 0, "shape"), [2]),
        (("outputs", 0, 1), "x"),
        (("outputs", 0, 0, "size"), 4),
        (("outputs", 1), [{"name": "a", "size": 3, "kind": "events"}, "a"]),
        (("outputs", 1, 0, "kind"), "events"),
        (("shapes",), {"x": [3]}),
        (("modulators", 0, "size"), 3),
        (("modulators",), []),
        (("projections", 1, "rule"), {"kind": "pes", "modulator": "error", "learning_rate": math.inf}),
        (("projections", 1, "rule"), {"kind": "os", "modulator": "error"}),
        (("dt_s",), 1e-9),
        (("seed",), -1),
    ],
)
def test_a_lie_in_one_field_is_found(path, value):
    with pytest.raises((ProtocolError, NetworkError)) as error:
        unpack(tampered(path, value))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("shape", [[0, *[10**6] * 4], [1] * 65, [0] * 65])
def test_a_shape_that_no_array_can_have_is_refused(shape):
    form = {"kind": "linear", "shape_in": [3], "shape_out": [3], "settings": {}}
    data = bytes(0 if 0 in shape else 4)
    with pytest.raises(ProtocolError):
        unpack(tampered(("projections", 0, "form"), form | {"arrays": {"weight": {"shape": shape, "data": data}}}))


def test_starts_whose_differences_wrap_around_are_found():
    # Each difference overflows to a positive number; read as an index, the values would leave the arrays.
    net = Network(0.001)
    net.input("x", 4)
    net.lif("a", 1, tau_s=0.02)
    net.connect("x", "a", np.ones((1, 4)))
    tree = msgspec.msgpack.decode(pack(net))
    tree["projections"][0]["starts"] = starts(0, 2**63 - 1, -(2**63), -1, 4)
    with pytest.raises(ProtocolError, match="outside their arrays"):
        unpack(msgspec.msgpack.encode(tree))


def test_nesting_without_end_and_broken_text_are_refused():
    head = b"\x85\xa4type\xa3law\xa4name\xa1x\xa6config\x81\xa1a"
    for raw in (head + b"\x91" * 200_000, b"\x85\xa4type\xa3law\xa4name\xa1\xff"):
        with pytest.raises(ProtocolError):
            unpack(raw)


def test_a_rule_names_what_is_wrong():
    with pytest.raises(NetworkError, match="did you mean 'pes'"):
        rule_from_dict({"kind": "pess", "modulator": "e"})
    with pytest.raises(NetworkError, match="rate"):
        rule_from_dict({"kind": "pes", "modulator": "e", "rate": 1.0})


def claiming(n_neurons: int = 1, delay_steps: int = 0, n_nodes: int = 1, n_port: int = 1) -> bytes:
    """A few hundred bytes that claim any size: sums have no parameters, and one synapse reaches one of them."""
    net = Network(0.001)
    net.input("x", 1)
    for i in range(n_nodes):
        net.add(f"s{i}", "passthrough", 1)
    net.connect("x", "s0", [[1.0]], delay_steps=delay_steps)
    tree = msgspec.msgpack.decode(pack(net))
    for population in tree["populations"]:
        population["shape"] = [n_neurons]
    tree["projections"][0]["shape"][0] = n_neurons
    tree["inputs"][0]["size"] = n_port
    return msgspec.msgpack.encode(tree)


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        ({"n_neurons": 10**9}, "<= 50000000"),
        ({"n_neurons": 50_000_000}, "50000001 neurons and port values in .* bytes"),
        ({"n_neurons": 50_000_000, "n_nodes": 20}, "1000000001 neurons"),
        ({"n_neurons": 100_000}, "100001 neurons"),
        ({"n_port": 1_000_000}, "1000001 neurons"),
        ({"n_neurons": 90_000, "delay_steps": 60_000}, "delays of up to 60000 steps"),
    ],
)
def test_a_few_bytes_that_claim_gigabytes_are_refused_before_anything_is_reserved(claim, reason):
    raw = claiming(**claim)
    assert len(raw) < 6000
    tracemalloc.start()
    try:
        with pytest.raises((ProtocolError, NetworkError), match=reason):
            unpack(raw)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_what_small_programs_may_claim_is_enough_for_any_of_them():
    assert isinstance(unpack(claiming(n_neurons=90_000, delay_steps=100)), Network)
    assert isinstance(unpack(claiming(n_neurons=200, delay_steps=65_535)), Network)


def test_a_law_claims_no_more_than_a_network():
    ports = tuple(Port(f"x{i}", 1_000_000, "events") for i in range(3))
    with pytest.raises(ProtocolError, match="3000000 neurons and port values"):
        unpack(pack(LawProgram("pd", {}, ports, (Port("u", 1),))))


def test_large_networks_pay_for_their_size_with_their_bytes():
    net = Network(0.001)
    net.input("x", 1)
    net.lif("a", 150_000, tau_s=0.02)
    net.connect("x", "a", np.ones((150_000, 1)), delay_steps=1000)
    assert unpack(pack(net)).populations["a"].size == 150_000
