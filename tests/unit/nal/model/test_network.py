"""The builder: what it refuses, in which words, and the order that populations step in."""

from __future__ import annotations

import math
from dataclasses import replace
from inspect import signature

import numpy as np
import pytest
import scipy.sparse

from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.model.neurons import MAX_REFRACTORY_STEPS, PARAMETERS, Behaviour
from hilbench.nal.rules.pes import PES


def small() -> Network:
    net = Network(0.001)
    net.input("x", 2)
    net.input("e", 2, kind="events")
    net.lif("cells", 3, tau_s=0.02)
    net.readout("y", 2, tau_s=0.1)
    net.connect("x", "cells", np.ones((3, 2)))
    return net


PES_ERROR = PES(modulator="error")

REFUSED = {
    "integrator": (lambda n: Network(0.001, "exactt"), "did you mean 'exact'"),
    "dt not in us": (lambda n: Network(1.5e-6), "whole number of microseconds"),
    "dt too short": (lambda n: Network(1e-7), "whole number of microseconds"),
    "dt infinite": (lambda n: Network(math.inf), "whole number of microseconds"),
    "amplitude": (lambda n: Network(0.001, spike_amplitude=0.0), "positive"),
    "seed": (lambda n: Network(0.001, seed=2**64), "2\\*\\*64"),
    "name": (lambda n: n.input("the first", 2), "'the first'"),
    "name taken": (lambda n: n.lif("x", 2, tau_s=0.1), "'x' is taken"),
    "projection name taken": (lambda n: n.connect("x", "cells", np.ones((3, 2)), name="y"), "'y' is taken"),
    "port size": (lambda n: n.input("z", 0), "'z'"),
    "port kind": (lambda n: n.input("z", 1, kind="spikes"), "'z'"),
    "size": (lambda n: n.lif("z", 0, tau_s=0.1), "found 0; allowed: 1"),
    "size kind": (lambda n: n.lif("z", 2.0, tau_s=0.1), "found 2.0; allowed: 1"),
    "tau": (lambda n: n.lif("z", 2, tau_s=[0.1, 0.0]), "tau_s: found 0.0; allowed: more than 0 s"),
    "tau infinite": (lambda n: n.lif("z", 2, tau_s=math.inf), "tau_s: found NaN or infinity"),
    "parameter shape": (lambda n: n.lif("z", 2, tau_s=[0.1] * 3), r"tau_s: found shape \(3,\); allowed"),
    "parameter kind": (lambda n: n.lif("z", 2, tau_s="fast"), "tau_s: found str"),
    "parameter NaN": (lambda n: n.lif("z", 2, tau_s=0.1, v_threshold=math.nan), "v_threshold: found NaN"),
    "reset": (lambda n: n.lif("z", 2, tau_s=0.1, reset="substract"), "did you mean 'subtract'"),
    "threshold": (lambda n: n.lif("z", 2, tau_s=0.1, threshold_test="=>"), "found '=>'; allowed: >, >="),
    "refractory": (lambda n: n.lif("z", 2, tau_s=0.1, refractory_s=0.0015), "whole steps of 0.001 s"),
    "refractory endless": (lambda n: n.lif("z", 2, tau_s=0.1, refractory_s=math.inf), "whole steps"),
    "refractory long": (lambda n: n.lif("z", 2, tau_s=0.1, refractory_s=MAX_REFRACTORY_STEPS), "whole steps"),
    "source": (lambda n: n.connect("cell", "y", np.ones((2, 3))), "did you mean 'cells'"),
    "target": (lambda n: n.connect("x", "cell", np.ones((3, 2))), "did you mean 'cells'"),
    "input as target": (lambda n: n.connect("cells", "x", np.ones((2, 3))), "target: found 'x'"),
    "shape": (lambda n: n.connect("cells", "y", np.ones((3, 2))), r"\(3, 2\); allowed: \(2, 3\) \(targets, sources\)"),
    "vector": (lambda n: n.connect("cells", "y", np.ones(6)), r"allowed: \(2, 3\)"),
    "ragged": (lambda n: n.connect("cells", "y", [[1, 2], [3]]), "weights: found list"),
    "NaN": (lambda n: n.connect("cells", "y", np.full((2, 3), math.nan)), "finite"),
    "too large": (lambda n: n.connect("cells", "y", np.full((2, 3), 1e40)), "finite"),
    "bias": (lambda n: n.connect("cells", "y", np.ones((2, 3)), bias=np.ones(3)), "bias: found shape"),
    "bias infinite": (lambda n: n.connect("cells", "y", np.ones((2, 3)), bias=math.inf), "bias: found NaN or infinity"),
    "delay": (lambda n: n.connect("cells", "y", np.ones((2, 3)), delay_steps=-1), "delay_steps: found -1 to -1"),
    "rule source": (lambda n: n.connect("x", "y", np.ones((2, 2)), rule=PES_ERROR), "PES learns from spikes; 'x'"),
    "rule target": (
        lambda n: n.connect("cells", "cells", np.ones((3, 3)), rule=PES_ERROR, delay_steps=1),
        "learns onto li, cuba_li; 'cells' is a lif",
    ),
    "rule rate": (
        lambda n: n.connect("cells", "y", np.ones((2, 3)), rule=PES(modulator="e1", learning_rate=math.nan)),
        "learning_rate",
    ),
    "rule name": (lambda n: n.connect("cells", "y", np.ones((2, 3)), rule=PES(modulator="an error")), "modulator"),
    "delays": (lambda n: n.connect("cells", "y", np.ones((2, 3)), delay_steps=[1, 2]), r"found shape \(2,\)"),
    "delay kind": (lambda n: n.connect("cells", "y", np.ones((2, 3)), delay_steps=0.5), "delay_steps: found 0.5"),
    "kind": (lambda n: n.add("z", "alif", 2), "did you mean 'lif'"),
    "no such parameter": (lambda n: n.add("z", "if", 2, tau_s=0.1), "a if has no 'tau_s'"),
    "misspelt": (lambda n: n.lif("z", 2, tau_s=0.1, refractory=0.0), "did you mean 'refractory_s'"),
    "needs": (lambda n: n.add("z", "cuba_li", 2, tau_s=0.1), "a cuba_li needs tau_syn_s"),
    "next and refractory": (
        lambda n: n.lif("z", 2, tau_s=0.1, reset_at="next", refractory_s=0.001),
        "found 0.001; allowed with reset_at 'next': 0",
    ),
    "relay after the threshold test": (
        lambda n: (
            n.add("relay", "passthrough", 2),
            n.connect("cells", "relay", np.ones((2, 3)), after_threshold=True),
        )[1],
        "after_threshold: found True; allowed onto 'relay', which has no membrane: False",
    ),
    "output source": (lambda n: n.output("out", "cell"), "did you mean 'cells'"),
    "output twice": (lambda n: n.output("y", "cells"), "stands twice"),
    "graded events": (
        lambda n: (n.lif("z", 1, tau_s=0.1, spikes="graded"), n.output("z", "z"))[1],
        "gives graded spikes; allowed: kind 'values'",
    ),
    "loop": (lambda n: n.connect("cells", "cells", np.ones((3, 3))), "loop without delay through cells"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_so_in_one_line_and_changes_nothing(case):
    wrong, says = REFUSED[case]
    net = small()
    before = (net.inputs, net.outputs, net.modulators, list(net.populations)[:2], list(net.projections))
    with pytest.raises(NetworkError, match=says) as error:
        wrong(net)
    assert "\n" not in str(error.value)
    first = [name for name in net.populations if name not in ("relay", "z")]
    assert before == (net.inputs, net.outputs, net.modulators, first, list(net.projections))


def test_sizes_may_be_whole_numbers_of_numpy():
    net = Network(0.001)
    net.input("x", np.int64(3))
    net.input("image", (np.int32(2), 3))
    net.lif("cells", np.int64(4), tau_s=0.02)
    assert [port.size for port in net.inputs] == [3, 6]
    assert net.populations["cells"].size == 4


def test_one_modulator_serves_rules_of_one_size():
    net = small()
    net.readout("z", 1, tau_s=0.1)
    net.connect("cells", "y", np.ones((2, 3)), rule=PES_ERROR)
    with pytest.raises(NetworkError, match="'error' has 2 values; this one needs 1"):
        net.connect("cells", "z", np.ones((1, 3)), rule=PES_ERROR)
    assert [(m.name, m.size) for m in net.modulators] == [("error", 2)]


@pytest.mark.parametrize("n_us", [1, 15, 100, 123, 333, 999, 1000, 3003, 65537])
def test_every_whole_number_of_microseconds_is_a_step_however_it_was_computed(n_us):
    for dt_s in (n_us / 1e6, n_us * 1e-6, n_us / 1000 / 1000):
        assert Network(dt_s).dt_us == n_us


def test_populations_step_after_those_that_drive_them_at_once():
    net = Network(0.001)
    net.readout("y", 1, tau_s=0.1)
    for name in ("c", "b", "a", "free"):
        net.lif(name, 1, tau_s=0.1)
    one = np.ones((1, 1))
    for source, target, delay in (("a", "b", 0), ("b", "c", 0), ("c", "y", 0), ("c", "a", 1), ("a", "c", 0)):
        net.connect(source, target, one, delay_steps=delay)
    assert net.order() == ["a", "free", "b", "c", "y"]
    with pytest.raises(NetworkError, match="a loop without delay through a, b, c"):
        net.connect("b", "a", one)
    assert "b_to_a" not in net.projections


def test_a_long_chain_is_ordered():
    net, n = Network(0.001), 300
    for i in range(n):
        net.lif(f"n{i}", 1, tau_s=0.1)
    for i in range(n - 1):
        net.connect(f"n{i + 1}", f"n{i}", np.ones((1, 1)))
    assert net.order() == [f"n{i}" for i in reversed(range(n))]


def test_zeros_are_synapses_only_where_a_rule_may_change_them():
    zeros = np.array([[0, 1, 0], [0, 0, 0]], np.float32)
    stored = scipy.sparse.csr_array(([0.0, 1.0], ([0, 1], [0, 2])), shape=(2, 3))
    for weights, counts in ((zeros, (1, 6)), (stored, (1, 2))):
        net = small()
        net.connect("cells", "y", weights, name="fixed")
        net.connect("cells", "y", weights, rule=PES_ERROR, name="learnt")
        assert tuple(net.projections[name].weights.nnz for name in ("fixed", "learnt")) == counts


@pytest.mark.parametrize("kind", [np.array, scipy.sparse.csc_array, scipy.sparse.coo_array])
def test_a_network_keeps_its_own_weights_and_leaves_the_callers_alone(kind):
    net = small()
    mine = kind(np.array([[1, 2, 3], [4, 5, 6]], np.float32))
    net.connect("cells", "y", mine, name="w")
    before = net.projections["w"].weights.toarray()
    mine *= 2
    if kind is scipy.sparse.csc_array:
        mine.data[:] = 7
    np.testing.assert_array_equal(net.projections["w"].weights.toarray(), before)


@pytest.mark.parametrize("part", ["data", "indices", "indptr"])
def test_synapses_that_an_engine_may_run_on_cannot_be_written_over(part):
    """A kernel goes by these very arrays: an index from elsewhere would have it write anywhere."""
    net = small()
    net.connect("e", "cells", np.ones((3, 2)), delay_steps=[[1, 2], [3, 1], [1, 1]])
    p = net.projections["e_to_cells"]
    for array in (getattr(p.weights, part), p.delay_steps, getattr(replace(p, weights=p.weights.copy()).weights, part)):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 9


def test_duplicate_synapses_add_up():
    net = small()
    twice = scipy.sparse.coo_array(([1.0, 2.0, 5.0], ([0, 0, 1], [2, 2, 0])), shape=(2, 3))
    net.connect("cells", "y", twice, name="w")
    np.testing.assert_array_equal(net.projections["w"].weights.toarray(), [[0, 0, 3], [5, 0, 0]])


def test_delays_of_a_large_network_stay_sparse():
    n = 100_000
    at = np.random.default_rng(0).permutation(n)
    weights = scipy.sparse.csc_array((np.ones(n), (at, np.arange(n))), shape=(n, n))
    steps = scipy.sparse.coo_array((np.arange(n) % 7, (at, np.arange(n))), shape=(n, n))
    net = Network(0.001)
    net.input("x", n)
    net.lif("cells", n, tau_s=0.02)
    net.connect("x", "cells", weights, delay_steps=steps)
    np.testing.assert_array_equal(net.projections["x_to_cells"].delay_steps, np.arange(n) % 7)


def test_keywords_name_every_array_and_every_field_of_behaviour():
    """What an editor shows is all that can be stated."""
    arrays = {name for names in PARAMETERS.values() for name in names}
    stated = arrays | set(Behaviour.__struct_fields__)
    others = {"self", "name", "kind", "size", "rule", "output", "units", "unknown"}
    assert set(signature(Network.add).parameters) - others == stated
    assert set(signature(Network.lif).parameters) - others == stated - {"tau_syn_s", "w_in", "synapse_update"}
    assert set(signature(Network.cuba_lif).parameters) - others == stated


def test_what_a_keyword_states_is_what_a_dict_states():
    net = Network(0.001)
    stated = {"tau_s": 0.02, "tau_syn_s": 0.01, "w_in": 2.0, "v_reset": -0.5, "synapse_update": "after",
              "integrator": "euler", "refractory_s": 0.002, "v_floor": -1.0, "adapt_tau_s": 0.1,
              "adapt_step": 0.25}  # fmt: skip
    net.cuba_lif("a", 2, **stated)
    net.add_stated("b", "cuba_lif", 2, stated)
    net.lif("c", 2, tau_s=0.02, v_floor=None)
    a, b = net.populations["a"], net.populations["b"]
    assert a.behaviour == b.behaviour
    assert a.behaviour == Behaviour(synapse_update="after", integrator="euler", refractory_s=0.002, v_floor=-1.0,
                                    adapt_tau_s=0.1, adapt_step=0.25)  # fmt: skip
    for name in PARAMETERS["cuba_lif"]:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert net.populations["c"].behaviour == Behaviour()
