"""Promises of a backend that learns: learning is a flag of each tick, and what was learnt survives as asked."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hilbench.errors import NetworkError
from hilbench.testing._backend_networks import against_reference
from hilbench.testing._backend_parts import (
    EACH_TICK,
    PERIOD_US,
    Loaded,
    answers,
    answers_of,
    arrays,
    learner,
    make,
    runs,
)
from hilbench.testing._parts import Part, brief, ensure, refusal
from hilbench.testing.mistreatment import mistreat, untouched
from hilbench.testing.networks import everything, learners, stream
from hilbench.types import EVENT, Backend, Probes, Tick

LEARNT = ("weights/", "thresholds/", "pre_traces/", "post_traces/", "synapse_traces/")


class LearningPromises:
    """What a backend promises that learns."""

    @pytest.fixture
    def for_learning(self, part: Part) -> Part:
        """The backend, where it runs the small learner whole and tells its weights."""
        if not runs(part, learner()):
            pytest.skip("it does not learn")
        if not runs(part, learner(), EACH_TICK):
            pytest.skip("it does not tell its weights")
        return part

    @pytest.fixture
    def learning(self, for_learning: Part) -> Backend:
        """The backend with the small learner, whose weights it tells in each tick."""
        return Loaded(for_learning, learner(), EACH_TICK).new()

    def test_counters_by_hand(self, for_learning):
        backend = Loaded(for_learning, learner(), Probes()).new()
        events = np.array([(0, 1), (999, 0), (3999, 1)], EVENT)
        x, error = np.array([2, 0], np.float32), np.array([0.5, 0], np.float32)
        # Neurons 0 and 2 fire in each of 4 steps. Weights: x_0 has 3, x_1 is 0; line 1 has 2, line 0 none. A spike has
        # two synapses: both are 0 until the first spike has arrived, 2 steps on, and one has learnt from it; the other
        # one's error is 0. Those of x multiply, because a value is 2.
        expected = [8, 4 * 3 + 2 * 2 + 1 * 2, 4 * 5, 4 * 3, 4 * 3]
        reply = backend.step(Tick(events=events, values=x, modulators=error))
        found = reply.counters.tolist()
        ensure(found == expected, f"counters are in the order of COUNTERS: found {found}, by hand {expected}")
        spikes = [tuple(event) for event in reply.events.tolist()]
        by_hand = [(t, a) for t in (0, 1000, 2000, 3000) for a in (0, 2)]
        ensure(spikes == by_hand, f"a spike has the time at which its step begins: found {spikes}, by hand {by_hand}")
        found = backend.step(Tick(values=x, modulators=error, learning=False)).counters.tolist()
        expected = [8, 4 * 3 + 8, 4 * 5, 0, 4 * 3]
        ensure(found == expected, f"counters count from the reply before: found {found}, by hand {expected}")

    def test_the_learning_bit_stops_weights_and_nothing_else(self, for_learning, learning):
        x, error = np.array([2, 0], np.float32), np.array([1, 1], np.float32)
        frozen, on = (Tick(values=x, modulators=error, learning=bit) for bit in (False, True))
        for row in arrays(learning, [frozen] * 5):
            still = not row[4].any() and row[2][3] == 0
            ensure(still, f"no weight changes in a tick without learning: found {brief(row[4])}")
        thawed = np.abs(arrays(learning, [on])[0][4]).sum()
        fresh = np.abs(arrays(Loaded(for_learning, learner(), EACH_TICK).new(), [on])[0][4]).sum()
        # The rates ran on while weights were frozen, so the first step learns from high rates.
        ensure(thawed > 1.2 * fresh, f"traces go on without learning: it learnt {thawed:g}, a fresh one {fresh:g}")

    def test_what_a_reset_carries(self, for_learning, learning):
        ticks = stream(learner(), PERIOD_US, 20, seed=9)
        rows = arrays(learning, ticks)
        fresh = answers(Loaded(for_learning, learner(), EACH_TICK).new(), ticks)
        learning.reset(0, "weights")
        twin = Loaded(for_learning, learner(rows[-1][4].reshape(3, 2).T), EACH_TICK).new()
        for found, expected in zip(arrays(learning, ticks), arrays(twin, ticks), strict=True):
            alike = np.array_equal(found[0], expected[0]) and np.allclose(found[1], expected[1], 1e-5, 1e-6)
            ensure(alike, "a reset that carries weights keeps them and nothing else: found other replies")
        learning.reset(0, "none")
        ensure(answers(learning, ticks[:10]) == fresh[:10], "a reset that carries nothing begins anew")
        learning.reset(0, "all")
        ensure(answers(learning, ticks[10:]) == fresh[10:], "a reset that carries all goes on as if there were none")
        ensure(rows[-1][1].any(), "the learner's readout is not 0 in the end: found zeros")

    def test_a_snapshot_brings_what_was_learnt_back(self, learning):
        answers(learning, stream(learner(), PERIOD_US, 10, seed=9))
        saved = learning.snapshot()
        ensure("weights/learnt" in saved, f"a snapshot has learnt weights as weights/PROJECTION: found {sorted(saved)}")
        learning.reset(0, "none")
        learning.restore(saved, "none")
        ensure(not learning.snapshot()["weights/learnt"].any(), "a restore that carries nothing changes no weight")
        learning.restore(saved, "weights")
        now = learning.snapshot()
        ensure(np.array_equal(now["weights/learnt"], saved["weights/learnt"]), "a restore brings learnt weights back")
        others = [name for name in saved if name != "weights/learnt" and "/" in name]
        apart = any(not np.array_equal(now[name], saved[name]) for name in others)
        ensure(apart or not others, "a restore that carries weights leaves the states: found those of the snapshot")
        for wrong in ({}, saved | {"weights/learnt": np.ones(5)}):
            said = refusal("a snapshot that does not fit", learning.restore, wrong, "weights", errors=NetworkError)
            named = said is not None and "weights/learnt" in said
            ensure(named, f"restore refuses learnt weights that do not fit, by name: found {said!r}")
        still = np.array_equal(learning.snapshot()["weights/learnt"], saved["weights/learnt"])
        ensure(still, "a snapshot that is refused changes nothing: found other weights")

    @settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
    @given(net=learners(), seed=st.integers(0, 2**32 - 1))
    def test_what_a_reader_makes_of_a_learners_replies_changes_nothing_later(self, for_learning, net, seed):
        backend, twin = (make(for_learning) for _ in range(2))
        try:
            for each in (backend, twin):
                each.load(net, net.dt_us, everything(net, net.dt_us))
        except NetworkError:
            return
        for tick in stream(net, net.dt_us, 12, seed):
            mine = copy.deepcopy(tick)
            reply = backend.step(mine)
            line = "nothing depends on what became of an earlier tick or reply: found another reply"
            ensure(answers_of([reply]) == answers(twin, [tick]), line)
            foreign = mistreat(reply) + mistreat(mine)
            ensure(untouched(foreign), "a backend writes into no array that its reader has put into a tick or a reply")

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(net=learners(), steps=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
    def test_random_learners_learn_what_the_reference_does(self, for_learning, net, steps, seed):
        period_us = steps * net.dt_us
        ticks = stream(net, period_us, 30, seed)
        spans = [(ticks[:15], "none", 1), (ticks[15:23], "weights", 1), (ticks[23:], "all", 1)]
        if not (pair := against_reference(for_learning, net, period_us, seed, spans)):
            return
        found_state, state = (backend.snapshot() for backend in pair)
        for name in state:
            if name.startswith(LEARNT):
                a, b = found_state[name], state[name]
                ensure(np.allclose(a, b, 1e-9, 1e-12), f"{name} is what the reference has learnt: found {brief(a)}")
