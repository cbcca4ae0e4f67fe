"""Metrics on made-up runs whose answers are worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from blank import run_meta, with_meta
from made_up import MS, episode, run

from hilbench.metrics import measure
from hilbench.record.meta import EnergyRecord
from hilbench.types import SAFE


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


def test_an_error_that_is_no_number_is_not_left_out():
    metrics = measure(run(episode(4, **{"info.error": [3.0, np.nan, 0.0, 1.0]}), phases={"late": (0.002, 9.0)}))
    assert np.isnan(metrics["error_rms"]["value"])
    assert value(metrics, "error_rms[late]") == (pytest.approx(0.5**0.5), 2)


def test_a_phase_has_exactly_the_ticks_between_its_bounds():
    error = np.arange(20.0)
    for start in range(17):
        metrics = measure(
            run(episode(20, **{"info.error": error}), phases={"x": (start * 0.001, start * 0.001 + 0.003)})
        )
        assert value(metrics, "error_rms[x]") == (pytest.approx(np.sqrt(np.mean(error[start : start + 3] ** 2))), 3)


def test_survival_counts_whole_episodes_and_those_the_plant_ended():
    ended = np.arange(5) == 4
    metrics = measure(run(episode(10), episode(5, terminated=ended, skipped=ended)))
    assert value(metrics, "survival") == (pytest.approx((0.010 + 0.004) / 2), 2)


@pytest.mark.parametrize("end", ["terminated", "truncated"])
def test_the_row_of_an_episodes_end_is_no_skipped_tick(end):
    ended = np.arange(5) == 4
    metrics = measure(run(episode(5, **{end: ended}, skipped=ended | (np.arange(5) == 1))))
    assert value(metrics, "skipped") == (1, 4)


@pytest.mark.parametrize("end", ["terminated", "truncated"])
@pytest.mark.parametrize("mode", ["lockstep", "delayed", "realtime"])
def test_the_row_of_an_episodes_end_changes_no_metric_but_the_error(mode, end):
    """A constant delay of 0.2 s, so that 200 ticks stay without an action when the plant ends the episode."""
    n, late = 1800, 200

    def made(n_rows, **more):
        k = np.arange(n_rows)
        acted = np.where(k < n - late, k + late, -1)
        columns = {
            "applied_step": acted,
            "applied_ns": np.where(acted >= 0, MS * acted, 0),
            "neuron_updates": 0 * k + 5,
        }
        return run(episode(n_rows, **columns, **more), mode=mode, deadline_s=0.15, network=NETWORK, inputs=INPUTS)

    ends = np.arange(n + 1) == n
    nothing = {name: np.where(ends, 0, 3) for name in ("spikes", "synaptic_operations", "weight_updates")}
    with_row = made(
        n + 1, **{end: ends}, skipped=ends, answered=~ends, processed=~ends, captured_ns=MS * 9**9 * ends, **nothing
    )
    without = made(n, **{name: column[:-1] for name, column in nothing.items()}, captured_ns=np.zeros(n, int))
    found, expected = measure(with_row), measure(without)
    assert value(found, "latency[max]") == (pytest.approx(0.2), n)
    assert value(found, "misses") == (n - 150, n - 150)
    assert value(found, "survival") == (pytest.approx(1.8), 1)
    assert found["energy_modelled[loihi1 static]"] == expected["energy_modelled[loihi1 static]"]
    assert {name for name in found if found[name] != expected[name]} == {"error_rms"}


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


def test_the_link_round_trip_is_that_of_the_runs_own_link():
    """By hand: 1 ... 1000 us have their median at 500.5 us and, at position 989.01, their p99 at 990.01 us."""
    echoed = replace(run(mode="realtime"), echo_ns=np.arange(1, 1001) * 1000)
    metrics = measure(echoed)
    assert value(metrics, "link_round_trip[p50]") == (pytest.approx(500.5e-6), 1000)
    assert value(metrics, "link_round_trip[p99]") == (pytest.approx(990.01e-6), 1000)
    assert value(metrics, "link_round_trip[max]") == (pytest.approx(1e-3), 1000)
    assert "link_round_trip[p99.9]" not in metrics
    assert not [name for name in measure(echoed, wall=False) if name.startswith("link_round_trip")]
    repeated = replace(echoed, meta=run_meta(replay_of="runs/a"))
    assert not [name for name in measure(repeated) if name.startswith("link_round_trip")]


def test_a_replay_is_measured_by_its_schedule():
    recorded = run(episode(100, applied_ns=np.full(100, 10**18)), mode="realtime", more={"replay_of": "runs/a"})
    assert value(measure(recorded), "latency[max]") == (0.0, 100)


def test_misses_by_the_deadline_and_the_longest_run_of_them():
    late = np.isin(np.arange(20), [3, 4, 9, 10, 11])
    columns = {"applied_step": np.arange(20) + late * 2}
    # The one that is late by two periods but overtaken after one still has an action within 1 ms.
    alone = episode(20, **columns)
    metrics = measure(run(alone, mode="delayed", deadline_s=0.001))
    assert value(metrics, "misses") == (3, 20)  # 3, 9 and 10: 4 and 11 have their followers' within a period
    assert value(metrics, "longest_miss_run") == (2, 20)
    assert value(measure(run(alone, alone, mode="delayed", deadline_s=0.002)), "misses") == (0, 40)


def test_the_realtime_factor_is_the_plants_time_per_time_of_the_clock():
    """Ticks of 1 ms that take 40 us, and after a pause between the episodes 60 us: 28 periods in 1.28 ms."""
    fast = episode(20, captured_ns=5 * MS + 40_000 * np.arange(20))
    slow = episode(10, captured_ns=900 * MS + 60_000 * np.arange(10))
    expected = 28_000_000 / (19 * 40_000 + 9 * 60_000)
    assert value(measure(run(fast, slow)), "realtime_factor") == (pytest.approx(expected), 28)
    assert value(measure(run(episode(50), mode="realtime")), "realtime_factor") == (1, 49)
    assert "realtime_factor" not in measure(run(episode(1)))


def test_jitter_is_how_far_slow_replies_lie_from_usual_ones():
    steps = np.arange(1000) * 10 + np.where(np.arange(1000) < 980, 1, 5)
    ticks = {"t_us": 10_000 * np.arange(1000), "applied_step": steps}
    metrics = measure(run(episode(1000, **ticks), mode="delayed", period_s=0.01))
    assert value(metrics, "jitter") == (pytest.approx(0.004), 1000)
    assert "jitter" not in measure(run(episode(999), mode="delayed")), "a p99 needs 1000 samples"


def test_actuation_intervals_spread_as_replies_do():
    k = np.arange(4)
    acts = {"t_us": 10_000 * k, "applied_step": [0, 10, 24, -1]}  # intervals of 10 and 14 ms
    metrics = measure(run(episode(4, **acts), mode="delayed", period_s=0.01))
    assert value(metrics, "actuation_sd") == (pytest.approx(0.002), 2)
    by_clock = {"applied_ns": MS * np.array([0, 10, 30, 0]), "applied_step": [0, 10, 30, -1]}
    metrics = measure(run(episode(4, **by_clock), mode="realtime"))
    assert value(metrics, "actuation_sd") == (pytest.approx(0.005), 2)
    assert value(measure(run(episode(9))), "actuation_sd") == (0.0, 8)


def test_information_grows_old_while_a_reply_is_held():
    # Ticks at 0, 2, 4, 6 ms; the second is never answered, the third acts from step 5: ages from step 1 on are
    # 1 2 3 4 | 1 | 0 1 ms.
    columns = {"t_us": 2000 * np.arange(4), "applied_step": [1, -1, 5, 6], "sources": np.zeros((4, 2))}
    metrics = measure(run(episode(4, **columns), mode="delayed", period_s=0.002))
    assert value(metrics, "age_of_information[max]") == (pytest.approx(0.004), 7)
    many = {"t_us": 2000 * np.arange(40), "applied_step": 2 * np.arange(40) + 1, "sources": np.zeros((40, 2))}
    metrics = measure(run(episode(40, **many), mode="delayed", period_s=0.002))
    assert value(metrics, "age_of_information[p50]") == (pytest.approx(0.001), 79)


def test_no_information_acts_in_a_safe_step_or_after_the_plants_end():
    columns = {"t_us": 2000 * np.arange(4), "applied_step": [1, -1, -1, 6], "sources": np.zeros((4, 2))}
    columns["sources"][2] = SAFE  # steps 4 and 5: what was held for 3 ms acts no longer
    metrics = measure(run(episode(4, **columns), mode="delayed", period_s=0.002))
    assert value(metrics, "age_of_information[max]") == (pytest.approx(0.003), 5)
    ended = episode(4, **columns, terminated=np.arange(4) == 3)
    assert value(measure(run(ended, mode="delayed", period_s=0.002)), "age_of_information[max]")[1] == 3


def test_the_margin_is_how_often_the_latency_fits_into_the_critical_delay():
    n = 10_000
    late = {"applied_ns": MS * np.arange(n) + 250_000}
    assert "latency_margin" not in measure(run(episode(n, **late), mode="realtime"))
    known = {"critical_delay_s": {"pes": 0.01}}
    pes, pid = (
        measure(run(episode(n, **late), mode="realtime", score=known, scenario={"controller": name}))
        for name in ("pes", "pid")
    )
    assert value(pes, "latency_margin") == (pytest.approx(40.0), n)
    assert "latency_margin" not in pid


def test_without_the_wall_clock_only_what_repeats_is_left():
    whole, repeats = measure(run(episode(1000))), measure(run(episode(1000)), wall=False)
    assert "round_trip[p50]" in whole
    assert "compute[p50]" in whole
    assert {"latency[p50]", "misses", "error_rms"} <= set(repeats)
    assert not [name for name in repeats if name.startswith(("round_trip", "compute", "loop_lag", "realtime_factor"))]


def test_longest_runs_do_not_join_episodes():
    tail, head = np.arange(10), np.arange(10)
    first = episode(10, applied_step=np.where(tail >= 6, -1, tail))
    second = episode(10, applied_step=np.where(head < 4, -1, head))
    metrics = measure(run(first, second, mode="delayed"))
    # The last one before an action is a period late, no more; whether the last one of all would have been nobody knows.
    assert value(metrics, "misses") == (3 + 3, 19)
    assert value(metrics, "longest_miss_run") == (3, 19)


def test_activity_counts_answered_ticks_only():
    answered = np.arange(10) % 2 == 0
    metrics = measure(run(episode(10, answered=answered, synaptic_operations=np.where(answered, np.arange(10), 99))))
    assert value(metrics, "synaptic_operations") == (4.0, 5)
    assert value(metrics, "spikes") == (3.0, 5)


def test_actions_and_faults_are_counted():
    bad = np.arange(10) < 3
    metrics = measure(run(episode(10, clipped=bad, not_finite=bad[::-1]), faults=[FAULT, FAULT]))
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
    # The last one is not older than its deadline when the run ends: it is left out.
    assert value(metrics, "misses") == (n - 1, n - 1)
    assert value(metrics, "longest_miss_run") == (n - 1, n - 1)
    late = measure(run(episode(n, **never), mode=mode, deadline_s=0.5))
    assert value(late, "misses") == (n - 500, n - 500)
    assert all(np.isfinite(m["value"]) for m in metrics.values())


FAULT = {"episode": 0, "tick": 1, "t_s": 0.1, "error": "LinkError", "message": "gone"}
NETWORK = {
    "steps_per_tick": 2,
    "populations": {
        "a": {"kind": "lif", "n_neurons": 1500, "plastic": False},
        "y": {"kind": "li", "n_neurons": 2, "plastic": False},
    },
    "projections": {
        name: {"source": source, "target": target, "shape": shape, "plastic": name == "learnt",
               "n_synapses": n, "n_dense_synapses": n_dense}
        for name, source, target, shape, n, n_dense in (
            ("in", "x", "a", [5, 3], 8, 15), ("on", "on", "a", [5, 1], 4, 5),
            ("flat", "a", "b", [5, 5], 5, 0), ("learnt", "a", "y", [2, 5], 10, 10),
        )
    },
}  # fmt: skip
INPUTS = [("x", 3, "values"), ("e", 2, "events"), ("on", 1, "values")]


def test_operations_by_kind_as_the_device_counted_them():
    columns = {"synaptic_operations": [20, 21, 22, 999], "multiplications": [12, 0, 12, 7], "neuron_updates": [9] * 4}
    metrics = measure(run(episode(4, **columns, answered=[True, True, True, False]), network=NETWORK, inputs=INPUTS))
    assert value(metrics, "synaptic_operations") == (21.0, 3)
    assert value(metrics, "synaptic_operations[effective_macs]") == (pytest.approx((12 + 12) / 3), 3)
    assert value(metrics, "synaptic_operations[effective_acs]") == (pytest.approx((63 - 24) / 3), 3)
    assert value(metrics, "synaptic_operations[dense]") == (2 * (15 + 5 + 10), 3)


def test_lost_replies_change_no_number_per_tick():
    # Every tick costs the same. A lost reply's counters are lost with it; the network ran its tick all the same.
    n = 500
    cost = {"synaptic_operations": 70, "multiplications": 30, "neuron_updates": 8, "weight_updates": 20}
    whole = episode(n, **{name: np.full(n, each) for name, each in cost.items()})
    lost = np.random.default_rng(1).random(n) < 0.05
    told = {name: np.where(lost, 0, each) for name, each in cost.items()}
    lossy = episode(n, answered=~lost, processed=np.ones(n, bool), **told)
    expected, found = (measure(run(e, network=NETWORK, inputs=INPUTS)) for e in (whole, lossy))
    assert 10 < lost.sum() < 50
    names = [name for name in expected if name.startswith(("synaptic_operations", "neuron_updates", "weight"))]
    assert {"synaptic_operations[effective_acs]", "weights_changed[per step]"} < set(names)
    for name in names:
        assert found[name]["value"] == pytest.approx(expected[name]["value"]), name
    assert value(found, "synaptic_operations[effective_acs]") == (40, n - lost.sum())
    assert value(found, "synaptic_operations[dense]") == (2 * 30, n - lost.sum())
    assert value(found, "weights_changed[per step]") == (1.0, 2 * (n - lost.sum()))


def test_operations_of_caught_up_periods_are_those_of_the_tick_that_tells_of_them():
    # Tick 1's reply was lost; ticks 2 to 4 never reached the network, which caught up 2 periods before tick 5.
    columns = {
        "answered": [1, 0, 0, 0, 0, 1], "processed": [1, 1, 0, 0, 0, 1], "prev_seq": [-1, -1, -1, -1, -1, 1],
        "slip": [0, 0, 0, 0, 0, 1], "synaptic_operations": [10, 0, 0, 0, 0, 30], "multiplications": [4, 0, 0, 0, 0, 12],
    }  # fmt: skip
    metrics = measure(run(episode(6, **columns), network=NETWORK, inputs=INPUTS, catch_up=2))
    assert value(metrics, "synaptic_operations[effective_macs]") == (16 / 2, 2)
    assert value(metrics, "synaptic_operations[effective_acs]") == (24 / 2, 2)
    assert value(metrics, "synaptic_operations[dense]") == (30 * 2 * (1 + 3) / 2, 2)


def test_a_device_that_counts_nothing_has_no_counts_by_kind():
    columns = {name: [0, 0, 0] for name in ("synaptic_operations", "neuron_updates")}
    metrics = measure(run(episode(3, **columns), network=NETWORK, inputs=INPUTS))
    found = {name for name in metrics if name.startswith("synaptic_operations")}
    assert found == {"synaptic_operations", "synaptic_operations[dense]"}


def test_spikes_per_decision_within_the_tolerance():
    errors = [0.1, -0.1, 0.3, -0.3]
    columns = {"info.error": errors, "spikes": [1, 2, 3, 4], "answered": [True, True, True, False]}
    within = measure(run(episode(4, **columns), score={"tolerance": 0.2}))
    assert value(within, "spikes[in tolerance]") == (6 / 2, 2)
    never = measure(run(episode(4, **columns), score={"tolerance": 0.01}))["spikes[in tolerance]"]
    assert (never["value"], never["n"], never["note"]) == (None, 0, "no decision was within the tolerance")
    assert "spikes[in tolerance]" not in measure(run(episode(4, **columns)))


def test_spikes_per_right_decision():
    columns = {
        "info.decided": [0.0, 1.0, 1.0, 1.0], "info.correct": [1.0, 1.0, 0.0, 1.0], "spikes": [1, 2, 3, 4],
        "answered": [True, True, False, True],
    }  # fmt: skip
    decides = run(episode(4, **columns))
    with_meta(decides, plant_spec={"info_units": {"decided": "1", "correct": "1"}})
    assert value(measure(decides), "spikes[right decision]") == (7 / 2, 2)
    never = run(episode(4, **columns | {"info.correct": [1.0, 0.0, 0.0, 0.0]}))
    with_meta(never, plant_spec={"info_units": {"decided": "1", "correct": "1"}})
    found = measure(never)["spikes[right decision]"]
    assert (found["value"], found["n"], found["note"]) == (None, 0, "no decision was right")
    assert "spikes[right decision]" not in measure(run(episode(4, **columns)))


def test_weights_changed_per_step_and_over_the_run():
    records = [np.float32(r) for r in ([0, 0, 0, 0], [], [1, 0, 0, 0], [1, 0, 2, 9])]
    rows = np.empty(4, object)
    rows[:] = records
    columns = {
        "learning": [True, True, True, False], "answered": [True, False, True, True],
        "processed": [True, True, True, True], "weight_updates": [10, 99, 20, 0], "probe_values": rows,
    }  # fmt: skip
    whole = {
        "w": {"source": "a", "target": "y", "shape": [1, 3], "n_synapses": 3, "n_dense_synapses": 3, "plastic": False}
    }
    network = {**NETWORK, "projections": {**NETWORK["projections"], **whole}}
    metrics = measure(run(episode(4, **columns), network=network, inputs=INPUTS, record={"weights": ["w"]}))
    assert value(metrics, "weights_changed[per step]") == (30 / (2 * 2) / 10, 4)
    assert value(metrics, "weights_changed[over run]") == (pytest.approx(2 / 3), 3)  # the fourth value is a norm
    assert not [name for name in measure(run(episode(4, **columns))) if name.startswith("weights_changed")]


def test_thresholds_that_learn_are_no_weights():
    """The device counts both: here all 10 weights in every step, and 3 thresholds."""
    populations = NETWORK["populations"] | {"h": {"kind": "lif", "n_neurons": 3, "plastic": True}}
    columns = {"weight_updates": [2 * (10 + 3)] * 4, "neuron_updates": [1] * 4}
    metrics = measure(run(episode(4, **columns), network=NETWORK | {"populations": populations}, inputs=INPUTS))
    assert value(metrics, "weights_changed[per step]") == (1.0, 8)


def test_modelled_energy_by_hand():
    counts = {"synaptic_operations": [100, 300], "neuron_updates": [50, 50], "weight_updates": [0, 20]}
    columns = {**counts, "spikes": [2, 4]}
    metrics = measure(run(episode(2, **columns), network=NETWORK, inputs=INPUTS))
    dynamic, static = metrics["energy_modelled[loihi1]"], metrics["energy_modelled[loihi1 static]"]
    # Which updates are active is not counted: all of them, or none for the lower end.
    assert dynamic["value"] == pytest.approx(200 * 23.6e-12 + 50 * 81e-12 + 3 * 69.3e-12 + 10 * 120e-12)
    low = 200 * 23.6e-12 + 50 * 51.2e-12 + 3 * 68.7e-12 + 10 * 60e-12
    high = 200 * 35.5e-12 + 50 * 81e-12 + 3 * 69.3e-12 + 10 * 240e-12
    assert dynamic["interval"] == pytest.approx([low, high])
    assert static["value"] == pytest.approx(2 / 128 * 0.029 * 0.001)  # 1502 neurons fill two cores of 1024
    assert static["interval"] == pytest.approx([2 / 128 * 0.029 * 0.001, 2 / 128 * 0.94 * 0.001])
    assert {m["origin"] for m in (dynamic, static)} == {"modelled"}
    assert "routing" in dynamic["note"]


def test_modelled_energy_is_unknown_where_a_constant_is():
    counts = {"synaptic_operations": [100, 300], "neuron_updates": [50, 50]}
    data = run(episode(2, **counts, weight_updates=[0, 20]), network=NETWORK, inputs=INPUTS)
    metrics = measure(data)
    assert metrics["energy_modelled[spinnaker1]"]["value"] is None
    assert metrics["energy_modelled[spinnaker1]"]["note"] == "unknown: no public constant for weight_update_j"
    assert metrics["energy_modelled[loihi2]"]["origin"] == "unavailable"
    assert "energy_modelled[loihi2 static]" not in metrics
    fixed = measure(run(episode(2, **counts, weight_updates=[0, 0]), network=NETWORK, inputs=INPUTS))
    assert fixed["energy_modelled[spinnaker1]"]["value"] == pytest.approx(200 * 13.3e-9 + 50 * 26e-9)


def test_baselines_multiply_once_per_synapse_or_add_once_per_operation():
    counts = {"synaptic_operations": [100, 300]}
    metrics = measure(run(episode(2, **counts), network=NETWORK, inputs=INPUTS))
    found = {name: metrics[f"energy_modelled[45 nm {name}]"] for name in ("ann float32", "ann int8", "snn float32")}
    assert found["ann float32"]["value"] == pytest.approx(22 * 4.6e-12)
    assert found["ann int8"]["value"] == pytest.approx(22 * 0.23e-12)
    assert found["snn float32"]["value"] == pytest.approx(200 * 0.9e-12)
    # At most one weight is read from a cache per operation: 32 bits for 5 pJ, 8 for a quarter of it.
    highs = [m["interval"][1] for m in found.values()]
    assert highs == pytest.approx([22 * 9.6e-12, 22 * 1.48e-12, 200 * 5.9e-12])


def test_no_energy_is_modelled_for_a_law_or_a_device_that_counts_nothing():
    nothing = {name: [0, 0] for name in ("synaptic_operations", "neuron_updates", "weight_updates")}
    uncounted = run(episode(2, **nothing), network=NETWORK, inputs=INPUTS)
    for data in (run(episode(2)), uncounted):
        assert not [name for name in measure(data) if name.startswith("energy_modelled")]


def test_energy_by_the_devices_own_meter_comes_first():
    columns = {"energy_j": [1.0, np.nan, 2.0, 50.0], "answered": [True, True, True, False]}
    metered = EnergyRecord(meter="rapl", accuracy="", n_ticks=1, duration_s=2.0, total_j=9.0, idle_j=9.0, dynamic_j=9.0)
    metrics = measure(run(episode(4, **columns), beside={"energy": metered}))
    assert value(metrics, "energy_measured[total]") == (1.5, 2)
    assert metrics["energy_measured[total]"]["origin"] == "measured"
    assert metrics["energy_measured"]["origin"] == "unavailable"


def test_energy_by_a_host_meter_is_told_apart():
    metered = EnergyRecord(
        meter="rapl", accuracy="coarse", n_ticks=200, duration_s=2.0, total_j=9.0, idle_j=5.0, dynamic_j=4.0
    )
    metrics = measure(run(episode(4), beside={"energy": metered}))
    names = {"energy_measured": 0.02, "energy_measured[total]": 0.045, "energy_measured[idle]": 0.025}
    for name, joules in names.items():
        assert value(metrics, name) == (pytest.approx(joules), 200)
        assert metrics[name]["origin"] == "measured"
        assert metrics[name]["note"] == "rapl: coarse"


@pytest.mark.parametrize(("meters", "reason"), [
    ({}, "not metered"), ({"rapl": None, "x": "broken"}, "not metered"), ({"rapl": "no Linux"}, "rapl: no Linux"),
])  # fmt: skip
def test_energy_that_nobody_measured_says_so(meters, reason):
    metrics = measure(run(episode(4), more={"meter_refusals": meters}))
    assert metrics["energy_measured"] == {
        "value": None, "unit": "J", "better": "lower", "n": 0, "origin": "unavailable",
        "note": f"unavailable: {reason}",
    }  # fmt: skip


def test_a_device_that_counts_instructions_has_no_time():
    counted = episode(4, compute_ns=np.array([2560, 2560, 5120, 256]), answered=np.array([True, True, True, False]))
    found = measure(run(counted, more={"load_report": {"instruction_ns": 256}}))
    assert not [name for name in found if name.startswith("compute")]
    assert found["instructions[max]"] == {"value": 20.0, "unit": "1/tick", "better": "lower", "n": 3}
    timed = measure(run(counted, more={"load_report": {"instruction_ns": None}}))
    assert timed["compute[max]"]["value"] == pytest.approx(5.12e-6)
    assert not [name for name in timed if name.startswith("instructions")]


@pytest.mark.parametrize("received_ns", [0, 10**12 - 1, 10**12 + 2 * MS, 2**63 - 1])
def test_a_device_that_received_before_the_tick_or_after_the_reply_has_another_clock(received_ns):
    start = MS * np.arange(3) + 10**12
    rows = episode(
        3, applied_step=np.arange(3), scheduled_ns=start, captured_ns=start, encoded_ns=start,
        received_ns=np.array([start[0] + 10, received_ns, start[2] + 10]),
        compute_ns=np.full(3, 40_000), arrived_ns=start + 100_000, decoded_ns=start + 100_000,
        applied_ns=start + 100_000,
    )  # fmt: skip
    found = measure(run(rows, mode="realtime", more={"device_shares_clock": True}))
    parts = {name: m["value"] for name, m in found.items() if name.startswith("latency_part[") and "mean" in name}
    assert parts["latency_part[link mean]"] == pytest.approx(60e-6)
    assert min(parts.values()) >= 0
    assert not {"latency_part[link out mean]", "latency_part[link back mean]"} & parts.keys()


@pytest.mark.parametrize("same_clock", [True, False])
def test_the_latency_is_split_by_its_stamps(same_clock):
    n, unanswered = 1000, 7
    start = MS * np.arange(n)
    parts_us = {"observe": 10, "encode": 20, "link out": 30, "compute": 40, "link back": 50, "decode": 60, "apply": 70}
    at = dict(zip(parts_us, np.cumsum(list(parts_us.values())) * 1000, strict=True))
    answered = np.arange(n) != unanswered
    rows = episode(
        n, answered=answered, applied_step=np.where(answered, np.arange(n), -1), captured_ns=start + at["observe"],
        encoded_ns=start + at["encode"], received_ns=start + at["link out"], compute_ns=np.full(n, 40_000),
        arrived_ns=start + at["link back"], decoded_ns=start + at["decode"], applied_ns=start + at["apply"],
    )  # fmt: skip
    found = measure(run(rows, rows, mode="realtime", more={"device_shares_clock": same_clock}))
    expected = parts_us
    if not same_clock:
        expected = {name: us for name, us in parts_us.items() if "link" not in name} | {"link": 80}
    means = {
        name[13:-6]: m["value"] * 1e6
        for name, m in found.items()
        if name.startswith("latency_part[") and "mean" in name
    }
    assert means == pytest.approx(expected)
    assert found["latency_part[encode p99]"]["value"] == pytest.approx(20e-6)
    assert found["latency_part[encode p99]"]["n"] == 2 * (n - 1)
