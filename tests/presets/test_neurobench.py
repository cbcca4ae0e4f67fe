"""Synaptic operations by kind against NeuroBench 2.3.0's own count of the same network, step for step.

It counts the layers of a snnTorch network as they run; hilbench counts the same network's export, on its engines.
"""

from __future__ import annotations

import nir
import numpy as np
import pytest

from hilbench import plugins
from hilbench.nal import Network, read
from hilbench.nal.compile.facts import network_facts
from hilbench.types import COUNTERS, Probes, Tick

STEPS = 60
MAPS = 8


def forward(torch, snn):
    """Values, or ones and zeros, into a layer; its spikes into the next."""
    yield torch.nn.Linear(12, 40), neurons(torch, snn.Leaky, 40)
    yield torch.nn.Linear(40, 10), neurons(torch, snn.Leaky, 10, output=True)


def recurrent(torch, snn):
    """The same with a loop round each layer."""
    yield torch.nn.Linear(12, 30), neurons(torch, snn.RLeaky, 30, linear_features=30)
    yield torch.nn.Linear(30, 6), neurons(torch, snn.RLeaky, 6, linear_features=6, output=True)


def convolutional(torch, snn):
    """Padding, stride and groups; an average pooling before a convolution, and one before a linear layer."""
    yield torch.nn.Conv2d(2, MAPS, 3, padding=1), neurons(torch, snn.Leaky, MAPS, 16, 16), torch.nn.AvgPool2d(2, 2)
    yield torch.nn.Conv2d(MAPS, MAPS, 3, padding=1, stride=2, groups=2), neurons(torch, snn.Leaky, MAPS, 4, 4)
    yield torch.nn.AvgPool2d(2, 2), torch.nn.Flatten()
    yield torch.nn.Linear(4 * MAPS, 5), neurons(torch, snn.Leaky, 5, output=True)


NETS = {forward: (12,), recurrent: (12,), convolutional: (2, 16, 16)}


def neurons(torch, kind, *shape, **more):
    """A layer whose arrays have its shape, as the export needs them."""
    return kind(beta=torch.full(shape, 0.8), threshold=torch.full(shape, 1.0), init_hidden=True, **more)


def made(framework, kind):
    """A snnTorch network, a tenth of whose weights is 0, and what it is fed, (STEPS, *shape)."""
    torch, snn = framework("torch"), framework("snntorch")
    torch.manual_seed(1)
    net = torch.nn.Sequential(*(layer for stage in kind(torch, snn) for layer in stage))
    with torch.no_grad():
        for layer in net.modules():
            if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)):
                layer.weight *= 3 * (torch.rand_like(layer.weight) > 0.1)
    random = np.random.default_rng(2)
    x = random.normal(0.3, 1, (STEPS, *NETS[kind])) * (random.random((STEPS, *NETS[kind])) < 0.6)
    x[::2] = x[::2] > 0.5  # a layer that is fed ones and zeros in a step does not multiply in it
    return net, x.astype(np.float32)


def by_neurobench(framework, net, x) -> dict[str, float]:
    """Its counts per step."""
    torch = framework("torch")
    model = framework("neurobench.models").SNNTorchModel(net)
    metric = framework("neurobench.metrics.workload").SynapticOperations()
    model.register_hooks()
    data = torch.tensor(x)[None]
    with torch.no_grad():
        spikes = model(data)
    found = metric(model, spikes, (data, None))
    model.cleanup_hooks()
    assert 0.01 < spikes.mean() < 0.9, "a comparison of silent neurons says nothing"
    return {name: total / STEPS for name, total in found.items()}


def on(engine, network: Network, x) -> dict[str, float]:
    """The counts of one of ours per step, each step a tick of its own."""
    cls = plugins.get("backends", engine)
    backend = cls(cls.Config())
    looped = [p for p in network.projections.values() if p.min_delay_steps]
    backend.load(network, network.dt_us, Probes(spikes=tuple(p.source for p in looped)))
    backend.reset(0, "none")
    counts = np.zeros(len(COUNTERS))
    for seq, row in enumerate(x.reshape(STEPS, -1)):
        reply = backend.step(Tick(seq, values=row))
        counts += reply.counters
    # The last step's spikes go round a loop in the step after it, where NeuroBench would count them.
    counts[1] -= sum(crossing(p, reply.probe_events["address"], looped) for p in looped)
    of = dict(zip(COUNTERS, counts / STEPS, strict=True))
    dense = sum(p.n_dense_synapses for p in network_facts(network, network.dt_us).projections.values())
    macs = of["multiplications"]
    return {"Effective_MACs": macs, "Effective_ACs": of["synaptic_operations"] - macs, "Dense": dense}


def crossing(p, addresses, looped) -> int:
    """How many weights other than 0 the probed spikes of this loop's neurons cross."""
    first = sum(q.weights.shape[1] for q in looped[: looped.index(p)])
    mine = addresses[(addresses >= first) & (addresses < first + p.weights.shape[1])] - first
    return int(np.diff(p.weights.indptr)[mine].sum())


@pytest.mark.parametrize("engine", ["reference", "numba"])
@pytest.mark.parametrize("kind", NETS)
def test_operations_are_those_that_neurobench_counts(framework, tmp_path, kind, engine):
    net, x = made(framework, kind)
    expected = by_neurobench(framework, net, x)
    framework("snntorch.utils").reset(net)
    one = framework("torch").zeros(1, *NETS[kind])
    nir.write(tmp_path / "net.nir", framework("snntorch.export_nir").export_to_nir(net, one, ignore_dims=[0]))
    found = on(engine, read(tmp_path / "net.nir", preset="snntorch"), x)
    assert found == pytest.approx(expected, rel=1e-12)
    assert min(expected.values()) > 0
    assert expected["Effective_MACs"] + expected["Effective_ACs"] < 0.9 * expected["Dense"]
