"""Random integer networks, all that the model allows, and ticks for them."""

from __future__ import annotations

import numpy as np
import scipy.sparse

from hilbench.nal.loihi import IntegerNetwork
from hilbench.nal.loihi.equations import SIGNS
from hilbench.nal.loihi.model import ValueInput
from hilbench.types import EVENT, Port, Probes, Tick, size_of

DT_US, STEPS = 250, 4
PERIOD_US = DT_US * STEPS


def population(net: IntegerNetwork, name: str, random: np.random.Generator) -> None:
    size = int(random.integers(1, 9))
    net.lif(
        name, size, du=random.choice([0, 100, 1023, 4095]), dv=random.choice([0, 60, 900, 4095]),
        vth=int(random.integers(0, 3000)), bias_mant=random.integers(-300, 2000, size),
        bias_exp=random.integers(-7, 8, size), v_initial=random.integers(-(2**23) + 1, 2**23, size),
        refractory_steps=int(random.integers(0, 4)), volts=random.normal(size=size), v_zero=random.normal(size=size),
    )  # fmt: skip
    net.output(f"{name}_spikes", name, "events")
    net.output(f"{name}_volts", name, "values")


def projection(net: IntegerNetwork, source: str, target: str, n: int, random: np.random.Generator) -> None:
    size = net.populations[target].size
    sign = str(random.choice(list(SIGNS)))
    low, high = SIGNS[sign]
    weights = random.integers(low, high + 1, (size, n)) * (random.random((size, n)) < 0.7)
    net.dense(
        source, target, weights, weight_exp=int(random.integers(-8, 8)), weight_bits=int(random.integers(1, 9)),
        sign=sign, delay_steps=random.integers(1, 8, int((weights != 0).sum())), name=f"{source}_to_{target}",
    )  # fmt: skip


def network(seed: int) -> IntegerNetwork:
    """Everything that the firmware has: events and values in, several populations, delays, exponents, read-outs."""
    random = np.random.default_rng(seed)
    net = IntegerNetwork(DT_US)
    net.input("e", 5)
    net.input("f", 2)
    net.inputs += (Port("x", 3),)
    names = ["a", "b", "c"][: random.integers(1, 4)]
    for name in names:
        population(net, name, random)
    net.lif("silent", 2, du=1000, dv=50, vth=None, volts=0.1, v_zero=[1.0, -1.0])
    net.output("silent", "silent", "values")
    for source, n in [("e", 5), ("f", 2), *((name, net.populations[name].size) for name in names)]:
        projection(net, source, str(random.choice([*names, "silent"])), n, random)
    for name in (names[0], "silent"):
        size = net.populations[name].size
        weights = scipy.sparse.csc_array(random.normal(size=(size, 3)).astype(np.float32))
        net.value_inputs.append(ValueInput(f"x_to_{name}", "x", name, weights, random.normal(0, 3000, size)))
    return net


def probes(net: IntegerNetwork) -> Probes:
    return Probes(spikes=tuple(reversed([p.name for p in net.populations.values() if p.vth is not None])))


def ticks(net: IntegerNetwork, n: int, seed: int, period_us: int = PERIOD_US) -> list[Tick]:
    """Up to as many events as the firmware has room for, some of them twice, and values that are not always finite."""
    random = np.random.default_rng(seed)
    n_addresses, n_values = size_of(net.inputs, "events"), size_of(net.inputs, "values")
    found = []
    for seq in range(n):
        events = np.zeros(random.integers(0, n_addresses * period_us // net.dt_us + 1), EVENT)
        events["t_us"] = np.sort(random.integers(0, period_us, events.size))
        events["address"] = random.integers(0, n_addresses, events.size)
        scale = random.choice([0.0, 1.0, 100.0, 1e30])
        values = (scale * random.normal(size=n_values)).astype(np.float32)
        values[random.random(n_values) < 0.05] = random.choice([np.nan, np.inf, -np.inf])
        found.append(Tick(seq, seq * 1000 * period_us, events=events, values=values))
    return found
