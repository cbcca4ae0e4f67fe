"""Backend `loihi` against Lava 0.10's fixed-point LIF and Dense, bit for bit: every u, v and spike of every step."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lava_networks import pack, unpack

from hilbench.backends.loihi import Loihi, LoihiConfig
from hilbench.nal.loihi import IntegerNetwork, equations
from hilbench.types import EVENT, Probes, Tick

N_STEPS, N_RUNTIME_STEPS = 1000, 300
DT_US = 1000
SIGNS = ("excitatory", "inhibitory", "mixed", "auto")
WORKER = Path(__file__).with_name("lava_networks.py")
SORTS = {
    "plain": dict(exponents=(-2, 2), vth=20_000),
    "fine": dict(exponents=(-8, -1), vth=300),
    "delayed": dict(exponents=(-4, 3), vth=20_000, delays=True),
    "coarse": dict(exponents=(3, 7), vth=131_071),
    "flooded": dict(exponents=(7, 7), vth=131_071, slow=True),
}
"""What the random networks differ in. `flooded` ones wrap u, drive v to the end of its range and outrun 24 bits."""


def random_weights(random: np.random.Generator, shape: tuple[int, int], sign: str) -> np.ndarray:
    low, high = equations.SIGNS.get(sign, (-256, 255))
    weights = random.integers(low, high, shape, endpoint=True)
    return np.where(random.random(shape) < 0.3, 0, weights)


def random_population(random: np.random.Generator, size: int, vth: int, slow: bool) -> dict[str, Any]:
    return {
        "size": size,
        "du": random.integers(0, 40) if slow else random.choice([0, 4095, *random.integers(1, 4095, 4)]),
        "dv": random.integers(0, 40) if slow else random.choice([0, 4095, *random.integers(1, 2000, 4)]),
        "vth": random.integers(vth // 2, vth, endpoint=True),
        "bias_mant": random.integers(-4096, 4095, size, endpoint=True) // random.integers(1, 50),
        "bias_exp": random.integers(-3, 7, size, endpoint=True),
    }


def random_network(seed: int, exponents, vth, delays=False, slow=False) -> dict[str, Any]:
    """Event lines onto two populations that drive each other and themselves, with an input of 1000 steps."""
    random = np.random.default_rng(seed)
    sizes = {name: int(random.integers(3, 25)) for name in ("e", "a", "b")}
    projections = {}
    for i, (source, target) in enumerate(("ea", "eb", "ab", "ba", "aa", "eb")):
        sign = SIGNS[(seed + i) % len(SIGNS)]
        shape = (sizes[target], sizes[source])
        projections[f"p{i}"] = {
            "source": source, "target": target, "weights": random_weights(random, shape, sign), "sign": sign,
            "weight_exp": random.integers(*exponents, endpoint=True), "weight_bits": random.choice([8, 8, 7, 5, 3, 1]),
        }  # fmt: skip
        if delays:
            projections[f"p{i}"]["delays"] = random.integers(0, random.choice([0, 3, 63]), shape, endpoint=True)
    return {
        "inputs": {"e": random.random((N_STEPS, sizes["e"])) < random.uniform(0.02, 0.5)},
        "populations": {name: random_population(random, sizes[name], vth, slow) for name in ("a", "b")},
        "projections": projections,
    }


def networks() -> dict[str, dict[str, Any]]:
    """20 networks, four of each sort."""
    seeds = {f"{sort}{i}": (sort, 10 * k + i) for k, sort in enumerate(SORTS) for i in range(4)}
    return {name: random_network(seed, **SORTS[sort]) for name, (sort, seed) in seeds.items()}


def ours(net: dict[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """What backend `loihi` makes of a network: u, v and spikes (n_steps, size) of each population."""
    integers = IntegerNetwork(DT_US)
    for name, spikes in net["inputs"].items():
        integers.input(name, spikes.shape[1])
    for name, p in net["populations"].items():
        integers.lif(name, **p)
    for name, p in net["projections"].items():
        settings = {key: p[key] for key in ("weight_exp", "weight_bits", "sign")}
        weights, delays = p["weights"], p.get("delays", np.zeros(p["weights"].shape, int))
        in_order = 1 + delays.T[weights.T != 0]
        integers.dense(p["source"], p["target"], weights, **settings, delay_steps=in_order, name=name)
    backend = Loihi(LoihiConfig())
    backend.load(integers, DT_US, Probes(spikes=tuple(net["populations"])))
    ends = np.cumsum([0, *(p["size"] for p in net["populations"].values())])
    rows = []
    for step, active in enumerate(net["inputs"]["e"]):
        events = np.zeros(active.sum(), EVENT)
        events["address"] = np.flatnonzero(active)
        spikes = np.bincount(backend.step(Tick(step, events=events)).probe_events["address"], minlength=ends[-1])
        rows.append((backend.states(), spikes))
    return {
        name: {
            "u": np.array([states[name][0] for states, _ in rows]),
            "v": np.array([states[name][1] for states, _ in rows]),
            "spikes": np.array([spikes[ends[i] : ends[i + 1]] for _, spikes in rows]),
        }
        for i, name in enumerate(net["populations"])
    }


def run_lava(python: Path, nets: dict[str, Any], how: str, folder: Path, timeout_s: float) -> dict[str, Any]:
    """What Lava makes of networks, in its own environment. It may hang: all that it started is ended."""
    path_in, path_out = folder / "in.npz", folder / "out.npz"
    np.savez_compressed(path_in, **pack(nets))
    worker = subprocess.Popen(
        [python, WORKER, how, path_in, path_out],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        said, _ = worker.communicate(timeout=timeout_s)
    finally:
        if worker.poll() is None or how == "runtime":
            end_group(worker.pid)
        worker.wait(timeout=10)
    assert worker.returncode == 0, said
    with np.load(path_out) as file:
        return unpack({name: file[name] for name in file})


def end_group(pid: int) -> None:
    """End what is left of a process group that this test started."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


@pytest.fixture(scope="module")
def lava(lava_python, tmp_path_factory) -> dict[str, Any]:
    return run_lava(lava_python, networks(), "models", tmp_path_factory.mktemp("models"), timeout_s=100)


def same(found: dict, expected: dict, name: str) -> None:
    for population in expected:
        for key in ("u", "v", "spikes"):
            one, two = found[population][key], expected[population][key]
            wrong = np.argwhere(one != two)
            assert one.shape == two.shape
            assert not wrong.size, f"{name}: {key} of {population} differs first at step, neuron {wrong[0].tolist()}"


@pytest.mark.parametrize("name", networks())
def test_every_state_and_spike_of_1000_steps_is_lavas(name, lava):
    same(ours(networks()[name]), lava[name], name)


def test_the_networks_reach_what_they_are_there_for(lava):
    traces = [p for net in lava.values() for p in net.values()]
    assert all(p["u"].shape[0] == N_STEPS for p in traces)
    assert sum(0 < p["spikes"].mean() < 1 for p in traces) > 20
    assert sum((p["v"] == -equations.LIMIT).any() for p in traces) > 2
    assert sum((np.abs(np.diff(p["u"], axis=0)) > 1.5 * equations.WRAP).any() for p in traces) > 2
    assert sum((np.abs(p["u"]) > equations.WRAP).any() for p in traces) > 0


@pytest.mark.parametrize("name", ["plain3", "delayed1", "flooded2"])
def test_lavas_runtime_says_what_its_models_say(name, lava, lava_python, tmp_path):
    """Its models are called without its runtime above, which takes seconds where that takes minutes."""
    net = networks()[name]
    net["inputs"] = {key: spikes[:N_RUNTIME_STEPS] for key, spikes in net["inputs"].items()}
    expected = {key: {of: rows[:N_RUNTIME_STEPS] for of, rows in p.items()} for key, p in lava[name].items()}
    assert any(p["spikes"].any() and (p["v"] == -equations.LIMIT).any() for p in expected.values())
    same(run_lava(lava_python, {name: net}, "runtime", tmp_path, timeout_s=100)[name], expected, name)
