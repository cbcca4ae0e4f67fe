"""snnTorch's own networks against their own export, spike by spike."""

from __future__ import annotations

from pathlib import Path

import nir
import numpy as np
import pytest
from graphs import lively, spikes
from load_script import load_script

from hilbench import read_run, run
from hilbench.nal import Network, read
from hilbench.nal.nir.presets import preset

STEPS = 1000
OPTIONS = {
    "snntorch": {"reset_mechanism": "subtract", "reset_delay": True},
    "snntorch-zero": {"reset_mechanism": "zero", "reset_delay": True},
    "snntorch-now": {"reset_mechanism": "subtract", "reset_delay": False},
    "snntorch-zero-now": {"reset_mechanism": "zero", "reset_delay": False},
}
LAYERS = ("Leaky", "Synaptic", "RLeaky", "RSynaptic")


def layer(snn, torch, kind: str, size: int, random, **options):
    """One layer of neurons with a time constant and a threshold each; the export wants them as tensors."""

    def draw(low, high):
        return torch.tensor(random.uniform(low, high, size), dtype=torch.float32)

    more = {"beta": draw(0.6, 0.95), "threshold": draw(0.8, 1.5), "init_hidden": True, **options}
    if "Synaptic" in kind:
        more["alpha"] = draw(0.3, 0.8)
    if kind.startswith("R"):
        more["linear_features"] = size
    return getattr(snn, kind)(**more)


def network(framework, kind: str, seed: int, **options):
    """Two layers of one kind behind linear ones. Returns it and its file's content."""
    torch, snn = framework("torch"), framework("snntorch")
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 20),
        layer(snn, torch, kind, 20, random, **options),
        torch.nn.Linear(20, 10),
        layer(snn, torch, kind, 10, random, **options),
    )
    scale = 0.5 if "Synaptic" in kind else 1.0
    with torch.no_grad():
        net[0].weight *= 3 * scale
        net[2].weight *= 4 * scale
        if options == OPTIONS["snntorch-now"]:
            soften(net, scale)
    return net


def soften(net, scale: float) -> None:
    """What arrives in a step stays below a threshold, so that a reset leaves no membrane above it (docs/presets.md)."""
    for linear in [net[0], net[2], *(n.recurrent for n in (net[1], net[3]) if hasattr(n, "recurrent"))]:
        linear.weight.abs_()
        linear.weight *= 0.4 * scale / linear.weight.sum(dim=1, keepdim=True)
        linear.bias *= 0
    for neurons in (net[1], net[3]):
        neurons.beta.clamp_(min=0.95)


def save(framework, net, path, n_inputs: int = 4):
    graph = framework("snntorch.export_nir").export_to_nir(net, framework("torch").zeros(1, n_inputs), ignore_dims=[0])
    nir.write(path, graph)


def own_spikes(framework, net, inputs) -> dict[str, np.ndarray]:
    """What each spiking layer of the framework's own network gives, (n_steps, size)."""
    torch, found = framework("torch"), {}
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: found.setdefault(name, []).append(out))
        for name, module in net.named_children() if hasattr(module, "mem")
    ]  # fmt: skip
    with torch.no_grad():
        for row in torch.tensor(inputs, dtype=torch.float32):
            net(row[None])
    for hook in hooks:
        hook.remove()
    return {name: torch.cat(rows).numpy() for name, rows in found.items()}


def inputs(seed: int, n: int = 4) -> np.ndarray:
    return np.random.default_rng(seed + 1000).normal(0.3, 1, (STEPS, n)).astype(np.float32)


def under(name: str, path, x) -> dict[str, np.ndarray]:
    """The spikes of a file under a preset, by the names of the framework's layers."""
    return {key.removesuffix(".lif"): found for key, found in spikes(read(path, preset=name), x).items()}


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("kind", LAYERS)
def test_own_export_gives_own_spikes(framework, tmp_path, kind, name):
    net, x = network(framework, kind, 1, **OPTIONS[name]), inputs(1)
    if name == "snntorch-now":
        x = np.random.default_rng(5).uniform(0, 1, x.shape).astype(np.float32)
    if kind == "RSynaptic" and "now" in name:
        with pytest.raises(TypeError):  # snnTorch 1.0.0 itself fails with reset_delay=False
            own_spikes(framework, net, x[:2])
        return
    own = own_spikes(framework, net, x)  # before the export, which runs the network and so moves its membranes
    save(framework, net, tmp_path / "net.nir")
    found = under(name, tmp_path / "net.nir", x)
    assert list(own) == list(found) == ["1", "3"]
    for key, expected in own.items():
        lively(expected)
        np.testing.assert_array_equal(found[key], expected)


@pytest.mark.parametrize(
    ("kind", "wrong"), [("Leaky", "snntorch-zero"), ("RLeaky", "norse"), ("Synaptic", "lava-float")]
)
def test_another_preset_gives_other_spikes(framework, tmp_path, kind, wrong):
    net, x = network(framework, kind, 1), inputs(1)[:200]
    own = own_spikes(framework, net, x)
    save(framework, net, tmp_path / "net.nir")
    differ = (spikes(read(tmp_path / "net.nir", preset=wrong, dt_s=1e-4), x).popitem()[1] != own["3"]).mean()
    assert differ > 0.02


def test_one_to_one_recurrence(framework, tmp_path):
    torch, snn = framework("torch"), framework("snntorch")
    torch.manual_seed(3)
    recurrent = snn.RLeaky(
        beta=0.8, V=torch.linspace(-0.5, 0.9, 12), all_to_all=False, linear_features=None, init_hidden=True
    )
    net = torch.nn.Sequential(torch.nn.Linear(4, 12), recurrent)
    x = inputs(3) * 2
    own = own_spikes(framework, net, x)["1"]
    save(framework, net, tmp_path / "net.nir")
    lively(own)
    np.testing.assert_array_equal(under("snntorch", tmp_path / "net.nir", x)["1"], own)


def test_an_if_is_a_leaky_with_beta_1(framework):
    """Its time constant is infinite, so the export cannot write it: NIR's IF stands for it."""
    snn = framework("snntorch")
    torch = framework("torch")
    torch.manual_seed(4)
    net = torch.nn.Sequential(torch.nn.Linear(4, 12), snn.Leaky(beta=1.0, init_hidden=True))
    x = inputs(4)
    own = own_spikes(framework, net, x)["1"]
    twin = Network(1e-4)
    twin.input("x", 4)
    twin.add("1", "if", 12, v_threshold=1.0, **preset("snntorch").of("if", 1e-4))
    twin.connect("x", "1", net[0].weight.detach().numpy(), bias=net[0].bias.detach().numpy())
    lively(own)
    np.testing.assert_array_equal(spikes(twin, x)["1"], own)


def test_images(framework, tmp_path):
    """Convolution, pooling, flattening: neurons in three dimensions."""
    torch, snn = framework("torch"), framework("snntorch")
    torch.manual_seed(6)
    image = {"beta": torch.full((3, 6, 6), 0.8), "threshold": torch.ones(3, 6, 6), "init_hidden": True}
    net = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3, padding=1), snn.Leaky(**image), torch.nn.AvgPool2d(2, 2), torch.nn.Flatten(),
        torch.nn.Linear(27, 5), snn.Leaky(beta=torch.full((5,), 0.9), threshold=torch.ones(5), init_hidden=True),
    )  # fmt: skip
    with torch.no_grad():
        net[0].weight *= 3
        net[4].weight *= 5
    x = inputs(6, 72).reshape(STEPS, 2, 6, 6)
    own = own_spikes(framework, net, x)
    graph = framework("snntorch.export_nir").export_to_nir(net, torch.zeros(1, 2, 6, 6), ignore_dims=[0])
    nir.write(tmp_path / "net.nir", graph)
    found = under("snntorch", tmp_path / "net.nir", x.reshape(STEPS, -1))
    for key, expected in own.items():
        lively(expected)
        np.testing.assert_array_equal(found[key], expected.reshape(STEPS, -1))


def test_the_pendulum_example_gives_what_snntorch_gives_for_the_same_observations(framework, tmp_path):
    """Two whole episodes of a run in hilbench, fed to the network of the same file in snnTorch."""
    torch, utils = framework("torch"), framework("snntorch.utils")
    folder = Path(__file__).parents[2] / "examples" / "pendulum"
    example = load_script(folder / "train.py")
    net = example.read()
    law = example.law_of(net)
    run(folder / "pendulum.toml", tmp_path, overrides={"loop.seed": 10001, "loop.episodes": 2})
    for rows in read_run(tmp_path).episodes:
        assert len(rows["seq"]) >= 200
        assert np.abs(rows["actions"]).max() > 1.5  # of 2 N m: it swings up
        utils.reset(net)
        with torch.no_grad():
            own = [law(torch.from_numpy(obs[None].copy())).item() for obs in rows["obs"][:200]]
        np.testing.assert_allclose(rows["values_out"][:200, 0], own, rtol=0, atol=1e-5)
