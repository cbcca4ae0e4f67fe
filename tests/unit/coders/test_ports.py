"""Several encoders as one and several decoders as one: each at its own place, in the order of the ports."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.coders._ports import PortDecoders, PortEncoders
from hilbench.coders._tables import port_decoders, port_encoders
from hilbench.errors import ScenarioError
from hilbench.types import EVENT, NO_EVENTS, Decoder, Encoder, PlantSpec, Port

PLANT = PlantSpec(
    obs_names=("x", "v"), obs_units=("m", "m/s"), action_names=("left", "right"), action_units=("N", "N"),
    action_low=(-1.0, -2.0), action_high=(1.0, 2.0), safe_action=(0.0, 0.0), physics_step_s=0.001, info_units={},
    error="", parameters={},
)  # fmt: skip


def events(*pairs):
    return np.array(list(pairs), EVENT)


class Fixed(Encoder):
    """The same values or events in every tick."""

    def __init__(self, kind, size, given):
        self.kind, self.size, self.given, self.resets = kind, size, given, []

    def reset(self, seed):
        self.resets.append(seed)

    def encode(self, obs, events, values):
        if self.kind == "events":
            return self.given
        values[:] = self.given
        return NO_EVENTS


def test_values_stand_side_by_side_and_addresses_count_on():
    first, second = Fixed("values", 2, [1, 2]), Fixed("values", 1, [3])
    ears, eyes = Fixed("events", 4, events((5, 3), (9, 0))), Fixed("events", 2, events((2, 1), (5, 0)))
    found = PortEncoders([first, ears, second, eyes])
    assert found.sizes == {"values": 3, "events": 6}
    values = np.zeros(3, np.float32)
    sent = found.encode(np.zeros(2, np.float32), NO_EVENTS, values)
    assert values.tolist() == [1, 2, 3]
    assert sent.tolist() == [(2, 5), (5, 3), (5, 4), (9, 0)]  # of equal times the first port's first
    assert eyes.given.tolist() == [(2, 1), (5, 0)]
    found.reset(7)
    assert [part.resets for part in found.parts] == [[7]] * 4


class Echo(Decoder):
    """Keeps what it is given, and writes a number."""

    def __init__(self, number):
        self.number, self.seen, self.resets = number, [], []

    def reset(self, seed):
        self.resets.append(seed)

    def decode(self, values, events, action):
        self.seen.append((values.tolist(), events.tolist()))
        action[:] = self.number


def test_each_decoder_reads_its_own_port_and_writes_its_own_actions():
    one, two = Echo(8.0), Echo(9.0)
    ports = Port("a", 2), Port("spare", 1), Port("s", 3, "events"), Port("t", 2, "events")
    found = PortDecoders([(ports[0], one, [1]), (ports[1], None, ()), (ports[2], None, ()), (ports[3], two, [0])])
    action = np.zeros(2)
    reply = events((1, 0), (2, 3), (4, 4), (4, 2))
    found.decode(np.float32([1, 2, 3]), reply, action)
    assert action.tolist() == [9, 8]
    assert one.seen == [([1, 2], [])]
    assert two.seen == [([], [(2, 0), (4, 1)])]
    assert reply.tolist() == [(1, 0), (2, 3), (4, 4), (4, 2)]
    found.reset(3)
    assert (one.resets, two.resets) == ([3], [3])


def test_a_list_of_tables_fills_a_port_one_after_the_other():
    tables = {"x": [{"kind": "values", "observations": ["v"]}, {"kind": "values", "observations": ["x"], "scale": 2.0}]}
    found = port_encoders(tables, [Port("x", 2)], PLANT, 1000)
    values = np.zeros(2, np.float32)
    found.encode(np.float32([6, 5]), NO_EVENTS, values)
    assert values.tolist() == [5, 3]


def test_ports_without_tables_take_the_observation_and_give_the_action():
    encoder = port_encoders({}, [Port("x", 2)], PLANT, 1000)
    decoder = port_decoders({}, [Port("u", 2)], PLANT, 1000)
    values, action = np.zeros(2, np.float32), np.zeros(2)
    encoder.encode(np.float32([6, 5]), NO_EVENTS, values)
    decoder.decode(values, NO_EVENTS, action)
    assert action.tolist() == [6, 5]


def test_two_ports_share_the_actions_by_name():
    tables = {"a": {"kind": "values", "actions": ["right"]}, "b": {"kind": "values", "actions": ["left"]}}
    decoder = port_decoders(tables, [Port("a", 1), Port("b", 1)], PLANT, 1000)
    action = np.zeros(2)
    decoder.decode(np.float32([1.5, 0.5]), NO_EVENTS, action)
    assert action.tolist() == [0.5, 1.5]


@pytest.mark.parametrize(
    ("tables", "port", "words"),
    [
        ({"y": {"kind": "values"}}, Port("x", 2), "encoders.y: the network has no input 'y'; "),
        ({}, Port("x", 3), "encoders.x: found no table for the input 'x' of 3 values; allowed: kind = "),
        ({}, Port("x", 2, "events"), "encoders.x: found no table for the input 'x' of 2 events; allowed: kind = "),
        ({"x": {"kind": "values"}}, Port("x", 5), "encoders.x: found 2 values; allowed: the 5 values of the"),
        ({"x": {"kind": "values"}}, Port("x", 2, "events"), "encoders.x: found 2 values; allowed: the 2 events of"),
        (
            {"x": {"kind": "value"}},
            Port("x", 2),
            "encoders.x.kind: no encoders plug-in 'value'; ",
        ),
        ({"x": {}}, Port("x", 2), "encoders.x.kind: found None; allowed: kind = "),
        (
            {"x": {"kind": "values", "scal": 1}},
            Port("x", 2),
            "encoders.x.scal: no such field of kind 'values'; ",
        ),
        (
            {"x": {"kind": "values", "observations": ["q"]}},
            Port("x", 1),
            "encoders.x.observations: the plant has no 'q'; allowed: ",
        ),
        ({"x": {"kind": "values", "scale": 0.0}}, Port("x", 2), "encoders.x.scale: found 0; allowed: any other number"),
    ],
)
def test_an_encoder_that_does_not_fill_its_port_is_one_line(tables, port, words):
    with pytest.raises(ScenarioError) as found:
        port_encoders(tables, [port], PLANT, 1000)
    assert words.partition(";")[0] in str(found.value)
    assert str(found.value).startswith(words[:20])
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    ("tables", "ports", "words"),
    [
        ({}, [Port("u", 3)], "decoders.u: found no table for the output 'u' of 3 values; allowed: kind = "),
        ({}, [Port("u", 2), Port("w", 2)], "decoders: found none that writes the action 'left'; allowed: decoders.u, "),
        (
            {"u": {"kind": "values"}, "w": {"kind": "values"}},
            [Port("u", 2), Port("w", 2)],
            "decoders.w: writes 'left', as decoders.u does; allowed: one of them",
        ),
        (
            {"u": {"kind": "values", "actions": "left"}},
            [Port("u", 1)],
            "decoders.u.actions: found 'left'; ",
        ),
        (
            {"u": {"kind": "values", "actions": ["up"]}},
            [Port("u", 1)],
            "decoders.u.actions: the plant has no 'up'; ",
        ),
        ({"q": {"kind": "values"}}, [Port("u", 2)], "decoders.q: the network has no output 'q'; allowed: "),
    ],
)
def test_actions_that_are_not_written_once_each_are_one_line(tables, ports, words):
    with pytest.raises(ScenarioError) as found:
        port_decoders(tables, ports, PLANT, 1000)
    assert words.partition(";")[0] in str(found.value)
    assert "\n" not in str(found.value)
