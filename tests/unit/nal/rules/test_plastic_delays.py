"""Learning over synapses with a delay each, several delays between one pair, and values that come back later."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
import scipy.sparse
from network_equality import assert_equal

from hilbench import plugins
from hilbench.errors import NetworkError
from hilbench.nal import Network, learnt, load, save
from hilbench.nal.compile.report import compile_network
from hilbench.nal.compile.target import load_target
from hilbench.nal.model.codec import pack, unpack
from hilbench.nal.rules.eprop import EProp
from hilbench.nal.rules.pes import PES
from hilbench.nal.rules.rstdp import RSTDP
from hilbench.nal.rules.stdp import STDP
from hilbench.types import EVENT, Probes, Tick

DT_S, N_PRE, N_POST, N_STEPS = 0.001, 3, 2, 200
DELAYS = np.array([[0, 7, 3], [12, 3, 7]])
STDP_RULE = STDP(a_plus=0.01, a_minus=0.012, tau_plus_s=0.017, tau_minus_s=0.034, w_min=-1.0)


@pytest.fixture(params=["numba", "reference"])
def engine(request):
    cls = plugins.get("backends", request.param)
    return cls(cls.Config())


def net_with(rule, delays, weights=None) -> Network:
    net = Network(DT_S, seed=4)
    net.input("pre", N_PRE, kind="events")
    net.input("teacher", N_POST, kind="events")
    net.lif("post", N_POST, tau_s=1e-7, v_threshold=50.0, reset="subtract")
    net.readout("y", 1, tau_s=0.02)
    net.connect("post", "y", [[1.0, -0.5]], name="out")
    net.connect("teacher", "post", 60 * np.eye(N_POST))
    weights = np.zeros((N_POST, N_PRE)) if weights is None else weights
    net.connect("pre", "post", weights, rule=rule, delay_steps=delays, name="w")
    return net


def trains(seed=3) -> list[list[int]]:
    """Steps of the spikes of each line of `pre`, then of `teacher`."""
    random = np.random.default_rng(seed)
    return [np.flatnonzero(random.random(N_STEPS) < 0.06).tolist() for _ in range(N_PRE + N_POST)]


def events(spikes) -> np.ndarray:
    return np.array(sorted((1000 * step, line) for line, steps in enumerate(spikes) for step in steps), EVENT)


def test_each_synapse_learns_by_its_own_delay(engine):
    spikes = trains()
    engine.load(net_with(STDP_RULE, DELAYS), N_STEPS * 1000, Probes(weights=("w",), weights_period_s=0.2))
    reply = engine.step(Tick(events=events(spikes)))
    found = engine.snapshot()["weights/w"].reshape(N_PRE, N_POST).T
    for post in range(N_POST):
        for pre in range(N_PRE):
            arrivals = [step + DELAYS[post, pre] for step in spikes[pre] if step + DELAYS[post, pre] < N_STEPS]
            pairs = [b - a for a in arrivals for b in spikes[N_PRE + post]]
            expected = sum(0.01 * exp(-d / 17) if d >= 0 else -0.012 * exp(d / 34) for d in pairs)
            assert found[post, pre] == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(reply.probe_values, np.float32(found.T.ravel()))
    on_pre = sum(step + DELAYS[post, pre] < N_STEPS for post in range(N_POST) for pre in range(N_PRE)
                 for step in spikes[pre])  # fmt: skip
    assert reply.counters[3] == on_pre + N_PRE * sum(map(len, spikes[N_PRE:]))


RULES = {
    "pairs": STDP_RULE,
    "reward": RSTDP(modulator="m", form="mstdpet", tau_c_s=0.03, learning_rate=0.01, w_min=None, w_max=None),
    "gradient": EProp(modulator="m", readout="out", learning_rate=1e3),
}


@pytest.mark.parametrize("name", RULES)
def test_one_projection_with_many_delays_learns_what_one_for_each_does(engine, name):
    spikes, rng = trains(), np.random.default_rng(1)
    weights = rng.uniform(0.1, 0.9, (N_POST, N_PRE))
    ticks = [Tick(0, events=events(spikes), modulators=np.float32([1.5])), Tick(1, modulators=np.float32([-2.0]))]
    apart = net_with(None, 0)
    for delay in np.unique(DELAYS).tolist():
        part = scipy.sparse.coo_array(np.where(DELAYS == delay, weights, 0))  # noqa: SIM300 - it is no constant
        apart.connect("pre", "post", part, rule=RULES[name], delay_steps=delay, name=f"by{delay}")
    found = []
    for net in (net_with(RULES[name], DELAYS, weights), apart):
        engine.load(net, N_STEPS * 1000, Probes())
        updates = [int(engine.step(tick).counters[3]) for tick in ticks]
        found.append((engine.snapshot(), updates))
    (snapshot, updates), (by_part, updates_by_part) = found
    together = snapshot["weights/w"].reshape(N_PRE, N_POST).T
    assert np.abs(together - weights).max() > 1e-4
    assert updates == updates_by_part
    for delay in np.unique(DELAYS).tolist():
        mine = together.T[delay == DELAYS.T]  # in the order of synapses, by source
        np.testing.assert_allclose(by_part[f"weights/by{delay}"], mine, rtol=1e-9)


def test_both_engines_agree_where_feedback_is_random():
    rule, found = EProp(modulator="m", readout="out", learning_rate=1e3, feedback_weights="random"), []
    for name in ("numba", "reference"):
        cls = plugins.get("backends", name)
        engine = cls(cls.Config())
        engine.load(net_with(rule, DELAYS, np.full((N_POST, N_PRE), 0.5)), N_STEPS * 1000, Probes())
        engine.step(Tick(events=events(trains()), modulators=np.float32([1.5])))
        found.append(engine.snapshot()["weights/w"])
    np.testing.assert_allclose(*found, rtol=1e-9)
    assert np.abs(found[0] - 0.5).max() > 1e-6


def test_what_was_learnt_over_delays_is_carried_and_kept(engine, tmp_path):
    net = net_with(STDP_RULE, DELAYS)
    engine.load(net, N_STEPS * 1000, Probes())
    engine.step(Tick(0, events=events(trains())))
    saved = engine.snapshot()
    engine.step(Tick(1, events=events(trains(5))))
    after = engine.snapshot()["weights/w"]
    engine.reset(0, "none")
    assert not engine.snapshot()["weights/w"].any()
    engine.restore(saved, "all")
    engine.step(Tick(1, events=events(trains(5))))
    np.testing.assert_array_equal(engine.snapshot()["weights/w"], after)
    engine.restore(saved, "weights")
    np.testing.assert_array_equal(engine.snapshot()["weights/w"], saved["weights/w"])
    kept = learnt(net, saved)
    np.testing.assert_array_equal(kept.projections["w"].weights.data, np.float32(saved["weights/w"]))
    save(kept, tmp_path / "kept.nir")
    assert_equal(load(tmp_path / "kept.nir"), kept)
    assert_equal(unpack(pack(kept)), kept)


def test_two_projections_give_one_pair_two_delays(engine):
    net = Network(DT_S)
    net.input("e", 1, kind="events")
    net.add("sum", "i", 1, r=1000.0, output=True)
    for delay, weight in ((2, 1.0), (5, 10.0)):
        net.connect("e", "sum", [[weight]], delay_steps=delay, name=f"by{delay}")
    engine.load(net, 1000, Probes())
    found = [float(engine.step(Tick(k, events=np.array([(0, 0)] * (k == 0), EVENT))).values[0]) for k in range(7)]
    assert found == [0, 0, 1, 1, 1, 11, 11]


def test_more_delays_than_there_is_room_for_are_refused():
    net = Network(DT_S)
    net.input("e", 65, kind="events")
    net.lif("a", 1, tau_s=0.02)
    with pytest.raises(NetworkError, match="synapses with 65 different delays; allowed: 64, or several projections"):
        net.connect("e", "a", np.zeros((1, 65)), rule=STDP(), delay_steps=np.arange(65)[None])


def test_targets_and_firmware_refuse_to_learn_over_different_delays():
    broken = compile_network(net_with(STDP_RULE, DELAYS + 1), "loihi1", load_target("loihi1")).broken
    text = "projection 'w': rules: found synapses that learn with different delays; allowed: one delay for all of them"
    assert text in map(str, broken)
    from hilbench.firmware._pes import learnt_part

    net = net_with(None, 0)
    net.connect("post", "y", [[0.0, 0.0]], rule=PES(modulator="m"), delay_steps=[[1, 2]], name="pes")
    with pytest.raises(NetworkError, match="'pes': delay_steps: found 1 to 2; allowed on backend 'cortexm'"):
        learnt_part(net, ["y"])


@pytest.mark.parametrize("kind", ["li", "passthrough"])
def test_values_of_a_readout_come_back_by_a_projection_with_a_delay(engine, kind):
    """With as many steps as a tick has, each step sees what the readout was a tick before."""
    net, period = Network(DT_S), 4
    net.input("x", 1)
    net.add("y", kind, 1, output=True, **({"tau_s": 1e-7} if kind == "li" else {}))
    net.connect("x", "y", [[1.0]])
    net.connect("y", "y", [[0.5]], delay_steps=period)
    engine.load(net, period * 1000, Probes())
    value, found = 0.0, []
    for k, x in enumerate([1.0, -2.0, 0.0, 3.0]):
        found.append(float(engine.step(Tick(k, values=np.float32([x]))).values[0]))
        value = x + 0.5 * value
        assert found[-1] == value
