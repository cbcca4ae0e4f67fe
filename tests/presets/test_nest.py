"""Rules and a neuron against NEST's own, and what docs/rules.md says of where the two differ.

NEST's delay is the dendrite's: a spike of the target takes it back to the synapse. Here it is the axon's. So a network
here has no delay, and its target spikes later by NEST's.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from hilbench import plugins
from hilbench.nal import Network
from hilbench.nal.rules.rstdp import RSTDP
from hilbench.nal.rules.stdp import STDP
from hilbench.nal.rules.triplet import Triplet
from hilbench.types import EVENT, Probes, Tick

ROOT = Path(__file__).parents[2]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
ENGINES = ["numba", "reference"]
DELAY_MS = 1.0


@pytest.fixture(scope="module")
def nest(framework):
    """Asks NEST for its answers to experiments, in a process of its own."""
    if find_spec("nest") is None and not PEERS.exists():
        framework("nest")
    python = sys.executable if find_spec("nest") else str(PEERS)

    def ask(*experiments: dict) -> list:
        asked = json.dumps(experiments)
        command = (python, str(Path(__file__).with_name("nest_runs.py")))
        done = subprocess.run(command, input=asked, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    return ask


@pytest.fixture(params=ENGINES)
def engine(request):
    cls = plugins.get("backends", request.param)
    return cls(cls.Config())


def learnt(engine, rule, pre_ms, post_ms, dt_ms=1.0, delay_steps=0, rewards=()) -> float:
    """The weight of one synapse, 0.5 at first, after these spikes; `rewards` per second for each ms."""
    net = Network(dt_ms * 1e-3)
    net.input("pre", 1, kind="events")
    net.input("teacher", 1, kind="events")
    net.lif("post", 1, tau_s=1e-7, v_threshold=5.0)
    net.connect("pre", "post", [[0.5]], rule=rule, delay_steps=delay_steps, name="w")
    net.connect("teacher", "post", [[10]])
    period_us = 1000
    engine.load(net, period_us, Probes())
    both = sorted([(round(t * 1e3), 0) for t in pre_ms] + [(round(t * 1e3), 1) for t in post_ms])
    n_ms = int(max(*pre_ms, *post_ms)) + 1 + delay_steps
    for k in range(n_ms):
        mine = [(t - k * 1000, line) for t, line in both if t // 1000 == k]
        modulators = np.array([rewards[k] if k < len(rewards) else 0] if rewards else [], np.float32)
        engine.step(Tick(k, events=np.array(mine, EVENT), modulators=modulators))
    return float(engine.snapshot()["weights/w"][0])


def trains(seed: int) -> tuple[list[float], list[float]]:
    """Spikes in whole ms, the last one presynaptic, no pair at one instant once the target's have come back."""
    random = np.random.default_rng(seed)
    pre = [*(10 + np.flatnonzero(random.random(600) < 0.05)).tolist(), 650]
    post = (10 + np.flatnonzero(random.random(600) < 0.05)).tolist()
    return pre, [t for t in post if t + DELAY_MS not in pre]


@pytest.mark.parametrize("softness", [0.0, 0.4, 1.0])
def test_pairs(nest, engine, softness):
    pre, post = trains(1)
    synapse = {"weight": 0.5, "lambda": 0.01, "alpha": 1.2, "mu_plus": softness, "mu_minus": softness, "Wmax": 2.0}
    about = {"step": 1.0, "pre": pre, "post": post, "delay": DELAY_MS, "neuron": {"tau_minus": 34.0}}
    (theirs,) = nest({"run": "weight", "model": "stdp_synapse", "synapse": synapse | {"tau_plus": 17.0}, **about})
    rule = STDP(  # lambda is of the largest weight
        a_plus=0.01 * 2.0, a_minus=1.2 * 0.01 * 2.0, tau_plus_s=0.017, tau_minus_s=0.034, w_max=2.0, softness=softness
    )
    ours = learnt(engine, rule, pre, [t + DELAY_MS for t in post])
    assert abs(theirs - 0.5) > 1e-3
    assert ours == pytest.approx(theirs, rel=1e-9)


def test_a_pair_of_one_step_counts_here_and_not_there(nest, engine):
    """Long before the last spike, which only has NEST tell the weight."""
    synapse = {"weight": 0.5, "lambda": 0.01, "mu_plus": 0.0, "mu_minus": 0.0, "Wmax": 1.0}
    about = {"step": 1.0, "synapse": synapse, "pre": [50.0, 1500.0], "delay": DELAY_MS}
    (theirs,) = nest({"run": "weight", "model": "stdp_synapse", "post": [50.0 - DELAY_MS], **about})
    assert theirs == pytest.approx(0.5, abs=1e-12)
    ours = learnt(engine, STDP(a_plus=0.01, a_minus=0.01), [50, 1500], [50])
    assert ours == pytest.approx(0.51, abs=1e-12)


def test_a_delay_of_a_dendrite_and_one_of_an_axon_have_opposite_signs(nest, engine):
    """Both spikes at 50 ms, and 1 ms of delay."""
    synapse = {"weight": 0.5, "lambda": 0.01, "mu_plus": 0.0, "mu_minus": 0.0, "Wmax": 1.0}
    about = {"step": 1.0, "synapse": synapse, "pre": [50.0, 1500.0], "post": [50.0], "delay": DELAY_MS}
    (theirs,) = nest({"run": "weight", "model": "stdp_synapse", **about})
    ours = learnt(engine, STDP(a_plus=0.01, a_minus=0.01), [50, 1500], [50], delay_steps=1)
    assert theirs - 0.5 == pytest.approx(0.01 * np.exp(-1 / 20), rel=1e-9)
    assert ours - 0.5 == pytest.approx(-0.01 * np.exp(-1 / 20), rel=1e-9)


def test_triplets(nest, engine):
    pre, post = trains(2)
    (theirs,) = nest({
        "run": "weight", "step": 1.0, "model": "stdp_triplet_synapse", "synapse": {"weight": 0.5, "Wmax": 1.0},
        "pre": pre, "post": post, "delay": DELAY_MS, "neuron": {"tau_minus": 33.7, "tau_minus_triplet": 125.0},
    })  # fmt: skip
    assert abs(theirs - 0.5) > 1e-3
    assert learnt(engine, Triplet(), pre, [t + DELAY_MS for t in post]) == pytest.approx(theirs, rel=1e-9)


def test_dopamine(nest, engine):
    """A spike of dopamine lifts n by 1 / tau_n there: here a reward of that size, given over 1 ms."""
    pre, post, dopamine = [50.0, 1200.0], [60.0, 75.0], [300.0]
    synapse = {"weight": 0.5, "tau_c": 1000.0, "tau_n": 200.0, "A_plus": 0.2, "A_minus": 0.3, "tau_plus": 20.0}
    (theirs,) = nest({
        "run": "weight", "step": 0.1, "model": "stdp_dopamine_synapse", "pre": pre, "post": post, "delay": DELAY_MS,
        "synapse": synapse | {"Wmin": -10.0, "Wmax": 10.0}, "dopamine": dopamine,
    })  # fmt: skip
    rewards = [0.0] * 300 + [1000 / 0.2] + [0.0] * 900
    rule = RSTDP(modulator="reward", a_plus=0.2, a_minus=0.3, w_min=-10.0, w_max=10.0)
    assert theirs - 0.5 > 0.1
    for dt_ms in (1.0, 0.2):
        ours = learnt(engine, rule, pre, [t + DELAY_MS for t in post], dt_ms, rewards=rewards)
        assert ours - 0.5 == pytest.approx(theirs - 0.5, rel=2e-3)


def test_a_current_based_neuron_fires_when_nests_does(nest, engine):
    random = np.random.default_rng(3)
    pre = (np.flatnonzero(random.random(400) < 0.3) + 10).astype(float).tolist()
    neuron = {"tau_m": 20.0, "tau_syn_ex": 5.0, "C_m": 200.0, "E_L": 0.0, "V_m": 0.0, "V_reset": 0.0, "V_th": 1.0}
    (theirs,) = nest({
        "run": "spikes", "step": 0.1, "model": "iaf_psc_exp", "neuron": neuron | {"t_ref": 2.0}, "weight": 20.0,
        "pre": pre, "until": 450.0,
    })  # fmt: skip
    net = Network(1e-4)
    net.input("pre", 1, kind="events")
    net.add(
        "cell", "cuba_lif", 1, tau_s=0.02, tau_syn_s=0.005, r=20.0 / 200.0, synapse="delta", threshold_test=">=",
        refractory_s=0.002,
    )  # fmt: skip
    net.connect("pre", "cell", [[20.0]])
    engine.load(net, 450_000, Probes(spikes=("cell",)))
    fired = engine.step(Tick(events=np.array([(round(t * 1e3), 0) for t in pre], EVENT))).probe_events["t_us"]
    assert len(theirs) > 20
    # NEST tells the end of a step, here stands its start.
    np.testing.assert_allclose(fired / 1e3 + 0.1, theirs, atol=1e-6)
