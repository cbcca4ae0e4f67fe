"""Metrics on made-up runs whose answers are worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from hilbench.metrics import measure
from hilbench.types import RunData

MS = 1_000_000


def episode(n, **columns):
    """A lockstep episode of `n` ticks at 1 kHz, every tick answered and acting at once; `columns` replace its own."""
    k = np.arange(n)
    rows = {
        "seq": k, "t_us": 1000 * k, "skipped": k < 0, "terminated": k < 0, "truncated": k < 0, "answered": k >= 0,
        "scheduled_ns": MS * k, "captured_ns": MS * k, "arrived_ns": MS * k + 100_000, "applied_ns": MS * k,
        "applied_step": k, "compute_ns": k * 0 + 50_000, "clipped": k < 0, "not_finite": k < 0, "late": k < 0,
        "info.error": k * 0.0, "spikes": k * 0 + 3, "synaptic_operations": k, "neuron_updates": k, "weight_updates": k,
    }  # fmt: skip
    return rows | {name: np.asarray(column) for name, column in columns.items()}


def run(*episodes, mode="lockstep", phases=(), faults=(), **loop):
    loop = {"mode": mode, "period_s": 0.001, **loop}
    sheet = {"error": "error", "info_units": {"error": "m"}, "physics_step_s": 0.001}
    meta = {"scenario": {"loop": loop, "phases": dict(phases)}, "sheet": sheet, "faults": list(faults)}
    return RunData(meta, list(episodes))


def value(metrics, name):
    return metrics[name]["value"], metrics[name]["n"]


def test_rms_over_the_run_and_in_each_phase():
    error = [3.0, 4.0, 0.0, 1.0]
    phases = {"early": (0.0, 0.002), "late": (0.003, 9.0), "never": (5.0, 6.0)}
    metrics = measure(run(episode(4, **{"info.error": error}), phases=phases))
    assert value(metrics, "error_rms") == (pytest.approx((26 / 4) ** 0.5), 4)
    assert value(metrics, "error_rms[early]") == (pytest.approx(12.5**0.5), 2)
    assert value(metrics, "error_rms[late]") == (1.0, 1)
    assert "error_rms[never]" not in metrics
    assert metrics["error_rms"]["unit"] == "m"


def test_survival_counts_whole_episodes_and_those_the_plant_ended():
    ended = np.arange(5) == 4
    metrics = measure(run(episode(10), episode(5, terminated=ended, skipped=ended)))
    assert value(metrics, "survival") == (pytest.approx((0.010 + 0.004) / 2), 2)


@pytest.mark.parametrize("end", ["terminated", "truncated"])
def test_the_row_of_an_episodes_end_is_no_skipped_tick(end):
    ended = np.arange(5) == 4
    metrics = measure(run(episode(5, **{end: ended}, skipped=ended | (np.arange(5) == 1))))
    assert value(metrics, "skipped") == (1, 4)


def test_latency_in_lockstep_is_nought():
    metrics = measure(run(episode(100)))
    assert value(metrics, "latency[max]") == (0.0, 100)
    assert value(metrics, "misses") == (0, 100)


@pytest.mark.parametrize(("n", "labels"), [
    (19, ["max"]), (20, ["p50", "max"]), (99, ["p50", "max"]), (100, ["p50", "p90", "max"]),
    (1000, ["p50", "p90", "p99", "max"]), (9999, ["p50", "p90", "p99", "max"]),
    (10_000, ["p50", "p90", "p99", "p99.9", "max"]),
])  # fmt: skip
def test_a_percentile_needs_ten_samples_beyond_it(n, labels):
    metrics = measure(run(episode(n)))
    for name in ("latency", "round_trip", "compute"):
        assert [key for key in metrics if key.startswith(name + "[")] == [f"{name}[{label}]" for label in labels]


def test_latencies_are_quantiles_of_what_was_felt():
    delays_ns = np.arange(1, 1001) * 1000
    columns = {"applied_ns": MS * 2 * np.arange(1000) + delays_ns, "scheduled_ns": MS * 2 * np.arange(1000)}
    metrics = measure(run(episode(1000, **columns), mode="realtime"))
    assert value(metrics, "latency[p50]") == (pytest.approx(500.5e-6), 1000)
    assert value(metrics, "latency[max]") == (pytest.approx(1e-3), 1000)
    assert value(metrics, "round_trip[p50]") == (pytest.approx(1e-4), 1000)
    assert value(metrics, "compute[p50]") == (pytest.approx(5e-5), 1000)


@pytest.mark.parametrize("mode", ["realtime", "delayed"])
def test_a_stall_is_not_omitted(mode):
    """100 of 1000 ticks are never answered; each waits for the first action after the stall: 100, 99, ... 1 ms."""
    k = np.arange(1000)
    stalled = (k >= 500) & (k < 600)
    columns = {"applied_step": np.where(stalled, -1, k), "answered": ~stalled, "skipped": stalled & (k > 501)}
    metrics = measure(run(episode(1000, **columns, applied_ns=np.where(stalled, 0, MS * k)), mode=mode))
    assert value(metrics, "latency[max]") == (pytest.approx(0.100), 1000)
    # By hand: sorted, the samples are 900 times 0 and then 1 ... 100 ms; position 989.01 lies between 90 and 91 ms.
    assert value(metrics, "latency[p99]") == (pytest.approx(0.09001), 1000)
    assert value(metrics, "misses") == (99, 1000)  # the last one waits just a period
    assert value(metrics, "longest_miss_run") == (99, 1000)
    assert value(metrics, "skipped") == (98, 1000)
    assert value(metrics, "round_trip[p90]")[1] == 900


def test_the_echo_floor_is_that_of_the_runs_own_link():
    """By hand: 1 ... 1000 us have their median at 500.5 us and, at position 989.01, their p99 at 990.01 us."""
    echoed = RunData(run(mode="realtime").meta, [], np.arange(1, 1001) * 1000)
    metrics = measure(echoed)
    assert value(metrics, "echo_floor[p50]") == (pytest.approx(500.5e-6), 1000)
    assert value(metrics, "echo_floor[p99]") == (pytest.approx(990.01e-6), 1000)
    assert value(metrics, "echo_floor[max]") == (pytest.approx(1e-3), 1000)
    assert "echo_floor[p99.9]" not in metrics
    assert not [name for name in measure(echoed, wall=False) if name.startswith("echo_floor")]
    echoed.meta["replay_of"] = "runs/a"
    assert not [name for name in measure(echoed) if name.startswith("echo_floor")]


def test_a_replay_is_measured_by_its_schedule():
    recorded = run(episode(100, applied_ns=np.full(100, 10**18)), mode="realtime")
    recorded.meta["replay_of"] = "runs/a"
    assert value(measure(recorded), "latency[max]") == (0.0, 100)


def test_misses_by_the_deadline_and_the_longest_run_of_them():
    late = np.isin(np.arange(20), [3, 4, 9, 10, 11, 19])
    columns = {"applied_step": np.arange(20) + late * 2}
    # The one that is late by two periods but overtaken after one still has an action within 1 ms.
    alone = episode(20, **columns)
    metrics = measure(run(alone, mode="delayed", deadline_s=0.001))
    assert value(metrics, "misses") == (3, 20)  # 3, 9 and 10: 4 and 11 have their followers' within a period
    assert value(metrics, "longest_miss_run") == (2, 20)
    assert value(measure(run(alone, alone, mode="delayed", deadline_s=0.002)), "misses") == (0, 40)


def test_longest_runs_do_not_join_episodes():
    tail, head = np.arange(10), np.arange(10)
    first = episode(10, applied_step=np.where(tail >= 6, -1, tail))
    second = episode(10, applied_step=np.where(head < 4, -1, head))
    metrics = measure(run(first, second, mode="delayed"))
    assert value(metrics, "misses") == (3 + 3, 20)  # the last before an end or an action is a period old, no more
    assert value(metrics, "longest_miss_run") == (3, 20)


def test_activity_counts_answered_ticks_only():
    answered = np.arange(10) % 2 == 0
    metrics = measure(run(episode(10, answered=answered, synaptic_operations=np.where(answered, np.arange(10), 99))))
    assert value(metrics, "synaptic_operations") == (4.0, 5)
    assert value(metrics, "spikes") == (3.0, 5)


def test_actions_and_faults_are_counted():
    bad = np.arange(10) < 3
    metrics = measure(run(episode(10, clipped=bad, not_finite=bad[::-1]), faults=[{}, {}]))
    assert value(metrics, "actions_clipped") == (3, 10)
    assert value(metrics, "actions_not_finite") == (3, 10)
    assert value(metrics, "faults") == (2, 1)


@pytest.mark.parametrize("mode", ["lockstep", "delayed", "realtime"])
def test_an_empty_run_has_no_numbers_but_its_faults(mode):
    assert set(measure(run(mode=mode))) == {"faults"}


@pytest.mark.parametrize("mode", ["delayed", "realtime"])
def test_an_unanswered_run_invents_nothing(mode):
    n = 2000
    never = {"answered": np.zeros(n, bool), "applied_step": np.full(n, -1), "applied_ns": np.zeros(n, int)}
    metrics = measure(run(episode(n, **never), mode=mode))
    absent = ("latency", "round_trip", "compute", "spikes", "actions_clipped", "actions_not_finite")
    assert not [name for name in metrics if name.startswith(absent)]
    assert value(metrics, "misses") == (n - 1, n)  # the last one is not older than its deadline
    assert value(metrics, "longest_miss_run") == (n - 1, n)
    assert all(np.isfinite(m["value"]) for m in metrics.values())
