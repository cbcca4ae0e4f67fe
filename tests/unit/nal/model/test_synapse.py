"""What arrives jumps onto a state or is held over the step: by hand."""

import numpy as np
import pytest

from hilbench.nal import Network
from hilbench.nal.model.neurons import step_constants

DT_S = 2.0**-6


def constants(kind: str, **stated) -> list[float]:
    net = Network(DT_S)
    taus = {"tau_s": 4 * DT_S} if kind in ("lif", "li", "cuba_li") else {}
    taus |= {"tau_syn_s": 2 * DT_S} if kind == "cuba_li" else {}
    net.add("p", kind, 1, r=3.0, **taus, **stated)
    return [float(value[0]) for value in step_constants(net.populations["p"], DT_S)]


@pytest.mark.parametrize("kind", ["lif", "li"])
def test_a_jump_of_the_membrane_is_whole_whatever_the_decay(kind):
    assert constants(kind, integrator="euler", synapse="delta") == [0, 0.75, 0, 3, 0, 0]
    assert constants(kind, integrator="exact", synapse="delta") == [0, np.exp(-0.25), 0, 3, 0, 0]
    assert constants(kind, integrator="euler") == [0, 0.75, 0, 0.75, 0, 0]


def test_a_jump_without_a_leak():
    assert constants("if", synapse="delta") == [0, 1, 0, 3, 0, 0]
    assert constants("if") == [0, 1, 0, 3 * DT_S, 0, 0]


def test_a_jump_of_the_current_leaves_the_membrane_its_equation():
    stated = {"synapse": "delta", "w_in": 2.0}
    assert constants("cuba_li", integrator="euler", **stated) == [0, 0.75, 0.75 * 0.5, 0.75 * 2, 0.5, 2]
    assert constants("cuba_li", integrator="euler", synapse_update="after", **stated) == [0, 0.75, 0.75, 0, 0.5, 2]
    rest, decay, from_current, from_input, syn_decay, syn_gain = constants("cuba_li", integrator="exact", **stated)
    assert (rest, decay, from_input, syn_gain) == (0, np.exp(-0.25), 0, 2)
    assert syn_decay == np.exp(-0.5)
    assert from_current == pytest.approx(3 * 0.25 * (np.exp(-0.5) - np.exp(-0.25)) / (0.25 - 0.5))
