"""Spyx and Lava, which are not installed here: networks under their presets against their equations, written out.

Spyx 1.0.0: spyx/nn.py, the calls of LIF, IF, LI and RCuBaLIF. Lava 0.10.0: proc/lif/models.py, subthr_dynamics of the
floating-point LIF; proc/dense/models.py, whose Dense sends in a step what it made of the spikes of the step before.
"""

from __future__ import annotations

from itertools import pairwise

import nir
import numpy as np
import pytest
from graphs import lively, spikes

from hilbench.nal import read

STEPS = 1000
DT_S = 1e-4


def file(path, seed: int, kind: str, tau_unit_s: float = 1.0, onward: float = 0.2):
    """Two layers with a loop around the first one, as a NIR file, and the numbers in it."""
    random = np.random.default_rng(seed)
    numbers = {
        "into": random.normal(0, 1, (16, 4)), "around": random.normal(0, 0.3, (16, 16)),
        "onward": onward * random.normal(1, 2, (8, 16)), "thr": random.uniform(0.8, 1.5, 16),
        "tau": random.uniform(4, 20, 16) * tau_unit_s, "tau_syn": random.uniform(2, 6, 16) * tau_unit_s,
    }  # fmt: skip
    numbers = {name: array.astype(np.float32) for name, array in numbers.items()}

    def neurons(n: int) -> nir.NIRNode:
        thr, tau, none = numbers["thr"][:n], numbers["tau"][:n], np.zeros(n, np.float32)
        common = {"v_threshold": thr, "r": np.ones(n, np.float32)}
        if kind == "if":
            return nir.IF(**common)
        if kind == "lif":
            return nir.LIF(tau=tau, v_leak=none, **common)
        return nir.CubaLIF(tau_mem=tau, tau_syn=numbers["tau_syn"][:n], v_leak=none, **common)

    nodes = {
        "x": nir.Input({"input": np.array([4])}), "into": nir.Linear(numbers["into"]), "a": neurons(16),
        "around": nir.Linear(numbers["around"]), "onward": nir.Linear(numbers["onward"]), "b": neurons(8),
        "y": nir.Output({"output": np.array([8])}),
    }  # fmt: skip
    path_through = ["x", "into", "a", "onward", "b", "y"]
    edges = [*pairwise(path_through), ("a", "around"), ("around", "a")]
    nir.write(path, nir.NIRGraph(nodes, edges))
    return numbers


def inputs(seed: int) -> np.ndarray:
    return np.random.default_rng(seed + 1000).normal(0.3, 1, (STEPS, 4)).astype(np.float32)


def agree(net, x, expected: dict[str, np.ndarray]) -> None:
    found = spikes(net, x)
    for name, rows in expected.items():
        lively(rows)
        np.testing.assert_array_equal(found[name], rows)


def spyx_layer(kind: str, n: int, numbers):
    """One call of Spyx's layer: the spikes are those of the membrane as it was."""
    thr, alpha, beta = (numbers[name][:n].astype(float) for name in ("thr", "tau_syn", "tau"))
    alpha, beta = 1 - 1 / alpha, (np.ones(n) if kind == "if" else 1 - 1 / beta)
    v, current = np.zeros(n), np.zeros(n)

    def call(fired, x):
        nonlocal v, current
        if kind != "cuba_lif":
            v = beta * v + x - fired * thr
        else:
            v = v - fired * thr
            current = alpha * current + x
            v = beta * v + current
        return v > thr

    return call


@pytest.mark.parametrize("kind", ["lif", "if", "cuba_lif"])
def test_spyx(tmp_path, kind):
    """`fired` are the spikes that a call returns: those of the membrane that the call before left behind."""
    numbers, x = file(tmp_path / "net.nir", 1, kind), inputs(1)
    first, second = spyx_layer(kind, 16, numbers), spyx_layer(kind, 8, numbers)
    fired_a, fired_b, rows = np.zeros(16, bool), np.zeros(8, bool), []
    for row in x:
        over_a = first(fired_a, numbers["into"] @ row + numbers["around"] @ fired_a)
        over_b = second(fired_b, numbers["onward"] @ fired_a)
        fired_a, fired_b = over_a, over_b
        rows.append((over_a, over_b))
    expected = {"a": np.array([a for a, _ in rows]), "b": np.array([b for _, b in rows])}
    agree(read(tmp_path / "net.nir", preset="spyx", dt_s=DT_S), x, expected)


@pytest.mark.parametrize("kind", ["lif", "if", "cuba_lif"])
def test_lava_float(tmp_path, kind):
    """Without a synapse du is 1; weights times dt / tau, as nir_to_lava.py has it; Dense a step late within the net."""
    strength = {"lif": 8, "if": 1, "cuba_lif": 20}[kind]
    numbers, x = file(tmp_path / "net.nir", 2, kind, DT_S, 0.2 * strength), strength * inputs(2)
    layers, s = {}, {}
    for name, n in (("a", 16), ("b", 8)):
        du = np.ones(n) if kind != "cuba_lif" else DT_S / numbers["tau_syn"][:n].astype(float)
        dv = np.zeros(n) if kind == "if" else DT_S / numbers["tau"][:n].astype(float)
        scale = {"lif": dv, "if": np.ones(n), "cuba_lif": du * dv}[kind]
        layers[name] = (du, dv, scale, np.zeros(n), np.zeros(n), numbers["thr"][:n].astype(float))
        s[name] = np.zeros(n)
    rows = []
    for row in x:
        before = dict(s)
        arriving = {"a": numbers["into"] @ row + numbers["around"] @ before["a"], "b": numbers["onward"] @ before["a"]}
        for name, (du, dv, scale, u, v, vth) in layers.items():
            u[:] = u * (1 - du) + scale * arriving[name]
            v[:] = v * (1 - dv) + u
            s[name] = (v > vth).astype(float)
            v[v > vth] = 0
        rows.append((s["a"], s["b"]))
    expected = {"a": np.array([a for a, _ in rows]), "b": np.array([b for _, b in rows])}
    agree(read(tmp_path / "net.nir", preset="lava-float", dt_s=DT_S), x, expected)
