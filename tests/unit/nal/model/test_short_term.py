"""Short-term plasticity against the closed forms of the event-driven recursion, on every engine."""

from __future__ import annotations

from math import exp

import numpy as np
import pytest
from network_equality import assert_equal

from hilbench import plugins
from hilbench.errors import NetworkError
from hilbench.nal import Network, load, save
from hilbench.nal.compile.report import compile_network
from hilbench.nal.compile.target import load_target
from hilbench.nal.model.codec import pack, unpack
from hilbench.nal.model.short_term import ShortTerm
from hilbench.nal.rules.stdp import STDP
from hilbench.types import EVENT, Probes, Tick

FACILITATES = ShortTerm(u=0.15, tau_rec_s=0.13, tau_facil_s=1.5)
DEPRESSES = ShortTerm(u=0.5, tau_rec_s=0.8)


@pytest.fixture(params=["numba", "reference"])
def engine(request):
    cls = plugins.get("backends", request.param)
    return cls(cls.Config())


def synapse(short_term, **more) -> Network:
    """An integrator that adds up what comes over one synapse of weight 2."""
    net = Network(0.001)
    net.input("e", 2, kind="events")
    net.add("sum", "i", 1, r=1000.0, output=True)
    net.connect("e", "sum", [[2.0, 0.0]], short_term=short_term, name="w", **more)
    return net


def amplitudes(engine, net, steps) -> np.ndarray:
    """What each spike of line 0 adds, by weight; several may fall into one step."""
    engine.load(net, net.dt_us, Probes())
    found, before = [], 0.0
    for k in range(max(steps) + 1):
        now = engine.step(Tick(k, events=np.array([(0, 0)] * steps.count(k), EVENT))).values[0]
        if k in steps:
            found.append((float(now) - before) / 2)
        before = float(now)
    return np.array(found)


def recursion(s: ShortTerm, times_s) -> list[float]:
    """Tsodyks, Pawelzik & Markram (1998): their u, which decays to 0 and jumps first, and R = what is left."""
    u, r, found, before = 0.0, 1.0, [], None
    for t in times_s:
        if before is not None:
            apart = t - before
            u = u * exp(-apart / s.tau_facil_s) if s.tau_facil_s else 0.0
            r = 1 + (r - 1) * exp(-apart / s.tau_rec_s)
        u = s.u + u * (1 - s.u)
        found.append(u * r)
        r, before = r - u * r, t
    return found


@pytest.mark.parametrize("s", [FACILITATES, DEPRESSES, ShortTerm(u=1.0, tau_rec_s=0.05, tau_facil_s=0.2)])
def test_each_spike_acts_as_the_recursion_says(engine, s):
    steps = np.flatnonzero(np.random.default_rng(3).random(600) < 0.05).tolist()
    found, expected = amplitudes(engine, synapse(s), steps), recursion(s, [k * 0.001 for k in steps])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert np.ptp(expected) > 0.1


def test_a_regular_train_ends_at_the_closed_form(engine):
    """With depression alone x = (1 - e) / (1 - (1 - U) e), e = exp(-T / tau_rec), before each spike."""
    found = amplitudes(engine, synapse(DEPRESSES), list(range(0, 1000, 50)))
    e = exp(-0.05 / 0.8)
    assert found[0] == pytest.approx(0.5)
    assert found[-1] == pytest.approx(0.5 * (1 - e) / (1 - 0.5 * e), rel=1e-4)
    rising = amplitudes(engine, synapse(FACILITATES), list(range(0, 400, 40)))
    assert rising[0] == pytest.approx(0.15)
    assert rising[3] > 1.5 * rising[0]


def test_spikes_of_one_step_use_what_is_left_one_after_the_other(engine):
    found = amplitudes(engine, synapse(DEPRESSES), [0, 0, 0, 20])
    e = exp(-0.02 / 0.8)
    np.testing.assert_allclose(found, [0.5 + 0.25 + 0.125, 0.5 * (1 - 0.875 * e)], rtol=1e-6)


def test_it_runs_with_learning_off_counts_as_multiplied_and_leaves_a_rule_its_spikes(engine):
    net = synapse(DEPRESSES)
    net.lif("cell", 1, tau_s=0.02, v_threshold=9.0)
    net.connect("e", "cell", [[0.5, 0.5]], rule=STDP(), short_term=DEPRESSES, delay_steps=2, name="both")
    engine.load(net, 100_000, Probes())
    fall = np.array([(0, 0), (50_000, 0), (50_000, 1)], EVENT)
    reply = engine.step(Tick(0, learning=False, events=fall))
    assert float(reply.values[0]) == pytest.approx(2 * sum(recursion(DEPRESSES, [0.0, 0.05])), rel=1e-5)
    operations = 2 * 1 + 3 * 1  # line 1 has no synapse in w, and one in `both`
    assert reply.counters.tolist()[1::3] == [operations, operations]
    assert not reply.counters[3]


def test_what_a_reset_and_a_snapshot_carry(engine):
    net, steps = synapse(DEPRESSES), [0, 30, 60]
    fresh = amplitudes(engine, net, steps)
    saved = engine.snapshot()
    last = engine.step(Tick(61, events=np.array([(0, 0)], EVENT))).values.copy()
    engine.restore(saved, "all")
    np.testing.assert_array_equal(engine.step(Tick(61, events=np.array([(0, 0)], EVENT))).values, last)
    for carry in ("weights", "none"):
        engine.reset(0, carry)
        value = engine.step(Tick(0, events=np.array([(0, 0)], EVENT))).values[0]
        assert float(value) == pytest.approx(2 * fresh[0])


def test_files_and_messages_keep_it(tmp_path):
    net = synapse(FACILITATES, delay_steps=3)
    save(net, tmp_path / "net.nir")
    assert_equal(load(tmp_path / "net.nir"), net)
    assert_equal(unpack(pack(net)), net)
    assert net.projections["w"].short_term == FACILITATES


@pytest.mark.parametrize(
    ("source", "s", "says"),
    [
        ("x", DEPRESSES, "its source sends values; allowed: events"),
        ("y", DEPRESSES, "its source sends values"),
        ("graded", DEPRESSES, "its source sends graded spikes"),
        ("e", ShortTerm(u=1.5, tau_rec_s=1.0), "Expected `float` <= 1.0"),
        ("e", ShortTerm(u=0.5, tau_rec_s=0.0), "Expected `float` > 0.0"),
    ],
)
def test_where_it_cannot_stand_it_is_refused(source, s, says):
    net = synapse(None)
    net.input("x", 2)
    net.readout("y", 2, tau_s=0.1)
    net.lif("graded", 2, tau_s=0.1, spikes="graded")
    with pytest.raises(NetworkError, match=f"projection 'new': short_term: .*{says}"):
        net.connect(source, "sum", [[1.0, 1.0]], short_term=s, name="new")


def test_backends_and_targets_without_it_refuse_it_by_name():
    net = synapse(DEPRESSES)
    net.lif("cell", 1, tau_s=0.02, output=True)
    net.connect("e", "cell", [[1.0, 1.0]], short_term=DEPRESSES, name="tiring")
    loihi = plugins.get("backends", "loihi")
    with pytest.raises(
        NetworkError, match=r"projection 'w': short_term: found u 0\.5; allowed on backend 'loihi': none"
    ):
        loihi(loihi.Config()).load(net, 1000, Probes())
    for target in ("loihi2", "spinnaker2"):
        broken = compile_network(net, target, load_target(target)).broken
        assert "projection 'tiring': short_term: found u 0.5; allowed: none" in map(str, broken)
