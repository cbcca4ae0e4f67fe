"""Placements: every neuron once, no limit broken that could be kept, traffic never above the network's own order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from target_examples import chain, communities, most, target, targets

from hilbench.nal.compile.fold import fold
from hilbench.nal.compile.place import CUTHILL_MCKEE, METIS, OWN, broken, place
from hilbench.nal.compile.wiring import wire
from hilbench.testing.networks import networks


def naive(core, wiring, spikes):
    """Messages, axons in and axons out, counted one by one."""
    dense, n = wiring.synapses.toarray() > 0, core.max() + 1
    goes = [set(core[dense[:, source]]) for source in range(dense.shape[1])]
    messages = sum(spikes[s] * len(cores - ({core[s]} if s < core.size else set())) for s, cores in enumerate(goes))
    axons_in = [sum(c in cores for cores in goes) for c in range(n)]
    axons_out = [sum(len(goes[s]) for s in np.flatnonzero(core == c)) for c in range(n)]
    return messages, axons_in, axons_out


@settings(max_examples=60, deadline=None, derandomize=True)
@given(networks(), targets(), st.integers(0, 2**32 - 1))
def test_a_placement_keeps_every_limit_and_counts_right(net, where, seed):
    folded = fold(net)
    assume(folded.populations)
    wiring = wire(folded)
    spikes = np.random.default_rng(seed).integers(0, 9, wiring.synapses.shape[1]).astype(float)
    found = place(wiring, where, spikes)
    n_cores = found.load.neurons.size
    assert found.core.shape == (wiring.n_neurons,)
    assert set(found.core) == set(range(n_cores))
    assert broken(found, where) == []
    assert found.messages <= found.messages_in_order
    messages, axons_in, axons_out = naive(found.core, wiring, spikes)
    assert found.messages == pytest.approx(messages)
    assert found.load.axons_in.tolist() == axons_in
    assert found.load.axons_out.tolist() == axons_out
    assert found.load.neurons.tolist() == np.bincount(found.core).tolist()
    if where.neurons_per_core is not None:
        assert found.load.neurons.max() <= where.neurons_per_core
    if where.limits.memory is not None:
        assert found.load.bits.max() <= where.limits.memory.bits
    if where.limits.populations_per_core is not None:
        assert all(len(set(wiring.group[found.core == c])) == 1 for c in range(n_cores))


def test_cores_are_filled_in_order_and_traffic_is_counted_by_hand():
    # a: 3 neurons, b: 3; cores of 4 hold a and b0, then b1 and b2. Each a goes to both cores, each event to core 0.
    wiring = wire(chain(3, 3))
    where = target(4)
    found = place(wiring, where, np.array([1, 2, 4, 8, 8, 8, 16, 32], float))
    assert found.core.tolist() == [0, 0, 0, 0, 1, 1]
    assert found.messages_in_order == (1 + 2 + 4) + (16 + 32)
    assert found.hops == 1 + 2 + 4
    assert found.load.axons_in.tolist() == [2 + 3, 3]
    assert found.load.axons_out.tolist() == [6, 0]
    assert found.load.cores_reached.tolist() == [2, 2, 2, 0, 0, 0]


def test_too_many_axons_out_make_smaller_cores():
    wiring = wire(chain(4, 4))
    roomy, tight = target(4), target(4, axons_out=most(2))
    spikes = np.ones(wiring.synapses.shape[1])
    assert place(wiring, roomy, spikes).load.axons_out.max() == 4
    found = place(wiring, tight, spikes)
    assert broken(found, tight) == []
    assert found.load.axons_out.max() <= 2


def test_a_neuron_that_is_too_much_for_a_core_is_named():
    wiring = wire(chain(5, 2))
    where = target(4, axons_in=most(4))
    (line,) = broken(place(wiring, where, np.ones(9)), where)
    assert (line.limit, line.found, line.allowed) == ("axons_in", "5", "4")


def test_hops_are_unknown_beyond_a_chip():
    wiring = wire(chain(4))
    assert place(wiring, target(1, cores=4), np.ones(6)).hops == 0
    found = place(wiring, target(1, cores=3), np.ones(6))
    assert found.hops is None
    assert [b.limit for b in broken(found, target(1, cores=3))] == ["cores"]
    assert broken(found, target(1, cores=3), chips=2) == []


def test_what_talks_together_comes_together():
    wiring = wire(communities(8, 16))
    spikes = np.ones(wiring.synapses.shape[1])
    found = place(wiring, target(16), spikes)
    assert {OWN, CUTHILL_MCKEE} <= set(found.tried)
    assert found.messages == 0 < found.messages_in_order
    assert found.load.neurons.tolist() == [16] * 8


def test_metis_sees_the_spikes():
    pytest.importorskip("pymetis")
    # A ring of neurons in which every second one is silent: cuts cost nothing behind a silent one.
    from hilbench.nal import Network

    n = 64
    net = Network(0.001)
    net.lif("a", n, tau_s=0.02)
    weights = np.zeros((n, n))
    shuffled = np.random.default_rng(1).permutation(n)
    weights[shuffled, np.roll(shuffled, 1)] = 1
    net.connect("a", "a", weights, delay_steps=1)
    wiring = wire(net)
    spikes = np.zeros(n)
    spikes[shuffled[::2]] = 10
    found = place(wiring, target(8), spikes)
    assert METIS in found.tried
    assert found.messages <= 20 < found.messages_in_order


def test_metis_cuts_small_parts_with_less_traffic_than_by_its_own_choice_of_method(monkeypatch):
    pytest.importorskip("pymetis")
    from hilbench.nal import Network
    from hilbench.nal.compile import place as placing

    # Neurons on a square of 24 x 24, each with its eight neighbours.
    side = np.abs(np.subtract.outer(np.arange(24), np.arange(24))) <= 1
    net = Network(0.001)
    net.lif("a", 24 * 24, tau_s=0.02)
    net.connect("a", "a", np.kron(side, side), delay_steps=1)
    wiring = wire(net)
    spikes = np.ones(wiring.synapses.shape[1])
    by_cutting, messages = placing._parts(placing._talk(wiring, spikes), 72), {}
    monkeypatch.setattr(placing, "FEW", 0)
    for name, parts in (("once", by_cutting), ("own", placing._parts(placing._talk(wiring, spikes), 72))):
        messages[name] = placing._messages(parts, wiring, spikes)
    assert 0 < messages["once"] < messages["own"]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 8)), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_one_core_for_each_neuron_is_found_where_there_is_one(groups, seed):
    # Groups of sources that share targets, dealt out at random: a core for each group's targets would do.
    random = np.random.default_rng(seed)
    n_sources, n_targets = (sum(sizes) for sizes in zip(*groups, strict=True))
    weights, source, aim = np.zeros((n_targets, n_sources)), 0, 0
    for sources, aims in groups:
        weights[aim : aim + aims, source : source + sources] = 1
        source, aim = source + sources, aim + aims
    net = chain(n_sources)
    net.lif("b", n_targets, tau_s=0.02)
    net.connect("a", "b", weights[random.permutation(n_targets)][:, random.permutation(n_sources)], delay_steps=1)
    wiring = wire(net)
    where = target(8, axons_in=most(8), cores_reached=most(1))
    found = place(wiring, where, np.ones(wiring.synapses.shape[1]))
    assert broken(found, where) == []
    assert found.load.cores_reached.max() == 1


def test_targets_that_no_core_can_hold_together_are_no_proof():
    wiring = wire(chain(2, 5))
    where = target(4, cores_reached=most(1))
    (line,) = broken(place(wiring, where, np.ones(wiring.synapses.shape[1])), where)
    assert str(line) == (
        "2 neurons: cores_reached: found no placement that keeps it, up to 2 in the best one; allowed: 1"
    )
