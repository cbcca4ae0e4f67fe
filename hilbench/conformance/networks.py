"""Small networks for the conformance suite, one for each feature of a network."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np

from hilbench.nal.model.forms import Form, FormKind
from hilbench.nal.model.network import Network
from hilbench.nal.model.neurons import CHOICES, KINDS, PARAMETERS, Kind, step_constants
from hilbench.nal.model.short_term import ShortTerm
from hilbench.nal.nir.presets import PRESETS
from hilbench.nal.rules import Rule
from hilbench.nal.rules.eprop import EProp
from hilbench.nal.rules.eprop_rate import EPropRate
from hilbench.nal.rules.homeostatic import Homeostatic
from hilbench.nal.rules.pes import PES
from hilbench.nal.rules.rstdp import RSTDP
from hilbench.nal.rules.stdp import STDP
from hilbench.nal.rules.stdp_inhibitory import STDPInhibitory
from hilbench.nal.rules.stdp_nearest import STDPNearest
from hilbench.nal.rules.triplet import Triplet

DT_S = 1e-3
N, N_NEXT, N_VALUES, N_EVENTS = 6, 4, 3, 2
PLAIN = ("threshold", "passthrough", "poisson")
"""Kinds without an equation to integrate."""

BEHAVIOURS: dict[str, tuple[Kind, dict[str, Any]]] = {
    "reset zero": ("lif", {"reset": "zero"}),
    "reset by subtraction": ("lif", {"reset": "subtract"}),
    "reset in the next step": ("lif", {"reset": "subtract", "reset_at": "next"}),
    "threshold >=": ("lif", {"threshold_test": ">="}),
    "threshold tested on arrival": ("lif", {"fires": "on_arrival"}),
    "threshold tested on arrival, and a current that goes on": ("cuba_lif", {"fires": "on_arrival"}),
    "refractory period": ("lif", {"refractory_s": 3 * DT_S}),
    "several spikes per step": ("lif", {"reset": "subtract", "spikes": "multiple"}),
    "graded spikes": ("lif", {"spikes": "graded"}),
    "floor under v": ("lif", {"v_floor": -0.25}),
    "noisy threshold": ("lif", {"threshold_noise": 0.1}),
    "adaptive threshold": ("lif", {"adapt_tau_s": 20 * DT_S, "adapt_step": 0.25}),
    "delta synapse": ("lif", {"synapse": "delta"}),
    "delta synapse onto the current": ("cuba_lif", {"synapse": "delta"}),
    "synaptic current updated after the membrane": ("cuba_lif", {"integrator": "euler", "synapse_update": "after"}),
}


def features() -> dict[str, Network]:
    """By name: kinds with each integrator, behaviours, ways to connect, rules, and presets with each of their kinds."""
    found = {}
    for kind in KINDS:
        for integrator in CHOICES["integrator"] if kind not in PLAIN else ("exact",):
            name = kind if kind in PLAIN else f"{kind}, {integrator}"
            found[name] = _network(kind, {"integrator": integrator} if kind not in PLAIN else {})
    found |= {name: _network(kind, stated) for name, (kind, stated) in BEHAVIOURS.items()}
    found |= {f"{kind}, a time constant per neuron": _network(kind, {}, own_times=True) for kind in ("lif", "cuba_lif")}
    found |= _connected()
    for name, preset in PRESETS.items():
        found |= {f"preset {name}: {kind}": _under(name, kind) for kind in preset.behaviour}
    return found


def _connected() -> dict[str, Network]:
    random = np.random.default_rng(2)
    found = {
        "delay": _network("lif", {}, delay_steps=3),
        "delay per synapse": _network("lif", {}, delay_steps=random.integers(0, 6, (N_NEXT, N))),
        "input after the threshold test": _network("lif", {}, after_threshold=True),
        "delayed value input": _network("lif", {}, of_values={"delay_steps": 6}),
        "value input after the threshold test": _network("lif", {}, of_values={"after_threshold": True}),
        "constant input": _network("lif", {}, bias=np.linspace(0.5, 2, N_NEXT)),
        "loop": _network("lif", {}, loop={"delay_steps": 1}),
        "loop of input after the threshold test": _network("lif", {}, loop={"after_threshold": True}),
        "spikes as unit impulses": _network("lif", {}, amplitude=1 / DT_S),
        "short-term plasticity": _network(
            "lif",
            {},
            strength=4.0,
            short_term=ShortTerm(u=0.3, tau_rec_s=0.04, tau_facil_s=0.02),
            of_events={
                "short_term": ShortTerm(u=0.5, tau_rec_s=0.03),
                "delay_steps": random.integers(0, 3, (N, N_EVENTS)),
            },
        ),
        "short-term plasticity of several spikes per step": _network(
            "lif",
            {"reset": "subtract", "spikes": "multiple"},
            strength=4.0,
            short_term=ShortTerm(u=0.3, tau_rec_s=0.04, tau_facil_s=0.02),
        ),
        "rule pes": _network("lif", {}, learns=True),
        "values of a readout that come back a tick later": _network("lif", {}, back={"delay_steps": 4}),
    } | {f"rule {name}": net for name, net in _learning().items()}
    for kind in get_args(FormKind):
        found[f"node {kind}"] = _network("lif", {}, form=Form(kind, (N,), (N_NEXT,)))
    return found


def _learning() -> dict[str, Network]:
    """Rules that move weights onto spiking neurons or thresholds, and what a rule may hear of its own network."""
    inside: dict[str, Any] = {"modulator": "told", "modulator_is": "population"}
    rewarded: dict[str, Any] = {"learning_rate": 0.2, "form": "mstdpet", "w_min": None, "w_max": None, "tau_c_s": 0.02}
    onto_b: dict[str, Rule] = {
        "stdp": STDP(w_min=-20.0, w_max=20.0, a_plus=0.2, a_minus=0.2),
        "stdp_nearest": STDPNearest(w_min=-20.0, w_max=20.0, a_plus=0.2, a_minus=0.2),
        "stdp_inhibitory": STDPInhibitory(learning_rate=0.05, w_min=None),
        "triplet": Triplet(w_min=-20.0, w_max=20.0, a3_plus=0.02, a2_minus=0.02),
        "rstdp": RSTDP(modulator="reward", w_min=None, w_max=None, learning_rate=0.2),
        "rstdp, a mean taken from the reward": RSTDP(modulator="reward", baseline_tau_s=0.01, **rewarded),
        "rstdp, a reward with a sign for each neuron": RSTDP(
            modulator="reward", modulator_gain=(1.0, -1.0, 0.5, -0.5), **rewarded
        ),
        "rstdp, modulators made inside": RSTDP(modulator_gain=((1.0, 0.0), (0.0, 1.0)) * 2, **inside, **rewarded),
        "stdp, gated": STDP(w_min=-20.0, w_max=20.0, a_plus=0.2, a_minus=0.2, gate="gate", gate_above=0.2),
        "eprop": EProp(modulator="error", readout="b_to_y", learning_rate=0.5),
        "eprop_rate": EPropRate(
            modulator="error", readout="b_to_y", learning_rate=0.5, target_rate_hz=100.0, rate_weight=0.1
        ),
    }
    drive: dict[str, dict[str, Any]] = {"stdp_inhibitory": {"bias": np.full(N_NEXT, 2.5)}}
    found = {name: _network("lif", {}, rule=rule, **drive.get(name, {})) for name, rule in onto_b.items()}
    random = np.random.default_rng(3)
    delays = random.integers(0, 6, (N_NEXT, N))
    for name in ("stdp", "rstdp, modulators made inside", "eprop"):
        found[f"{name}, over a delay per synapse"] = _network("lif", {}, rule=onto_b[name], delay_steps=delays)
    found["homeostatic"] = _network("lif", {}, b={"rule": Homeostatic(target_rate_hz=100.0, step=0.02)})
    shared = Homeostatic(target_rate_hz=100.0, step=0.02, rate_of="a", gate="gate", gate_above=0.2)
    return found | {"homeostatic, a shared threshold with a gate": _network("lif", {}, b={"rule": shared})}


def _under(name: str, kind: Kind) -> Network:
    """A loop of neurons of a preset, and what they feed."""
    preset = PRESETS[name]
    dt_s = preset.dt_s or DT_S
    amplitude = 1 / dt_s if preset.spike_amplitude == "impulse" else preset.spike_amplitude
    around = {"delay_steps": max(preset.recurrent_delay, preset.delay_steps)}
    return _network(
        kind, preset.of(kind, dt_s, looped=True), dt_s, amplitude, around if kind not in ("li", "cuba_li") else None,
        delay_steps=preset.delay_steps,
    )  # fmt: skip


def _network(
    kind: Kind,
    behaviour: dict[str, Any],
    dt_s: float = DT_S,
    amplitude: float = 1.0,
    loop: dict[str, Any] | None = None,
    learns: bool = False,
    own_times: bool = False,
    of_values: dict[str, Any] | None = None,
    of_events: dict[str, Any] | None = None,
    back: dict[str, Any] | None = None,
    b: dict[str, Any] | None = None,
    strength: float = 1.0,
    **connect: Any,
) -> Network:
    """Values and events onto neurons of one kind, these onto LIF neurons, and these onto a readout.

    Where these learn there is a relay of values beside them, and one of a single value, for rules that hear them.
    """
    random = np.random.default_rng(1)
    net = Network(dt_s, spike_amplitude=amplitude)
    net.input("x", N_VALUES)
    net.input("e", N_EVENTS, kind="events")
    steps: dict[str, Any] = {"tau_s": 10.0, "tau_syn_s": 4.0}
    if own_times:
        steps = {"tau_s": random.uniform(5, 20, N), "tau_syn_s": random.uniform(2, 8, N)}
    stated: dict[str, Any] = {name: dt_s * n for name, n in steps.items() if name in PARAMETERS[kind]}
    net.add("a", kind, N, output=behaviour.get("spikes") != "graded", **stated, **behaviour)
    reach = _reach(net)
    net.connect("x", "a", reach * random.normal(1, 1, (N, N_VALUES)), **of_values or {})
    net.connect("e", "a", reach * random.normal(2, 1, (N, N_EVENTS)), **of_events or {})
    if loop is not None:
        net.connect("a", "a", reach / amplitude * random.normal(0, 0.3, (N, N)), **loop)
    if "rule" in connect or b:
        for name, size in (("told", 2), ("gate", 1)):
            net.add(name, "passthrough", size)
            net.connect("x", name, random.normal(0, 1, (size, N_VALUES)))
    net.lif("b", N_NEXT, tau_s=10 * dt_s, output=True, reset="subtract" if "rule" in connect else None, **b or {})
    spiking = net.populations["a"].spiking
    onward = random.normal(3, 3, (N_NEXT, N)) / amplitude if spiking else random.normal(0.5, 2, (N_NEXT, N))
    net.readout("y", 2, tau_s=10 * dt_s)
    rule = PES(modulator="error", learning_rate=0.1) if learns else None
    readout = random.normal(0, 1, (2, N_NEXT))
    net.connect("b", "y", readout, rule=rule)
    if isinstance(connect.get("rule"), STDPInhibitory):
        onward = -np.abs(onward) / 20
    net.connect("a", "b", strength * onward, **connect)
    if back is not None:
        net.connect("y", "a", reach * random.normal(0, 3, (N, 2)), **back)
    return net


def _reach(net: Network) -> float:
    """Weights of this size bring the membranes of `a` near their threshold within a few steps."""
    p = net.populations["a"]
    if p.kind == "poisson":
        return 0.2 / net.dt_s
    c = step_constants(p, net.dt_s)
    return float(0.3 / np.mean(c.from_input + c.from_current * c.syn_gain))
