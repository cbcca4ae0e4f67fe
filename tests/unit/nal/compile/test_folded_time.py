"""When things act on hardware: values that a projection holds back, constants behind delays, and all that is exact."""

from __future__ import annotations

from itertools import pairwise

import nir
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hilbench import plugins
from hilbench.backends._lava.forms import float_form
from hilbench.backends.loihi import Loihi, LoihiConfig
from hilbench.backends.reference import Reference
from hilbench.errors import NetworkError
from hilbench.firmware import parts
from hilbench.nal import Network
from hilbench.nal.compile.fold import folded_for
from hilbench.nal.compile.report import compile_network
from hilbench.nal.compile.target import load_target
from hilbench.nal.nir import from_nir
from hilbench.nal.rules.pes import PES
from hilbench.types import EVENT, Empty, Probes, Tick

DT_S = 1e-3
TARGETS = ("loihi1", "loihi2", "cortexm4", "spinnaker2")


def adds_up(**connect) -> Network:
    """A value onto a neuron that adds up whole numbers to a threshold of 3."""
    net = Network(DT_S)
    net.input("x", 1)
    net.add("a", "if", 1, integrator="discrete", reset="zero", v_threshold=3.0, output=True)
    net.connect("x", "a", [[1.0]], name="w", **connect)
    return net


def graph(*nodes: tuple[str, nir.NIRNode], **stated) -> Network:
    """A chain of nodes between an Input and an Output."""
    (_, first), (_, last) = nodes[0], nodes[-1]
    ends = nir.Input({"input": first.input_type["input"]}), nir.Output({"output": last.output_type["output"]})
    named = {"input": ends[0], **dict(nodes), "output": ends[1]}
    names = list(named)
    whole = {"dt_s": DT_S, "integrator": "discrete", "reset": "zero", "inputs": "events"}
    edges = list(pairwise(names))
    return from_nir(nir.NIRGraph(named, edges), **whole | stated)


def cells(n: int = 1, threshold: float = 3.0) -> nir.IF:
    return nir.IF(r=np.ones(n), v_threshold=np.full(n, threshold))


def delay(*steps: int) -> nir.Delay:
    return nir.Delay(np.array(steps) * DT_S)


@pytest.mark.parametrize("name", ["reference", "numba"])
@pytest.mark.parametrize(("how", "counts"), [({"delay_steps": 30}, [0, 0, 0, 2, 0, 0]), ({}, [2, 0, 0, 0, 0, 0])])
def test_a_value_acts_where_its_delay_puts_it(name, how, counts):
    """One value of 1 in tick 0, ticks of 10 steps: v passes 3 in every fourth step."""
    cls = plugins.get("backends", name)
    backend = cls(cls.Config())
    backend.load(adds_up(**how), 10_000, Probes())
    backend.reset(0, "none")
    ticks = [Tick(k, values=np.array([float(k == 0)], np.float32)) for k in range(6)]
    assert [backend.step(tick).events.size for tick in ticks] == counts


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ({"delay_steps": 30}, "delay_steps: found 30 for values"),
        ({"after_threshold": True}, "after_threshold: found True"),
    ],
)
def test_hardware_refuses_values_that_are_held_back(how, found):
    net = adds_up(**how)
    for load in (
        lambda: Loihi(LoihiConfig()).load(net, 10_000, Probes()),
        lambda: parts(folded_for(net, "cortexm"), 8, 1.0),
        lambda: float_form(net),
    ):
        with pytest.raises(NetworkError, match=rf"^projection 'w': {found}.*; delay them before they are sent, or"):
            load()
    for name in TARGETS:
        broken = [str(b) for b in compile_network(net, name, load_target(name)).broken if b.where == "projection 'w'"]
        assert len(broken) == 1
        assert broken[0].startswith(f"projection 'w': {found}")


def test_values_that_act_at_once_are_kept():
    Loihi(LoihiConfig()).load(adds_up(), 10_000, Probes())
    assert compile_network(adds_up(), "cortexm4", load_target("cortexm4")).broken == []
    net = adds_up()
    net.connect("x", "a", [[0.0]], delay_steps=4, name="nothing")  # without a weight it brings nothing, however late
    Loihi(LoihiConfig()).load(net, 10_000, Probes())


def test_software_delays_values_onto_a_readout_that_learns():
    net = adds_up()
    net.readout("y", 1, tau_s=0.1)
    net.connect("a", "y", [[0.0]], rule=PES(modulator="error"))
    net.connect("x", "y", [[1.0]], delay_steps=3, name="v")
    assert compile_network(net, "cortexm4", load_target("cortexm4")).broken == []
    parts(folded_for(net, "cortexm"), 8, 1.0)
    assert any(b.where == "projection 'v'" for b in compile_network(net, "loihi2", load_target("loihi2")).broken)


def test_a_delay_that_is_folded_is_named_where_values_are_refused():
    net = graph(("later", delay(30)), ("w", nir.Linear(np.ones((1, 1)))), ("c", cells()), inputs="values")
    with pytest.raises(NetworkError, match=r"^projection 'later\+w': delay_steps: found 30 for values"):
        Loihi(LoihiConfig()).load(net, 10_000, Probes())


def behind(delay_node: nir.Delay) -> Network:
    n = int(delay_node.delay.size)
    return graph(("w", nir.Affine(np.full((n, 1), 2.0), np.ones(n))), ("later", delay_node), ("c", cells(n)))


@pytest.mark.parametrize(
    ("steps", "size"), [((5,), "5 steps early"), ((1,), "1 step early"), ((2, 5), "up to 5 steps early")]
)
def test_a_constant_that_crosses_a_delay_is_said_with_its_size(steps, size):
    """The reference has it from step 5 on, v is 4 in step 8; folded it is there at once, and v is 4 in step 3."""
    net, what = behind(delay(*steps)), f"the constant input through it acts {size}, from the first step on"
    backends = Reference(Empty()), Loihi(LoihiConfig())
    for backend in backends:
        report = backend.load(net, 20_000, Probes())
        backend.reset(0, "none")
    fired = [backend.step(Tick()).events["t_us"].tolist() for backend in backends]
    if steps == (5,):
        assert fired == [[8000, 12000, 16000], [3000, 7000, 11000, 15000, 19000]]
    assert f"later: {what}" in report.approximated
    assert "later" not in report.exact
    assert f"later: {what}" in parts(folded_for(net, "cortexm"), 8, 1.0).approximated
    for name in TARGETS:
        assert f"projection 'later': {what}" in compile_network(net, name, load_target(name)).approximated


def test_a_constant_that_acts_late_is_said():
    net = Network(DT_S)
    net.input("e", 1, kind="events")
    net.add("s", "passthrough", 1)
    net.add("a", "if", 1, integrator="discrete", reset="zero", v_threshold=3.0, output=True)
    net.connect("e", "s", [[2.0]], bias=[1.0], name="affine")
    net.connect("s", "a", [[1.0]], after_threshold=True, name="then")
    report = Loihi(LoihiConfig()).load(net, 20_000, Probes())
    line = "the constant input through it acts before the threshold test, not after it"
    assert f"then: {line}" in report.approximated
    assert f"projection 'then': {line}" in compile_network(net, "loihi2", load_target("loihi2")).approximated


def test_constants_that_no_delay_is_in_the_way_of_are_exact():
    after = graph(("later", delay(5)), ("w", nir.Affine(np.full((1, 1), 2.0), np.ones(1))), ("c", cells()))
    assert Loihi(LoihiConfig()).load(after, 20_000, Probes()).approximated == ()
    none = graph(("w", nir.Affine(np.ones((1, 1)), np.zeros(1))), ("later", delay(5)), ("c", cells()))
    assert Loihi(LoihiConfig()).load(none, 20_000, Probes()).approximated == ()
    beside = graph(
        ("w", nir.Affine(np.ones((2, 1)), np.array([0.0, 1.0]))), ("later", delay(5, 0)),
        ("v", nir.Linear(np.ones((1, 2)))), ("c", cells()),
    )  # fmt: skip
    assert not any("constant" in line for line in Loihi(LoihiConfig()).load(beside, 20_000, Probes()).approximated)


@st.composite
def whole_graphs(draw) -> Network:
    """Layers of Linear, Affine and Delay with forks and joins between IF neurons, all of whole numbers."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n = draw(st.integers(1, 3))
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input({"input": np.array([n])})}
    edges, sizes = [], {"input": n}

    def add(kind: str, node: nir.NIRNode, size: int, *sources: str) -> str:
        name = f"{kind}{len(nodes)}"
        nodes[name], sizes[name] = node, size
        edges.extend((source, name) for source in sources)
        return name

    def sources(name: str) -> list[str]:
        alike = [other for other, size in sizes.items() if size == sizes[name] and other != name]
        return [name, draw(st.sampled_from(alike))] if alike and draw(st.booleans()) else [name]

    last = "input"
    for _ in range(draw(st.integers(1, 2))):
        for kind in draw(st.lists(st.sampled_from(["linear", "affine", "delay"]), max_size=3)):
            size, m = sizes[last], draw(st.integers(1, 3))
            weights, bias = random.integers(-2, 4, (m, size)) * 1.0, random.integers(0, 2, m) * 1.0
            if kind == "delay":
                last = add(kind, delay(*random.integers(0, 4, size)), size, *sources(last))
            else:
                node = nir.Linear(weights) if kind == "linear" else nir.Affine(weights, bias)
                last = add(kind, node, m, *sources(last))
        last = add("delay", delay(*random.integers(1, 4, sizes[last])), sizes[last], last)
        threshold = float(draw(st.integers(1, 7)))
        last = add("if", cells(sizes[last], threshold), sizes[last], *sources(last))
    if draw(st.booleans()):
        back = add("linear", nir.Linear(random.integers(-2, 2, (sizes[last],) * 2) * 1.0), sizes[last], last)
        edges.append((add("delay", delay(*random.integers(1, 4, sizes[last])), sizes[last], back), last))
    nodes["output"] = nir.Output({"output": np.array([sizes[last]])})
    edges.append((last, "output"))
    for i, name in enumerate(sorted(set(nodes) - {a for a, _ in edges} - {"output"})):
        assume(name.startswith("if"))
        nodes[f"output{i}"] = nir.Output({"output": np.array([sizes[name]])})
        edges.append((name, f"output{i}"))
    stated = {
        "reset": draw(st.sampled_from(["zero", "value"])),
        "threshold_test": draw(st.sampled_from([">", ">="])),
        "integrator": "discrete",
    }
    return from_nir(nir.NIRGraph(nodes, edges), dt_s=DT_S, inputs="events", **stated)


@settings(max_examples=100)
@given(whole_graphs(), st.integers(0, 2**32 - 1))
def test_what_is_called_exact_is_the_references_spike_for_spike(net, seed):
    spiking = tuple(p.name for p in net.populations.values() if p.spiking)
    loihi, reference = Loihi(LoihiConfig(zeros_max=1)), Reference(Empty())
    report = loihi.load(net, 4000, Probes(spikes=spiking))
    assume(not report.approximated)
    reference.load(net, 4000, Probes(spikes=spiking))
    random = np.random.default_rng(seed)
    loihi.reset(0, "none")
    reference.reset(0, "none")
    for k in range(15):
        events = np.zeros(random.integers(0, 6), EVENT)
        events["t_us"] = np.sort(random.integers(0, 4000, events.size))
        events["address"] = random.integers(0, net.inputs[0].size, events.size)
        found, expected = (b.step(Tick(k, events=events)).probe_events.tolist() for b in (loihi, reference))
        assert sorted(found) == sorted(expected)
