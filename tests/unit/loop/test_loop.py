"""The loop under a fake time and over a fake link: time passes by reading it and by waiting, and by nothing else."""

from __future__ import annotations

import gc
import heapq
import sys
import tracemalloc
from contextlib import suppress
from math import ceil, inf, nan

import msgspec
import numpy as np
import pytest
from blank import run_meta
from coder_fakes import built
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from loop_fakes import GRAIN_NS, PROGRAM, SAFE_ACTION, STEPS, Bench, Device, FakeTime, Plant, always

from hilbench.errors import LinkError, ProtocolError, RecordError
from hilbench.loop.agent import Agent
from hilbench.loop.clock import Wall
from hilbench.loop.loop import Loop
from hilbench.loop.virtual import Delayed, Lockstep, Recorded, Traced
from hilbench.metrics import measure
from hilbench.metrics.latency_breakdown import parts_s
from hilbench.record.reader import read_run
from hilbench.record.writer import Recorder
from hilbench.runs.replay import check_repeatable
from hilbench.runs.run import tick_times
from hilbench.scenario.loop import ConstantDelay
from hilbench.types import (
    HELD,
    REPLIED,
    SAFE,
    Probes,
    Reply,
)

MS = 1_000_000


@pytest.mark.parametrize("delay_us", [0, 100, 230, 700, 1100, 3300])
def test_a_known_delay_is_seen_in_the_applied_step_and_the_latency(tmp_path, delay_us):
    bench = Bench(tmp_path, always(delay_us * 1000), ticks=30, max_in_flight=8).run()
    felt = ceil(delay_us / 250)
    steps = [STEPS * k + felt for k in range(30)]
    assert bench.rows["applied_step"].tolist() == [step if step < 30 * STEPS else -1 for step in steps]
    assert bench.rows["answered"].all()  # those that come after the end too
    latency = measure(bench.data)["latency[p50]"]
    assert latency["n"] == 30
    assert 0 <= latency["value"] - felt * 250e-6 < 20 * GRAIN_NS * 1e-9
    round_trip = measure(bench.data)["round_trip[p50]"]
    assert 0 <= round_trip["value"] - delay_us * 1e-6 < 40 * GRAIN_NS * 1e-9


def test_an_older_tick_never_replaces_a_newer_one(tmp_path):
    bench = Bench(tmp_path, lambda seq: [300_000] if seq % 2 else [2_600_000], max_in_flight=8).run()
    assert (np.diff([u for u in bench.acted if u >= 0]) >= 0).all()
    even = bench.rows["seq"] % 2 == 0
    assert (bench.rows["applied_step"][even] == -1).all()
    assert (bench.rows["applied_step"][~even] == STEPS * bench.rows["seq"][~even] + 2).all()
    assert bench.rows["answered"][even][:-1].all()  # late, useless and still on record; the last one is not waited for


def test_a_plant_that_writes_over_an_action_changes_no_later_one(tmp_path):
    """Neither the action that is held nor the safe one."""

    def acted(name, spoil):
        bench = Bench(tmp_path / name, lambda seq: None if seq < 5 else [1_300_000])
        advance = bench.plant.advance

        def spoiling(n_steps, action):
            advance(n_steps, action)
            if spoil:
                with suppress(TypeError):
                    action[0] = 99.0

        bench.plant.advance = spoiling
        return bench.run().acted

    assert acted("spoilt", True) == acted("as it is", False)


def test_a_reply_that_comes_twice_counts_once(tmp_path):
    once = Bench(tmp_path / "once", always(300_000)).run()
    twice = Bench(tmp_path / "twice", lambda seq: [300_000, 300_000, 1_400_000]).run()
    assert twice.acted == once.acted
    arrived_us = (twice.rows["arrived_ns"] - twice.rows["captured_ns"]) / 1000
    assert (arrived_us < 400).all()


def test_a_reply_to_a_tick_that_was_never_sent_is_ignored(tmp_path):
    bench = Bench(tmp_path, always(300_000))
    send = bench.link.send

    def and_more(tick):
        send(tick)
        heapq.heappush(bench.link._wire, (bench.time.now_ns, -tick.seq, Reply(seq=tick.seq + 5, values=np.ones(2))))

    bench.link.send = and_more
    bench.run()
    assert bench.rows["applied_step"].tolist() == [STEPS * k + 2 for k in range(20)]


def test_too_many_unanswered_ticks_skip_and_a_lost_one_is_given_up(tmp_path):
    bench = Bench(tmp_path, lambda seq: [] if seq < 2 else [100_000], max_in_flight=2, give_up_s=0.010).run()
    assert [seq for seq, *_ in bench.link.sent] == [0, 1, *range(10, 20)]
    assert np.flatnonzero(bench.rows["skipped"]).tolist() == list(range(2, 10))
    assert measure(bench.data)["skipped"] == {"value": 8, "unit": "ticks", "better": "lower", "n": 20}


@pytest.mark.parametrize("most", [1, 2, 5])
def test_no_more_than_max_in_flight_are_unanswered(tmp_path, most):
    bench = Bench(tmp_path, always(7_300_000), ticks=40, max_in_flight=most).run()
    sent = np.array([seq for seq, *_ in bench.link.sent])
    in_flight = [((sent <= k) & (sent + 7.3 > k)).sum() for k in range(40)]
    assert max(in_flight) == most
    assert bench.rows["skipped"].sum() == 40 - len(sent)


def test_a_reply_to_a_tick_that_was_given_up_acts_and_is_on_record(tmp_path):
    bench = Bench(tmp_path, always(1510 * MS), period_s=0.1, ticks=60, max_in_flight=1, silence_s=10.0).run()
    sent = [seq for seq, *_ in bench.link.sent]
    assert sent == [0, 10, 20, 30, 40, 50]  # a tick is given up after 10 periods; rows are written by tens
    expected = [(k + 15) * STEPS + 1 for k in sent if k + 15 < 60]
    assert bench.rows["applied_step"][sent].tolist() == [*expected, -1]
    assert bench.rows["answered"][sent].all()


def test_late_hold_uses_a_late_reply_and_drop_does_not(tmp_path):
    def script(seq):
        return {5: [1_600_000], 6: []}.get(seq, [100_000])

    hold = Bench(tmp_path / "hold", script, max_in_flight=4, late="hold").run()
    drop = Bench(tmp_path / "drop", script, max_in_flight=4, late="drop").run()
    assert hold.rows["applied_step"][4:8].tolist() == [17, 27, -1, 29]
    assert drop.rows["applied_step"][4:8].tolist() == [17, -1, -1, 29]
    for bench in (hold, drop):
        assert np.flatnonzero(bench.rows["late"]).tolist() == [5]
        assert np.flatnonzero(bench.rows["sources"] == REPLIED).tolist() == [
            step for step in bench.rows["applied_step"] if step >= 0
        ]


def test_late_safe_bridges_from_the_deadline_to_the_next_reply(tmp_path):
    bench = Bench(tmp_path, lambda seq: [] if seq in (5, 6) else [100_000], max_in_flight=4, late="safe").run()
    sources = bench.rows["sources"].reshape(-1)
    # Tick 5's deadline is the instant of step 24; tick 7's reply acts from step 29.
    assert np.flatnonzero(sources[1:] == SAFE).tolist() == [23, 24, 25, 26, 27]
    assert bench.acted[23:30] == [4, -7, -7, -7, -7, -7, 7]
    assert sources[23] == HELD


@pytest.mark.parametrize("deadline_s", [0.0005, 0.003])
def test_the_deadline_may_differ_from_the_period(tmp_path, deadline_s):
    bench = Bench(tmp_path, always(700_000), max_in_flight=4, deadline_s=deadline_s).run()
    assert bench.rows["late"].all() == (deadline_s < 0.0007)
    assert measure(bench.data)["misses"]["value"] == (20 if deadline_s < 0.0007 else 0)


def test_silence_ends_in_the_safe_action(tmp_path):
    bench = Bench(tmp_path, lambda seq: [100_000] if seq <= 5 else [], max_in_flight=99, silence_s=0.003).run()
    assert bench.acted[21:33] == [5] * 12  # up to 3 ms after tick 5's instant
    assert bench.acted[33:] == [-7] * (80 - 33)
    assert bench.outcome.status == "fault", "it never came back"
    assert bench.rows["seq"].size == 20


def test_an_action_that_is_no_number_is_safe_and_one_out_of_range_is_clipped(tmp_path):
    odd = {3: (nan, 0), 5: (inf, 0), 7: (500, -11), 9: (-100, 10)}
    bench = Bench(tmp_path, always(0), device={"act": lambda seq: odd.get(seq, (seq, 0))}).run()
    tick = [bench.plant.ran[STEPS * k][1:] for k in range(20)]
    assert tick[3] == tick[5] == SAFE_ACTION
    assert tick[7] == (100, -10)
    assert np.flatnonzero(bench.rows["not_finite"]).tolist() == [3, 5]
    assert np.flatnonzero(bench.rows["clipped"]).tolist() == [7]


@pytest.mark.parametrize(("loop", "first_frozen"), [
    ({"freeze_at_s": 0.004}, 4), ({"freeze_at_s": 0.0035}, 4), ({"freeze_at_s": 0.0}, 0), ({}, 20),
    ({"learning": False, "freeze_at_s": 0.004}, 0),
])  # fmt: skip
def test_learning_stops_at_exactly_the_changes_tick(tmp_path, loop, first_frozen):
    bench = Bench(tmp_path, always(0), **loop).run()
    assert [learning for _, learning, _ in bench.link.sent] == [k < first_frozen for k in range(20)]
    assert bench.rows["learning"].tolist() == [k < first_frozen for k in range(20)]


def start_ns():
    """The instant of tick 0 in a fresh bench, less some readings of its time."""
    return FakeTime.now_ns + Wall.LEAD_NS


@pytest.mark.parametrize(("faults", "tick", "first_safe"), [
    ({"send": (7, LinkError("gone"))}, 7, 28),
    ({"receive": (start_ns() + 7_400_000, LinkError("gone"))}, 7, 30),
    ({"receive": (start_ns() + 7_400_000, ProtocolError("gone"))}, 7, 30),
])  # fmt: skip
def test_a_lost_device_ends_in_the_safe_action_and_a_readable_fault(tmp_path, faults, tick, first_safe):
    bench = Bench(tmp_path, always(100_000), device={"faults": faults}).run()  # run() checks the rule of time too
    assert bench.outcome.status == bench.data.meta.status == "fault"
    assert "gone" in bench.outcome.fault
    fault = bench.data.meta.faults[0]
    assert (fault.episode, fault.tick, fault.t_s) == (0, tick, pytest.approx(tick * 0.001))
    assert bench.acted[first_safe:] == [-7] * ((tick + 1) * STEPS - first_safe)
    assert bench.acted[first_safe - 1] == tick - (first_safe % STEPS == 0)
    assert bench.rows["seq"].tolist() == list(range(tick + 1))
    assert (bench.rows["sources"].reshape(-1)[first_safe:] == SAFE).all()


@pytest.mark.parametrize("where", ["send", "receive"])
def test_events_sensed_before_a_tick_that_cannot_be_sent_are_lost_and_counted(tmp_path, where):
    at = 7 if where == "send" else start_ns() + 6_900_000  # before tick 7 has been looked at
    device = {"faults": {where: (at, LinkError("gone"))}}
    bench = Bench(tmp_path, always(100_000), plant={"senses": 3}, device=device).run()
    assert bench.rows["events_lost"].tolist() == [0] * 7 + [3]
    assert bench.plant.observed == 8, "once a tick"


def test_a_device_that_falls_silent_is_lost_after_the_links_timeout(tmp_path):
    bench = Bench(tmp_path, lambda seq: [100_000] if seq < 3 else [], ticks=200, device={"timeout_s": 0.05}).run()
    assert bench.outcome.status == "fault"
    assert "no reply within 0.05 s" in bench.outcome.fault
    assert 53 <= bench.data.meta.faults[0].tick <= 54


def test_a_period_longer_than_the_timeout_is_no_silence(tmp_path):
    bench = Bench(tmp_path, always(MS), period_s=0.1, device={"timeout_s": 0.05}, silence_s=1.0).run()
    assert bench.outcome.status == "done"


@pytest.mark.parametrize("answers", [True, False])
def test_a_link_that_is_cut_at_the_end_of_an_episode_loses_no_device_that_still_answers(tmp_path, answers):
    """The last replies can no longer come: those ticks stay unanswered, and the next episode runs."""
    bench = Bench(
        tmp_path, lambda seq: (0,) if seq < 10 else None, ticks=20, episodes=2, silence_s=0.005, max_in_flight=50,
        device={"timeout_s": 0.05, "answers": answers},
    )  # fmt: skip
    bench.run()
    assert bench.outcome.status == ("done" if answers else "fault")
    found = [episode["answered"].tolist() for episode in read_run(tmp_path).episodes]
    assert found == [[True] * 10 + [False] * 10] * (2 if answers else 1)


@pytest.mark.parametrize("lost_at", [1, 2])
def test_a_device_lost_at_a_reset_is_a_fault_of_that_episode(tmp_path, lost_at):
    bench = Bench(tmp_path, always(0), episodes=3, device={"faults": {"reset": (lost_at, LinkError("gone"))}})
    outcome = bench.drive(bench.clock, bench.link, tmp_path)
    data = read_run(tmp_path)
    assert outcome.status == data.meta.status == "fault"
    assert len(data.episodes) == lost_at - 1
    assert data.meta.faults[0].episode == lost_at - 1
    assert bench.plant.ran == []  # nothing has moved


def test_a_lost_device_on_the_virtual_clock_is_a_fault_too(tmp_path):
    bench = Bench(tmp_path, lambda seq: [0] if seq < 5 else [])
    outcome = bench.drive(Lockstep(STEPS), bench.link, tmp_path)
    assert (outcome.status, "no reply to tick 5" in outcome.fault) == ("fault", True)
    assert bench.acted[16:] == [4] * STEPS + [-7] * STEPS


def test_lockstep_waits_for_its_own_tick(tmp_path):
    bench = Bench(tmp_path, lambda seq: [0, 10])
    bench.drive(Lockstep(STEPS), bench.link, tmp_path)
    assert bench.acted == [k for k in range(20) for _ in range(STEPS)]
    assert read_run(tmp_path).episodes[0]["applied_step"].tolist() == [STEPS * k for k in range(20)]


@pytest.mark.parametrize(("delay_s", "late"), [(0.001, False), (0.00125, True)])
def test_a_reply_at_the_very_deadline_is_not_late(tmp_path, delay_s, late):
    bench = Bench(tmp_path, always(0), late="drop", delay=ConstantDelay(s=delay_s))
    bench.drive(Delayed(bench.config, 0.001 / STEPS), bench.link, tmp_path)
    rows = read_run(tmp_path).episodes[0]
    assert (rows["late"] == late).all()
    assert bench.acted[STEPS:] == ([-7] * 76 if late else [k for k in range(19) for _ in range(STEPS)])


def test_sensor_events_of_a_skipped_tick_are_lost_and_counted(tmp_path):
    bench = Bench(tmp_path, lambda seq: [] if seq < 2 else [0], plant={"senses": 3}).run()
    assert bench.rows["events_lost"].tolist() == [3 if 2 <= k < 10 else 0 for k in range(20)]
    assert {n for *_, n in bench.link.sent} == {3}
    assert [len(events) for events in bench.rows["events"]] == [0 if 2 <= k < 10 else 3 for k in range(20)]
    assert [len(events) for events in bench.rows["sensor_events"]] == [3] * 20
    assert bench.rows["relayed"].tolist() == [not 2 <= k < 10 for k in range(20)]


def test_a_plant_that_ends_ends_its_episode_and_not_the_run(tmp_path):
    bench = Bench(tmp_path, always(100_000), episodes=2, carry="weights", plant={"ends_at": 6}, seed=40).run()
    assert bench.link.resets == [(40, "none"), (41, "weights")]
    for rows in bench.data.episodes:
        assert rows["seq"].tolist() == list(range(7))
        assert rows["terminated"].tolist() == [False] * 6 + [True]
    metrics = measure(bench.data)
    assert metrics["survival"]["value"] == pytest.approx(0.006)
    assert metrics["skipped"]["value"] == 0


@pytest.mark.parametrize("learns", [False, True])
def test_the_last_reward_of_an_episode_reaches_what_learns_and_nothing_else(tmp_path, learns):
    """The plant ends at tick 6: its observation and reward are sent for their learning signals, and no reply acts."""
    bench, told = Bench(tmp_path / "run", always(100_000), plant={"ends_at": 6}), []
    bench.parts = {"modulate": lambda obs, events, reward, *_: told.append((obs.copy(), reward))} if learns else {}
    rows = bench.run().rows
    n = 7 if learns else 6
    assert [seq for seq, *_ in bench.link.sent] == list(range(n))
    assert rows["answered"].tolist() == [True] * n + [False] * (7 - n)
    assert rows["skipped"].tolist() == [False] * n + [True] * (7 - n)
    assert rows["applied_step"].tolist() == [k * STEPS + 1 for k in range(6)] + [-1]
    if learns:
        np.testing.assert_array_equal([obs for obs, _ in told], rows["obs"])
        assert [reward for _, reward in told] == rows["reward"].tolist()
    end = bench.data.meta.episode_ends[0]
    assert (end.terminated, end.reward) == (True, -1.0)
    assert {name: measure(bench.data)[name]["value"] for name in ("skipped", "misses", "survival")} == {
        "skipped": 0, "misses": 0, "survival": pytest.approx(0.006)
    }  # fmt: skip


def test_a_run_shorter_than_a_batch_is_whole(tmp_path):
    assert len(Bench(tmp_path, always(0), ticks=1).run().rows["seq"]) == 1


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_off_in_real_time_and_as_before_afterwards(tmp_path, enabled):
    seen = []

    def script(seq):
        seen.append(gc.isenabled())
        if seq == 10:
            raise OSError("a full disk")
        return [0]

    Bench(tmp_path / "first", always(0)).run()  # what only the first run frees was frozen too
    before = gc.isenabled()
    try:
        (gc.enable if enabled else gc.disable)()
        gc.unfreeze()  # a command that another test ran in this process froze all there was
        frozen = gc.get_freeze_count()
        with pytest.raises(OSError, match="a full disk"):
            Bench(tmp_path / "run", script).run()
        assert gc.isenabled() == enabled
        assert gc.get_freeze_count() == frozen
    finally:
        (gc.enable if before else gc.disable)()
    assert seen == [False] * 11
    assert read_run(tmp_path / "run").meta.status == "failed"


FATES = st.one_of(
    st.none(), st.just([]), st.lists(st.integers(0, 6000).map(lambda us: us * 1000), min_size=1, max_size=2)
)


@settings(max_examples=25, deadline=None)
@given(
    fates=st.lists(FATES, min_size=1, max_size=20), late=st.sampled_from(["hold", "drop", "safe"]),
    deadline_us=st.integers(100, 4000), most=st.integers(1, 4), give_up=st.integers(1, 12),
)  # fmt: skip
def test_whatever_the_link_does_a_replay_repeats_it(tmp_path_factory, fates, late, deadline_us, most, give_up):
    folder = tmp_path_factory.mktemp("run")
    bench = Bench(
        folder / "a", lambda seq: fates[seq % len(fates)], ticks=30, episodes=2, late=late, silence_s=0.008,
        deadline_s=deadline_us * 1e-6, max_in_flight=most, give_up_s=give_up * 1e-3, grain_ns=10_000,
    ).run()  # fmt: skip
    try:
        check_repeatable(bench.data, folder)
    except RecordError:
        assume(False)
    bench.drive(Recorded(bench.data.episodes, free_running=True), Device(bench.time, always(0)), folder / "b")
    for a, b in zip(bench.data.episodes, read_run(folder / "b").episodes, strict=True):
        for name in ("state", "actions", "sources", "skipped", "applied_step"):
            assert np.array_equal(a[name], b[name]), name
        late_rows = a["late"] & b["answered"]
        assert np.array_equal(late_rows, b["late"])


BETWEEN_STEPS = st.integers(0, 24).map(lambda j: 125_000 + 250_000 * j)


@settings(max_examples=25, deadline=None)
@given(
    fates=st.lists(st.one_of(st.none(), st.just([]), BETWEEN_STEPS.map(lambda ns: [ns])), min_size=1, max_size=20),
    late=st.sampled_from(["hold", "drop", "safe"]), most=st.integers(1, 8),
)  # fmt: skip
def test_a_trace_is_felt_as_the_run_was_that_it_is_of(tmp_path_factory, fates, late, most):
    """Skipped ticks, lost ones, lost replies and all: the plant on the virtual time goes where it went."""
    folder = tmp_path_factory.mktemp("run")
    bench = Bench(
        folder / "a", lambda seq: fates[seq % len(fates)], ticks=30, episodes=2, late=late, silence_s=0.008,
        deadline_s=0.0021, max_in_flight=most,
    ).run()  # fmt: skip
    assume(bench.outcome.status == "done" and any(rows["answered"].any() for rows in bench.data.episodes))
    try:
        check_repeatable(bench.data, folder)
    except RecordError:
        assume(False)
    clock = Traced(bench.config, bench.plant.step_s, tick_times(bench.data))
    bench.drive(clock, Device(bench.time, always(0)), folder / "b")
    for a, b in zip(bench.data.episodes, read_run(folder / "b").episodes, strict=True):
        for name in ("state", "actions", "sources", "skipped", "applied_step"):
            assert np.array_equal(a[name], b[name]), name


def test_an_outage_of_a_run_is_an_outage_of_what_repeats_it(tmp_path):
    """600 ticks of 2000 without a reply: they are missed again, and the age of the newest one grows as it did."""
    bench = Bench(tmp_path / "a", lambda seq: [] if 700 <= seq < 1300 else [1_125_000], ticks=2000).run()
    skipped, missed = (measure(bench.data)[name]["value"] for name in ("skipped", "misses"))
    assert skipped > 400
    assert missed > 600
    bench.drive(Traced(bench.config, bench.plant.step_s, tick_times(bench.data)), Device(bench.time, always(0)),
                tmp_path / "b")  # fmt: skip
    again = read_run(tmp_path / "b")
    assert (again.episodes[0]["skipped"].sum(), measure(again)["misses"]["value"]) == (skipped, missed)
    assert measure(again)["age_of_information[max]"] == measure(bench.data)["age_of_information[max]"]


def test_a_replay_follows_episodes_of_different_lengths(tmp_path):
    bench = Bench(tmp_path / "a", always(100_000), episodes=2, device={"faults": {}})
    sends = iter(range(1000))
    bench.link._fail = lambda where, now: _raise_at(where, next(sends) if where == "send" else 0)
    bench.run()
    assert [len(rows["seq"]) for rows in bench.data.episodes] == [20, 6]
    bench.drive(Recorded(bench.data.episodes, free_running=True), Device(bench.time, always(0)), tmp_path / "b")
    again = read_run(tmp_path / "b")
    assert [np.array_equal(a["state"], b["state"]) for a, b in zip(bench.data.episodes, again.episodes, strict=True)]


def _raise_at(where, n):
    if where == "send" and n == 25:
        raise LinkError("gone")


def test_a_run_whose_lost_replies_hide_a_tick_is_not_repeatable(tmp_path):
    bench = Bench(tmp_path, lambda seq: [] if seq in (4, 5) else [0], max_in_flight=9).run()
    assert bench.rows["processed"][4:7].tolist() == [False, True, True]
    with pytest.raises(RecordError, match="tick 4; such a run cannot be replayed"):
        check_repeatable(bench.data, tmp_path)


def test_a_lost_reply_is_told_from_a_lost_tick(tmp_path):
    bench = Bench(tmp_path, lambda seq: {4: [], 8: None}.get(seq, [0]), max_in_flight=9).run()
    assert np.flatnonzero(~bench.rows["answered"]).tolist() == [4, 8]
    assert np.flatnonzero(~bench.rows["processed"]).tolist() == [8]
    assert np.flatnonzero(bench.rows["slip"]).tolist() == [9]


def test_progress_is_told_once_a_second(tmp_path):
    told = []
    bench = Bench(tmp_path, always(0), period_s=0.1, ticks=35)
    agent = Agent(built(PROGRAM), bench.link, 1000, Probes(), bench.plant.plant_spec)
    with Recorder(tmp_path, run_meta()) as recorder:
        config = msgspec.structs.replace(bench.config, mode="lockstep")
        Loop(bench.plant, agent, config, recorder, Lockstep(STEPS), told.append).run()
    assert told == pytest.approx([0, 1, 2, 3])


def test_no_garbage_is_collected_between_the_first_tick_and_the_last(tmp_path):
    """Whatever a tick leaves behind: this plant makes more cycles than would start many collections."""
    collected, ticking = [], []

    def note(phase, info):
        if phase == "start":
            collected.append(len(ticking))

    class Littering(Plant):
        def observe(self):
            ticking.append(None)
            for _ in range(500):
                cycle = []
                cycle.append(cycle)
            return super().observe()

    bench = Bench(tmp_path, always(100_000), ticks=100)
    bench.plant = Littering(bench.time, 0.001)
    gc.callbacks.append(note)
    try:
        bench.drive(bench.clock, bench.link, tmp_path)
    finally:
        gc.callbacks.remove(note)
    assert gc.isenabled()
    assert len(ticking) == 100 + 1, "every tick, and the end"
    assert not [n for n in collected if 0 < n < 100]


def test_memory_does_not_grow_with_the_ticks(tmp_path):
    """Past the first batches, whose rows are kept and used again, no line of hilbench holds more than before."""
    if sys.gettrace() is not None:
        pytest.skip("a tracer, such as coverage's, makes objects of its own")
    seen = []

    class Watched(Plant):
        def observe(self):
            self.ran.clear()
            self.n = getattr(self, "n", -1) + 1
            if self.n in (2500, 10500):
                seen.append(tracemalloc.take_snapshot())
            return super().observe()

    bench = Bench(tmp_path, always(100_000), ticks=11_000)
    bench.plant = Watched(bench.time, 0.001)
    bench.link.sent = type("Forgetful", (list,), {"append": lambda self, item: None})()
    tracemalloc.start()
    try:
        bench.drive(bench.clock, bench.link, tmp_path)
    finally:
        tracemalloc.stop()
    ours = [tracemalloc.Filter(True, "*/hilbench/*.py")]
    before, after = (snapshot.filter_traces(ours) for snapshot in seen)
    grown = sum(line.size_diff for line in after.compare_to(before, "filename"))
    assert grown < 8000, "less than a byte a tick"


def test_the_stamps_of_a_tick_follow_each_other(tmp_path):
    bench = Bench(tmp_path, always(300_000), ticks=50, max_in_flight=4).run()
    acted = bench.rows["applied_step"] >= 0
    names = ("scheduled_ns", "captured_ns", "encoded_ns", "sent_ns", "arrived_ns", "decoded_ns", "applied_ns")
    stamps = np.stack([bench.rows[name][acted] for name in names])
    assert (np.diff(stamps, axis=0) > 0).all()
    parts = parts_s(bench.data)
    assert list(parts) == ["observe", "encode", "link", "compute", "decode", "apply"]
    np.testing.assert_allclose(sum(parts.values()), (stamps[-1] - stamps[0]) * 1e-9, rtol=1e-12)
    link_s = parts["link"] + parts["compute"]
    assert (np.abs(link_s - 300e-6) < 20 * GRAIN_NS * 1e-9).all()


def test_a_skipped_tick_has_no_stamp_of_a_send(tmp_path):
    bench = Bench(tmp_path, lambda seq: [], ticks=8, max_in_flight=2).run()
    assert (bench.rows["encoded_ns"] > 0).tolist() == [True] * 2 + [False] * 6
    assert parts_s(bench.data) == {}


def test_a_plant_that_breaks_its_promise_later_ends_the_run_in_one_line_on_record(tmp_path):
    for name, broken, words in (
        ("short", lambda obs, *rest: (obs[:1], *rest), "plant 'Plant': observation of shape (1,), not (2,)"),
        ("long", lambda obs, *rest: (np.append(obs, 0.0), *rest), "plant 'Plant': observation of shape (3,)"),
        ("four", lambda *found: found[:4], "plant 'Plant': observe() gave 4 answers, not 5"),
        ("none", lambda *found: (*found[:4], {"error": None}), "plant 'Plant': info 'error' is None, no number"),
        ("gone", lambda *found: (*found[:4], {}), "plant 'Plant': info 'error' is None, no number"),
    ):
        bench = Bench(tmp_path / name, always(100_000))
        observe = bench.plant.observe
        bench.plant.observe = lambda own=observe, plant=bench.plant, broken=broken: (
            broken(*own()) if len(plant.ran) >= 12 else own()
        )
        bench.run()
        assert bench.outcome.status == bench.data.meta.status == "failed"
        assert bench.outcome.fault.startswith("episode 0, tick 3 (0.003 s): ")
        assert words in bench.outcome.fault
        (fault,) = bench.data.meta.faults
        assert (fault.tick, fault.error) == (3, "PluginFault")
        assert words in fault.message
        assert bench.acted[-1] == -7.0
