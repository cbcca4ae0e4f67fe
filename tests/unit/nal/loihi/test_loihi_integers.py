"""Loihi's integers: rounding and truncation by hand, ranges, and what becomes of a network of real numbers."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.errors import NetworkError
from hilbench.nal import Network
from hilbench.nal.loihi import IntegerNetwork
from hilbench.nal.loihi.equations import clipped, decayed, registered, shifted, sign_of, truncated, wrapped
from hilbench.nal.loihi.model import written
from hilbench.nal.loihi.quantise import from_network
from hilbench.nal.rules.pes import PES


def test_a_decay_rounds_towards_0():
    # 1000 x 4095 / 4096 = 999.76; 1 x 4095 / 4096 = 0.9998; 10 x 2048 / 4096 = 5.
    assert [decayed(x, 1) for x in (1000, -1000, 1, -1, 0)] == [999, -999, 0, 0, 0]
    assert [decayed(x, 2048) for x in (10, -10, 11, -11)] == [5, -5, 5, -5]
    assert [decayed(x, 4096) for x in (8_388_607, -8_388_607)] == [0, 0]
    assert decayed(-8_388_607, 0) == -8_388_607


def test_a_current_wraps_and_a_membrane_stops():
    top = 2**23
    assert [wrapped(u) for u in (top, top + 1, top + 5, -top + 1, -top, -top - 5)] == [
        top, -top + 1, -top + 5, -top + 1, top, top - 5,
    ]  # fmt: skip
    assert wrapped(3 * top) == top  # one turn
    assert wrapped(5 * top) == 3 * top  # and never two
    assert wrapped(2**31) == -(2**31) + 2 * top  # beyond 32 bits it comes back from the other end
    assert [clipped(v) for v in (top, top - 1, -top, 0)] == [top - 1, top - 1, -top + 1, 0]


def test_an_exponent_to_the_right_rounds_down():
    assert [shifted(x, -2) for x in (7, -7, 8, -1)] == [1, -2, 2, -1]
    assert [shifted(x, 3) for x in (7, -7)] == [56, -56]


@pytest.mark.parametrize(
    ("sign", "bits", "weights", "kept"),
    [
        ("excitatory", 8, [0, 1, 254, 255], [0, 1, 254, 255]),
        ("excitatory", 6, [3, 4, 255], [0, 4, 252]),
        ("inhibitory", 8, [-255, -1], [-255, -1]),
        ("inhibitory", 6, [-3, -4, -255], [0, -4, -252]),
        ("mixed", 8, [-256, -255, -1, 0, 1, 3, 255], [-256, -256, -2, 0, 0, 2, 254]),
        ("mixed", 4, [-33, -1, 31, 33], [-64, -32, 0, 32]),
    ],
)
def test_truncation_by_sign_mode(sign, bits, weights, kept):
    assert truncated(np.array(weights), sign, bits).tolist() == kept


def test_the_sign_mode_that_weights_call_for():
    found = [sign_of(np.array(weights)) for weights in ([0, 3], [0, -3], [1, -1], [0, 0], [])]
    assert found == ["excitatory", "inhibitory", "mixed", "excitatory", "excitatory"]


def test_bias_registers_hold_the_nearest_of_13_bits():
    bias = [4095, -4096, 4096, 4097, 8191, 524_160, 10**9, -(10**9), -524_288]
    assert [registered(x) for x in bias] == [4095, -4096, 4096, 4098, 8192, 524_160, 524_160, -524_288, -524_288]


def small() -> IntegerNetwork:
    net = IntegerNetwork(1000)
    net.input("e", 2)
    net.lif("a", 2, du=4095, dv=0, vth=1)
    return net


@pytest.mark.parametrize(
    ("build", "says"),
    [
        (lambda n: n.lif("b", 1, du=4096, dv=0, vth=1), "population 'b': du: found 4096; allowed: 0 to 4095"),
        (lambda n: n.lif("b", 1, du=0, dv=0, vth=131_072), "vth: found 131072; allowed: 0 to 131071"),
        (lambda n: n.lif("b", 1, du=0, dv=0.5, vth=1), "dv: found float64 numbers; allowed: integers"),
        (lambda n: n.lif("b", 2, du=0, dv=0, vth=1, bias_mant=[1, 4096]), "bias_mant: found 4096; allowed: -4096 to"),
        (lambda n: n.lif("b", 2, du=0, dv=0, vth=1, bias_exp=[1, 2, 3]), "bias_exp: found shape (3,)"),
        (lambda n: n.lif("a", 1, du=0, dv=0, vth=1), "population 'a': the name is taken"),
        (lambda n: n.dense("f", "a", [[1, 1]] * 2), "projection 'f_to_a': source of spikes: found 'f'; allowed: a, e"),
        (lambda n: n.dense("e", "a", [[1, 1]]), "weights: found shape (1, 2); allowed: (2, 2)"),
        (lambda n: n.dense("e", "a", [[1, 256]] * 2), "weights: found 256; allowed: 0 to 255 (excitatory)"),
        (lambda n: n.dense("e", "a", [[1, -1]] * 2, sign="inhibitory"), "found 1; allowed: -255 to 0"),
        (lambda n: n.dense("e", "a", [[1, 1]] * 2, sign="inhib"), "did you mean 'inhibitory'"),
        (lambda n: n.dense("e", "a", [[1, 1]] * 2, weight_exp=8), "weight_exp: found 8; allowed: -8 to 7"),
        (lambda n: n.dense("e", "a", [[1, 1]] * 2, delay_steps=0), "delay_steps: found 0; allowed: 1 to 64"),
        (lambda n: n.dense("e", "a", [[0.5, 1]] * 2), "weights: found float64 numbers; allowed: integers"),
        (lambda n: n.output("y", "e", "events"), "found 'e'; allowed: a"),
    ],
)
def test_what_is_out_of_range_is_refused_in_one_line(build, says):
    with pytest.raises(NetworkError) as error:
        build(small())
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def real(**more) -> Network:
    """Event lines onto four neurons whose decay is a whole number of 4096ths."""
    net = Network(0.001)
    net.input("e", 3, kind="events")
    net.lif("a", 4, **({"tau_s": 0.004, "integrator": "euler"} | more), output=True)
    return net


def test_what_fits_is_exact():
    net = real()
    net.connect("e", "a", np.full((4, 3), 0.5), delay_steps=1)
    integers, lines, *_ = from_network(net)
    p, q = integers.populations["a"], integers.projections["e_to_a"]
    assert (p.du, p.dv) == (4095, 1024)
    assert len(lines) == 1  # v is an integer
    assert lines[0].startswith("a: u and v are rounded")
    np.testing.assert_allclose(written(q), 0.5, rtol=1e-7)
    # A step of v in thresholds: weight x dt/tau.
    assert q.weights.data[0] * 2.0**q.weight_exp * 64 / (p.vth * 64) == pytest.approx(0.5 * 0.25, rel=1e-4)
    assert q.delay_steps.tolist() == [1] * 12


def test_decays_and_constants_are_rounded_as_stated():
    net = real(tau_s=0.02, integrator="exact", v_leak=-1.0, v_reset=-1.0, v_threshold=1.0, v_initial=-0.5)
    net.connect("e", "a", np.ones((4, 3)), bias=1.5, delay_steps=3)
    integers, lines, *_ = from_network(net)
    p = integers.populations["a"]
    assert p.dv == round(4096 * (1 - np.exp(-0.001 / 0.02))) == 200
    assert any("tau_s: a step takes 200/4096 away, not 0.0487706" in line for line in lines)
    threshold = p.vth * 64
    np.testing.assert_allclose(p.v_initial / threshold, 0.25, atol=1e-6)  # of the way from reset to threshold
    np.testing.assert_allclose(p.bias / threshold, 1.5 * 0.0487706 / 2, rtol=1e-4)
    np.testing.assert_allclose(p.v_zero + p.volts * threshold, 1.0)


def test_neurons_may_differ_in_threshold_but_not_in_time_constants():
    net = real(v_threshold=[0.5, 1, 2, 4])
    net.connect("e", "a", np.full((4, 3), 0.5), delay_steps=1)
    q = from_network(net)[0].projections["e_to_a"]
    np.testing.assert_allclose(q.weights.toarray()[:, 0] / q.weights.toarray()[0, 0], [1, 0.5, 0.25, 0.125], atol=0.01)
    np.testing.assert_allclose(written(q), 0.5, rtol=0.01)
    with pytest.raises(NetworkError, match=r"'a': tau_s: found 0.004 to 0.008; allowed in Loihi's integers: one for"):
        from_network(real(tau_s=[0.004, 0.004, 0.004, 0.008]))


def test_a_current_of_its_own_becomes_u():
    net = Network(0.001, integrator="euler")
    net.input("e", 2, kind="events")
    net.cuba_lif("a", 3, tau_s=0.02, tau_syn_s=0.005)
    net.connect("e", "a", np.ones((3, 2)), delay_steps=1)
    integers, lines, *_ = from_network(net)
    assert integers.populations["a"].du == round(4096 * 0.2) - 1
    assert not any("synaptic current" in line for line in lines)
    old = Network(0.001, integrator="euler")
    old.input("e", 2, kind="events")
    old.cuba_lif("a", 3, tau_s=0.02, tau_syn_s=0.005, synapse_update="after")
    assert any("synaptic current" in line for line in from_network(old)[1])


def test_a_current_never_wraps_and_weights_of_both_signs_lose_a_bit():
    net = real()
    random = np.random.default_rng(1)
    net.connect("e", "a", random.uniform(-1, 1, (4, 3)), delay_steps=1)
    net.connect("a", "a", random.uniform(-1, 5, (4, 4)), delay_steps=1)
    integers, lines, *_ = from_network(net)
    arriving = sum(np.ravel(abs(q.weights).sum(axis=1)) * 2.0**q.weight_exp * 64 for q in integers.projections.values())
    assert arriving.max() < 2**23
    assert all((q.weights.data % 2 == 0).all() for q in integers.projections.values())
    for name, q in integers.projections.items():
        wanted = net.projections[name].weights.data
        off = np.abs(written(q) - wanted).max() / np.abs(wanted).max()
        said = next(line for line in lines if line.startswith(f"{name}: weights"))
        assert 0 < off < 0.02
        assert f"{100 * off:.2g} %" in said


def test_fewer_bits_are_less_exact():
    net = real()
    net.connect("e", "a", np.random.default_rng(2).uniform(0, 1, (4, 3)), delay_steps=1)
    wanted = net.projections["e_to_a"].weights.data
    off = [np.abs(written(from_network(net, bits)[0].projections["e_to_a"]) - wanted).max() for bits in (8, 6, 4)]
    assert off[0] < off[1] < off[2] < 0.1


def test_delays_are_one_step_at_the_least():
    net = real()
    net.connect("e", "a", np.ones((4, 3)), delay_steps=np.arange(12).reshape(4, 3), name="some")
    net.connect("e", "a", np.ones((4, 3)), after_threshold=True, delay_steps=2, name="after")
    integers, lines, *_ = from_network(net)
    assert sorted(integers.projections["some"].delay_steps.tolist()) == [1, 1, *range(2, 12)]
    assert set(integers.projections["after"].delay_steps.tolist()) == {3}
    assert "some: a spike without delay acts in the next step" in lines
    far = real()
    far.connect("e", "a", np.ones((4, 3)), delay_steps=65)
    with pytest.raises(NetworkError, match=r"'e_to_a': delay_steps: found 65; allowed: 1 to 64"):
        from_network(far)


def relayed() -> Network:
    net = real()
    net.add("s", "passthrough", 3)
    return net


def learning() -> Network:
    net = real()
    net.readout("y", 1, tau_s=0.01)
    net.connect("a", "y", np.ones((1, 4)), rule=PES(modulator="error"))
    return net


def driven_by_values() -> Network:
    net = real()
    net.readout("y", 1, tau_s=0.01)
    net.connect("y", "a", np.ones((4, 1)), delay_steps=1)
    return net


@pytest.mark.parametrize(
    ("net", "says"),
    [
        (relayed(), "population 's': kind: found 'passthrough'; allowed in Loihi's integers: lif"),
        (learning(), "projection 'a_to_y': rule: found PES; allowed in Loihi's integers: none"),
        (driven_by_values(), "projection 'y_to_a': source of spikes: found 'y'; allowed: a, e"),
        (real(spikes="multiple"), "spikes: found 'multiple'; allowed in Loihi's integers: 'single'"),
        (real(v_floor=-1.0), "v_floor: found -1.0"),
        (real(v_reset=1.0), "v_threshold: found 1; allowed in Loihi's integers: finite and above"),
        (real(refractory_s=0.064), "refractory_steps: found 64; allowed: 0 to 63"),
    ],
)
def test_what_the_chip_cannot_do_is_refused(net, says):
    with pytest.raises(NetworkError) as error:
        from_network(net)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"reset": "subtract"}, "takes no threshold away"),
        ({"reset_at": "next"}, "in its own step"),
        ({"threshold_test": ">="}, "not >="),
    ],
)
def test_what_it_does_in_its_own_way_is_said(more, says):
    lines = from_network(real(**more))[1]
    assert any(line.startswith("a: ") and says in line for line in lines)
