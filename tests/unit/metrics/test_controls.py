"""Controls on made-up runs: performance is (11 - error) / 10, in six windows after the change."""

from __future__ import annotations

import numpy as np
import pytest
from test_adaptivity import BEFORE, FLOOR, FROZEN, LEARNER, ORACLE, UNCHANGED, run

from hilbench.metrics import measure


def judge(learner=LEARNER, retained=None, **roles):
    given = {"floor": FLOOR, "oracle": ORACLE, "twin": FROZEN, "twin_unchanged": UNCHANGED, "unchanged": UNCHANGED}
    runs = {role: run(errors) for role, errors in (given | roles).items()}
    if retained is not None:
        runs["retained"] = run(retained, score={"horizon_s": 0.04})
    return {name: answer["value"] for name, answer in measure(run(learner), runs).items()}


def test_a_pair_that_agrees_without_the_change_passes():
    assert judge()["control_undisturbed"] == 0.0


def test_a_pair_that_differs_without_the_change_is_a_fast_integrator():
    """Its twin falls to 0.7 without any change, where the change costs a twin all there is."""
    found = judge(twin_unchanged=[1.0] * BEFORE + [4.0] * 6)
    assert found["control_undisturbed"] == pytest.approx(0.3)
    harm = judge(unchanged=[1.0] * BEFORE + [4.0] * 6)
    assert harm["control_undisturbed"] == pytest.approx(0.3)


def test_the_share_is_of_what_the_change_costs_the_twin():
    found = judge(twin=[1.0] * BEFORE + [6.0] * 6, twin_unchanged=[1.0] * BEFORE + [2.0] * 6)
    assert found["control_undisturbed"] == pytest.approx(0.1 / 0.5)


def test_a_blind_run_that_performs_needs_no_inputs():
    assert judge(blind=[1.0] * BEFORE + [8.5] * 6)["control_blind"] == pytest.approx(0.25)


def test_what_the_weights_hold_is_judged_after_the_horizon():
    held = [1.0] * BEFORE + [11.0] * 4 + [3.0, 2.0]
    assert judge(retained=held)["retained"] == pytest.approx((0.8 + 0.9) / 2)


def test_without_its_run_a_control_has_no_value():
    assert not {"control_blind", "retained"} & set(judge())
    assert np.isfinite(judge()["adaptivity"])
