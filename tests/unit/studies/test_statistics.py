"""Numbers over seeds against closed forms and against what they must never hide."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.studies.statistics import differences, interval, iqm, over_seeds


def answers(*values: float | None, better: str = "lower", **more: object) -> list[dict]:
    """One metric, `x`, of one run each."""
    return [{"x": {"value": value, "unit": "m", "better": better, "n": 100, **more}} for value in values]


def of(runs: list[dict], statistic: str = "iqm") -> dict:
    return over_seeds(runs, lambda name: statistic)["x"]


def test_the_interquartile_mean_is_the_mean_of_the_middle_half() -> None:
    assert iqm(np.array([100.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, -9.0])) == pytest.approx(3.5)
    found = of(answers(1.0, 2.0, 3.0, 99.0))
    assert (found["iqm"], found["n"], found["unit"]) == (pytest.approx(2.5), 4, "m")
    assert found["values"] == [1.0, 2.0, 3.0, 99.0]


def test_intervals_cover_a_known_mean_about_as_often_as_they_say() -> None:
    """200 cells of 10 normal seeds: percentile bootstraps of so few are a little narrow, never far off."""
    table = np.random.default_rng(1).normal(5.0, 1.0, (200, 10))
    bounds = interval(table)
    covered = np.mean((bounds[:, 0] <= 5.0) & (bounds[:, 1] >= 5.0))
    assert 0.8 < covered < 0.99


@settings(deadline=None)  # the first call loads what scipy needs
@given(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=12))
def test_an_interval_lies_within_the_values_and_is_always_the_same(values: list[float]) -> None:
    first, second = of(answers(*values)), of(answers(*values))
    low, high = first["ci95"]
    slack = 1e-9 * max(map(abs, values))
    assert min(values) - slack <= low <= high <= max(values) + slack
    assert first == second


def test_rounding_does_not_turn_an_interval_round() -> None:
    low, high = of(answers(*[-1.9467761907557724e-95] * 3))["ci95"]
    assert low <= high


def test_fewer_than_three_seeds_have_no_interval() -> None:
    assert of(answers(1.0, 2.0))["ci95"] is None
    assert of(answers(1.0, 2.0, 3.0))["ci95"] is not None


@pytest.mark.parametrize(("better", "kept"), [("lower", 2.0), ("higher", 1.0)])
def test_a_nan_is_the_worst_value_there_is(better: str, kept: float) -> None:
    found = of(answers(1.0, 1.0, 2.0, 2.0, float("nan"), float("nan"), better=better))
    # Of six, the lowest and the highest are cut: one NaN stays, whichever end it counts for.
    assert found["iqm"] is None
    assert found["values"][-2:] == [None, None]
    assert found["note"] == "2 of 6 seeds gave no finite number"
    trimmed = of(answers(1.0, kept, kept, float("nan"), better=better))
    assert trimmed["iqm"] == pytest.approx(kept)
    assert trimmed["ci95"] is None
    json.dumps([found, trimmed], allow_nan=False)


def test_a_refused_score_is_counted_out_and_its_reason_kept() -> None:
    runs = answers(0.5) + answers(None, note="perturbation ineffective")
    found = of(runs)
    assert (found["iqm"], found["n"], found["note"]) == (0.5, 1, "perturbation ineffective")
    nothing = of(answers(None, None, note="unavailable: no meter", origin="unavailable"))
    assert (nothing["iqm"], nothing["n"], nothing["origin"]) == (None, 0, "unavailable")
    assert nothing["note"] == "unavailable: no meter"


def test_a_mean_stands_for_the_seeds_where_trimming_would_hide_what_counts() -> None:
    found = of(answers(0.0, 0.0, 0.0, 0.0, 1.0), "mean")
    assert (found["statistic"], found["mean"], found["iqm"]) == ("mean", pytest.approx(0.2), 0.0)
    assert found["ci95"][0] <= 0.2 <= found["ci95"][1]
    assert "statistic" not in of(answers(1.0))


def test_the_models_interval_is_that_of_the_mean() -> None:
    runs = [{"x": {**answers(2.0)[0]["x"], "interval": bounds, "origin": "modelled"}} for bounds in ([1, 3], [2, 5])]
    found = of(runs)
    assert found["interval"] == [1.5, 4.0]
    assert found["origin"] == "modelled"


def test_differences_are_taken_seed_by_seed() -> None:
    """Seeds differ by far more than the two controllers do: paired, the difference is exact."""
    base = np.array([10.0, 200.0, 3000.0, 40.0])
    found = differences(answers(*(base - 1.5)), answers(*base), "pid", lambda name: "iqm")["x"]
    assert found["iqm"] == pytest.approx(-1.5)
    assert found["ci95"] == [pytest.approx(-1.5), pytest.approx(-1.5)]
    assert (found["baseline"], found["n"]) == ("pid", 4)


def test_a_pair_without_both_numbers_is_no_pair_and_a_nan_is_the_worst() -> None:
    found = apart(answers(1.0, None, 4.0), answers(0.0, 1.0, None))
    assert (found["n"], found["iqm"], found["ci95"]) == (1, 1.0, None)
    assert differences(answers(1.0), [{}], "pid", lambda name: "iqm") == {}
    bad = float("nan")
    assert apart(answers(bad, 1.0), answers(2.0, 2.0))["iqm"] is None, "the seed that went wrong counts"
    assert apart(answers(bad, 1.0), answers(bad, 2.0))["n"] == 1, "where both went wrong nothing is told"


def test_differences_have_their_metrics_own_statistic() -> None:
    found = apart(answers(0.0, 0.0, 0.0, 0.0, 1.0), answers(0.0, 0.0, 0.0, 0.0, 0.0), "mean")
    assert (found["statistic"], found["mean"], found["iqm"]) == ("mean", pytest.approx(0.2), 0.0)


def apart(own: list[dict], baseline: list[dict], statistic: str = "iqm") -> dict:
    return differences(own, baseline, "pid", lambda name: statistic)["x"]
