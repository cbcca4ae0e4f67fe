"""Frames of every kind, damaged in every way: a device answers ERROR or nothing, and stays what it was."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
from pathlib import Path

import bridge_fakes as fakes
import fuzz_device
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from load_script import load_script

from hilbench import plugins
from hilbench.bridge.device.session import Session
from hilbench.bridge.protocol import wire
from hilbench.bridge.protocol.wire import HEADER, Header, Kind

hostile = load_script(Path(__file__).parents[2] / "benchmarks" / "hostile.py")
FUZZ = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
EDGES = st.sampled_from([0, 1, 2, 255, 2**15, 2**16 - 1, 2**31, 2**32 - 1, 2**62, 2**64 - 1])
WIDTHS = dict(zip(Header._fields, (16, 8, 8, 16, 16, 64, 64, 32, 16, 16), strict=True))
LEAVES = st.sampled_from([None, True, -1, 0, 2**31, 2**63, 1e300, float("nan"), "", "a", b"", b"\0" * 8, [], {}, [[]]])
pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


def with_field(frame, name, value):
    header = Header._make(HEADER.unpack_from(frame))
    if name != "magic":
        value %= 1 << WIDTHS[name]
    return HEADER.pack(*header._replace(**{name: value})) + frame[HEADER.size :]


def with_leaf(data, frame):
    """A msgpack body with one of its fields replaced; a frame without one as it is."""
    try:
        tree = msgspec.msgpack.decode(frame[HEADER.size :])
    except msgspec.DecodeError:
        return frame
    if not isinstance(tree, dict) or not tree:
        return frame
    node, below = tree, tree
    while isinstance(below, dict | list) and below and (below is tree or data.draw(st.booleans())):
        node = below
        key = data.draw(st.sampled_from(list(node) if isinstance(node, dict) else range(len(node))))
        below = node[key]
    node[key] = data.draw(LEAVES)
    return frame[: HEADER.size] + msgspec.msgpack.encode(tree)


def damaged(data, frame):
    match data.draw(st.sampled_from(["header", "bytes", "cut", "tail", "leaf"])):
        case "header":
            name = data.draw(st.sampled_from(Header._fields[1:]))
            return with_field(frame, name, data.draw(EDGES))
        case "bytes":
            changed = bytearray(frame)
            for _ in range(data.draw(st.integers(1, 4))):
                changed[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
            return bytes(changed)
        case "cut":
            return frame[: data.draw(st.integers(0, len(frame)))]
        case "tail":
            return frame + data.draw(st.binary(min_size=1, max_size=99))
    return with_leaf(data, frame)


@FUZZ
@given(data=st.data())
def test_damaged_frames_of_every_kind_change_nothing(data):
    target = fuzz_device.Target()
    for _ in range(data.draw(st.integers(1, 5))):
        frame = damaged(data, data.draw(st.sampled_from(target.frames())))
        target.check(frame, data.draw(st.sampled_from([fuzz_device.ME, fuzz_device.ME, b"a stranger"])))
    assert target.lives()


@FUZZ
@given(st.lists(st.binary(max_size=200), min_size=1, max_size=9))
def test_noise_changes_nothing(frames):
    target = fuzz_device.Target()
    for frame in frames:
        target.check(frame)
        target.check(wire.frame(Kind.TICK, target.session, 3)[:24] + frame)
    assert target.lives()


@pytest.mark.skipif(
    importlib.util.find_spec("atheris") is None, reason="atheris is not installed (pip install atheris)"
)
def test_atheris_finds_nothing():
    command = [sys.executable, fuzz_device.__file__, "-runs=20000", "-max_total_time=60"]
    done = subprocess.run(command, capture_output=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize("name", hostile.LINKS)
def test_a_stranger_who_floods_a_device_costs_the_plant_no_reply(name, monkeypatch):
    """2000 hostile frames between ten ticks, whose replies are those of a Session bit for bit."""
    session = Session(fakes.FakeBackend(fakes.FakeBackend.Config()))
    session.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
    session.reset(5, "none", 0)
    link_type, frames = plugins.get("links", name), hostile.hostile_frames(2000)
    backend = fakes.FakeBackend(fakes.FakeBackend.Config())
    with (
        fakes.no_leaks(),
        fakes.serving(backend, link_type.own_bind) as address,
        link_type(link_type.Config(address=address), "fake", {}) as plant,
        hostile.Stranger(address) as stranger,
    ):
        plant.load(fakes.PROGRAM, fakes.PERIOD_US, fakes.PROBES)
        plant.reset(5, "none", 0)
        for tick in fakes.ticks(10):
            for frame in frames[tick.seq * 200 : tick.seq * 200 + 200]:
                stranger.send(frame)
            plant.send(tick)
            assert fakes.fields(plant.receive(20_000_000_000)) == fakes.fields(session.tick(tick, 0))
        stranger.finish()
        assert plant.status().refused > 1900
        assert (plant.status().ticks, plant.status().dropped) == (10, 0)
