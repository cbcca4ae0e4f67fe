"""Every limit by itself: a network that just keeps it, and one that just breaks it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from target_examples import chain

from hilbench.backends.reference import Reference
from hilbench.nal import Network
from hilbench.nal.compile.check import approximated, check
from hilbench.nal.compile.fold import fold
from hilbench.nal.compile.report import compile_network
from hilbench.nal.compile.target import load_target
from hilbench.nal.compile.wiring import wire
from hilbench.nal.rules.pes import PES
from hilbench.testing.networks import DYADIC_DT_S, networks, stream
from hilbench.types import Empty, Probes


def limits_broken(network: Network, name: str, **more: int) -> list[str]:
    """The limits that the whole of compiling finds broken."""
    return [broken.limit for broken in compile_network(network, name, load_target(name), **more).broken]


def one(fan_out: int = 1, *, delay: int = 1, n_source: int = 1, dt_s: float = 0.001, **lif: object) -> Network:
    """`n_source` event inputs onto one neuron, which reaches `fan_out` others after `delay` steps."""
    net = Network(dt_s)
    net.input("e", n_source, kind="events")
    net.lif("a", 1, tau_s=0.02, **lif)
    net.lif("b", fan_out, tau_s=0.02, **lif)
    net.connect("e", "a", np.ones((1, n_source)))
    net.connect("a", "b", np.ones((fan_out, 1)), delay_steps=delay)
    return net


def outputs(n: int) -> Network:
    net = chain(n, reset="subtract")
    net.output("spikes", "a")
    return net


def distinct(n: int) -> Network:
    net = Network(0.001)
    net.input("e", n, kind="events")
    net.lif("a", 1, tau_s=0.02, reset="subtract")
    net.connect("e", "a", [np.arange(1, n + 1)])
    return net


def learning() -> Network:
    net = chain(3, reset="subtract")
    net.readout("y", 1, tau_s=0.02)
    net.connect("a", "y", np.ones((1, 3)), rule=PES(modulator="error"))
    return net


def relayed() -> Network:
    net = one()
    net.readout("y", 1, tau_s=0.02)
    net.lif("c", 1, tau_s=0.02)
    net.connect("y", "c", [[1.0]], delay_steps=1)
    return net


def twice(first: int, second: int, weights: tuple = ([[1.0], [0.0]], [[0.0], [1.0]])) -> Network:
    """One neuron onto two others over two projections."""
    net = one(2, delay=first)
    net.projections.clear()
    for number, (delay, matrix) in enumerate(zip((first, second), weights, strict=True)):
        net.connect("a", "b", matrix, delay_steps=delay, name=f"p{number}")
    return net


SUBTRACT = {"reset": "subtract"}
PAIRS = {
    # name: (target, limit, a network that keeps it, one that does not)
    "neurons, cores": ("xylo", "cores", chain(1008, **SUBTRACT), chain(1009, **SUBTRACT)),
    "cores of SpiNNaker": ("spinnaker1", "cores", chain(255 * 16), chain(255 * 16 + 1)),
    "one population a core": ("spinnaker1", "cores", chain(*[2] * 7), chain(255 * 15, 1, 1)),
    "axons in": ("truenorth", "axons_in", one(n_source=256), one(n_source=257)),
    "axons in of a crossbar": ("crossbar", "axons_in", one(n_source=256), one(n_source=257)),
    "cores reached": ("truenorth", "cores_reached", one(255), one(257)),
    "memory": ("cortexm4", "memory bits", one(n_source=174_740), one(n_source=174_800)),
    "fan-in": ("xylo", "fan_in", one(n_source=16, **SUBTRACT), chain(64, 1, **SUBTRACT)),
    "fan-out": ("xylo", "fan_out", one(64, **SUBTRACT), one(65, **SUBTRACT)),
    "event inputs": ("xylo", "event_inputs", one(n_source=16, **SUBTRACT), one(n_source=17, **SUBTRACT)),
    "event outputs": ("xylo", "event_outputs", outputs(8), outputs(9)),
    "axon types": ("truenorth", "weights_per_neuron", distinct(4), distinct(5)),
    "delays of a neuron": ("truenorth", "delays_per_source", twice(2, 2), twice(2, 3)),
    "synapses of a pair": ("truenorth", "synapses_per_pair", one(2), twice(2, 2, ([[1.0], [1.0]],) * 2)),
    "delay of Loihi 1": ("loihi1", "delay_steps", one(delay=63), one(delay=64)),
    "delay of Loihi 2": ("loihi2", "delay_steps", one(delay=64), one(delay=65)),
    "delay of SpiNNaker": ("spinnaker1", "delay_steps", one(delay=144), one(delay=145)),
    "delay of TrueNorth": ("truenorth", "delay_steps", one(delay=15), one(delay=16)),
    "refractory of Loihi": ("loihi1", "refractory_steps", one(refractory_s=0.063), one(refractory_s=0.064)),
    "refractory of Xylo": ("xylo", "refractory_steps", one(**SUBTRACT), one(refractory_s=0.001, **SUBTRACT)),
    "time step": ("truenorth", "time_step_s", one(dt_s=0.001), one(dt_s=0.002)),
    "time step of SpiNNaker": ("spinnaker1", "time_step_s", one(dt_s=0.0001), one(dt_s=0.00005)),
    "reset": ("loihi1", "resets", one(reset="zero"), one(**SUBTRACT)),
    "reset of Xylo": ("xylo", "resets", one(**SUBTRACT), one(reset="zero")),
    "spikes": ("loihi1", "spikes", one(), one(spikes="multiple")),
    "graded spikes": ("loihi2", "spikes", one(spikes="graded"), one(spikes="multiple")),
    "values between neurons": ("loihi1", "spikes", one(), relayed()),
    "floor": ("loihi1", "behaviours", one(threshold_noise=0.1), one(v_floor=-1.0)),
    "adaptation": ("spinnaker1", "behaviours", one(), one(adapt_tau_s=0.1, adapt_step=0.1)),
    "kinds": ("truenorth", "kinds", one(), relayed()),
    "rules": ("truenorth", "rules", one(), learning()),
    "rules of Xylo": ("xylo", "rules", one(**SUBTRACT), learning()),
}


@pytest.mark.parametrize("name", PAIRS)
def test_a_limit_just_kept_and_just_broken(name):
    where, limit, keeps, breaks = PAIRS[name]
    assert limit not in limits_broken(keeps, where)
    assert limit in limits_broken(breaks, where)


def test_what_a_target_has_no_limit_for_is_not_broken():
    for name in ("cortexm4", "loihi2"):
        assert limits_broken(one(refractory_s=0.1, v_floor=-1.0), name) == []


def test_more_chips_hold_more_cores():
    net = chain(255 * 16 + 1)
    assert limits_broken(net, "spinnaker1", chips=2) == []


def test_a_broken_limit_says_where_what_and_how_much():
    loihi1 = load_target("loihi1")
    lines = [str(b) for b in compile_network(one(delay=70, reset="subtract"), "loihi1", loihi1).broken]
    assert lines == [
        "population 'a': resets: found subtract; allowed: zero, value",
        "population 'b': resets: found subtract; allowed: zero, value",
        "projection 'a_to_b': delay_steps: found up to 70; allowed: 1 to 63",
    ]
    net = chain(64, 2, reset="subtract")
    (line,) = [str(b) for b in check(net, wire(net), load_target("xylo"))]
    assert line == "'b', neuron 0 and 1 more: fan_in: found 64; allowed: 63"


def test_what_is_approximated_is_said():
    net = Network(0.001)
    net.input("x", 1)
    net.lif("a", 1, tau_s=0.02, reset_at="next")
    net.connect("x", "a", [[1.0]])
    net.connect("a", "a", [[1.0]], after_threshold=True, name="loop")
    assert approximated(net, load_target("truenorth")) == [
        "population 'a': the leak takes a constant from v in each step, not a share of v",
        "population 'a': the reset acts at once, not in the next step",
        "projection 'loop': input after the threshold test acts a step later",
        "weights: each core's axons have one of four types, on which all its neurons must agree: this is not checked",
        "input 'x': its values become constant inputs, which the host computes",
    ]
    net.lif("b", 1, tau_s=0.02)
    net.connect("a", "b", [[1.0]])
    assert "projection 'a_to_b': delays below 1 step become 1" in approximated(net, load_target("loihi1"))
    assert any("conductances" in line for line in approximated(net, load_target("crossbar")))


def through_relays() -> Network:
    """Events through two relays in a row, with constant inputs and delays that differ."""
    net = Network(0.001)
    net.input("e", 2, kind="events")
    net.add("s", "passthrough", 2)
    net.add("t", "passthrough", 3)
    net.lif("a", 1, tau_s=0.02)
    net.connect("e", "s", [[1, 2], [3, 4]], delay_steps=np.array([[0, 1], [2, 0]]), bias=[1.0, 0.0])
    net.connect("s", "t", [[1, 0], [0, 1], [1, 1]], delay_steps=1, bias=[0.0, 0.0, 5.0])
    net.connect("t", "a", [[1, 1, 2]], delay_steps=3)
    return net


def test_relays_fold_into_one_matrix_for_each_delay():
    folded = fold(through_relays())
    assert list(folded.populations) == ["a"]
    found = {p.delay_steps: p.weights.toarray().tolist() for p in folded.projections.values()}
    # Each way is first x later weights: 1 + 2 for the first relay's neuron, 1 + 2 for its second one.
    assert found == {4: [[3.0, 12.0]], 5: [[0.0, 6.0]], 6: [[9.0, 0.0]]}
    assert sum(float(p.bias[0]) for p in folded.projections.values() if p.bias is not None) == 1 * 3 + 5 * 2


@settings(max_examples=60, deadline=None, derandomize=True)
@given(networks(), st.integers(0, 2**32 - 1))
def test_a_folded_network_spikes_as_the_whole_one_does(net, seed):
    folded = fold(net)
    kept = tuple(name for name, p in folded.populations.items() if p.spiking)
    assume(kept and net.dt_s == DYADIC_DT_S)  # where sums are exact in any order
    constant = {p.target for p in net.projections.values() if p.bias is not None and p.target not in folded.populations}
    assume(not any(p.source in constant and (p.after_threshold or p.max_delay_steps) for p in net.projections.values()))
    found = []
    for network in (net, folded):
        network = replace(network, outputs=(), output_sources={})
        reference = Reference(Empty())
        reference.load(network, network.dt_us, Probes(spikes=kept))
        ticks = stream(network, network.dt_us, 12, seed)
        found.append([sorted(reference.step(tick).probe_events["address"]) for tick in ticks])
    assert found[0] == found[1]


def test_a_relay_that_feeds_itself_stays_and_is_refused():
    net = chain(3)
    net.add("s", "passthrough", 1)
    net.connect("a", "s", np.ones((1, 3)))
    net.connect("s", "s", [[0.5]], delay_steps=1)
    assert "s" in fold(net).populations
    assert "kinds" in limits_broken(net, "loihi1")
