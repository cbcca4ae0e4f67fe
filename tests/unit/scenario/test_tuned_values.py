"""`[tune]` and files of tuned values: what is refused, when one is stale, and that scenarios run with its values."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import tomli_w
from msgspec import structs

from hilbench.errors import ScenarioError
from hilbench.scenario import files
from hilbench.scenario.files import load
from hilbench.scenario.resolved import budget_of, fingerprint
from hilbench.scenario.tuning import Budget, Range, Tuned, TunedController, content_digest, near_ends
from hilbench.types import to_builtins

RANGES = {"ki": {"low": 1, "high": 1e3, "log": True}}
TUNE = {"controllers": {"pid": RANGES, "pes": {"learning_rate": {"low": 0.01, "high": 0.1}}}}
SHIPPED = {key: value for key, value in files.read_toml(files.find("arm_payload")).items() if key != "tuned"}
ARM = {**SHIPPED, "controller": "pid", "tune": TUNE}
FOUND = TunedController(
    runs=30, failed_runs=2, seeds=(0, 1), optimiser="some", optimiser_seed=0, code_version="", loss_default=0.5,
    scenario_sha256=content_digest(ARM, "pid"), loss_tuned=0.4, default={"ki": 100.0}, tuned={"ki": 321.0},
    candidates_checked=2, control_undisturbed=0.1,
)  # fmt: skip


def written(folder: Path, scenario: dict[str, Any], **controllers: TunedController) -> Path:
    """A scenario's file; with controllers, one that names a file of tuned values beside it."""
    path = folder / "arm.toml"
    named = {"tuned": "arm.tuned.toml"} if controllers else {}
    path.write_text(tomli_w.dumps({**named, **scenario}))
    whole = to_builtins(Tuned(scenario="arm", loss="rms", better="lower", controllers=controllers))
    (folder / "arm.tuned.toml").write_text(tomli_w.dumps(whole))
    return path


def test_a_scenario_runs_with_its_tuned_values_unless_it_is_told_otherwise(tmp_path: Path) -> None:
    path = written(tmp_path, ARM, pid=FOUND)
    tuned = load(path)
    assert tuned.chosen.config.ki == 321.0
    assert fingerprint(tuned)["controllers"]["pid"]["ki"] == 321.0
    assert load(path, {"controllers.pid.ki": 5.0}).chosen.config.ki == 5.0
    assert load(path, {"plant.physics_step_s": 0.0005}).chosen.config.ki == 321.0, "an override makes no file stale"
    assert load(written(tmp_path, ARM)).chosen.config.ki == 100.0


def test_budgets_are_those_of_the_file_and_none_of_what_was_not_tuned(tmp_path: Path) -> None:
    path = written(tmp_path, ARM, pid=FOUND)
    assert budget_of(load(path)) == [Budget("pid", 30, (0, 1), 0.5, 0.4, 0.1), Budget("pes", 0)]
    assert budget_of(load("cartpole_ladder")) == []


def test_what_may_be_tuned_decides_no_run(tmp_path: Path) -> None:
    without = load(written(tmp_path, {key: value for key, value in ARM.items() if key != "tune"}))
    assert fingerprint(load(written(tmp_path, ARM))) == fingerprint(without)


def changed(*path: str, to: Any) -> dict[str, Any]:
    """The arm's scenario with one field changed."""
    whole = to_builtins(ARM)
    table = whole
    for name in path[:-1]:
        table = table[name]
    table[path[-1]] = to
    return whole


@pytest.mark.parametrize(
    "scenario",
    [
        changed("disturbances", "load", "mass_kg", to=1.0),
        changed("loop", "period_s", to=0.002),
        changed("score", "horizon_s", to=5.0),
        changed("controllers", "pid", "limit_nm", to=3.0),
        changed("tune", "controllers", "pid", "ki", "high", to=500.0),
    ],
)
def test_values_for_another_scenario_are_stale(tmp_path: Path, scenario: dict[str, Any]) -> None:
    path = written(tmp_path, scenario, pid=FOUND)
    with pytest.raises(ScenarioError, match=r"arm\.tuned\.toml: controllers\.pid: stale: .*run `hilbench tune` again"):
        load(path)


@pytest.mark.parametrize(
    "scenario",
    [
        changed("summary", to="other words"),
        changed("loop", "seed", to=7),
        changed("score", "critical_delay_s", to={}),
        changed("controllers", "pes", "learning_rate", to=0.05),
        changed("tune", "runs", to=90),
    ],
)
def test_what_does_not_decide_the_best_values_makes_none_stale(tmp_path: Path, scenario: dict[str, Any]) -> None:
    assert load(written(tmp_path, scenario, pid=FOUND)).chosen.config.ki == 321.0


def test_a_file_that_is_missing_damaged_or_sets_more_is_one_line(tmp_path: Path) -> None:
    path = written(tmp_path, ARM, pid=structs.replace(FOUND, tuned={"ki": 1.0, "limit_nm": 2.0}))
    with pytest.raises(ScenarioError, match=r"controllers\.pid\.tuned\.limit_nm: the scenario's \[tune\] has no such"):
        load(path)
    (tmp_path / "arm.tuned.toml").write_text("format_version = 7\n")
    with pytest.raises(ScenarioError, match=r"arm\.tuned\.toml: tuned values\.format_version: found 7"):
        load(path)
    (tmp_path / "arm.tuned.toml").unlink()
    with pytest.raises(ScenarioError, match=r"arm\.toml: tuned: found no file .*`hilbench tune .*arm\.toml` makes one"):
        load(path)


@pytest.mark.parametrize(
    ("tune", "said"),
    [
        ({"seeds": [0, 10000]}, r"tune\.seeds: found 10000; allowed: 0 to 999; .*nothing may be tuned on them"),
        ({"seeds": [1000]}, r"tune\.seeds: found 1000; allowed: 0 to 999"),
        ({"seeds": []}, r"tune\.seeds: found \[\]"),
        ({"seeds": [3, 3]}, r"tune\.seeds: found \[3, 3\]; .*each once"),
        ({"runs": 20}, r"tune\.runs: found 20; allowed: a multiple of 15"),
        ({"controllers": {"pidd": RANGES}}, r"tune\.controllers\.pidd: .*did you mean 'pid'"),
        ({"controllers": {"pid": {"kii": {"low": 1, "high": 2}}}}, r"pid\.kii: no such field; .*did you mean 'ki'"),
        ({"controllers": {"told": {"knows_change": {"low": 0, "high": 1}}}}, r"found True .*a field with a number"),
        ({"controllers": {"pid": {"ki": {"low": 2, "high": 2}}}}, r"low = 2, high = 2; allowed: low < high"),
        ({"controllers": {"pid": {"ki": {"low": 0, "high": 2, "log": True}}}}, r"allowed: 0 < low < high where log"),
        ({"controllers": {"pid": {"ki": {"low": -1, "high": 200}}}}, r"tune\.controllers\.pid\.ki: found -1"),
    ],
)
def test_what_cannot_be_tuned_is_refused(tmp_path: Path, tune: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        load(written(tmp_path, {**ARM, "tune": tune}))


def test_files_of_tuned_values_are_no_scenarios(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scenarios").mkdir()
    for name in ("arm.toml", "arm.tuned.toml"):
        (tmp_path / "scenarios" / name).touch()
    monkeypatch.setattr(files.plugins, "PACKAGE", tmp_path)
    assert list(files.names()) == ["arm"]


LINEAR, LOG, WHOLE = Range(low=-1.0, high=1.0), Range(low=0.01, high=100.0, log=True), Range(low=0.3, high=60, log=True)


@pytest.mark.parametrize(
    ("span", "value", "end"),
    [
        (LINEAR, -0.81, "low"), (LINEAR, -0.79, ""), (LINEAR, 0.79, ""), (LINEAR, 0.81, "high"),
        (LOG, 0.024, "low"), (LOG, 0.026, ""), (LOG, 39.0, ""), (LOG, 41.0, "high"),
        (WHOLE, 0, "low"), (WHOLE, 60, "high"),
    ],
)  # fmt: skip
def test_the_first_and_the_last_tenth_of_a_range_are_its_ends(span: Range, value: float, end: str) -> None:
    """Of a logarithmic one by factors: of 0.01 to 100 the tenths end at 10 to the power of -1.6 and of 1.6."""
    said = near_ends({"gain": span, "other": LINEAR}, {"gain": value})
    whole = f"gain = {value:g} is near the {end} end of its range, {span.low:g} to {span.high:g}"
    assert said == ([whole] if end else [])
