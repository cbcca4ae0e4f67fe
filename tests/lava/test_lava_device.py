"""Backend `lava` as users have it: behind a link, in an environment of its own, beside `loihi` and the reference."""

from __future__ import annotations

import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hilbench.backends.lava import Lava, LavaConfig, installed
from hilbench.backends.loihi import Loihi, LoihiConfig
from hilbench.backends.reference import Reference
from hilbench.bridge.zmq import Config, ZmqLink
from hilbench.errors import LinkError, NetworkError
from hilbench.nal import Network
from hilbench.nal.rules.pes import PES
from hilbench.nal.rules.stdp import STDP
from hilbench.runs.replay import replay
from hilbench.runs.run import run
from hilbench.scenario.files import load
from hilbench.types import EVENT, Empty, Probes, Reply, Tick, size_of

TIMEOUT_S = 30.0
N_TICKS = 25
LIMITS = Config(timeout_s=TIMEOUT_S, start_timeout_s=90.0)


def random_network(seed: int, rule: bool = False) -> Network:
    """Values and event lines onto two populations that drive each other, and a readout."""
    random = np.random.default_rng(seed)
    net = Network(0.001, integrator="euler", seed=seed)
    net.input("x", 3)
    net.input("e", int(random.integers(2, 6)), kind="events")
    sizes = {name: int(random.integers(3, 25)) for name in ("a", "b")}
    one_tau_s = float(random.uniform(0.005, 0.05)) if seed % 2 else None
    for name, size in sizes.items():
        tau_s = one_tau_s or float(random.uniform(0.005, 0.05))
        if seed % 3 == 2:
            net.cuba_lif(name, size, tau_s=tau_s, tau_syn_s=0.004, reset="zero", output=True)
        else:
            net.lif(
                name,
                size,
                tau_s=tau_s,
                reset="zero",
                output=True,
                refractory_s=0.002 * (seed % 2),
                v_initial=random.uniform(-0.5, 0.5, size),
            )
    net.readout("y", 2, tau_s=0.02)

    def weights(target: int, source: int, scale: float) -> np.ndarray:
        return np.where(random.random((target, source)) < 0.3, 0, random.normal(0, scale, (target, source)))

    net.connect(
        "x", "a", weights(sizes["a"], 3, 3.0), bias=random.normal(0, 0.3, sizes["a"]) if seed % 3 != 2 else None
    )
    net.connect("e", "a", weights(sizes["a"], net.inputs[1].size, 25.0), delay_steps=1)
    net.connect("e", "b", np.abs(weights(sizes["b"], net.inputs[1].size, 25.0)), delay_steps=1)
    net.connect("a", "b", weights(sizes["b"], sizes["a"], 15.0), delay_steps=1)
    net.connect(
        "b", "a", weights(sizes["a"], sizes["b"], 8.0), delay_steps=random.integers(1, 5, (sizes["a"], sizes["b"]))
    )
    net.connect("b", "b", weights(sizes["b"], sizes["b"], 4.0), delay_steps=1)
    pes = PES(modulator="error", learning_rate=0.05) if rule else None
    net.connect("b", "y", weights(2, sizes["b"], 1.0), delay_steps=1, rule=pes, name="decoders")
    return net


def ticks(net: Network, period_us: int, seed: int) -> list[Tick]:
    """Events with two in one step among them, values, and errors; learning stops on the way."""
    random, found = np.random.default_rng(seed), []
    for k in range(N_TICKS):
        events = np.zeros(random.integers(0, 6), EVENT)
        events["t_us"] = np.sort(random.integers(0, period_us, len(events)))
        events["address"] = random.integers(0, net.inputs[1].size, len(events))
        errors = random.normal(0, 1, size_of(net.modulators, "values")).astype(np.float32)
        values = random.normal(0, 0.5, 3).astype(np.float32)
        found.append(Tick(k, learning=k < 20, events=events, values=values, modulators=errors))
    return found


def copied(reply: Reply) -> dict[str, Any]:
    """What a reply says; spikes of one step in order of address."""
    events = {name: np.sort(getattr(reply, name), order=["t_us", "address"]) for name in ("events", "probe_events")}
    return events | {name: getattr(reply, name).copy() for name in ("values", "counters", "probe_values")}


def through(link: ZmqLink, net: Network, period_us: int, probes: Probes, stream: list[Tick]) -> list[dict[str, Any]]:
    """What the device answers."""
    link.load(net, period_us, probes)
    link.reset(3, "none", 0)
    found = []
    for tick in stream:
        link.send(tick)
        reply = link.receive(int(TIMEOUT_S * 1e9))
        assert reply is not None
        found.append(copied(reply))
    return found


def directly(backend: Any, net: Network, period_us: int, probes: Probes, stream: list[Tick]) -> list[dict[str, Any]]:
    backend.load(net, period_us, probes)
    backend.reset(3, "none")
    return [copied(backend.step(tick)) for tick in stream]


def assert_same(found: list[dict[str, Any]], expected: list[dict[str, Any]], near: bool = False) -> None:
    assert sum(len(row["probe_events"]) for row in expected) > 10
    for one, two in zip(found, expected, strict=True):
        for name in two:
            if near and name in ("values", "probe_values"):
                np.testing.assert_allclose(one[name], two[name], rtol=1e-5, atol=1e-6)
            else:
                np.testing.assert_array_equal(one[name], two[name], err_msg=name)


def probes_for(period_us: int) -> Probes:
    return Probes(spikes=("a", "b"), weights=("decoders",), weights_period_s=period_us * 1e-6)


@pytest.fixture(scope="module")
def fixed(lava_python) -> Iterator[ZmqLink]:
    with ZmqLink(LIMITS, "lava", {"tag": "fixed"}) as link:
        link.load(refused(), 1000, Probes())  # starts the device, which no single test then leaves behind
        yield link


@pytest.fixture(scope="module")
def real(lava_python) -> Iterator[ZmqLink]:
    with ZmqLink(LIMITS, "lava", {"tag": "float"}) as link:
        link.load(refused(), 1000, Probes())  # starts the device, which no single test then leaves behind
        yield link


@pytest.mark.parametrize("seed", range(12))  # two of each sort that `random_network` makes
def test_fixed_is_the_loihi_engine_bit_for_bit(seed, fixed):
    net, period_us = random_network(seed), 1000 * (1 + seed % 3)
    stream, probes = ticks(net, period_us, seed), probes_for(period_us)
    expected = directly(Loihi(LoihiConfig()), net, period_us, probes, stream)
    assert_same(through(fixed, net, period_us, probes, stream), expected)


@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_float_is_the_reference_where_a_network_says_what_lava_does(seed, real):
    net, period_us = random_network(seed, rule=seed % 2 == 0), 1000 * (1 + seed % 3)
    stream, probes = ticks(net, period_us, seed), probes_for(period_us)
    expected = directly(Reference(Empty()), net, period_us, probes, stream)
    assert_same(through(real, net, period_us, probes, stream), expected, near=True)


def whole_numbers(threshold: str) -> Network:
    """Integrators that add whole numbers, and reach their thresholds exactly; a relay and a factor stand between."""
    random = np.random.default_rng(5)
    net = Network(0.001, integrator="discrete")
    net.input("e", 4, kind="events")
    net.add("a", "if", 12, threshold_test=threshold, reset="zero", v_threshold=10.0, output=True)
    net.add("relay", "passthrough", 12)
    net.connect("e", "relay", random.integers(-3, 6, (12, 4)), delay_steps=1, name="first")
    net.connect("relay", "a", 2 * np.eye(12), name="then")
    net.connect("a", "a", random.integers(-4, 4, (12, 12)), delay_steps=2, name="loop")
    return net


@pytest.mark.parametrize("threshold", [">", ">="])
def test_whole_numbers_are_the_references_in_either_tag(threshold, fixed, real):
    net, random, stream = whole_numbers(threshold), np.random.default_rng(6), []
    for k in range(100):
        events = np.zeros(random.integers(0, 4), EVENT)
        events["address"] = random.integers(0, 4, len(events))
        stream.append(Tick(k, events=events))
    probes = Probes(spikes=("a",))
    expected = directly(Reference(Empty()), net, 1000, probes, stream)
    assert sum(len(row["events"]) for row in expected) > 100
    for link in (fixed, real):
        report = link.load(net, 1000, probes)
        assert report.approximated == ()
        assert report.exact == ("a", "first", "then", "loop")
        found = through(link, net, 1000, probes, stream)
        for one, two in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one["events"], two["events"])


def test_a_readout_that_learns_is_computed_beside_the_fixed_network(fixed):
    net, still, probes = random_network(4, rule=True), random_network(4), Probes(spikes=("a", "b"))
    found = through(fixed, net, 1000, probes_for(1000), ticks(net, 1000, 4))
    expected = directly(Loihi(LoihiConfig()), still, 1000, probes, ticks(net, 1000, 4))
    learnt = np.array([row["probe_values"] for row in found])
    assert np.abs(np.diff(learnt[:20], axis=0)).max() > 0
    np.testing.assert_array_equal(learnt[20:], learnt[19:-1])
    assert sum(len(row["probe_events"]) for row in expected) > 10
    for one, two in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one["probe_events"], two["probe_events"])
    assert found[-1]["counters"][3] == 0 < found[0]["counters"][3]


def test_what_a_reset_and_a_snapshot_bring_back(fixed):
    net, probes = random_network(4, rule=True), probes_for(1000)
    stream = ticks(net, 1000, 4)
    first = through(fixed, net, 1000, probes, stream)
    saved = fixed.snapshot()
    assert_same(through(fixed, net, 1000, probes, stream), first)
    fixed.reset(3, "all", 0)
    fixed.restore(saved, "all")
    future = [copied(answer(fixed, tick)) for tick in stream]
    fixed.reset(3, "all", 0)
    fixed.restore(saved, "all")
    assert_same([copied(answer(fixed, tick)) for tick in stream], future)
    fixed.reset(3, "none", 0)
    fixed.restore(saved, "weights")
    np.testing.assert_array_equal(fixed.snapshot()["weights/decoders"], saved["weights/decoders"])


def answer(link: ZmqLink, tick: Tick) -> Reply:
    link.send(tick)
    reply = link.receive(int(TIMEOUT_S * 1e9))
    assert reply is not None
    return reply


def refused(**more: Any) -> Network:
    net = Network(0.001, integrator="euler")
    net.input("e", 2, kind="events")
    net.lif("a", 2, tau_s=0.01, output=True, **{"reset": "zero"} | more)
    net.connect("e", "a", np.eye(2), delay_steps=1)
    return net


def with_stdp() -> Network:
    net = refused()
    net.connect("a", "a", np.ones((2, 2)), delay_steps=1, rule=STDP(), name="loop")
    return net


def test_what_lava_cannot_do_is_refused_by_name(fixed, real):
    for link, net, says in (
        (fixed, refused(v_floor=0.0), "population 'a': v_floor"),
        (real, refused(reset="subtract"), "population 'a': reset: found 'subtract'"),
        (fixed, with_stdp(), "projection 'loop': rule: found STDP"),
    ):
        with pytest.raises(LinkError, match=says):
            link.load(net, 1000, Probes())


def test_the_chip_needs_intels_extension(lava_python):
    with ZmqLink(LIMITS, "lava", {"hardware": "loihi2"}) as link, pytest.raises(LinkError, match="Intel's extension"):
        link.load(refused(), 1000, Probes())


@pytest.mark.skipif(installed(), reason="this Python has Lava")
def test_a_python_without_lava_says_what_to_do():
    with pytest.raises(NetworkError, match="run `hilbench device install lava`, then use the zmq link"):
        Lava(LavaConfig()).load(refused(), 1000, Probes())


def family(pid: int) -> dict[int, int]:
    """A process and all that it has started, each with a descriptor that tells of its end."""
    found = {pid: os.pidfd_open(pid)}
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            found |= family(child)
    return found


@pytest.mark.parametrize("killed", [False, True])
def test_no_process_is_left_when_a_device_ends(killed, lava_python):
    with ZmqLink(LIMITS, "lava", {}) as link:
        link.load(refused(), 1000, Probes())
        processes = family(link._device.pid)
        assert len(processes) > 5
        if killed:
            os.kill(link._device.pid, signal.SIGKILL)
    for pid, descriptor in processes.items():
        assert select.select((descriptor,), (), (), 10)[0], f"pid {pid} is still there"
        os.close(descriptor)


def test_a_model_that_hangs_ends_in_a_reason_and_leaves_nothing(lava_python):
    here = Path(__file__).parent
    done = subprocess.run(
        [lava_python, here / "lava_hangs.py"], capture_output=True, text=True, timeout=100, check=False,
        env=os.environ | {"PYTHONPATH": str(here)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    hung, left, after = done.stdout.splitlines()
    # Three steps are good, of which loading took one.
    assert hung.startswith("2 Lava did not run within 4 s and was stopped; it said")
    assert left == "True []"
    assert after == "Lava has been stopped after a failure; load the network again"


@pytest.mark.timeout(180)
def test_a_run_is_replayed_on_a_device_of_its_own(lava_python, tmp_path):
    backend = {"backend.kind": "lava", "backend.tag": "fixed", "link.kind": "zmq"}
    scenario = load("cartpole_ladder", {"loop.duration_s": 0.05, **backend}, "lif_lqr")
    assert run(scenario, tmp_path / "a").status == "done"
    assert replay(tmp_path / "a", tmp_path / "b") == (True, 50)
