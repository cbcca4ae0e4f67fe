"""When replies are due and ticks are skipped: known answers on the virtual time."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.loop.clock import NEVER
from hilbench.loop.virtual import Delayed, Lockstep, Recorded, TickTimes, Traced
from hilbench.scenario.loop import ConstantDelay, GammaDelay, LoopConfig, TraceDelay

STEP_S = 0.00025
STEPS = 4
NONE = ConstantDelay()


def delayed(delay=NONE, seed=0, ticks=1000, trace=None, **loop):
    config = LoopConfig(mode="delayed", period_s=0.001, duration_s=ticks * 0.001, delay=delay, **loop)
    clock = Delayed(config, STEP_S) if trace is None else Traced(config, STEP_S, trace)
    clock.start(seed)
    return clock


def due_steps(clock, n=1000):
    return [clock.assign_due_step(k) for k in range(n)]


@given(us=st.integers(0, 100_000))
def test_a_constant_delay_is_due_at_the_next_physics_step(us):
    assert due_steps(delayed(ConstantDelay(s=us * 1e-6)), 5) == [STEPS * k + ceil(us / 250) for k in range(5)]


def test_gamma_delays_belong_to_the_seed_and_have_their_mean_and_deviation():
    gamma = GammaDelay(mean_s=0.01, sd_s=0.004)
    same, again, other = (due_steps(delayed(gamma, seed=seed)) for seed in (1, 1, 2))
    assert same == again != other
    delays_s = (np.array(same) - STEPS * np.arange(1000)) * STEP_S
    # Rounding up to a step adds half a step to the mean; five standard errors of 1000 draws.
    assert delays_s.mean() == pytest.approx(0.01 + STEP_S / 2, abs=5 * 0.004 / 1000**0.5)
    assert delays_s.std() == pytest.approx(0.004, rel=0.15)


def times(*delays_us):
    """A tick each: its delay, None where it was skipped, "lost" for a lost tick and "unheard" for a lost reply."""
    answered = [isinstance(delay, int) for delay in delays_us]
    return TickTimes(
        [1000 * delay if isinstance(delay, int) else -9 for delay in delays_us],
        answered,
        [delay is None for delay in delays_us],
        [ok or delay == "unheard" for ok, delay in zip(answered, delays_us, strict=True)],
    )


def test_a_trace_is_used_in_its_order_and_again_when_it_ends():
    clock = delayed(TraceDelay(run=""), trace=[times(0, 100, 3000)])
    assert due_steps(clock, 7) == [0, 5, 20, 12, 17, 32, 24]


def test_each_delay_of_a_trace_belongs_to_its_own_tick():
    clock = delayed(TraceDelay(run=""), trace=[times(100, None, "lost", "unheard", 3000), times(700)])
    for k in (0, 5):  # the trace, and again
        assert [clock.skips(k + i, 0) for i in range(5)] == [False, True, False, False, False]
        assert [clock.reaches(k + i) for i in (0, 2, 3, 4)] == [True, False, True, True]
        due = [clock.assign_due_step(k + i) for i in (0, 3, 4)]  # what was skipped or lost is never asked for
        assert due == [STEPS * k + 1, NEVER, STEPS * (k + 4) + 12]
    clock.start(1)  # the next episode has its own, and the third the first one's again
    assert due_steps(clock, 2) == [3, 7]
    clock.start(2)
    assert clock.skips(1, 0)


def test_a_device_that_is_busy_beside_a_trace_skips_more():
    clock = delayed(TraceDelay(run=""), trace=[times(0, 0, 0, None)], service_s=0.0015, max_in_flight=1)
    skipped = []
    for k in range(8):
        skipped.append(clock.skips(k, 0))
        if not skipped[-1]:
            clock.assign_due_step(k)
    assert skipped == [False, True, False, True, False, True, False, True]


def test_a_tick_is_never_skipped_by_a_delay_alone():
    clock = delayed(ConstantDelay(s=0.1), max_in_flight=1)
    assert not any(clock.skips(k, 0) or not clock.assign_due_step(k) for k in range(100))


@pytest.mark.parametrize(("service_us", "most"), [(500, 1), (1000, 1), (1500, 1), (2500, 1), (2500, 2), (3700, 3)])
def test_a_busy_device_skips_ticks_as_a_queue_with_fixed_times_does(service_us, most):
    clock = delayed(service_s=service_us * 1e-6, delay=ConstantDelay(s=0.0002), max_in_flight=most)
    free_us, in_system = 0, []  # D/D/1 with room for `most`: when the server is free, when each customer leaves
    for k in range(200):
        in_system = [leaves for leaves in in_system if leaves > 1000 * k]
        assert clock.skips(k, 0) == (len(in_system) >= most), k
        if len(in_system) < most:
            free_us = max(free_us, 1000 * k) + service_us
            in_system.append(free_us)
            assert clock.assign_due_step(k) == ceil((free_us + 200) / 250), k


@pytest.mark.parametrize(("service_us", "share"), [(900, 1.0), (1000, 1.0), (2000, 1 / 2), (4000, 1 / 4)])
def test_an_overloaded_device_serves_the_ratio_of_its_period_to_its_service(service_us, share):
    clock = delayed(service_s=service_us * 1e-6, max_in_flight=2)
    served = [k for k in range(1000) if not clock.skips(k, 0) and clock.assign_due_step(k) is not None]
    assert len(served) / 1000 == pytest.approx(share, abs=0.003)


def test_a_new_episode_starts_with_an_idle_device():
    clock = delayed(service_s=0.1, max_in_flight=1)
    clock.assign_due_step(0)
    assert clock.skips(1, 0)
    clock.start(1)
    assert not clock.skips(0, 0)


def test_lockstep_acts_at_the_ticks_own_first_step():
    clock = Lockstep(STEPS)
    assert due_steps(clock, 4) == [0, 4, 8, 12]
    assert not any(clock.skips(k, 99) for k in range(4))


def test_recorded_repeats_its_columns_episode_by_episode():
    def episode(*rows):
        return {
            name: np.array([row[i] for row in rows])
            for i, name in enumerate(("seq", "applied_step", "skipped", "processed", "late"))
        }

    clock = Recorded(
        [episode((0, 3, False, True, True), (1, -1, True, False, False)), episode((0, 9, False, 1, 0))], True
    )
    clock.start(0)
    assert (clock.ticks, clock.assign_due_step(0), clock.assign_due_step(1)) == (2, 3, NEVER)
    assert [clock.skips(k, 0) for k in (0, 1)] == [False, True]
    assert [clock.reaches(k) for k in (0, 1)] == [True, False]
    assert clock.recorded_late == [True, False]
    clock.start(1)
    assert (clock.ticks, clock.assign_due_step(0)) == (1, 9)
