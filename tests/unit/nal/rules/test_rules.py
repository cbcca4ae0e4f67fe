"""Where a rule may stand, and in which words it is refused elsewhere; what was learnt becomes a Network again."""

from __future__ import annotations

import numpy as np
import pytest
from network_equality import assert_equal

from hilbench import plugins
from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.model.codec import pack, unpack
from hilbench.nal.model.forms import Form
from hilbench.nal.model.learnt import learnt
from hilbench.nal.rules.eprop import EProp
from hilbench.nal.rules.eprop_rate import EPropRate
from hilbench.nal.rules.homeostatic import Homeostatic
from hilbench.nal.rules.pes import PES
from hilbench.nal.rules.rstdp import RSTDP
from hilbench.nal.rules.stdp import STDP
from hilbench.nal.rules.stdp_inhibitory import STDPInhibitory
from hilbench.nal.rules.stdp_nearest import STDPNearest
from hilbench.nal.rules.triplet import Triplet
from hilbench.types import Probes

ONES = np.ones((2, 2))


def small() -> Network:
    net = Network(0.001, seed=5)
    net.input("x", 2)
    net.input("e", 2, kind="events")
    net.lif("a", 2, tau_s=0.02, reset="subtract")
    net.lif("mixed", 2, tau_s=[0.02, 0.03], reset="subtract")
    net.lif("hard", 2, tau_s=0.02)
    net.readout("y", 2, tau_s=0.1)
    net.readout("two", 2, tau_s=[0.1, 0.2])
    net.add("relay", "passthrough", 2)
    net.connect("a", "y", ONES, name="out")
    net.connect("a", "y", ONES, name="slow", delay_steps=1)
    net.connect("a", "two", ONES, name="apart")
    return net


EPROP = EProp(modulator="error", readout="out")
EPROP_RATE = EPropRate(modulator="error", readout="out", target_rate_hz=20.0, rate_weight=0.1)
PES_ERROR = PES(modulator="error")
REFUSED = {
    "values": (STDP(), "x", "a", {}, "STDP learns from spikes; 'x' sends values"),
    "membranes": (RSTDP(modulator="r"), "y", "a", {"delay_steps": 1}, "learns from spikes; 'y' sends values"),
    "readout": (STDP(), "a", "y", {}, "learns onto lif, if, cuba_lif; 'y' is a li, which does not spike"),
    "relay": (Triplet(), "e", "relay", {}, "'relay' is a passthrough, which does not spike"),
    "PES onto spikes": (PES_ERROR, "e", "a", {}, "PES learns onto li, cuba_li; 'a' is a lif"),
    "shared": (STDP(), "e", "a", {"form": Form("conv1d", (1, 2), (1, 2))}, "those of a conv1d are shared"),
    "bounds": (STDP(w_min=1.0, w_max=1.0), "e", "a", {}, "w_min 1.0 and w_max 1.0; allowed: the first below"),
    "soft without": (STDP(w_min=None, softness=1.0), "e", "a", {}, "softness 1.0; allowed: 0 without both"),
    "outside": (STDP(w_max=0.5), "e", "a", {}, "starts from 1; allowed: w_min 0 to w_max 0.5"),
    "softness": (STDP(softness=2.0), "e", "a", {}, "softness"),
    "no number": (STDP(a_plus=1j), "e", "a", {}, "rule: found complex"),
    "homeostatic": (
        Homeostatic(target_rate_hz=1.0), "e", "a", {}, "changes thresholds; allowed: a rule that changes weights",
    ),
    "e-prop reset": (EPROP, "e", "hard", {}, "needs reset 'subtract'"),
    "e-prop tau": (EPROP, "e", "mixed", {}, "needs one tau_s for all neurons of its target; found 0.02 to 0.03"),
    "e-prop after the threshold test": (EPROP, "e", "a", {"after_threshold": True}, "this one acts after it"),
    "e-prop readout": (EProp(modulator="e1", readout="outt"), "e", "a", {}, "did you mean 'out'"),
    "e-prop delay": (EProp(modulator="e1", readout="slow"), "e", "a", {}, "'slow' has a delay"),
    "e-prop outputs": (EProp(modulator="e1", readout="apart"), "e", "a", {}, "one r for all neurons of 'two'"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_where_a_rule_cannot_stand_it_is_refused_in_one_line(case):
    rule, source, target, more, says = REFUSED[case]
    net = small()
    with pytest.raises(NetworkError, match=says) as error:
        net.connect(source, target, ONES, rule=rule, name="new", **more)
    assert "\n" not in str(error.value)
    assert "new" not in net.projections
    assert net.modulators == ()


@pytest.mark.parametrize(
    ("kind", "rule", "says"),
    [
        ("li", Homeostatic(target_rate_hz=1.0), "moves thresholds of lif, if, cuba_lif; 'z' is a li"),
        ("lif", Homeostatic(target_rate_hz=1.0, w_max=0.5), "starts from 1; allowed"),
        ("lif", STDP(), "STDP changes weights; allowed: a rule that changes thresholds"),
    ],
)
def test_what_a_population_refuses(kind, rule, says):
    net = small()
    with pytest.raises(NetworkError, match=says):
        net.add("z", kind, 2, tau_s=0.1, rule=rule)
    assert "z" not in net.populations


def everything() -> Network:
    """A network with each rule once."""
    net = small()
    net.lif("moving", 2, tau_s=0.02, rule=Homeostatic(target_rate_hz=20.0, step=np.float64(0.25)))
    for name, rule in (("stdp", STDP()), ("triplet", Triplet(softness=0.5)), ("rstdp", RSTDP(modulator="reward"))):
        net.connect("e", "a", ONES / 2, rule=rule, name=name)
    net.connect("e", "a", ONES, rule=EPROP, name="eprop")
    net.connect("e", "a", ONES, rule=EPROP_RATE, name="eprop_rate")
    net.connect("e", "a", ONES / 2, rule=STDPNearest(), name="nearest")
    net.connect("e", "a", -ONES / 2, rule=STDPInhibitory(), name="inhibitory")
    net.connect("e", "y", ONES, rule=PES_ERROR, name="pes")
    return net


def test_every_rule_crosses_the_wire():
    net = everything()
    assert [(m.name, m.size) for m in net.modulators] == [("reward", 1), ("error", 2)]
    assert_equal(unpack(pack(net)), net)


def test_every_built_in_rule_is_in_that_network():
    net = everything()
    parts = (*net.projections.values(), *net.populations.values())
    assert {type(p.rule) for p in parts if p.rule} == {
        plugin.load() for plugin in plugins.all_of("rules").values() if plugin.module.startswith("hilbench.")
    }


def test_what_was_learnt_becomes_a_network():
    net = everything()
    cls = plugins.get("backends", "reference")
    engine = cls(cls.Config())
    engine.load(net, 1000, Probes())
    snapshot = engine.snapshot()
    snapshot["weights/stdp"][:] = [0.25, 0, 0.5, 1]
    snapshot["thresholds/moving"][:] = [1.5, 2]
    found = learnt(net, snapshot)
    np.testing.assert_array_equal(found.projections["stdp"].weights.toarray(), [[0.25, 0.5], [0, 1]])
    np.testing.assert_array_equal(found.populations["moving"].v_threshold, np.float32([1.5, 2]))
    np.testing.assert_array_equal(net.projections["stdp"].weights.toarray(), ONES / 2)
    np.testing.assert_array_equal(net.populations["moving"].v_threshold, 1)
    assert_equal(learnt(found, engine.snapshot()), net)
    found.lif("more", 1, tau_s=0.1, output=True)
    assert "more" not in net.populations
    assert "more" not in net.output_sources
    del snapshot["weights/stdp"]
    with pytest.raises(NetworkError, match="no 'weights/stdp' of 4 numbers"):
        learnt(net, snapshot)
