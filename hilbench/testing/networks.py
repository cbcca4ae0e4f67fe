"""Random small networks and tick streams. Half of them live on a dyadic grid, where thresholds are met exactly."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
from hypothesis import strategies as st

from hilbench.nal import Network
from hilbench.nal.model.neurons import KINDS, PARAMETERS, SPIKING
from hilbench.nal.model.short_term import ShortTerm
from hilbench.nal.rules.eprop import EProp
from hilbench.nal.rules.homeostatic import Homeostatic
from hilbench.nal.rules.pes import PES
from hilbench.nal.rules.rstdp import RSTDP
from hilbench.nal.rules.stdp import STDP
from hilbench.nal.rules.stdp_nearest import STDPNearest
from hilbench.nal.rules.triplet import Triplet
from hilbench.types import EVENT, NO_EVENTS, Probes, Tick, size_of

DYADIC_DT_S = 2.0**-6  # a whole number of microseconds and a power of two


class _Maker:
    """Draws one network. On the dyadic grid every sum is exact, so a membrane often equals its threshold."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self.dyadic = draw(st.booleans())
        self.dt_s = DYADIC_DT_S if self.dyadic else draw(st.sampled_from([0.001, 0.0001, 0.000123]))
        integrator: Any = "euler" if self.dyadic else draw(st.sampled_from(["exact", "euler"]))
        amplitude = draw(st.sampled_from([1.0, 0.5, 1 / self.dt_s]))
        self.net = Network(self.dt_s, integrator, amplitude, draw(st.integers(0, 2**64 - 1)))

    def numbers(self, low: float, high: float, shape) -> np.ndarray:
        found = self.random.uniform(low, high, shape)
        return np.round(found * 8) / 8 if self.dyadic else found

    def tau_s(self, size: int):
        if self.dyadic:
            return self.dt_s * 2.0 ** self.random.integers(1, 4, size)
        return self.dt_s * self.random.uniform(1.5, 30, size)

    def population(self, name: str, kind: Any, shared: bool = False) -> str:
        """Neurons of any kind with any behaviour; with `shared` constants, all alike."""
        size = self.draw(st.integers(1, 11))
        n = 1 if shared else size
        arrays = {
            "tau_s": self.tau_s(n), "tau_syn_s": self.tau_s(n), "r": self.numbers(0.5, 2, n),
            "v_leak": self.numbers(-0.25, 0.25, n), "v_initial": self.numbers(-0.25, 0.25, n),
            "w_in": self.numbers(0.5, 2, n), "v_threshold": self.numbers(0.5, 1.5, n),
            "v_reset": self.numbers(-0.5, 0.25, n),
        }  # fmt: skip
        if kind in ("if", "i"):  # these integrate over dt, so that thresholds are met within a test
            arrays["r"] = arrays["r"] / 8 if self.dyadic else arrays["r"] * 0.1 / self.dt_s
        stated = {key: value for key, value in arrays.items() if key in PARAMETERS[kind]}
        spiking = kind in SPIKING
        behaviour = self.behaviour(kind) if spiking else {}
        behaviour |= {
            "integrator": self.integrator(),
            "synapse_update": self.draw(st.sampled_from(["before", "after"])),
        }
        output = behaviour.get("spikes") != "graded" and self.draw(st.booleans())
        return self.net.add(name, kind, size, output=output, **stated, **behaviour)

    def integrator(self) -> str:
        return self.draw(st.sampled_from(["euler", "discrete"] if self.dyadic else ["exact", "euler", "discrete"]))

    def behaviour(self, kind: str) -> dict:
        reset_at = self.draw(st.sampled_from(["now", "now", "next"]))
        found = {
            "reset": self.draw(st.sampled_from(["value", "zero", "subtract"])),
            "reset_at": reset_at,
            "threshold_test": self.draw(st.sampled_from([">", ">="])),
            "fires": self.draw(st.sampled_from(["always", "always", "on_arrival"])),
            "refractory_s": self.draw(st.integers(0, 3)) * self.dt_s if reset_at == "now" else 0.0,
        }
        more = self.draw(st.sampled_from(["", "", "", "multiple", "graded", "floor", "noise", "adaptive"]))
        if more in ("multiple", "graded"):
            found["spikes"] = more
        if more == "floor":
            found["v_floor"] = -0.25
        if more == "noise" and kind != "poisson":
            found["threshold_noise"] = 0.125
        if more == "adaptive":
            found |= {"adapt_tau_s": 16 * self.dt_s, "adapt_step": 0.25}
        return found

    def weights(self, target: str, n_source: int, scale: float):
        shape = (self.net.populations[target].size, n_source)
        found = self.numbers(-2, 4, shape) * scale
        if self.draw(st.booleans()):
            found[self.random.random(shape) < 0.5] = 0
        return scipy.sparse.coo_array(found) if self.draw(st.booleans()) else found

    def connect(self, source: str, target: str, **more) -> None:
        port, scale = self.net.port(source), 1.0
        if port is None:
            scale = 1 / self.net.spike_amplitude
        size = port.size if port else self.net.populations[source].size
        name, spikes = f"p{len(self.net.projections)}", port.kind == "events" if port else self.fires(source)
        tires = ShortTerm(u=0.4, tau_rec_s=20 * self.dt_s, tau_facil_s=self.draw(st.sampled_from([0.0, 9 * self.dt_s])))
        more["short_term"] = tires if spikes and not self.dyadic and self.draw(st.integers(0, 3)) == 0 else None
        self.net.connect(source, target, self.weights(target, size, scale), name=name, **more)

    def fires(self, source: str) -> bool:
        """Whether it sends spikes of one size."""
        p = self.net.populations[source]
        return p.spiking and p.behaviour.spikes != "graded"

    def after_threshold(self, target: str) -> bool:
        keeps = self.net.populations[target].kind not in ("passthrough", "threshold", "poisson")
        return keeps and self.draw(st.integers(0, 3)) == 0

    def delay(self, low: int) -> int:
        return self.draw(st.integers(low, 5))

    def steps(self, low: int, n_target: int, n_source: int):
        """One delay for all synapses, or one each."""
        if self.draw(st.booleans()):
            return self.delay(low)
        return self.random.integers(low, 6, (n_target, n_source))


@st.composite
def networks(draw) -> Network:
    """Value and event inputs, up to four populations of any kind with loops and delays, up to two readouts with PES."""
    make = _Maker(draw)
    net = make.net
    for i in range(draw(st.integers(0, 2))):
        net.input(f"x{i}", draw(st.integers(1, 3)), units=("m",))
    for i in range(draw(st.integers(0, 2)) if net.inputs else 1):
        net.input(f"e{i}", draw(st.integers(1, 3)), kind="events")
    kinds = [draw(st.sampled_from(KINDS)) for _ in range(draw(st.integers(1, 4)))]
    cells = [make.population(f"n{i}", kind, draw(st.booleans())) for i, kind in enumerate(kinds)]
    for target in cells:
        for port in net.inputs:
            if draw(st.booleans()):
                size = net.populations[target].size
                bias = make.numbers(0, 1, size) if draw(st.booleans()) else None
                make.connect(
                    port.name,
                    target,
                    bias=bias,
                    delay_steps=make.steps(0, size, port.size),
                    after_threshold=make.after_threshold(target),
                )
    for i, source in enumerate(cells):
        for j, target in enumerate(cells):
            # Values that went round a loop could grow without end.
            ahead = net.populations[source].spiking or i > j
            if draw(st.booleans()) and ahead and net.populations[source].behaviour.spikes != "graded":
                shape = (net.populations[target].size, net.populations[source].size)
                # Backwards without a delay as well, so that step order and order of building differ.
                after_threshold = make.after_threshold(target)
                make.connect(
                    source,
                    target,
                    delay_steps=make.steps(0 if i > j or after_threshold else 1, *shape),
                    after_threshold=after_threshold,
                )
    spiking = [name for name in cells if net.populations[name].spiking]
    for i in range(draw(st.integers(0, 2))):
        size = draw(st.integers(1, 3))
        net.readout(f"y{i}", size, tau_s=make.tau_s(size), r=make.numbers(0.5, 2, size), units=("N m",) * size)
        for source in spiking:
            if draw(st.booleans()):
                rule = PES(modulator=f"error{i}", learning_rate=0.01, pre_tau_s=5 * make.dt_s)
                make.connect(
                    source, f"y{i}", delay_steps=make.delay(0), rule=draw(st.sampled_from([None, rule])),
                )  # fmt: skip
    return net


def stream(net: Network, period_us: int, n_ticks: int, seed: int) -> list[Tick]:
    """Ticks with values and errors that are sometimes 0, events in bursts, learning now and then off.

    Parameters
    ----------
    net : Network
        What takes them.
    period_us : int
        The control period, in microseconds.
    n_ticks : int
        How many.
    seed : int
    """
    random = np.random.default_rng(seed)
    grid = net.dt_s == DYADIC_DT_S

    def numbers(size: int) -> np.ndarray:
        found = np.where(random.random(size) < 0.2, 0, random.normal(0.5, 1, size))
        return (np.round(found * 8) / 8 if grid else found).astype(np.float32)

    n_addresses = size_of(net.inputs, "events")
    ticks = []
    for seq in range(n_ticks):
        events = NO_EVENTS
        if n_addresses and random.random() < 0.8:
            events = np.zeros(random.integers(0, 12), EVENT)
            events["t_us"] = np.sort(random.integers(0, period_us, events.size))
            events["address"] = random.integers(0, n_addresses, events.size)
        values = numbers(size_of(net.inputs, "values"))
        errors = numbers(size_of(net.modulators, "values"))
        ticks.append(Tick(seq, seq * period_us * 1000, bool(random.random() < 0.8), events, values, errors))
    return ticks


def everything(net: Network, period_us: int) -> Probes:
    """Probes on all populations that spike and on all weights, recorded each tick.

    Parameters
    ----------
    net : Network
    period_us : int
        The control period, in microseconds.
    """
    return Probes(
        spikes=tuple(p.name for p in net.populations.values() if p.spiking),
        weights=tuple(net.projections),
        weight_norms=tuple(net.projections),
        weights_period_s=period_us * 1e-6,
    )


@st.composite
def learners(draw) -> Network:
    """Event lines and two spiking populations in a loop, with a rule on each of some projections.

    Off the dyadic grid: there a weight's last bit, which differs between engines, would decide over spikes.
    """
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    dt_s = draw(st.sampled_from([0.001, 0.0005]))
    net = Network(dt_s, spike_amplitude=draw(st.sampled_from([1.0, 1 / dt_s])), seed=draw(st.integers(0, 2**32 - 1)))
    net.input("e", draw(st.integers(1, 5)), kind="events")
    adapting = draw(st.sampled_from([{}, {"adapt_tau_s": 0.05, "adapt_step": 0.3}]))
    net.lif(
        "a", draw(st.integers(1, 5)), tau_s=10 * dt_s, r=10.0, v_threshold=1.01, reset="subtract", output=True,
        reset_at=draw(st.sampled_from(["now", "next"])), fires=draw(st.sampled_from(["always", "on_arrival"])),
        **adapting,
    )  # fmt: skip
    n_b = draw(st.integers(1, 5))
    rate_of = draw(st.sampled_from([None, "a", "b"]))
    settles = Homeostatic(target_rate_hz=0.1 / dt_s, step=0.037, w_min=0.5, w_max=2.5, rate_of=rate_of)
    net.lif(
        "b", n_b, tau_s=random.uniform(3, 20, n_b) * dt_s, r=10.0, output=True,
        rule=draw(st.sampled_from([None, settles])), reset=draw(st.sampled_from(["value", "subtract"])),
        threshold_test=draw(st.sampled_from([">", ">="])), refractory_s=draw(st.integers(0, 2)) * dt_s,
    )  # fmt: skip
    net.readout("y", 2, tau_s=20 * dt_s, r=20.0)
    net.add("r", "li", 1, tau_s=10 * dt_s)
    net.connect("b", "r", np.full((1, n_b), 1 / net.spike_amplitude), name="br")

    def connect(source: str, target: str, rule, low: int = 0) -> None:
        port = net.port(source)
        n_source = port.size if port else net.populations[source].size
        weights = random.uniform(0.1, 0.9, (net.populations[target].size, n_source))
        if draw(st.booleans()):
            weights = scipy.sparse.csc_array(weights * (random.random(weights.shape) < 0.6))
        # Weights of about 1 are right for an amplitude of 1; bounds and amplitudes of the rules shrink with them.
        scale = 1.0 if port else 1 / net.spike_amplitude
        delay = draw(st.integers(low, 3))
        net.connect(
            source, target, weights * scale, rule=rule and rule(scale), delay_steps=delay, name=f"{source}{target}"
        )

    timing = partial(_timing, draw)
    net.connect("a", "y", random.normal(0, 1 / net.spike_amplitude, (2, net.populations["a"].size)), name="out")

    def gradient(scale: float):
        return EProp(
            modulator="error", readout="out", learning_rate=scale**2,
            feedback_weights=draw(st.sampled_from(["symmetric", "random"])),
        )  # fmt: skip

    connect("e", "a", draw(st.sampled_from([None, timing, gradient])))
    connect("e", "b", draw(st.sampled_from([None, timing])))
    connect("a", "b", draw(st.sampled_from([None, timing])))
    connect("b", "a", draw(st.sampled_from([None, timing, gradient])), low=1)
    connect("b", "y", lambda scale: PES(modulator="error", learning_rate=0.1 * scale))
    return net


def _timing(draw, scale: float):
    """A rule by the times of spikes, for weights of a scale; it may hear, and be gated by, the population `r`."""
    bounded = {"w_min": 0.0, "w_max": scale, "softness": draw(st.sampled_from([0.0, 0.5, 1.0]))}
    form = draw(st.sampled_from(["dopamine", "mstdpet"]))
    mean_s = draw(st.sampled_from([None, 0.02])) if form == "mstdpet" else None
    heard = draw(st.sampled_from([{"modulator": "reward"}, {"modulator": "r", "modulator_is": "population"}]))
    gate = draw(st.sampled_from([{}, {"gate": "r", "gate_above": 0.02}]))
    rewarded = RSTDP(learning_rate=scale, form=form, baseline_tau_s=mean_s, **heard, **gate, **bounded)
    kind = draw(st.sampled_from([STDP, STDPNearest]))
    pairs = kind(a_plus=0.05 * scale, a_minus=0.04 * scale, **gate, **bounded)
    triplets = Triplet(a3_plus=0.06 * scale, a2_minus=0.05 * scale, a3_minus=0.01 * scale, **bounded)
    return draw(st.sampled_from([pairs, triplets, rewarded]))
