"""Adaptivity on made-up runs whose windows hold one error each, so that every answer is worked out by hand."""

from __future__ import annotations

import made_up
import numpy as np
import pytest

from hilbench.metrics import measure

BEFORE, AFTER = 2, 6
"""Windows of 10 ms before the change at 20 ms, and after it."""
NAMES = (
    "adaptivity", "performance", "performance[before]", "performance[unclipped]", "performance_drop",
    "recovery_time", "recovery_censored", "residual", "regret",
)  # fmt: skip
FLOOR, ORACLE = [1.0] * BEFORE + [11.0] * AFTER, [0.5] * BEFORE + [1.0] * AFTER
"""Performance is (11 - error) / 10."""
FROZEN = [1.0] * BEFORE + [11.0] * AFTER
UNCHANGED = [1.0] * (BEFORE + AFTER)
LEARNER = [1.0, 1.0, 11.0, 6.0, 2.0, 1.0, 1.0, 1.0]
"""Performance 1, 1 | 0, 0.5, 0.9, 1, 1, 1."""


def run(*errors, score=(), **loop):
    """Episodes of one error per window of 10 ticks, at 1 kHz."""
    return made_up.run(
        *(made_up.episode(10 * len(each), **{"info.error": np.repeat(np.array(each, float), 10)}) for each in errors),
        score={"change": "load", "window_s": 0.01, "before_s": 0.02, "horizon_s": 0.06, **dict(score)},
        disturbances={"load": {"kind": "payload", "at_s": 0.01 * BEFORE}},
        **{"duration_s": 0.01 * (BEFORE + AFTER), **loop},
    )


def judge(learner=LEARNER, twin=FROZEN, floor=FLOOR, oracle=ORACLE, unchanged=UNCHANGED, **settings):
    runs = {"twin": twin, "twin_unchanged": unchanged, "floor": floor, "oracle": oracle}
    found = measure(run(learner, **settings), {role: run(e, **settings) for role, e in runs.items() if e is not None})
    return {name: found[name] for name in NAMES if name in found}


def values(found):
    return {name: answer["value"] for name, answer in found.items()}


def test_a_window_that_the_plant_ended_a_period_early_is_none():
    runs = {role: run(errors) for role, errors in (("twin", FROZEN), ("floor", FLOOR), ("oracle", ORACLE))}
    learner = run([1.0] * (BEFORE + AFTER))
    assert measure(learner, runs)["performance"]["value"] == 1.0
    learner.episodes[0]["terminated"][-1] = True  # the last observation, with which the plant ended: no period
    assert measure(learner, runs)["performance"]["value"] == pytest.approx((AFTER - 1) / AFTER)


def test_every_score_is_what_its_formula_gives():
    found = values(judge())
    after = np.array([0, 0.5, 0.9, 1, 1, 1])
    assert found == pytest.approx(
        {
            "adaptivity": after.sum() / 6,  # the twin is at the floor: all 6 windows are lost
            "performance": after.mean(),
            "performance[before]": 1.0,
            "performance[unclipped]": after.mean(),
            "performance_drop": 1.0,
            "recovery_time": 0.02,  # the third window is within 0.1 of before, and two more follow
            "recovery_censored": 0.0,
            "residual": 0.0,
            "regret": (10 + 5 + 1) * 0.01,
        }
    )
    assert judge()["regret"]["unit"] == "m s"
    assert judge()["adaptivity"]["n"] == AFTER


def test_the_oracle_scores_one_and_what_does_nothing_nought():
    assert values(judge(learner=ORACLE))["adaptivity"] == pytest.approx(1.0)
    assert values(judge(learner=FROZEN))["adaptivity"] == 0.0


def test_harm_is_below_nought_and_an_error_beyond_the_floor_counts_no_further():
    twin = [1.0] * BEFORE + [6.0] * AFTER  # performance 0.5
    found = values(judge(learner=[1.0] * BEFORE + [31.0] * AFTER, twin=twin))
    assert found["adaptivity"] == pytest.approx(-1.0)
    assert found["performance"] == 0.0
    assert found["performance[unclipped]"] == pytest.approx(-2.0)


@pytest.mark.parametrize(("error", "refused"), [(1.99, True), (2.01, False)])
def test_a_change_that_does_not_hurt_the_twin_gives_no_score(error, refused):
    found = judge(twin=[1.0] * BEFORE + [error] * AFTER)["adaptivity"]
    assert (found["value"] is None) == refused
    assert ("perturbation ineffective" in found.get("note", "")) == refused


def test_a_twin_that_does_as_badly_without_the_change_gives_no_score():
    """Its own bad luck, or a learning that must go on all the time: the change costs it nothing."""
    found = judge(unchanged=FROZEN)["adaptivity"]
    assert found["value"] is None
    assert found["note"].startswith("perturbation ineffective: the frozen twin performs 0.00 with the change and 0.00")


def test_recovery_is_censored_at_the_horizon_when_it_does_not_last():
    relapse = [1.0, 1.0, 11.0, 1.0, 1.0, 11.0, 1.0, 1.0]
    found = values(judge(learner=relapse))
    assert (found["recovery_time"], found["recovery_censored"]) == (pytest.approx(0.06), 1.0)
    assert found["residual"] == pytest.approx(1 / 3)
    unhurt = values(judge(learner=[1.0] * (BEFORE + AFTER)))
    assert (unhurt["recovery_time"], unhurt["recovery_censored"]) == (0.0, 0.0)


@pytest.mark.parametrize("missing", [np.nan, np.inf])
def test_a_window_without_a_number_performs_like_the_floor(missing):
    found = judge(learner=[1.0, 1.0, 1.0, 1.0, missing, 1.0, 1.0, 1.0])
    assert values(found)["performance"] == pytest.approx(5 / 6)
    assert found["regret"]["value"] is None
    assert "performance[unclipped]" not in found


def test_a_run_that_ends_early_performs_like_the_floor_from_there():
    found = judge(learner=[1.0] * 5)
    assert values(found)["performance"] == pytest.approx(3 / 6)
    assert values(found)["recovery_censored"] == 0.0
    assert values(found)["residual"] == pytest.approx(1.0)


@pytest.mark.parametrize(("settings", "reason"), [
    ({"duration_s": 0.05}, "the run lasts 0.05 s; the horizon ends at 0.08 s"),
    ({"score": {"window_s": 0.03}}, "the change comes at 0.02 s: no whole window of 0.03 s before it"),
    ({"oracle": [0.0] * BEFORE + [12.0] * AFTER}, "no scale"),
    ({"floor": [1.0] * BEFORE + [np.nan] * AFTER}, "no scale"),
])  # fmt: skip
def test_scores_that_would_mean_nothing_are_refused_with_the_reason(settings, reason):
    found = judge(**settings)["performance"]
    assert (found["value"], found["n"]) == (None, 0)
    assert reason in found["note"]


def test_a_score_without_the_runs_it_needs_is_absent():
    assert "adaptivity" not in judge(twin=None)
    assert "performance" in judge(twin=None)
    assert judge(floor=None).keys() == {"regret"}


def test_a_scenario_without_a_change_has_no_scores_and_neither_has_an_empty_run():
    plain = run(LEARNER, score={"change": None})
    references = {"twin": run(FROZEN), "floor": run(FLOOR), "oracle": run(ORACLE)}
    assert not set(NAMES) & set(measure(plain, references))
    assert not set(NAMES) & set(measure(run(), references))


def test_episodes_are_judged_together():
    references = {"twin_unchanged": run(UNCHANGED, UNCHANGED), "floor": run(FLOOR), "oracle": run(ORACLE)}
    found = measure(run(LEARNER, [1.0] * 8), {"twin": run(FROZEN, FROZEN), **references})
    assert found["adaptivity"]["value"] == pytest.approx((4.4 + 6) / 12)
    assert found["adaptivity"]["n"] == 12


def test_episodes_that_never_began_perform_like_the_floor():
    """A run of three episodes that ended by a fault in its first one, beside references that lived through theirs."""
    references = {"twin": FROZEN, "twin_unchanged": UNCHANGED, "floor": FLOOR, "oracle": ORACLE}
    found = measure(run(LEARNER, episodes=3), {role: run(e, e, e, episodes=3) for role, e in references.items()})
    assert found["performance"]["value"] == pytest.approx(4.4 / 18)
    assert found["adaptivity"]["value"] == pytest.approx(4.4 / 18)
