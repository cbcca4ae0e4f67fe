"""The whole report: what is counted of a record, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from msgspec import structs
from target_examples import chain

from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.compile.facts import network_facts
from hilbench.nal.compile.report import ONE_EACH, Activity, compile_network
from hilbench.nal.compile.target import load_target
from hilbench.nal.model.forms import Form

LOIHI1 = load_target("loihi1")


def learner() -> Network:
    """2 events onto 3 driven neurons, whose spikes a readout takes."""
    net = chain(3)
    net.input("x", 1)
    net.connect("x", "a", [[1.0], [1.0], [0.0]])
    net.readout("y", 1, tau_s=0.02)
    net.connect("a", "y", np.ones((1, 3)), delay_steps=1)
    return net


def test_a_record_is_counted_per_decision():
    activity = Activity({"a": np.array([10, 20, 30]), "events": np.array([5, 15])}, 10, 0.1, weight_updates=40)
    report = compile_network(learner(), "loihi1", LOIHI1, activity)
    assert (report.neurons, report.synapses, report.cores) == (4, 9, 1)
    assert report.traffic.of == "the recorded spikes"
    # All is on one core: what the inputs send still has to come in.
    assert (report.traffic.messages, report.traffic.hops) == (20, 0)
    parts = report.energy.parts
    assert {name: part.events for name, part in parts.items()} == pytest.approx({
        "synapses": (60 * 1 + 20 * 3) / 10,
        "neuron updates": 4 * 100 / 10,
        "spikes": 6,
        "messages": 2,
        "hops": 0,
        "weight updates": 4,
        "static": 0.1 / 128 / 10,
    })  # fmt: skip
    # Two neurons are driven in all of their 20 updates; 12 operations and 6 spikes make at most so many more active.
    assert parts["neuron updates"].joules.value == pytest.approx(38 * 81e-12 + 2 * 52e-12)
    assert parts["neuron updates"].joules.low == pytest.approx(6 * 72.8e-12 + 34 * 51.2e-12)
    # A network without spikes crosses the 9 weights behind neurons and events once; the host computes the values.
    assert report.energy.baselines["ann float32"].value == pytest.approx(9 * 4.6e-12)
    assert report.energy.baselines["snn float32"].value == pytest.approx(12 * 0.9e-12)


def test_a_network_without_spikes_has_the_layers_as_they_are_however_they_are_folded():
    """Spikes of 8 pixels through an average pooling and a flattening onto 3 neurons: 2 x 3 weights, not 8 x 3."""
    net = Network(0.001)
    net.input("e", 8, kind="events")
    net.input("x", 2)
    net.add("pooled", "passthrough", 2)
    net.add("values", "passthrough", 2)
    net.lif("a", 3, tau_s=0.02)
    windows = np.kron(np.eye(2), np.full((1, 4), 0.25))
    net.connect("e", "pooled", windows, form=Form("avg_pool2d", (1, 2, 4), (1, 1, 2)))
    net.connect("pooled", "a", np.ones((3, 2)))
    net.connect("x", "values", np.eye(2), form=Form("flatten", (2, 1), (2,)))
    net.connect("values", "a", np.ones((3, 2)))
    report = compile_network(net, "loihi1", LOIHI1, Activity({"e": np.ones(8)}, 1, 0.1, 0.0))
    assert report.synapses == 8 * 3
    assert report.energy.baselines["ann float32"].value == pytest.approx(6 * 4.6e-12)


def test_without_a_record_every_source_counts_once_and_no_energy_is_told():
    report = compile_network(learner(), "loihi1", LOIHI1)
    assert report.traffic.of == ONE_EACH
    assert report.traffic.messages == 2
    assert report.energy is None


def test_an_activity_of_another_network_is_refused():
    spikes = {"a": np.ones(3), "events": np.ones(2)}
    for wrong, says in (({"a": np.ones(4)}, "'a' has 4 neurons in it; allowed: 3"), ({"b": np.ones(3)}, "allowed")):
        found = {name: counts for name, counts in spikes.items() if name != "a"} | wrong
        with pytest.raises(NetworkError, match=says):
            compile_network(learner(), "loihi1", LOIHI1, Activity(found, 1, 0.1, 0.0))


def test_an_activity_of_a_network_with_the_same_names_is_refused():
    net = learner()
    counts = {"a": np.ones(3), "events": np.ones(2)}
    facts = network_facts(net, 1000)
    assert compile_network(net, "loihi1", LOIHI1, Activity(counts, 1, 0.1, 0.0, 1000, facts)).energy is not None
    slower = Activity(counts, 1, 0.1, 0.0, 2000, facts)
    with pytest.raises(NetworkError, match="of another network: 1 steps in a tick there, 2 here"):
        compile_network(net, "loihi1", LOIHI1, slower)
    fewer = structs.replace(facts.projections["a_to_y"], n_synapses=2)
    other = structs.replace(facts, projections=facts.projections | {"a_to_y": fewer})
    with pytest.raises(NetworkError, match="of another network: 'a_to_y' has another n_synapses there"):
        compile_network(net, "loihi1", LOIHI1, Activity(counts, 1, 0.1, 0.0, 1000, other))
    net.readout("z", 1, tau_s=0.1)
    with pytest.raises(NetworkError, match="of another network: 'z' is here alone"):
        compile_network(net, "loihi1", LOIHI1, Activity(counts, 1, 0.1, 0.0, 1000, facts))


def test_a_microcontroller_needs_room_for_what_changes():
    cortex = load_target("cortexm4")
    bits = cortex.limits.state_memory.bits
    most = bits // (256 + 32)
    for n, broken in ((most, []), (most + 1, ["state_memory"])):
        net = Network(1e-3)
        net.lif("a", n, tau_s=0.02)
        assert [b.limit for b in compile_network(net, "cortexm4", cortex).broken] == broken


def read_sum(net: Network) -> Network:
    """A sum of the spikes of population a, behind another sum, with an input's values added."""
    net.input("more", 1)
    net.add("part", "passthrough", 2)
    net.add("total", "passthrough", 1, output=True)
    net.connect("a", "part", np.ones((2, 3)))
    net.connect("part", "total", np.ones((1, 2)))
    net.connect("more", "total", [[1.0]])
    return net


def test_a_relay_that_is_read_is_computed_beside_the_chip():
    net = read_sum(chain(3))
    net.output("spikes", "a")
    report = compile_network(net, "loihi1", LOIHI1)
    assert report.dropped == ["output 'total': a sum of inputs and other outputs, which the host must add up"]
    assert report.broken == []
    assert report.neurons == 3


def test_a_relay_of_what_never_leaves_the_chip_is_an_error():
    report = compile_network(read_sum(chain(3)), "loihi1", LOIHI1)
    assert report.dropped == []
    assert list(map(str, report.broken)) == [
        "output 'total': outputs: found a sum of what 'a' sends, which no output gives;"
        " allowed: sums of what outputs give; add an output of 'a', or neurons before 'total'"
    ]


def test_membranes_are_no_spikes_that_the_host_could_add_up():
    net = read_sum(chain(3))
    net.output("membranes", "a", kind="values")
    assert [b.limit for b in compile_network(net, "loihi1", LOIHI1).broken] == ["outputs"]


def test_a_network_without_neurons_is_refused():
    net = Network(0.001)
    net.input("x", 1)
    with pytest.raises(NetworkError, match="no neurons"):
        compile_network(net, "loihi1", LOIHI1)


def whole(threshold: str, high: float = 10.0, kind: str = "if", **more) -> Network:
    """Whole weights onto neurons that only add, with a largest one that 8 bits alone would not scale to whole ones."""
    net = Network(0.001)
    net.input("e", 2, kind="events")
    stated = {"integrator": "discrete", "reset": "zero", "v_threshold": high} | more
    net.add("a", kind, 3, threshold_test=threshold, output=True, **stated)
    net.connect("e", "a", [[5.0, -3.0], [1.0, 0.0], [2.0, 7.0]], delay_steps=1)
    return net


def test_whole_weights_are_written_whole_and_make_one_comparison_of_the_other():
    for threshold in (">", ">="):
        report = compile_network(whole(threshold), "loihi1", LOIHI1)
        assert report.approximated == []
        assert report.weights[0].max_abs == 0
        assert (report.populations[0].threshold, report.populations[0].on_grid) == (0, True)


@pytest.mark.parametrize(
    ("target", "net", "says"),
    [
        ("loihi1", whole(">=", 10.1234567), "v > v_threshold, not >=, and v moves on no grid"),
        ("loihi1", whole(">=", kind="lif", tau_s=0.02), "v > v_threshold, not >=, and v moves on no grid"),
        ("loihi2", whole(">=", 10.1234567), "v > v_threshold, not >="),
        ("truenorth", whole(">", 10.1234567), "v >= v_threshold, not >"),
        ("loihi1", whole(">", 10.1234567), None),
        ("cortexm4", whole(">=", 10.1234567), None),  # software asks what the network states
    ],
)
def test_a_comparison_that_is_not_made_exactly_is_said(target, net, says):
    found = [line for line in compile_network(net, target, load_target(target)).approximated if "a spike needs" in line]
    assert len(found) == (says is not None)
    assert says is None or (found[0].startswith("population 'a': a spike needs ") and says in found[0])
