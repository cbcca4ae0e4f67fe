"""Tuning: the same budget for all, a known minimum, failures, interruptions, and what its command says."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from quadratic import BEST, FALLS_BELOW, OFFSET

from hilbench.cli import main
from hilbench.errors import RecordError, ScenarioError
from hilbench.metrics.controls import UNDISTURBED
from hilbench.metrics.loss import loss_to_minimise
from hilbench.record.reader import read_run
from hilbench.runs.run import run
from hilbench.scenario.files import load, read_toml, read_tuned
from hilbench.scenario.tuning import Tuned, TunedController
from hilbench.studies import trials
from hilbench.studies.evaluation import Progress, evaluate
from hilbench.studies.pool import Workers
from hilbench.studies.tuning import tune

SPAN = {"low": -0.8, "high": 0.8}
BOWL: dict[str, Any] = {
    "name": "bowl",
    "summary": "a plant whose cost is a known quadratic",
    "controller": "two",
    "plant": {"kind": "quadratic:Bowl"},
    "loop": {"period_s": 0.01, "duration_s": 0.3},
    "disturbances": {"change": {"kind": "sensor_bias", "bias": [1.0], "at_s": 0.1}},
    "score": {
        "change": "change", "horizon_s": 0.1, "window_s": 0.05, "before_s": 0.05,
        "loss": {"kind": "mean", "key": "cost"},
    },
    "controllers": {name: {"kind": "quadratic:Hold"} for name in ("one", "two", "whole")},
    "tune": {
        "runs": 40, "seeds": [0, 1],
        "controllers": {"one": {"first": SPAN}, "two": {"first": SPAN, "second": SPAN}},
    },
}  # fmt: skip
"""Of two controllers one has a parameter and the other has two."""


def work_here(workers: Workers, tasks: Sequence, function: Callable[[Any], Any], ended: Callable) -> None:
    """In place of a process pool, whose processes take longer to start than these runs take."""
    for task in tasks:
        try:
            result, error = function(task), None
        except Exception as raised:
            result, error = None, raised
        ended(task, result, error)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Workers, "work", work_here)


def written(folder: Path, **tables: Any) -> Path:
    path = folder / "bowl.toml"
    path.write_text(tomli_w.dumps({**BOWL, **tables}))
    return path


def one_alone(folder: Path, first: float, runs: int, span: tuple[float, float]) -> Path:
    """A controller whose first action is tuned."""
    tune = {"runs": runs, "seeds": [0, 1], "controllers": {"one": {"first": {"low": span[0], "high": span[1]}}}}
    return written(folder, controller="one", controllers={"one": {"kind": "quadratic:Hold", "first": first}}, tune=tune)


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tuned, Path]:
    folder = tmp_path_factory.mktemp("tuned")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workers, "work", work_here)
        return tune(written(folder), trust=True, changes={"runs": 30})


def cost(first: float, second: float) -> float:
    return OFFSET + (first - BEST[0]) ** 2 + (second - BEST[1]) ** 2


def test_it_comes_near_the_minimum_that_is_known(tuned: tuple[Tuned, Path]) -> None:
    """In 15 candidates: the loss of each by hand, and no more of the way left than a tenth, or a third in two."""
    found = tuned[0].controllers
    one, two = found["one"], found["two"]
    assert one.loss_default == two.loss_default == pytest.approx(cost(0, 0))
    assert one.loss_tuned == pytest.approx(cost(one.tuned["first"], 0))
    assert two.loss_tuned == pytest.approx(cost(two.tuned["first"], two.tuned["second"]))
    assert one.loss_tuned - cost(BEST[0], 0) < 0.1 * (cost(0, 0) - cost(BEST[0], 0))
    assert two.loss_tuned - OFFSET < 0.33 * (cost(0, 0) - OFFSET)


def test_budgets_are_equal_whatever_the_number_of_parameters(tuned: tuple[Tuned, Path]) -> None:
    found, path = tuned
    assert {(one.runs, one.seeds, one.failed_runs) for one in found.controllers.values()} == {(30, (0, 1), 0)}
    assert read_tuned(path) == found
    assert path.name == "bowl.tuned.toml"


def test_a_scenario_that_names_the_file_runs_with_its_values(tuned: tuple[Tuned, Path], tmp_path: Path) -> None:
    found, path = tuned
    scenario = load(written(path.parent, tuned=path.name), {"loop.seed": 0}, trust=True)
    assert scenario.chosen.config.second == found.controllers["two"].tuned["second"]
    run(scenario, tmp_path / "run")
    whole = loss_to_minimise(read_run(tmp_path / "run"))
    assert whole == pytest.approx(found.controllers["two"].loss_tuned, rel=1e-9), "tuning's runs end with the horizon"


def test_any_number_of_workers_gives_the_same_result(tmp_path: Path) -> None:
    files = []
    for workers in (1, 2):
        out = tmp_path / f"{workers}.toml"
        tune(written(tmp_path), out, ["two"], {"runs": 10}, workers=workers, trust=True)
        files.append(read_toml(out))
    assert files[0] == files[1]


@pytest.mark.usefixtures("here")
def test_candidates_that_fail_count_as_the_worst_and_the_default_stays(tmp_path: Path) -> None:
    """At one end of the range the law raises; at the other the plant ends the episode."""
    path = one_alone(tmp_path, 0.89, runs=40, span=(-1.0, 1.0))
    said: list[Progress] = []
    found = tune(path, trust=True, progress=said.append)[0].controllers["one"]
    assert said[-1].done == said[-1].total == 40
    assert found.failed_runs == sum(step.status == "failed" for step in said) > 0
    assert found.tuned["first"] == pytest.approx(BEST[0], abs=0.15)
    found = tune(one_alone(tmp_path, -0.95, runs=10, span=(-1.0, FALLS_BELOW - 0.01)), trust=True)[0].controllers["one"]
    assert (found.failed_runs, found.loss_default, found.loss_tuned) == (10, None, None)
    assert found.tuned == {"first": -0.95}


@pytest.mark.usefixtures("here")
def test_whole_numbers_stay_whole_and_one_that_comes_again_counts_again(tmp_path: Path) -> None:
    ranges = {"whole": {"hundredths": {"low": 29, "high": 31}}}
    controllers = {"whole": {"kind": "quadratic:Hold", "hundredths": 31}}
    path = written(tmp_path, controller="whole", controllers=controllers, tune={**BOWL["tune"], "controllers": ranges})
    journal = tmp_path / "journal"
    found = tune(path, trust=True, journal=journal, changes={"runs": 20})[0].controllers["whole"]
    assert found.tuned == {"hundredths": 30}
    assert isinstance(found.tuned["hundredths"], int)
    assert (found.runs, len(journal.read_text().split())) == (20, 3 * 2), "three values on two seeds"


def test_an_interruption_leaves_the_file_and_costs_no_run_that_had_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    run_trial = trials.run_trial

    def limited(trial: trials.Trial) -> float:
        started.append(trial.name)
        if len(started) == 8:
            raise KeyboardInterrupt
        return run_trial(trial)

    monkeypatch.setattr(Workers, "work", work_here)
    monkeypatch.setattr(trials, "run_trial", limited)
    path, journal, out = written(tmp_path), tmp_path / "journal", tmp_path / "bowl.tuned.toml"
    few = {"runs": 10}
    with pytest.raises(KeyboardInterrupt):
        tune(path, controllers=["one"], changes=few, trust=True, journal=journal)
    assert not out.exists()
    with journal.open("ab") as file:  # as if it had been cut in the middle of a line
        file.write(b'\n{"key":"00')
    monkeypatch.setattr(trials, "run_trial", run_trial)
    said: list[Progress] = []
    again, _ = tune(path, controllers=["one"], changes=few, trust=True, journal=journal, progress=said.append)
    assert sum(step.status == "was there" for step in said) == 7
    assert again == tune(path, tmp_path / "fresh.toml", ["one"], few, trust=True)[0]


@pytest.mark.usefixtures("here")
def test_tuning_some_controllers_keeps_the_others_but_not_stale_ones(tmp_path: Path) -> None:
    few = {"runs": 10}
    first = tune(written(tmp_path), changes=few, trust=True)[0].controllers
    second = tune(written(tmp_path), controllers=["two"], changes={**few, "optimiser_seed": 1}, trust=True)[
        0
    ].controllers
    assert second["one"] == first["one"]
    assert (first["two"].optimiser_seed, second["two"].optimiser_seed) == (0, 1)
    loop = {**BOWL["loop"], "period_s": 0.005}
    third = tune(written(tmp_path, loop=loop), controllers=["two"], changes=few, trust=True)[0].controllers
    assert list(third) == ["two"]


def test_a_record_that_cannot_be_written_ends_tuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(trial: trials.Trial) -> float:
        raise RecordError("no room")

    monkeypatch.setattr(Workers, "work", work_here)
    monkeypatch.setattr(trials, "run_trial", full)
    with pytest.raises(RecordError, match="no room"):
        tune(written(tmp_path), trust=True)


SWING: dict[str, Any] = {
    "name": "swing",
    "summary": "a target swings, and shifts at 0.4 s; a fast integral follows the swing and forgets the shift",
    "controller": "chase",
    "plant": {"kind": "quadratic:Swing"},
    "loop": {"period_s": 0.01, "duration_s": 1.6},
    "disturbances": {"shift": {"kind": "sensor_bias", "bias": [1.0], "at_s": 0.4}},
    "score": {
        "change": "shift", "horizon_s": 0.8, "window_s": 0.2, "before_s": 0.2, "floor": "still", "oracle": "told",
        "loss": {"kind": "mean", "key": "cost"},
    },
    "controllers": {
        "chase": {"kind": "quadratic:Chase", "rate": 0.3},
        "still": {"kind": "quadratic:Chase"},
        "told": {"kind": "quadratic:Chase", "told": 1.0},
    },
    "tune": {"runs": 20, "seeds": [0], "controllers": {"chase": {"rate": {"low": 0.01, "high": 0.5, "log": True}}}},
}  # fmt: skip


def tuned_swing(folder: Path, **tables: Any) -> TunedController:
    path = folder / "swing.toml"
    path.write_text(tomli_w.dumps({**SWING, **tables}))
    return tune(path, trust=True, journal=folder / "journal")[0].controllers["chase"]


@pytest.mark.usefixtures("here")
def test_a_learner_is_tuned_to_the_best_that_is_no_fast_integrator(tmp_path: Path) -> None:
    """The best loss follows the swing, which freezing takes away; the one that is taken is slower, and passes."""
    blind = tuned_swing(tmp_path, score={**SWING["score"], "controls": False})
    bound = tuned_swing(tmp_path)
    assert (blind.candidates_checked, blind.control_undisturbed) == (0, None)
    assert bound.candidates_checked > 1
    assert bound.control_undisturbed is not None
    assert bound.control_undisturbed <= UNDISTURBED
    assert bound.tuned["rate"] < blind.tuned["rate"]
    assert bound.loss_tuned is not None
    assert blind.loss_tuned is not None
    assert bound.loss_tuned > blind.loss_tuned
    assert bound.runs == blind.runs, "what the controls ran is no part of the search"


@pytest.mark.usefixtures("here")
def test_where_no_candidate_passes_the_best_loss_is_taken_and_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    tune_table = {"runs": 5, "seeds": [0], "controllers": {"chase": {"rate": {"low": 0.25, "high": 0.5}}}}
    found = tuned_swing(tmp_path, tune=tune_table)
    assert found.candidates_checked == 5
    assert found.control_undisturbed is not None
    assert found.control_undisturbed > UNDISTURBED
    assert ended("tune", "swing.toml", "--trust") == 0
    assert "chase: none of 5 candidates passes control_undisturbed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"score": {}}, "score.change: found none; tuning needs a change"),
        ({"loop": {**BOWL["loop"], "mode": "realtime"}}, "loop.mode: found 'realtime'; allowed for tuning"),
        ({"loop": {**BOWL["loop"], "duration_s": 0.15}}, "loop.duration_s: found 0.15; the horizon ends at 0.2 s"),
        ({"loop": {**BOWL["loop"], "episodes": 2}}, "runs of 2 episodes need seeds at least that far apart"),
        ({"tune": {}}, "tune.controllers: found none"),
        ({"tune": {}, "loop": {**BOWL["loop"], "episodes": 2}}, "tune.controllers: found none"),
        ({"controllers": {**BOWL["controllers"], "two": {"kind": "quadratic:Hold", "second": 0.9}}},
         r"two.second: found 0.9 as the controller's own value; allowed: -0.8 to 0.8"),
    ],
)  # fmt: skip
def test_what_cannot_be_tuned_is_refused_before_any_run(tmp_path: Path, tables: dict[str, Any], said: str) -> None:
    with pytest.raises(ScenarioError, match=said):
        tune(written(tmp_path, **tables), trust=True)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("span", "told"), [((-1.0, 0.2), True), ((-1.0, 1.0), False)])
def test_a_value_near_an_end_of_its_range_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, span: tuple[float, float], told: bool
) -> None:
    """The least cost lies beyond 0.2, so that the optimiser ends there."""
    assert BEST[0] > 0.2
    tune(one_alone(tmp_path, 0.1, runs=20, span=span), trust=True)
    said = [record.getMessage() for record in caplog.records if " end of its range" in record.getMessage()]
    assert len(said) == told
    if told:
        assert re.fullmatch(
            r"one: first = 0\.\d+ is near the high end of its range, -1 to 0.2; a wider one, .*", said[0]
        )


def ended(*arguments: object) -> int:
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    return int(end.value.code or 0)


@pytest.mark.usefixtures("here")
def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path)
    asked = ("tune", "bowl.toml", "--trust", "--controllers", "one", "--runs", 10, "--seed", 3)
    assert ended(*asked, "--json") == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["controllers"]["one"]["runs"] == 10
    assert (tmp_path / "runs" / "bowl.tune.jsonl").is_file()
    assert ended(*asked) == 0
    out = capsys.readouterr().out
    assert "10/10 one candidate 4 seed 1: was there" in out
    assert 'Wrote bowl.tuned.toml; a scenario beside it uses it by the line: tuned = "bowl.tuned.toml"' in out
    for arguments, said in {
        ("--seeds", "0", "10000"): "tune.seeds: found 10000; allowed: 0 to 999",
        ("--runs", "9"): "tune.runs: found 9; allowed: a multiple of 10",
        ("--controllers", "ones"): "--controllers: found 'ones'; allowed: one, two; did you mean 'one'?",
        ("--workers", "0"): "--workers: found 0, expected 1 or more",
    }.items():
        assert ended("tune", "bowl.toml", "--trust", *arguments) == 2
        assert said in capsys.readouterr().err


@pytest.mark.usefixtures("here")
def test_an_evaluation_on_tuning_seeds_says_so_once(
    tuned: tuple[Tuned, Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tuned[1].parent, tuned=tuned[1].name)
    suite = {"name": "s", "summary": "s", "scenarios": [str(path)], "controllers": ["one", "two"], "scored": False}
    for seeds, warned in (([10000], 0), ([1, 2], 1)):
        caplog.clear()
        evaluate({**suite, "seeds": seeds}, tmp_path / str(seeds[0]), trust=True)
        said = [record.getMessage() for record in caplog.records]
        assert (
            sum(line.startswith("seeds 1, 2: of 0 to 999, on which the values were tuned") for line in said) == warned
        )
