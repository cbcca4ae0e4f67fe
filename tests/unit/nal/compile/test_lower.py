"""Flat arrays stand for the network they were made from."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from hypothesis import HealthCheck, given, settings

from hilbench.nal import Network
from hilbench.nal.compile.lower import lower
from hilbench.nal.compile.lowered import Column, ConstantColumn, ProjectionRow
from hilbench.nal.model.neurons import step_constants
from hilbench.testing.networks import everything, networks
from hilbench.types import Probes


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(net=networks())
def test_every_synapse_and_constant_is_in_its_place(net):
    flat = lower(net, everything(net, net.dt_us))
    assert [p.name for p in flat.order] == net.order()
    lo = dict(zip(net.order(), flat.populations[:, Column.LO], strict=True))
    assert {p.name for p in flat.projections} == set(net.projections)
    bias = np.zeros(flat.bias.size)
    for p, link, synapses in zip(flat.projections, flat.links, flat.synapses, strict=True):
        shape = (link[ProjectionRow.N_TARGET], link[ProjectionRow.N_SOURCE])
        found = scipy.sparse.csc_array((synapses.weights, synapses.targets, synapses.starts), shape=shape)
        np.testing.assert_array_equal(found.toarray(), p.weights.toarray())
        assert np.shares_memory(synapses.weights, p.weights.data) == (p.rule is None and p.weights.nnz > 0)
        delays = link[ProjectionRow.DELAY] if synapses.delays is None else synapses.delays
        np.testing.assert_array_equal(delays, p.delay_steps)
        assert p.max_delay_steps < flat.n_slots
        assert link[ProjectionRow.DENSE] == (p.weights.nnz == np.prod(p.weights.shape))
        assert (link[ProjectionRow.TARGET_LO], link[ProjectionRow.AFTER_THRESHOLD]) == (lo[p.target], p.after_threshold)
        if p.bias is not None:
            bias[lo[p.target] : lo[p.target] + p.bias.size] += p.bias
    np.testing.assert_allclose(flat.bias, bias, rtol=1e-12)
    assert flat.n_slots & (flat.n_slots - 1) == 0
    for p, row in zip(flat.order, flat.populations, strict=True):
        here = slice(row[Column.LO], row[Column.HI])
        np.testing.assert_array_equal(flat.constants[:6, here], np.stack(step_constants(p, net.dt_s)))
        held_s = row[Column.REFRACTORY_STEPS] * net.dt_s
        assert held_s == pytest.approx(p.behaviour.refractory_s, rel=1e-6)


def test_projections_lie_by_their_source():
    """From values that act at once, from other values, from events, then by population in step order."""
    net = Network(0.001)
    net.input("x", 1)
    net.input("e", 1, kind="events")
    net.lif("b", 1, tau_s=0.1)
    net.lif("a", 1, tau_s=0.1)
    one = np.ones((1, 1))
    for source, target, more in (("b", "b", {"delay_steps": 1}), ("a", "b", {}), ("e", "a", {})):
        net.connect(source, target, one, **more)
    net.connect("x", "a", one, delay_steps=3, name="later")
    net.connect("x", "b", one, name="held")
    flat = lower(net, Probes())
    assert [p.name for p in flat.projections] == ["held", "later", "e_to_a", "a_to_b", "b_to_b"]
    assert (flat.n_held, flat.n_from_values, flat.n_from_events, flat.n_slots) == (1, 2, 3, 4)
    first_last = flat.populations[:, [Column.FIRST_PROJECTION, Column.LAST_PROJECTION]]
    np.testing.assert_array_equal(first_last, [[3, 4], [4, 5]])


def test_a_threshold_with_equality_is_the_next_number_below():
    net = Network(0.001)
    net.lif("strict", 1, tau_s=0.1, v_threshold=0.5)
    net.lif("even", 1, tau_s=0.1, v_threshold=0.5, threshold_test=">=")
    strict, even = lower(net, Probes()).constants[ConstantColumn.LIMIT]
    assert strict == 0.5
    assert even < 0.5
    assert even == pytest.approx(0.5, abs=1e-15)


def test_output_and_probe_addresses_follow_the_order_of_ports_and_of_probes():
    net = Network(0.001)
    for name, size in (("b", 2), ("a", 3)):
        net.lif(name, size, tau_s=0.1, output=True)
    net.connect("a", "b", np.ones((2, 3)))
    flat = lower(net, Probes(spikes=("a",)))
    assert net.order() == ["a", "b"]
    np.testing.assert_array_equal(flat.populations[:, Column.OUT_ADDRESS], [2, 0])
    np.testing.assert_array_equal(flat.populations[:, Column.PROBE_ADDRESS], [0, -1])
