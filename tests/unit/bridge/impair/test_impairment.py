"""The pure core of the relay: which frames leave, and when, on a clock that the test moves."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from hilbench.bridge.impair.impairment import Counts, Cut, Impairment, Lane, Way, to_impairment
from hilbench.errors import ScenarioError
from hilbench.scenario.delays import ConstantDelay, GammaDelay, TraceDelay

END_NS = 10**15
chances = st.floats(0, 1)
delays = st.one_of(
    st.builds(ConstantDelay, s=st.floats(0, 0.01)),
    st.builds(GammaDelay, mean_s=st.floats(1e-4, 0.01), sd_s=st.floats(1e-4, 0.01)),
    st.just(TraceDelay("")),
)
ways = st.builds(Way, delay=delays, jitter_s=st.floats(0, 0.01), loss=chances, duplicate=chances, reorder=chances)
whole_ways = st.builds(Way, delay=delays, jitter_s=st.floats(0, 0.01), reorder=chances)
orderly_ways = st.builds(Way, delay=delays, jitter_s=st.floats(0, 0.01), loss=chances, duplicate=chances)
seeds = st.integers(0, 2**32)
arrivals = st.lists(st.integers(0, 3_000_000), max_size=60).map(lambda gaps: np.cumsum(gaps).tolist())


def lane(way, seed=0, queue=1000):
    counts = Counts()
    return Lane(
        Impairment(to_device=way, seed=seed, queue=queue), "to_device", counts, np.array([0.002, 0.0, 0.005])
    ), counts


def schedule(way, instants_ns, seed=0, **kinds):
    """What leaves of the frames 0, 1, ... that come at these instants: (instant, frame), and the counts."""
    impaired, counts = lane(way, seed)
    left = []

    def leave(until_ns):
        while (next_ns := impaired.next_ns) is not None and next_ns <= until_ns:
            left.extend((next_ns, frame) for frame in impaired.due(next_ns))

    for frame, now_ns in enumerate(instants_ns):
        leave(now_ns)
        impaired.put(frame, now_ns, **kinds)
    leave(END_NS)
    return left, counts


@given(ways, arrivals, seeds)
def test_no_frame_is_invented_early_or_unaccounted_for(way, instants_ns, seed):
    left, counts = schedule(way, instants_ns, seed)
    copies = Counter(frame for _, frame in left)
    assert set(copies) <= set(range(len(instants_ns)))
    assert set(copies.values()) <= {1, 2}
    assert all(instants_ns[frame] <= leaves_ns for leaves_ns, frame in left)
    assert len(instants_ns) + counts.duplicated == len(left) + counts.lost
    assert list(copies.values()).count(2) == counts.duplicated
    assert counts.dropped == 0


@given(whole_ways, arrivals, seeds)
def test_without_loss_and_duplicates_every_frame_leaves_once(way, instants_ns, seed):
    left, counts = schedule(way, instants_ns, seed)
    assert sorted(frame for _, frame in left) == list(range(len(instants_ns)))
    assert (counts.lost, counts.duplicated) == (0, 0)


@given(orderly_ways, arrivals, seeds)
def test_without_reordering_frames_keep_their_order(way, instants_ns, seed):
    left, counts = schedule(way, instants_ns, seed)
    assert left == sorted(left)
    assert [frame for _, frame in left] == sorted(frame for _, frame in left)
    assert counts.reordered == 0


@given(ways, arrivals, seeds)
def test_the_same_seed_gives_the_same_schedule(way, instants_ns, seed):
    assert schedule(way, instants_ns, seed) == schedule(way, instants_ns, seed)


@given(st.floats(0.01, 0.5), seeds)
def test_as_many_are_lost_doubled_and_moved_as_chance_says(chance, seed):
    """Within bounds that chance leaves once in 10^9 times."""
    n = 400

    def expected(found, of, unmoved=0):
        assert binom.ppf(5e-10, of, chance) - unmoved <= found <= binom.isf(5e-10, of, chance)

    instants_ns = [1_000_000 * k for k in range(n)]
    _, counts = schedule(Way(loss=chance, duplicate=chance), instants_ns, seed)
    expected(counts.lost, n)
    expected(counts.duplicated, n - counts.lost)
    _, counts = schedule(Way(delay=ConstantDelay(s=1.0), reorder=chance), instants_ns, seed)
    expected(counts.reordered, n, unmoved=30)  # those that come before the first one that waits pass none


@given(seeds, st.sampled_from(["delay", "jitter_s", "duplicate", "reorder"]))
def test_what_is_lost_depends_on_no_other_setting(seed, field):
    other = {"delay": ConstantDelay(s=0.5), "jitter_s": 0.1, "duplicate": 0.5, "reorder": 0.5}[field]
    instants_ns = list(range(0, 10**8, 10**6))
    plain = {frame for _, frame in schedule(Way(loss=0.3), instants_ns, seed)[0]}
    assert {frame for _, frame in schedule(Way(loss=0.3, **{field: other}), instants_ns, seed)[0]} == plain


def test_both_ways_have_a_fate_of_their_own():
    impairment = Impairment(to_device=Way(loss=0.5), to_plant=Way(loss=0.5))
    fates = []
    for way in ("to_device", "to_plant"):
        lane = Lane(impairment, way, Counts())
        for frame in range(64):
            lane.put(frame, 0)
        fates.append(list(lane.due(0)))
    assert fates[0] != fates[1]


def test_a_constant_delay_delays_by_just_that():
    left, _ = schedule(Way(delay=ConstantDelay(s=0.0035)), [0, 1_000_000])
    assert left == [(3_500_000, 0), (4_500_000, 1)]


def test_a_trace_is_repeated_in_its_order_but_passes_nobody():
    left, _ = schedule(Way(delay=TraceDelay("")), [0, 1_000_000, 9_000_000, 20_000_000])
    assert left == [(2_000_000, 0), (2_000_000, 1), (14_000_000, 2), (22_000_000, 3)]


def test_a_frame_that_passes_leaves_at_once_before_those_that_wait():
    seed = next(
        seed for seed in range(100) if schedule(Way(delay=ConstantDelay(s=0.01), reorder=0.5), [0, 1], seed)[0][0][1]
    )
    left, counts = schedule(Way(delay=ConstantDelay(s=0.01), reorder=0.5), [0, 1], seed)
    assert left == [(1, 1), (10_000_000, 0)]
    assert counts.reordered == 1


def test_jitter_stays_within_its_bounds_and_reaches_them():
    left, _ = schedule(Way(delay=ConstantDelay(s=0.001), jitter_s=0.002), range(0, 10**12, 10**9))
    waits_ns = np.array([leaves_ns - 10**9 * frame for leaves_ns, frame in left])
    assert waits_ns.min() >= 1_000_000
    assert waits_ns.max() < 3_000_000
    assert abs(waits_ns.mean() - 2_000_000) < 6 * 2_000_000 / np.sqrt(12 * len(waits_ns))


def test_a_handshake_keeps_its_place_whatever_happens_around_it():
    impaired, counts = lane(Way(delay=ConstantDelay(s=0.01), loss=1.0))
    impaired.put("handshake", 5, delayed=False, fragile=False)
    assert list(impaired.due(5)) == ["handshake"]
    assert counts.lost == 0
    impaired, _ = lane(Way(delay=ConstantDelay(s=0.01), reorder=1.0))
    for now_ns, frame in enumerate(("tick", "handshake", "next")):
        impaired.put(frame, now_ns, delayed=frame != "handshake", fragile=frame != "handshake")
    assert list(impaired.due(END_NS)) == ["tick", "handshake", "next"]


def test_an_echo_is_delayed_and_never_lost():
    left, _ = schedule(Way(delay=ConstantDelay(s=0.01), loss=1.0, duplicate=1.0), [0], delayed=True, fragile=False)
    assert left == [(10_000_000, 0)]


def test_a_full_queue_drops_what_comes_and_a_cut_what_waits():
    impaired, counts = lane(Way(delay=ConstantDelay(s=0.01)), queue=2)
    for frame in range(5):
        impaired.put(frame, 0)
    assert counts.dropped == 3
    impaired.clear()
    assert (counts.dropped, impaired.next_ns) == (5, None)
    impaired.put(5, 20)
    assert list(impaired.due(10_000_020)) == [5]


def test_a_table_holds_for_both_ways_and_a_way_for_itself():
    impairment = to_impairment(
        {
            "delay": {"s": 0.01}, "loss": 0.1, "seed": 3, "cut": [{"at_s": 1, "for_s": 0.5}],
            "to_plant": {"loss": 0, "delay": {"kind": "gamma", "mean_s": 0.1, "sd_s": 0.2}},
        },
        "impairment",
    )  # fmt: skip
    assert impairment.to_device == Way(delay=ConstantDelay(s=0.01), loss=0.1)
    assert impairment.to_plant == Way(delay=GammaDelay(mean_s=0.1, sd_s=0.2))
    assert (impairment.seed, impairment.cut) == (3, (Cut(at_s=1.0, for_s=0.5),))
    assert to_impairment({}, "impairment") == Impairment()


@pytest.mark.parametrize(
    ("table", "wanted"),
    [
        ({"los": 0.1}, "impairment.los: no such field; .*did you mean 'loss'"),
        ({"to_device": {"los": 0.1}}, "impairment.to_device.los: no such field; .*did you mean 'loss'"),
        ({"to_plant": 3}, "impairment.to_plant: found 3, expected a table"),
        ({"loss": 1.5}, "impairment.to_device.loss: found 1.5"),
        ({"delay": 0.1}, "impairment.to_device.delay: found 0.1"),
        ({"delay": {"kind": "gama"}}, "impairment.to_device.delay.kind: found 'gama'; .*did you mean 'gamma'"),
        ({"jitter_s": float("inf")}, "impairment.to_device.jitter_s: found inf"),
        ({"reorder": 0.1}, "impairment.to_device.reorder: found 0.1 without a delay"),
        ({"cut": [{"at_s": 1, "for_s": 0}]}, "impairment.cut"),
        (
            {"cut": [{"at_s": 1, "for_s": 2}, {"at_s": 2, "for_s": 1}]},
            "impairment.cut: found one at 2 s, before .* 1 s ends",
        ),
    ],
)
def test_a_mistake_in_the_table_is_told_where_it_is(table, wanted):
    with pytest.raises(ScenarioError, match=wanted):
        to_impairment(table, "impairment")


def test_a_burst_loses_its_part_in_its_time_and_counts_from_the_first_tick():
    impairment = to_impairment({"loss": 0.0, "burst": [{"at_s": 1.0, "for_s": 2.0, "loss": 1.0}]}, "impairment")
    impaired = Lane(impairment, "to_device", Counts())
    impaired.put("before the first tick", 1_500_000_000)
    impaired.begin(10_000_000_000)
    for second in (10.5, 11.0, 12.9, 13.0):
        impaired.put(second, round(second * 1e9))
    assert list(impaired.due(END_NS)) == ["before the first tick", 10.5, 13.0]
