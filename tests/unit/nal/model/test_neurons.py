"""One step's constants against the differential equations that they solve."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from hilbench.nal import Network
from hilbench.nal.model.neurons import step_constants

DT_S = 2.0**-6


def constants(kind: str, **stated):
    net = Network(DT_S)
    net.add("a", kind, 1, **stated)
    return [float(c[0]) for c in step_constants(net.populations["a"], DT_S)]


@pytest.mark.parametrize(
    ("integrator", "decay", "gain"),
    [("exact", np.exp(-0.25), 3 * (1 - np.exp(-0.25))), ("euler", 0.75, 0.75), ("discrete", 0.75, 3.0)],
)
def test_the_step_of_every_integrator(integrator, decay, gain):
    found = constants("lif", tau_s=2.0**-4, r=3.0, v_leak=0.5, integrator=integrator)
    np.testing.assert_allclose(found, [0.5, decay, 0, gain, 0, 0], rtol=1e-15)


def test_without_a_leak_only_discrete_adds_the_input_whole():
    assert constants("if", r=3.0, integrator="exact")[:4] == [0, 1, 0, 3 * DT_S]
    assert constants("if", r=3.0, integrator="euler")[:4] == [0, 1, 0, 3 * DT_S]
    assert constants("if", r=3.0, integrator="discrete")[:4] == [0, 1, 0, 3]


@pytest.mark.parametrize("tau_syn_s", [0.01, 0.05, 0.050001, 0.3])
def test_exact_solves_current_and_membrane_as_one(tau_syn_s):
    tau_s, r, w_in, v_leak, v, i, x = 0.05, 1.5, 0.75, 0.25, 0.125, 0.5, 2.0
    rest, decay, from_current, from_input, syn_decay, syn_gain = constants(
        "cuba_lif", tau_s=tau_s, tau_syn_s=tau_syn_s, r=r, w_in=w_in, v_leak=v_leak
    )

    def slope(_, y):
        return [(-y[0] + w_in * x) / tau_syn_s, (v_leak - y[1] + r * y[0]) / tau_s]

    solved = solve_ivp(slope, (0, DT_S), [i, v], rtol=1e-11, atol=1e-12).y[:, -1]
    assert syn_decay * i + syn_gain * x == pytest.approx(solved[0], rel=1e-6)
    assert rest + (v - rest) * decay + from_current * i + from_input * x == pytest.approx(solved[1], rel=1e-6)


@pytest.mark.parametrize("integrator", ["euler", "discrete"])
def test_the_membrane_sees_the_new_or_the_old_current(integrator):
    stated = {"tau_s": 2.0**-4, "tau_syn_s": 2.0**-5, "r": 2.0, "w_in": 0.5, "integrator": integrator}
    _, decay, from_current, from_input, syn_decay, syn_gain = constants("cuba_li", **stated, synapse_update="before")
    gain = 2.0 if integrator == "discrete" else 0.5
    assert (decay, syn_decay, syn_gain) == (0.75, 0.5, 0.5 if integrator == "discrete" else 0.25)
    assert (from_current, from_input) == (gain * syn_decay, gain * syn_gain)
    assert constants("cuba_li", **stated, synapse_update="after")[2:4] == [gain, 0]
