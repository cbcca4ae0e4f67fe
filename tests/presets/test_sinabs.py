"""sinabs' own networks against their own export, spike count by spike count."""

from __future__ import annotations

import nir
import numpy as np
import pytest
from graphs import lively, spikes

from hilbench.nal import read

STEPS = 1000
DT_S = 1e-3
"""Any step will do: sinabs counts time in steps."""


def network(framework, kind: str, seed: int, **options):
    """Two layers of neurons. A neuron's export has one time constant for each or for all of them."""
    torch, layers = framework("torch"), framework("sinabs.layers")
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)

    def neurons(size: int):
        if kind == "IAF":
            return layers.IAFSqueeze(
                batch_size=1, spike_threshold=torch.tensor(random.choice([1.0, 1.25, 1.5], size), dtype=torch.float32)
            )
        tau, threshold = (torch.tensor(random.uniform(*r, size), dtype=torch.float32) for r in ((3, 20), (0.8, 1.5)))
        return layers.LIFSqueeze(batch_size=1, tau_mem=tau, spike_threshold=threshold, **options)

    net = torch.nn.Sequential(torch.nn.Linear(4, 20), neurons(20), torch.nn.Linear(20, 10), neurons(10))
    scale = 12 if kind == "LIF" and options.get("norm_input", True) else 1
    with torch.no_grad():
        for linear, factor in ((net[0], scale), (net[2], 2 * scale)):
            linear.weight *= factor
            linear.bias.abs_()
            if kind == "IAF":  # on a grid of 1/64 float32 is exact, and thresholds are met exactly
                linear.weight.copy_(torch.round(linear.weight * 64) / 64)
                linear.bias.copy_(torch.round(linear.bias * 64) / 64)
    return net


def own_spikes(framework, net, x) -> dict[str, np.ndarray]:
    """What each layer of neurons gives, (n_steps, size)."""
    torch, found = framework("torch"), {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: found.update({name: out}))
        for name, module in net.named_children() if hasattr(module, "v_mem")
    ]  # fmt: skip
    with torch.no_grad():
        net(torch.tensor(x))
    for hook in hooks:
        hook.remove()
    return {name: rows.numpy() for name, rows in found.items()}


def save(framework, net, path) -> None:
    nir.write(path, framework("sinabs.nir").to_nir(net, framework("torch").zeros(1, 4)))


def inputs(seed: int) -> np.ndarray:
    found = np.random.default_rng(seed + 1000).normal(0.3, 1, (STEPS, 4))
    return (np.round(found * 16) / 16).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "kind", "options"),
    [("sinabs", "LIF", {}), ("sinabs-unnormalised", "LIF", {"norm_input": False}), ("sinabs", "IAF", {})],
)
def test_own_export_gives_own_spikes(framework, tmp_path, name, kind, options):
    net, x = network(framework, kind, 1, **options), inputs(1)
    own = own_spikes(framework, net, x)
    save(framework, net, tmp_path / "net.nir")
    found = spikes(read(tmp_path / "net.nir", preset=name, dt_s=DT_S), x)
    assert list(own) == list(found) == ["1", "3"]
    assert max(counts.max() for counts in own.values()) > 1  # several spikes in a step
    for key, expected in own.items():
        lively(expected > 0)
        np.testing.assert_array_equal(found[key], expected)


def test_another_preset_gives_other_spikes(framework, tmp_path):
    net, x = network(framework, "LIF", 1), inputs(1)[:200]
    own = own_spikes(framework, net, x)["3"]
    save(framework, net, tmp_path / "net.nir")
    assert (spikes(read(tmp_path / "net.nir", preset="sinabs-unnormalised", dt_s=DT_S), x)["3"] != own).mean() > 0.02


def test_a_leaky_readout_has_its_values(framework, tmp_path):
    torch, layers = framework("torch"), framework("sinabs.layers")
    torch.manual_seed(2)
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 3), layers.ExpLeakSqueeze(batch_size=1, tau_mem=torch.tensor([3.0, 10.0, 30.0]))
    )
    x = inputs(2)
    own = own_spikes(framework, net, x)["1"]
    save(framework, net, tmp_path / "net.nir")
    assert own.std() > 0.1
    np.testing.assert_allclose(
        spikes(read(tmp_path / "net.nir", preset="sinabs", dt_s=DT_S), x)["1"], own, rtol=1e-4, atol=1e-5
    )


def test_images(framework, tmp_path):
    """Convolution, pooling, flattening: neurons in three dimensions, on the grid of the IAF."""
    torch, layers = framework("torch"), framework("sinabs.layers")
    torch.manual_seed(6)
    net = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3, padding=1), layers.IAFSqueeze(batch_size=1), layers.SumPool2d(2), torch.nn.Flatten(),
        torch.nn.Linear(27, 5), layers.IAFSqueeze(batch_size=1),
    )  # fmt: skip
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.round(parameter * 64) / 64)
    x = np.round(np.random.default_rng(6).normal(0.3, 1, (STEPS, 2, 6, 6)) * 16).astype(np.float32) / 16
    own = own_spikes(framework, net, x)
    graph = framework("sinabs.nir").to_nir(net, torch.zeros(1, 2, 6, 6))
    graph.infer_types()  # sinabs leaves shapes out, which nir cannot write
    nir.write(tmp_path / "net.nir", graph)
    found = spikes(read(tmp_path / "net.nir", preset="sinabs", dt_s=DT_S), x.reshape(STEPS, -1))
    assert set(own) == set(found) == {"1", "5"}
    for key, expected in own.items():
        lively(expected > 0)
        np.testing.assert_array_equal(found[key], expected.reshape(STEPS, -1))
