"""Norse's own networks against their own export, spike by spike; and its cells that it cannot export."""

from __future__ import annotations

import nir
import numpy as np
import pytest
from graphs import lively, spikes

from hilbench.nal import Network, read
from hilbench.nal.nir.presets import preset

STEPS = 1000
DT_S = 1e-3
CELLS = ("LIFBoxCell", "LIFCell", "IAFCell")


def cell(framework, kind: str, size: int, random):
    """Neurons with time constants and thresholds of their own; nir 1.0.8 cannot write Norse's scalar ones."""
    torch, norse = framework("torch"), framework("norse.torch")

    def draw(low, high):
        return torch.tensor(random.uniform(low, high, size), dtype=torch.float32)

    parameters = {"v_th": draw(0.8, 1.5), "v_reset": torch.zeros(size)}
    if kind != "IAFCell":
        parameters |= {"tau_mem_inv": draw(50, 250), "v_leak": torch.zeros(size)}
    if kind == "LIFCell":
        parameters |= {"tau_syn_inv": draw(100, 400)}
    module = framework("norse.torch.functional." + {"LIFBoxCell": "lif_box", "LIFCell": "lif", "IAFCell": "iaf"}[kind])
    return getattr(norse, kind)(getattr(module, kind.replace("Cell", "Parameters"))(**parameters), dt=DT_S)


def network(framework, kind: str, seed: int):
    torch, norse = framework("torch"), framework("norse.torch")
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    net = norse.SequentialState(
        torch.nn.Linear(4, 20), cell(framework, kind, 20, random),
        torch.nn.Linear(20, 10), cell(framework, kind, 10, random),
    )  # fmt: skip
    scale = {"LIFBoxCell": 6, "LIFCell": 2, "IAFCell": 1}[kind]
    with torch.no_grad():
        net[0].weight *= scale
        net[2].weight *= 4 * scale
        net[0].bias.abs_()
        net[2].bias.abs_()
    return net


def own_spikes(framework, net, x) -> dict[str, np.ndarray]:
    """What each layer of spiking cells gives, (n_steps, size)."""
    torch, found, state = framework("torch"), {}, None
    hooks = [
        module.register_forward_hook(lambda _m, _i, out, name=name: found.setdefault(name, []).append(out[0]))
        for name, module in net.named_children() if "Cell" in type(module).__name__
    ]  # fmt: skip
    with torch.no_grad():
        for row in torch.tensor(x):
            _, state = net(row, state)
    for hook in hooks:
        hook.remove()
    return {name: torch.stack(rows).numpy() for name, rows in found.items()}


def save(framework, net, path, **options):
    graph = framework("norse.torch").to_nir(net, framework("torch").zeros(4), **options)
    nir.write(path, graph)


def inputs(seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1000).normal(0.3, 1, (STEPS, 4)).astype(np.float32)


@pytest.mark.parametrize(("name", "options"), [("norse", {"dt": 1.0}), ("norse-export", {"dt": DT_S})])
@pytest.mark.parametrize("kind", CELLS)
def test_own_export_gives_own_spikes(framework, tmp_path, kind, name, options):
    net, x = network(framework, kind, 1), inputs(1)
    save(framework, net, tmp_path / "net.nir", **options)
    own, found = own_spikes(framework, net, x), spikes(read(tmp_path / "net.nir", preset=name), x)
    assert list(own) == list(found) == ["1", "3"]
    for key, expected in own.items():
        lively(expected)
        np.testing.assert_array_equal(found[key], expected)


def test_another_preset_gives_other_spikes(framework, tmp_path):
    net, x = network(framework, "LIFCell", 1), inputs(1)[:200]
    save(framework, net, tmp_path / "net.nir", dt=1.0)
    own = own_spikes(framework, net, x)["3"]
    assert (spikes(read(tmp_path / "net.nir", preset="snntorch", dt_s=DT_S), x)["3"] != own).mean() > 0.02


def test_a_leaky_readout_has_its_values(framework, tmp_path):
    torch, norse = framework("torch"), framework("norse.torch")
    torch.manual_seed(2)
    parameters = framework("norse.torch.functional.leaky_integrator_box").LIBoxParameters(
        tau_mem_inv=torch.tensor([50.0, 100.0, 200.0]), v_leak=torch.zeros(3)
    )
    net = norse.SequentialState(torch.nn.Linear(4, 3), norse.LIBoxCell(parameters, dt=DT_S))
    save(framework, net, tmp_path / "net.nir", dt=1.0)
    x = inputs(2)
    own = own_spikes(framework, net, x)["1"]
    assert own.std() > 0.1
    np.testing.assert_allclose(spikes(read(tmp_path / "net.nir", preset="norse"), x)["1"], own, atol=1e-6)


def test_recurrent_cells_take_the_spikes_of_the_step_before(framework):
    """Norse has them, and no export for them: a network of the same numbers stands for it."""
    torch, norse = framework("torch"), framework("norse.torch")
    torch.manual_seed(3)
    own_cell = norse.LIFRecurrentCell(4, 12, autapses=True, dt=DT_S)
    with torch.no_grad():
        own_cell.input_weights *= 3
        x, state, rows = inputs(3), None, []
        for row in torch.tensor(x)[:, None]:
            z, state = own_cell(row, state)
            rows.append(z[0])
    own, p = torch.stack(rows).numpy(), preset("norse")
    net = Network(DT_S)
    net.input("x", 4)
    net.add("n", "cuba_lif", 12, tau_s=0.01, tau_syn_s=0.005, **p.of("cuba_lif", DT_S, True))
    net.connect("x", "n", own_cell.input_weights.detach().numpy())
    net.connect("n", "n", own_cell.recurrent_weights.detach().numpy(), delay_steps=p.recurrent_delay)
    lively(own)
    np.testing.assert_array_equal(spikes(net, x)["n"], own)
