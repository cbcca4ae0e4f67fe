"""Whether a learner's map pays: the verdict by its two limits and its controls, and who stands beside whom."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_evaluation import here  # noqa: F401 - the fixture that runs in this process

from hilbench.studies.evaluation import evaluate
from hilbench.studies.maps import verdict
from hilbench.studies.schema import Cell, Metric


def cell(loss: float | None, better: str = "lower", **metrics: float) -> Cell:
    named = {name: Metric(iqm=value, n=3) for name, value in metrics.items()}
    named["horizon_loss"] = Metric(iqm=loss, n=3, better=better, unit="m")
    return Cell(label="x", scenario="s", controller="c", metrics=named)


def rivals(integral: float | None, rbf: float | None) -> dict[str, Cell]:
    return {"integral": cell(integral), "rbf": cell(rbf)}


@pytest.mark.parametrize(
    ("loss", "integral", "rbf", "pays"),
    [(0.7, 1.0, 0.7, True), (0.71, 1.0, 0.71, False), (0.55, 1.0, 0.5, True), (0.56, 1.0, 0.5, False)],
)
def test_a_map_pays_below_both_limits(loss: float, integral: float, rbf: float, pays: bool) -> None:
    found = verdict(cell(loss), rivals(integral, rbf))
    assert (found.pays, found.of_integral, found.of_rbf) == (pays, pytest.approx(loss), pytest.approx(loss / rbf))


def test_the_verdict_says_both_shares_and_what_is_against_it() -> None:
    assert verdict(cell(0.2), rivals(1.0, 0.4)).said == (
        "map pays: 0.200 of the loss of `integral`, at most 0.7; 0.500 of the loss of `rbf`, at most 1.1"
    )
    integrator = verdict(cell(0.2, control_undisturbed=0.16), rivals(1.0, 0.4))
    assert not integrator.pays
    assert integrator.said.startswith("map does not pay: 0.200 of")
    assert integrator.said.endswith("; control_undisturbed 0.16, above 0.15")
    assert verdict(cell(0.2, control_undisturbed=0.15), rivals(1.0, 0.4)).pays
    unseeing = verdict(cell(0.2, control_blind=0.11), rivals(1.0, 0.4))
    assert not unseeing.pays
    assert unseeing.said.endswith("; control_blind 0.11, above 0.1")
    assert verdict(cell(0.2, control_blind=0.1), rivals(1.0, 0.4)).pays


def test_a_learner_that_does_not_live_to_the_horizon_has_no_map_that_pays() -> None:
    for others in (rivals(1.0, 0.4), rivals(None, None)):
        found = verdict(cell(None), others)
        assert (found.pays, found.of_integral, found.of_rbf) == (False, None, None)
    outlived = verdict(cell(0.2), rivals(None, 0.2))
    assert (outlived.pays, outlived.of_integral, outlived.of_rbf) == (True, 0.0, 1.0)


def test_there_is_no_share_of_what_is_better_when_it_is_higher() -> None:
    assert verdict(cell(0.9, better="higher"), rivals(0.2, 0.2)) is None


@pytest.mark.usefixtures("here")
def test_cells_under_one_change_are_compared_and_the_integral_at_one_gain(tmp_path: Path) -> None:
    change = {"kind": "force_field", "joint": "shoulder", "amplitude": [6.0], "wavelength": [0.4], "at_s": 0.1}
    common = {
        "loop.duration_s": 0.3, "loop.period_s": 0.002, "score.window_s": 0.1, "score.before_s": 0.1,
        "score.horizon_s": 0.2, "score.controls": False, "disturbances.load.at_s": 0.1, "phases": {"all": [0.0, 0.3]},
        "controllers.pes_feedback.n_neurons": 20, "controllers.rbf.n_functions": 20,
    }  # fmt: skip
    all_three = ["pes_feedback", "rbf", "integral"]
    suite = {
        "name": "maps", "summary": "two changes, and a gain of its own", "scenarios": ["arm_payload"], "seeds": [3],
        "set": common, "scored": False,
        "grids": [
            {"label": "load", "controllers": all_three},
            {"label": "ripple", "controllers": all_three, "set": {"disturbances": {"load": change}}},
            {"label": "alone", "controllers": ["pes_feedback"], "set": {"controllers.pes_feedback.gain_per_s": 3.0}},
            {
                "label": "tuned", "controllers": ["rbf"], "set": {
                    "controllers.rbf.gain_per_s": 3.0, "disturbances.load.mass_kg": 1.2,
                },
            },
            {"label": "tuned", "controllers": all_three[::2], "set": {"disturbances.load.mass_kg": 1.2}},
        ],
    }  # fmt: skip
    found = {each.label: each for each in evaluate(suite, tmp_path).cells}
    assert {label for label, each in found.items() if each.map} == {
        f"pes_feedback {change}" for change in ("load", "ripple", "tuned")
    }  # fmt: skip
    for change in ("load", "ripple", "tuned"):
        own, integral, rbf = (found[f"{name} {change}"].metrics["horizon_loss"].iqm for name in (
            "pes_feedback", "integral", "rbf"))  # fmt: skip
        seen = found[f"pes_feedback {change}"].map
        assert (seen.of_integral, seen.of_rbf) == (pytest.approx(own / integral), pytest.approx(own / rbf))
