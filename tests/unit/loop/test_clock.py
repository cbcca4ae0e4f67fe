"""Real time, and the garbage collector during a run."""

from __future__ import annotations

import gc

import pytest

from hilbench.loop.clock import Wall, collector_frozen
from hilbench.scenario.loop import LoopConfig


def test_the_wall_counts_from_its_start_and_leaves_a_moment_before_it():
    clock = Wall(LoopConfig(max_in_flight=3), lambda: 1_000_000_000)
    clock.start(0)
    assert clock.instant_ns(500) - clock.instant_ns(0) == 500
    assert clock.instant_ns(0) > 1_000_000_000
    assert [clock.skips(0, n) for n in (2, 3)] == [False, True]


@pytest.mark.parametrize("frozen", [False, True])
def test_what_somebody_has_frozen_stays_frozen(frozen):
    try:
        gc.freeze() if frozen else gc.unfreeze()
        before = gc.get_freeze_count()
        with collector_frozen(disabled=True):
            assert gc.get_freeze_count() >= max(1, before)
        assert gc.get_freeze_count() == before
        assert bool(before) == frozen
    finally:
        gc.freeze()  # as this file's tests began
