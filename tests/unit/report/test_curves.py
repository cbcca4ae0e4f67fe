"""The error over time, and which cells are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from blank import run_meta
from report_example import SHORT, summary, write
from report_example import cell as run_cell

from hilbench.record.data import RunData
from hilbench.report import curves, data, latency, spikes
from hilbench.report.data import ReportCell
from hilbench.studies.schema import Metric


def made(label: str, value: float | None) -> ReportCell:
    return ReportCell(label=label, scenario="s", controller="c", metrics={"error_rms": Metric(iqm=value)})


def test_the_baseline_the_best_and_the_worst_are_always_drawn() -> None:
    cells = [made(str(i), (i * 7) % 20 + 1.0) for i in range(20)] + [made("none", None)]
    for baseline in ("3", "11", "0", "gone"):
        drawn = [cell.label for cell in curves.choose(cells, baseline)]
        assert len(drawn) == curves.MOST
        assert {"0", "none"} <= set(drawn), "the best, and the one without a number, which ranks last"
        assert baseline in drawn or baseline == "gone"
        assert drawn == [cell.label for cell in cells if cell.label in drawn], "in their own order"


def fake_run(error: list[float], at_s: float | None = None) -> RunData:
    disturbances = {} if at_s is None else {"load": {"kind": "payload", "at_s": at_s}}
    scenario = {"loop": {"duration_s": 8.0, "period_s": 0.05, "mode": "lockstep"}, "disturbances": disturbances}
    meta = {"scenario": scenario, "plant_spec": {"error": "e_m", "info_units": {"e_m": "m"}}}
    t_us = (np.arange(len(error)) * 50_000).astype(np.int64)
    return RunData(run_meta(**meta), [{"t_us": t_us, "info.e_m": np.array(error)}])


def test_windows_are_root_mean_squares_and_none_lies_across_the_change() -> None:
    found = curves.curve([fake_run([1.0, 1.0, 1.0, 3.0, 3.0, 4.0, 4.0], at_s=0.15)])
    assert curves.window_s(fake_run([1.0]).meta) == pytest.approx(0.1)
    np.testing.assert_allclose(found.t_s, [0.0, 0.1, 0.2, 0.3], atol=1e-12)
    np.testing.assert_allclose(found.middle, [1.0, 1.0, 3.0, 4.0])
    assert found.n.tolist() == [1, 1, 1, 1]


def test_a_change_that_never_came_is_not_marked() -> None:
    assert [mark.at for mark in curves._changes(fake_run([1.0], at_s=4.0).meta)] == [4.0]
    assert curves._changes(fake_run([1.0], at_s=20.0).meta) == []
    assert data.change_s(fake_run([1.0], at_s=4.0).meta) == 4.0
    assert data.change_s(fake_run([1.0], at_s=20.0).meta) is None


def test_a_run_that_ends_early_leaves_the_others_windows() -> None:
    found = curves.curve([fake_run([1.0] * 8), fake_run([3.0] * 4)])
    np.testing.assert_allclose(found.middle, [2.0, 2.0, 1.0, 1.0])
    assert found.n.tolist() == [2, 2, 1, 1]
    assert np.isnan(found.low).all(), "two seeds have no interval"


def test_intervals_hold_the_middle_and_lie_within_the_seeds() -> None:
    table = np.random.default_rng(0).lognormal(size=(8, 5))
    middle, low, high = curves.band(table)
    assert np.all((low < middle) & (middle < high))
    assert np.all((low >= table.min(axis=0)) & (high <= table.max(axis=0)))
    np.testing.assert_allclose(middle, np.sort(table, axis=0)[2:6].mean(axis=0))


def test_a_picture_shows_at_most_60_neurons_and_6000_spikes() -> None:
    random = np.random.default_rng(0)
    t_s, address = np.sort(random.uniform(0, 10, 200_000)), random.integers(0, 1000, 200_000) * 2
    times, row, fired = spikes.pick(t_s, address, 5.0)
    assert fired == 1000
    assert set(row) == set(range(60))
    assert 0 < times.size <= spikes.SPIKES
    assert np.all(np.abs(times - 5.0) <= 1.0)
    crowded, _, _ = spikes.pick(np.linspace(4, 6, 50_000), np.zeros(50_000, int), 5.0)
    assert spikes.SPIKES - 2 <= crowded.size <= spikes.SPIKES
    assert abs(np.mean(crowded) - 5.0) < 1e-3, "around the change"
    assert spikes.pick(np.empty(0), np.empty(0, int), 5.0)[0].size == 0


def test_real_runs_have_curves_spikes_and_weights(tmp_path: Path) -> None:
    recorded = SHORT | {"record.spikes": ["neurons"], "record.weights": ["decoders"]}
    cell = run_cell(tmp_path, "PES", "pes", [1, 2, 3], overrides=recorded)
    write(tmp_path, summary([cell]))
    [found] = data.read([tmp_path])
    figure = curves.figure(found.cells, None)
    text = figure.chart.to_json()
    assert '"load: mass 1.5 kg"' in text
    assert "after the change at 1.5 s" in figure.finding
    [run, *_] = found.cells[0].read(("t_us", "probe_values"))
    assert set(run.episodes[0]) == {"t_us", "probe_values"}, "only what was asked for is read"
    rows = spikes.weight_norms(run)
    assert {row["what"] for row in rows} == {"decoders"}
    norms = [row["norm"] for row in rows if row["what"] == "decoders"]
    np.testing.assert_allclose(norms[::2], norms[1::2], rtol=1e-5, err_msg="whole weights and their norm agree")
    assert spikes.raster(found.cells).finding
    assert "at the change" in spikes.norms(found.cells).finding


def test_latency_shows_the_echo_behind_the_replies() -> None:
    n = 4000
    score = {"critical_delay_s": {"pes": 0.01}}
    scenario = {"loop": {"period_s": 0.001, "deadline_s": 0.0008}, "controller": "pes", "score": score}
    arrived = np.linspace(200_000, 400_000, n).astype(np.int64)
    columns = {"answered": np.ones(n, bool), "arrived_ns": arrived, "scheduled_ns": np.zeros(n, np.int64)}
    run = RunData(run_meta(scenario=scenario), [columns], np.full(500, 100_000, np.int64))
    drawn = latency.chart([run]).to_json()
    for text in (
        "deadline 0.800",
        "link round trip p50 0.100",
        "p50 0.300",
        "p99 0.398",
        "fails from 10",
        latency.ECHO,
    ):
        assert f'"{text}"' in drawn
