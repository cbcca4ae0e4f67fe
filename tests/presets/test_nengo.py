"""Nengo's own simulator against a network of the same numbers: it has no NIR export."""

from __future__ import annotations

import numpy as np
from graphs import lively, spikes

from hilbench.nal import Network
from hilbench.nal.nir.presets import preset

STEPS = 1000
DT_S = 1e-3


def weights(seed: int) -> tuple[np.ndarray, ...]:
    """Onto 20 neurons, around them and onto 10 more, as float32: hilbench's numbers."""
    random = np.random.default_rng(seed)
    return tuple(
        a.astype(np.float32)
        for a in (
            random.normal(0, 3, (20, 4)),
            random.normal(0, 0.002, (20, 20)),
            random.normal(0.004, 0.006, (10, 20)),
        )
    )


def inputs(seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1000).normal(0.3, 1, (STEPS, 4)).astype(np.float32)


def own(nengo, neuron_type, x: np.ndarray, into, around, onward) -> list[np.ndarray]:
    """How often each neuron of both layers spikes in each of Nengo's steps."""
    at_rest = {"voltage": nengo.dists.Choice([0])}
    with nengo.Network(seed=0) as model:
        source = nengo.Node(lambda t: x[round(t / DT_S) - 1])
        layers = [
            nengo.Ensemble(
                size, 1, neuron_type=neuron_type(initial_state=at_rest), gain=np.ones(size), bias=np.ones(size)
            )
            for size in (20, 10)
        ]
        first, second = (layer.neurons for layer in layers)
        nengo.Connection(source, first, transform=into, synapse=None)
        nengo.Connection(first, first, transform=around, synapse=0)  # a synapse, even of time 0, is one step
        nengo.Connection(first, second, transform=onward, synapse=None)
        probes = [nengo.Probe(each) for each in (first, second)]
    with nengo.Simulator(model, dt=DT_S, progress_bar=False) as sim:
        sim.run_steps(STEPS)
        return [np.rint(sim.data[probe] * DT_S) for probe in probes]


def twin(kind: str, into, around, onward, **parameters) -> Network:
    p = preset("nengo")
    net = Network(DT_S, spike_amplitude=1 / DT_S)
    net.input("x", 4)
    for name, size in (("a", 20), ("b", 10)):
        net.add(name, kind, size, **parameters, **p.of(kind, DT_S))
    net.connect("x", "a", into, bias=1.0)
    net.connect("a", "a", around, delay_steps=p.recurrent_delay)
    net.connect("a", "b", onward, bias=1.0)
    return net


def test_lif(framework):
    nengo = framework("nengo")
    x, matrices = inputs(1), weights(1)
    expected = own(nengo, lambda **more: nengo.LIF(tau_rc=0.02, tau_ref=0, **more), x, *matrices)
    found = spikes(twin("lif", *matrices, tau_s=0.02), x)
    for name, rows in zip("ab", expected, strict=True):
        lively(rows)
        np.testing.assert_array_equal(found[name], rows)


def test_an_if_is_a_spiking_rectified_linear(framework):
    nengo = framework("nengo")
    x, (into, around, onward) = inputs(2), weights(2)
    # What arrives stays positive: Nengo would rectify it, hilbench's membrane would fall.
    x, into, around, onward = abs(x), abs(into) * 200, abs(around) * 0.02, abs(onward) * 2
    expected = own(nengo, nengo.SpikingRectifiedLinear, x, into, around, onward)
    found = spikes(twin("if", into, around, onward), x)
    assert max(rows.max() for rows in expected) > 1
    for name, rows in zip("ab", expected, strict=True):
        lively(rows > 0)
        np.testing.assert_array_equal(found[name], rows)


def test_a_readout_is_a_lowpass_synapse(framework):
    nengo = framework("nengo")
    x, p = inputs(3), preset("nengo")
    with nengo.Network() as model:
        source = nengo.Node(lambda t: x[round(t / DT_S) - 1])
        probe = nengo.Probe(source, synapse=nengo.Lowpass(0.01))
    with nengo.Simulator(model, dt=DT_S, progress_bar=False) as sim:
        sim.run_steps(STEPS)
        expected = sim.data[probe]
    net = Network(DT_S)
    net.input("x", 4)
    net.add("y", "li", 4, tau_s=0.01, **p.of("li", DT_S))
    net.connect("x", "y", np.eye(4), delay_steps=1)  # Nengo's synapse gives what it had before the step
    np.testing.assert_allclose(spikes(net, x)["y"], expected, rtol=1e-5, atol=1e-6)
