"""Accounts by hand: events times constants, intervals, and what is unknown."""

from __future__ import annotations

import pytest

from hilbench.nal.compile.energy import STATIC, Events, Range, account, dynamic
from hilbench.nal.compile.target import Constant, Energy

PJ = 1e-12


def constant(value: float, low: float, high: float) -> Constant:
    return Constant(value=value * PJ, low=low * PJ, high=high * PJ, source="made up")


WHOLE = Energy(
    synaptic_operation_j=constant(2, 1, 3),
    neuron_update_active_j=constant(10, 8, 12),
    neuron_update_idle_j=constant(4, 2, 6),
    spike_j=constant(5, 5, 5),
    message_j=constant(7, 6, 9),
    hop_j=constant(1, 1, 2),
    weight_update_j=constant(20, 10, 40),
    static_power_w=constant(1e9, 1e9, 1e10),
)
EVENTS = Events(100, 50, Range(20, 10, 40), 3, 0.5, spikes=6, messages=8, hops=16)


def test_every_part_is_events_times_its_constant():
    parts = account(EVENTS, WHOLE)
    found = {name: [bound / PJ for bound in part.joules] for name, part in parts.items()}
    assert found == {
        "synapses": pytest.approx([200, 100, 300]),
        "neuron updates": pytest.approx([20 * 10 + 30 * 4, 10 * 8 + 40 * 2, 40 * 12 + 10 * 6]),
        "spikes": pytest.approx([30, 30, 30]),
        "messages": pytest.approx([56, 48, 72]),
        "hops": pytest.approx([16, 16, 32]),
        "weight updates": pytest.approx([60, 30, 120]),
        STATIC: pytest.approx([5e8, 5e8, 5e9]),
    }
    total = dynamic(parts).joules
    assert [bound / PJ for bound in total] == pytest.approx([682, 384, 1094])


def test_two_constants_make_a_total_and_the_rest_is_unknown():
    parts = account(EVENTS._replace(weight_updates=0), Energy(
        synaptic_operation_j=constant(2, 1, 3), neuron_update_active_j=constant(10, 8, 12)
    ))  # fmt: skip
    assert {name for name, part in parts.items() if part.joules is None} == {"spikes", "messages", "hops", STATIC}
    assert parts["hops"].reason == "no public constant for hop_j"
    assert [bound / PJ for bound in dynamic(parts).joules] == pytest.approx([200 + 500, 100 + 400, 300 + 600])


@pytest.mark.parametrize("missing", ["synaptic_operation_j", "neuron_update_active_j", "weight_update_j"])
def test_a_total_without_a_needed_constant_is_unknown(missing):
    known = {name: getattr(WHOLE, name) for name in WHOLE.__struct_fields__ if name != missing}
    total = dynamic(account(EVENTS, Energy(**known)))
    assert total.joules is None
    assert total.reason == f"no public constant for {missing}"


def test_what_was_not_counted_is_absent_and_what_never_came_costs_nothing():
    parts = account(EVENTS._replace(spikes=None, messages=None, hops=None, weight_updates=0), Energy())
    assert set(parts) == {"synapses", "neuron updates", "weight updates", STATIC}
    assert parts["weight updates"].joules == Range(0, 0, 0)
