"""The encoder `graded`: as many events at one instant as a magnitude has levels, and what a network makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from coding import encoder, observed, ticks

from hilbench import plugins
from hilbench.nal import Network
from hilbench.types import Probes, Tick


def test_the_number_of_events_is_the_part_of_the_levels_all_at_the_start():
    made = encoder("graded", observed("a", "b", "c", "d"), low=0.0, high=2.0, levels=8)
    found = ticks(made, [[0.5, 1.1, -1.0, 2.0]])
    assert np.bincount(found["address"], minlength=4).tolist() == [2, 4, 0, 8]
    assert not found["t_us"].any()


def test_signed_magnitudes_have_an_address_for_each_sign():
    made = encoder("graded", observed("a", "b"), low=-1.0, high=1.0, levels=4, signed=True)
    found = ticks(made, [[0.5, -0.75]])
    assert np.bincount(found["address"], minlength=4).tolist() == [2, 0, 0, 3]


@pytest.mark.parametrize("backend", ["reference", "numba"])
def test_events_of_one_address_in_one_step_add_up(backend):
    """Six events over a weight of 1/4 bring a membrane without leak to 1.5."""
    net = Network(1e-3)
    net.input("x", 1, kind="events")
    net.add("a", "i", 1, synapse="delta", output=True)
    net.connect("x", "a", [[0.25]])
    made = encoder("graded", observed("a"), low=0.0, high=1.0, levels=12)
    cls = plugins.get("backends", backend)
    engine = cls(cls.Config())
    engine.load(net, 10_000, Probes())
    engine.reset(1, "none")
    reply = engine.step(Tick(events=ticks(made, [0.5])))
    assert reply.values.tolist() == [1.5]
