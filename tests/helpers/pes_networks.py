"""Random networks of spiking neurons and readouts that learn by PES, and what is to come out of them.

That is: spikes and membranes as backend `loihi` has them, and of the reference, which is given those very spikes, all
that the readouts do.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse

from hilbench.backends._lava.given import Given
from hilbench.backends.loihi import Loihi, LoihiConfig
from hilbench.nal import Network
from hilbench.nal.compile.host_part import beside_chip, chip_part
from hilbench.nal.loihi.quantise import from_network
from hilbench.nal.rules.pes import PES
from hilbench.testing.networks import stream
from hilbench.types import Probes, Reply, Tick

PERIOD_US = 3000


def network(seed: int) -> Network:
    """Everything that a learning readout on a board may have: sources, delays, bounds, biases, currents, gaps in it."""
    random = np.random.default_rng(seed)
    dt_s = random.choice([0.001, 0.0005])
    net = Network(float(dt_s), "exact", float(random.choice([1.0, 1 / dt_s])), seed)
    net.input("x", 2)
    net.input("e", 3, kind="events")
    n_a, n_b, n_y, n_z = random.integers(1, 7, 4)
    net.add("z", "cuba_li", n_z, tau_s=0.02, tau_syn_s=random.uniform(0.002, 0.02, n_z), v_leak=0.3, v_initial=0.5,
            integrator=random.choice(["exact", "euler"]), output=True)  # fmt: skip
    net.lif("a", n_a, tau_s=0.02, refractory_s=0.002, output=True)
    net.lif("b", n_b, tau_s=0.01, reset="zero")
    net.output("b_volts", "b", kind="values")
    net.readout("plain", 2, tau_s=0.03)
    net.readout("y", n_y, tau_s=10 ** random.uniform(-3, 1, n_y), r=2.0)
    net.output("z_again", "z")
    amplitude = net.spike_amplitude

    def weights(target: str, n: int, sent: float = amplitude) -> np.ndarray:
        return random.normal(0.3, 0.8, (net.populations[target].size, n)) / sent

    def rule(modulator: str, **more: float) -> PES:
        return PES(
            modulator=modulator, learning_rate=0.05 / amplitude, pre_tau_s=10 ** random.uniform(-2.7, -0.3), **more
        )

    net.connect("x", "a", random.uniform(-1, 2, (n_a, 2)), bias=random.uniform(0, 1.5, n_a))
    net.connect("e", "b", random.uniform(0, 3, (n_b, 3)) * 10, delay_steps=2)
    net.connect("a", "b", weights("b", n_a) * 10, delay_steps=1)
    net.connect("b", "plain", weights("plain", n_b), name="plainly")
    net.connect(
        "a", "y", 0 * weights("y", n_a), rule=rule("error"), name="slope", delay_steps=int(random.integers(0, 4))
    )
    net.connect("e", "y", np.clip(weights("y", 3, 1.0), -0.5, 0.5), rule=rule("error", w_min=-0.5, w_max=0.5))
    net.connect("x", "y", weights("y", 2, 1.0), bias=random.normal(size=n_y), delay_steps=int(random.integers(0, 3)))
    some = scipy.sparse.coo_array(weights("z", n_b) * (random.random((n_z, n_b)) < 0.6))
    net.connect("b", "z", some, rule=rule("other"), name="sparse")
    net.connect("a", "z", weights("z", n_a), delay_steps=random.integers(0, 5, (n_z, n_a)), name="fixed")
    return net


def ticks(net: Network, n: int, seed: int) -> list[Tick]:
    """Ticks with errors that are sometimes 0 or no number, values and events, learning off now and then."""
    found = stream(net, PERIOD_US, n, seed)
    random = np.random.default_rng(seed)
    for tick in found:
        bad = random.random(tick.modulators.size) < 0.02
        tick.modulators[bad] = random.choice([np.nan, np.inf, -np.inf])
    return found


class Expected:
    """What a board with this network answers."""

    def __init__(self, net: Network) -> None:
        beside = beside_chip(net, "cortexm")
        chip = chip_part(net, beside)
        self._n_steps, self._dt_us = PERIOD_US // net.dt_us, net.dt_us
        order = sorted(chip.populations.values(), key=lambda p: not p.spiking)  # those that spike come first
        spiking = [p for p in order if p.spiking]
        self._chip = Loihi(LoihiConfig())
        self._chip.load(chip, PERIOD_US, Probes(spikes=tuple(p.name for p in spiking)))
        ends = np.cumsum([0, *(p.size for p in order)]).tolist()
        at = {p.name: slice(*ends[i : i + 2]) for i, p in enumerate(order)}
        self._n = ends[-1]
        synapses = from_network(chip)[0].projections
        elsewhere = {
            name: synapses[name].weights if name in synapses else q.weights for name, q in chip.projections.items()
        }
        self._host = Given(net, PERIOD_US, Probes(), at, elsewhere, synapses)
        self.beside = np.concatenate(
            [
                np.full(port.size, net.output_sources[port.name] in beside)
                for port in net.outputs
                if port.kind == "values"
            ]
        )
        """Which of the output values are a readout's that learns."""

    def reset(self, carry: str) -> None:
        self._chip.reset(0, carry)
        self._host.reset(0, carry)

    def step(self, tick: Tick) -> Reply:
        chip = self._chip.step(tick)
        host = self._host.run(tick, *self._rows(chip))
        values = np.array(host.values)
        values[~self.beside] = chip.values
        return Reply(events=chip.events, values=values, counters=host.counters.copy())

    def advance(self, n_periods: int) -> None:
        """Periods without a tick, one after the other so that their spikes are seen."""
        for _ in range(n_periods):
            held = Tick(values=self._chip._values.astype(np.float32), modulators=np.zeros(len(self._host._modulators)))
            self._host.pass_by(1, *self._rows(self._chip.step(held)))

    def weights(self) -> np.ndarray:
        """All that was learnt."""
        return np.concatenate([a for name, a in self._host.snapshot().items() if name.startswith("weights/")])

    def _rows(self, reply: Reply) -> tuple[np.ndarray, np.ndarray]:
        spikes = np.zeros((self._n_steps, self._n))
        spikes[reply.probe_events["t_us"] // self._dt_us, reply.probe_events["address"]] = 1
        return spikes, np.zeros_like(spikes)
