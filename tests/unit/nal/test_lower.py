"""Flat arrays stand for the network they were made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from random_networks import everything, networks

from hilbench.nal import Network
from hilbench.nal import lower as lowering
from hilbench.nal.lower import lower, step_constants
from hilbench.types import Probes


def dense(flat, index: int, n_neurons: int) -> np.ndarray:
    """(n_neurons, n_source): one projection's synapses as the flat arrays have them."""
    p = flat.projections[index]
    n_source = p[lowering.SOURCE_HI] - p[lowering.SOURCE_LO]
    found = np.zeros((n_neurons, n_source), np.float32)
    for s in range(n_source):
        a, b = flat.starts[p[lowering.ROW] + s : p[lowering.ROW] + s + 2]
        np.add.at(found[:, s], flat.targets[a:b], flat.weights[a:b])
    return found


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(net=networks())
def test_every_synapse_and_constant_is_in_its_place(net):
    flat = lower(net, everything(net, net.dt_us))
    order = [net.populations[name] for name in net.order()]
    n = sum(p.size for p in order)
    lo = dict(zip([p.name for p in order], flat.populations[:, lowering.LO], strict=True))
    by_start = sorted(net.projections.values(), key=lambda p: (flat.weight_slices[p.name].start, p.name))
    assert len(flat.weights) == sum(p.weights.nnz for p in by_start)
    rows = {name: i for i, name in enumerate(_flat_order(net))}
    bias = np.zeros(n)
    for name, p in net.projections.items():
        index, first = rows[name], lo[p.target]
        expected = np.zeros((n, p.weights.shape[1]), np.float32)
        expected[first : first + p.weights.shape[0]] = p.weights.toarray()
        np.testing.assert_array_equal(dense(flat, index, n), expected)
        np.testing.assert_array_equal(flat.weights[flat.weight_slices[name]], p.weights.data)
        described = flat.projections[index]
        assert described[lowering.DELAY] == p.delay_steps < flat.n_slots
        assert described[lowering.DENSE] == (p.weights.nnz == np.prod(p.weights.shape))
        assert tuple(described[[lowering.TARGET_LO, lowering.TARGET_HI]]) == (first, first + p.weights.shape[0])
        if p.bias is not None:
            bias[first : first + p.bias.size] += p.bias
    np.testing.assert_allclose(flat.bias, bias, rtol=1e-12)
    for p in order:
        here = slice(lo[p.name], lo[p.name] + p.size)
        decay, gain = step_constants(p, net)
        np.testing.assert_array_equal(flat.neurons[lowering.DECAY, here], decay)
        np.testing.assert_array_equal(flat.neurons[lowering.GAIN, here], gain)
        steps = flat.refractory_steps[here] * net.dt_s
        np.testing.assert_allclose(steps, p.refractory_s, rtol=1e-6)


def _flat_order(net: Network) -> list[str]:
    """From value ports, from event ports, then by population in step order."""
    kinds = {port.name: port.kind for port in net.inputs}
    place = {name: i for i, name in enumerate(net.order())}
    names = list(net.projections)
    key = {"values": -2, "events": -1}
    return sorted(
        names, key=lambda n: place.get(net.projections[n].source, key.get(kinds.get(net.projections[n].source)))
    )


def test_a_threshold_with_equality_is_the_next_number_below():
    net = Network(0.001)
    net.lif("strict", 1, tau_s=0.1, v_threshold=0.5)
    net.lif("even", 1, tau_s=0.1, v_threshold=0.5, threshold=">=")
    strict, even = lower(net, Probes()).neurons[lowering.THRESHOLD]
    assert strict == 0.5
    assert even < 0.5
    assert even == pytest.approx(0.5, abs=1e-15)


@pytest.mark.parametrize(("integrator", "decay"), [("exact", np.exp(-0.25)), ("euler", 0.75)])
def test_the_step_of_both_integrators(integrator, decay):
    net = Network(2.0**-6, integrator)
    net.lif("a", 1, tau_s=2.0**-4, r=3.0)
    found = step_constants(net.populations["a"], net)
    np.testing.assert_allclose(np.ravel(found), [decay, 3 * (1 - decay)], rtol=1e-15)


def test_output_and_probe_addresses_follow_the_order_of_ports_and_of_probes():
    net = Network(0.001)
    for name, size in (("b", 2), ("a", 3)):
        net.lif(name, size, tau_s=0.1, output=True)
    net.connect("a", "b", np.ones((2, 3)))
    flat = lower(net, Probes(spikes=("a",)))
    assert net.order() == ["a", "b"]
    np.testing.assert_array_equal(flat.populations[:, lowering.OUT_ADDRESS], [2, 0])
    np.testing.assert_array_equal(flat.populations[:, lowering.PROBE_ADDRESS], [0, -1])
