"""Evaluations: what a summary says, that failures and interruptions cost no more than they must, and resuming."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fault_runs import device_process
from msgspec import structs
from small_suite import SMALL

from hilbench.cli import main
from hilbench.errors import RecordError, ScenarioError
from hilbench.record.reader import read_run
from hilbench.record.sealed import read_sealed, write_sealed
from hilbench.scenario.delays import TraceDelay
from hilbench.studies import evaluation
from hilbench.studies.evaluation import Progress, evaluate
from hilbench.studies.plan import Job, Planner
from hilbench.studies.pool import Workers
from hilbench.studies.schema import Cell, Summary
from hilbench.studies.suite import cells, load_suite

SCORED = {
    "name": "scored",
    "summary": "an arm gets a load",
    "scenarios": ["arm_payload"],
    "controllers": ["pd", "pid", "pes"],
    "seeds": [10000, 10001, 10002],
    "baseline": "pid",
    "set": {
        "loop.duration_s": 1.6,
        "disturbances.load.at_s": 0.8,
        "score.untold": "pid",
        "score.horizon_s": 0.6,
        "score.window_s": 0.2,
        "score.before_s": 0.2,
        "controllers.pes.n_neurons": 100,
    },
}
REALTIME = SCORED | {
    "controllers": ["pid"],
    "modes": ["realtime"],
    "seeds": [10000],
    "baseline": None,
    "set": {**SCORED["set"], "loop.echo_s": 0.05},
}


def texts(folder: Path) -> list[str]:
    """Every cell of a summary as it stands in the file."""
    return [json.dumps(cell) for cell in json.loads((folder / "summary.json").read_text())["cells"]]


def work_here(workers: Workers, tasks: Sequence, function: Callable[[Any], Any], ended: Callable) -> None:
    """In place of a process pool, whose processes take longer to start than these runs take."""
    for task in tasks:
        ended(task, function(task), None)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation.Workers, "work", work_here)


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> tuple[Summary, Path]:
    folder = tmp_path_factory.mktemp("scored")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation.Workers, "work", work_here)
        return evaluate(SCORED, folder), folder


def by_label(summary: Summary) -> dict[str, Cell]:
    return {cell.label: cell for cell in summary.cells}


def test_a_learner_is_scored_against_its_twin_and_a_fixed_law_is_not(scored: tuple) -> None:
    found = by_label(scored[0])
    controls = {"twin_unchanged", "unchanged", "blind", "retained"}
    others = {"floor", "oracle", "untold"}
    assert set(found["pes"].reference_folders) == {"twin"} | others | controls
    assert set(found["pid"].reference_folders) == {"twin"} | others | controls - {"blind"}
    assert set(found["pd"].reference_folders) == others
    assert found["pes"].metrics["adaptivity"].n == 3
    assert "adaptivity" not in found["pd"].metrics
    assert found["pd"].metrics["performance"].iqm < found["pes"].metrics["performance"].iqm
    assert found["pes"].metrics["recovery_time"].statistic == "mean"


def test_references_share_everything_but_what_they_are_for(scored: tuple) -> None:
    summary, folder = scored
    pes = by_label(summary)["pes"]
    for place, twin_place in zip(pes.run_folders, pes.reference_folders["twin"], strict=True):
        learner, twin = read_run(folder / place), read_run(folder / twin_place)
        own, frozen = learner.meta.scenario, twin.meta.scenario
        assert frozen.loop.freeze_at_s == 0.8
        assert structs.replace(frozen, loop=structs.replace(frozen.loop, freeze_at_s=None)) == own
        before = learner.episodes[0]["t_us"] < 800_000
        assert np.array_equal(learner.episodes[0]["state"][before], twin.episodes[0]["state"][before])
        assert not np.array_equal(learner.episodes[0]["state"], twin.episodes[0]["state"])
    assert pes.reference_folders["floor"] == by_label(summary)["pd"].run_folders, "one run serves as cell and as floor"
    roles = [(line.role, line.controller) for line in summary.references]
    assert roles == [("floor", "pd"), ("oracle", "told"), ("untold", "pid"), ("twin", "pid"), ("twin", "pes")]


def test_differences_are_to_the_named_baseline_seed_by_seed(scored: tuple) -> None:
    found = by_label(scored[0])
    difference = found["pes"].metrics["error_rms"].difference
    own, base = (np.array(found[name].metrics["error_rms"].values) for name in ("pes", "pid"))
    assert difference.iqm == pytest.approx(np.mean(own - base))  # of three, none is trimmed
    assert (difference.baseline, difference.n) == ("pid", 3)
    assert found["pid"].metrics["error_rms"].difference is None


def test_a_row_repeats_from_its_own_command(scored: tuple, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (twin,) = (line for line in scored[0].references if (line.role, line.label) == ("twin", "pes"))
    (oracle,) = (line for line in scored[0].references if line.role == "oracle")
    for number, line in enumerate((by_label(scored[0])["pes"], twin, oracle)):
        program, *words = shlex.split(line.command)
        assert program == "hilbench"
        with pytest.raises(SystemExit) as end:
            main([*words, "--out", str(tmp_path / str(number)), "--json"])
        assert not end.value.code
        value = json.loads(capsys.readouterr().out)["metrics"]["error_rms"]["value"]
        assert value == line.metrics["error_rms"].values[0]


def test_a_pool_gives_the_same_cells_byte_for_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate(SMALL, tmp_path / "pool", workers=2)
    monkeypatch.setattr(evaluation.Workers, "work", work_here)
    one = evaluate(SMALL, tmp_path / "one")
    assert texts(tmp_path / "one") == texts(tmp_path / "pool")
    assert len(one.cells) == 4
    error = one.cells[0].metrics["error_rms"]
    assert (error.n, error.unit, error.better) == (3, "rad", "lower")
    assert error.iqm == pytest.approx(np.mean(error.values))
    assert error.ci95[0] <= error.iqm <= error.ci95[1]
    assert not [name for cell in one.cells for name in cell.metrics if name.startswith("round_trip")]


def test_a_device_at_an_address_serves_one_run_at_a_time_and_laws_run_here(scored: tuple, tmp_path: Path) -> None:
    with device_process("zmq", "numba") as address:
        device = {"link.kind": "zmq", "link.address": address}
        remote = SCORED | {"controllers": ["pes"], "seeds": [10000], "baseline": None, "set": SCORED["set"] | device}
        summary = evaluate(remote, tmp_path, workers=2)
    (cell,) = summary.cells
    assert not [line for each in (cell, *summary.references) for line in each.failures]
    assert {each.role: each.link for each in summary.references} == {
        "twin": "zmq", "floor": "inprocess", "oracle": "inprocess", "untold": "inprocess",
    }  # fmt: skip
    here = by_label(scored[0])["pes"]
    for name in ("adaptivity", "error_rms", "control_blind"):
        assert cell.metrics[name].values[0] == here.metrics[name].values[0]
    (oracle,) = (each for each in summary.references if each.role == "oracle")
    assert "--link.kind inprocess" in oracle.command
    assert "address" not in oracle.command


@pytest.mark.usefixtures("here")
def test_a_real_time_cell_is_compared_at_its_own_latencies(tmp_path: Path) -> None:
    summary = evaluate(REALTIME, tmp_path)
    (cell,) = summary.cells
    assert cell.mode == "realtime"
    assert "round_trip[p50]" in cell.metrics
    assert cell.metrics["performance"].n == 1
    (oracle,) = (line for line in summary.references if line.role == "oracle")
    assert oracle.mode == "delayed"
    loop = read_run(tmp_path / oracle.run_folders[0]).meta.scenario.loop
    assert loop.delay == TraceDelay(str(tmp_path / cell.run_folders[0]))


def steps_of(folder: Path, suite: dict = SMALL, **options: object) -> list[Progress]:
    steps: list[Progress] = []
    evaluate(suite, folder, steps.append, **options)
    return steps


def said_more(folder: Path, **more: object) -> None:
    write_sealed(folder / "run.json", read_sealed(folder / "run.json") | more)


def flip(path: Path) -> None:
    """Another byte in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.usefixtures("here")
def test_what_is_there_is_not_run_again_and_what_is_half_done_is(tmp_path: Path) -> None:
    first = steps_of(tmp_path)
    assert [step.status for step in first] == ["done"] * 12
    assert [step.done for step in first] == list(range(1, 13))
    before = texts(tmp_path)
    places = sorted((tmp_path / "runs").iterdir())
    said_more(places[0], status="running")  # as a killed run leaves it
    said_more(places[1], reuse_key="of another state of the code")
    (places[2] / "episode_0000.arrow").unlink()
    (places[3] / "episode_0000.arrow").write_bytes(b"junk")
    flip(places[4] / "episode_0000.arrow")
    flip(places[5] / "run.json")
    again = steps_of(tmp_path)
    assert sorted(step.name for step in again if step.status == "done") == [place.name for place in places[:6]]
    assert sum(step.status == "was there" for step in again) == 6
    assert texts(tmp_path) == before


def test_a_change_of_code_or_scenario_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def folders(**changes: object) -> set[Path]:
        planner = Planner(tmp_path)
        planner.lines(cells(load_suite(SMALL | changes)))
        return set(planner.jobs)

    same = folders()
    assert folders() == same
    assert not folders(set={"loop.duration_s": 0.06}) & same
    assert len(folders(seeds=[10000, 10001, 7]) & same) == 8
    assert folders(set={"loop.duration_s": 0.05, "controllers.lif_lqr.n_neurons": 9}) == same, "it does not run"
    monkeypatch.setattr("hilbench.studies.plan.code_version", lambda: "other")
    assert not folders() & same


def test_a_mistake_anywhere_stops_the_suite_before_it_starts(tmp_path: Path) -> None:
    for changes, line in (
        ({"axes": {"plant.pole": [1.0]}}, "did you mean 'pole_m'"),
        ({"controllers": ["lif_lqr"], "axes": {"controllers.lif_lqr.rate_low_hz": [900.0]}}, "rate_low_hz"),
    ):
        with pytest.raises(ScenarioError, match=line):
            evaluate(SMALL | changes, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_anything_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    for text in (None, "[]", "not JSON", "{}"):
        if text is not None:
            (tmp_path / "summary.json").write_text(text)
        with pytest.raises(ScenarioError, match="stays"):
            evaluate(SMALL, tmp_path)
    (tmp_path / "summary.json").write_text('{"format_version": 2, "suite": "another"}')
    with pytest.raises(ScenarioError, match="results of the suite 'another'"):
        evaluate(SMALL, tmp_path)
    with pytest.raises(ScenarioError, match="found a file"):
        evaluate(SMALL, tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def work_with_failures(workers: Workers, tasks: Sequence, function: Callable[[Any], Any], ended: Callable) -> None:
    """Seed 10001 of LQR fails in the way its pole length says."""
    for task in tasks:
        if isinstance(task, Job) and (task.scenario.controller, task.scenario.loop.seed) == ("lqr", 10001):
            died = task.scenario.plant.config.pole_m == 1.0
            ended(task, None, BrokenProcessPool("the worker died") if died else ZeroDivisionError("no such luck"))
        else:
            ended(task, function(task), None)


def test_runs_that_raise_or_kill_their_worker_are_reported_and_the_rest_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation.Workers, "work", work_with_failures)
    summary = evaluate(SMALL, tmp_path)
    died, raised, *others = (cell.failures for cell in summary.cells)
    assert died == ["seed 10001: BrokenProcessPool: the worker died"]
    assert raised == ["seed 10001: ZeroDivisionError: no such luck"]
    assert others == [[], []]
    assert [cell.metrics["error_rms"].n for cell in summary.cells] == [2, 2, 3, 3]
    monkeypatch.setattr(evaluation.Workers, "work", work_here)
    assert sum(step.status == "done" for step in steps_of(tmp_path)) == 2, "only those that failed run again"


@pytest.mark.usefixtures("here")
def test_one_evaluation_at_a_time_has_a_folder(tmp_path: Path) -> None:
    steps = iter(range(99))

    def again(step: Progress) -> None:
        if next(steps) == 0:
            with pytest.raises(ScenarioError, match="another evaluation is running here"):
                evaluate(SMALL, tmp_path)
            assert json.loads((tmp_path / "summary.json").read_text())["status"] == "running"

    assert evaluate(SMALL, tmp_path, again).status == "done"


def test_what_is_frozen_before_the_change_has_no_twin(tmp_path: Path) -> None:
    def roles(freeze_at_s: float) -> set[str]:
        suite = SCORED | {"controllers": ["pid"], "set": {**SCORED["set"], "loop.freeze_at_s": freeze_at_s}}
        first = Planner(tmp_path).lines(cells(load_suite(suite)))[0]
        return {role for role, _ in first.cases[0].references}

    assert roles(0.5) == {"floor", "oracle", "untold"}
    assert roles(1.0) == {"twin", "twin_unchanged", "unchanged", "floor", "oracle", "untold"}


@pytest.mark.usefixtures("here")
def test_only_like_is_compared_with_like(tmp_path: Path) -> None:
    suite = SMALL | {"baseline": "lqr", "axes": {}, "seeds": [1, 2, 3]}
    grids = [{}, {"controllers": ["random"], "label": "short", "set": {"plant.pole_m": 0.5}}]
    found = by_label(evaluate(suite | {"grids": grids}, tmp_path))
    assert found["random"].metrics["error_rms"].difference is not None
    assert found["random short"].metrics["error_rms"].difference is None


@pytest.mark.usefixtures("here")
def test_references_are_repeated_when_the_run_they_follow_is(tmp_path: Path) -> None:
    summary = evaluate(REALTIME, tmp_path)
    assert {step.status for step in steps_of(tmp_path, REALTIME)} == {"was there"}
    place = tmp_path / summary.cells[0].run_folders[0]
    said_more(place, run_id="of a run that took its place")
    again = {step.name.split("__")[0]: step.status for step in steps_of(tmp_path, REALTIME)}
    assert again == {"pid": "done", "pd": "done", "told": "done"}  # of `pid` its controls, by the replaced latencies


def test_a_trace_that_is_not_there_stops_the_suite_before_it_starts(tmp_path: Path) -> None:
    trace = {"loop.mode": "delayed", "loop.delay": {"kind": "trace", "run": str(tmp_path / "nowhere")}}
    with pytest.raises(RecordError, match="nowhere"):
        evaluate(SMALL | {"set": trace}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT interrupts: a shell starts what it runs in the background with SIGINT ignored, and Python keeps that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interruption_leaves_the_summary_and_the_next_call_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(step: Progress) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        evaluate(SMALL, tmp_path, interrupt, workers=1)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["status"] == "interrupted"
    missing = sum("interrupted" in error for cell in summary["cells"] for error in cell["failures"])
    assert missing >= 6, "the queue was cancelled"
    ended = [json.loads(path.read_text())["status"] for path in (tmp_path / "runs").glob("*/run.json")]
    assert ended.count("done") == 12 - missing, "what ended all the same is in the summary"
    monkeypatch.setattr(evaluation.Workers, "work", work_here)
    again = steps_of(tmp_path)
    assert sum(step.status == "was there" for step in again) >= 12 - missing
    assert json.loads((tmp_path / "summary.json").read_text())["status"] == "done"


KILLED = """
import json, os, sys
from hilbench.scenario.delays import TraceDelay
from hilbench.studies.evaluation import evaluate

if __name__ == "__main__":
    suite, folder = json.loads(sys.argv[1]), sys.argv[2]

    def step(step):
        if step.done == 4:
            os.kill(os.getpid(), 9)

    evaluate(suite, folder, step, workers=2)
"""


@pytest.mark.usefixtures("here")
def test_a_killed_evaluation_repeats_at_most_what_was_in_flight(tmp_path: Path) -> None:
    script, folder = tmp_path / "killed.py", tmp_path / "out"
    script.write_text(KILLED)
    arguments = [sys.executable, str(script), json.dumps(SMALL), str(folder)]
    # Its workers hold the pipes of this call until they have ended too, so it returns when nothing is left.
    done = subprocess.run(arguments, capture_output=True, timeout=100)
    assert done.returncode == -signal.SIGKILL
    again = steps_of(folder)
    kept = sum(step.status == "was there" for step in again)
    assert kept >= 4
    evaluate(SMALL, tmp_path / "whole")
    assert texts(folder) == texts(tmp_path / "whole")


def test_every_run_has_its_pace_beside_the_cells(scored: tuple) -> None:
    summary, _ = scored
    cells = [*summary.cells, *summary.references]
    assert set(summary.realtime_factors) == {place for cell in cells for place in cell.run_folders}
    assert all(factor > 0 for factor in summary.realtime_factors.values())
    assert not any("realtime_factor" in cell.metrics for cell in cells)
