"""How late a wait ends, and for how long the loop therefore polls."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hilbench.loop.clock import Wall
from hilbench.loop.waiting import SPIN_MOST_NS, SPIN_NS, overslept_ns, spin_ns
from hilbench.scenario.loop import LoopConfig


class Sleeper:
    """A time that stands still but for waits, which end too late by what comes next."""

    def __init__(self, *late_us):
        self.now, self.late_us, self.waits = 0, iter(late_us), []

    def __call__(self):
        return self.now

    def wait(self, ns):
        self.waits.append(ns)
        self.now += ns + 1000 * next(self.late_us)


def test_waits_that_end_too_late_are_measured():
    sleeper = Sleeper(50, 2000, -3)
    assert overslept_ns(sleeper.wait, 3, 500_000, sleeper).tolist() == [50_000, 2_000_000, -3_000]
    assert sleeper.waits == [500_000] * 3


@given(st.integers(0, 10**7))
def test_the_polled_stretch_is_bounded(late_ns):
    assert spin_ns(np.full(200, late_ns)) == min(max(late_ns, SPIN_NS), SPIN_MOST_NS)


def test_a_stall_does_not_stretch_what_is_polled_and_usual_lateness_does():
    sleeper = Sleeper(*[120, 130] * 99, 5000, 120)
    clock = Wall(LoopConfig(), sleeper)
    assert clock.spin_ns == SPIN_NS
    clock.measure(sleeper.wait)
    assert clock.spin_ns == 130_000
