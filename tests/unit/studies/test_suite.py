"""Suites: which cells a grid has, what they are called, and what is refused."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
import pytest

from hilbench.errors import ScenarioError
from hilbench.scenario import files as scenarios
from hilbench.scenario import resolved
from hilbench.scenario.files import load
from hilbench.studies.command import command
from hilbench.studies.suite import Suite, cells, load_suite, override, short_form

SMALL = {
    "name": "small",
    "summary": "two controllers",
    "scenarios": ["cartpole_ladder"],
    "controllers": ["lqr", "random"],
    "seeds": [10000, 10001, 10002],
    "set": {"loop.duration_s": 0.05},
}


def found(**changes: object) -> list:
    return cells(load_suite(SMALL | changes))


@pytest.mark.parametrize("name", scenarios.names("suites"))
def test_shipped_suites_have_only_valid_cells(name: str) -> None:
    shipped = cells(load_suite(name))
    assert shipped
    assert min(seed for cell in shipped for seed, _ in cell.by_seed) >= 10_000, "seeds below 10 000 are for tuning"


@pytest.mark.parametrize("name", ["control", "navigation", "besns"])
def test_a_track_has_one_cell_for_each_of_its_scenarios_and_a_quick_form(name: str) -> None:
    whole, quick = load_suite(name), short_form(load_suite(name), "quick")
    assert quick.name == f"{whole.name}-quick"
    for cell, short in zip(cells(whole), cells(quick), strict=True):
        assert (len(cell.by_seed), len(short.by_seed)) == (10, 1)
        assert cell.scenario.controller == load(cell.source).controller
        change, horizon = short.scenario.changes[0], short.scenario.score
        if change.at_episode is None:
            assert change.at_s + horizon.horizon_s < short.scenario.loop.duration_s < cell.scenario.loop.duration_s
        else:
            last = change.at_episode + horizon.horizon_episodes
            assert last <= short.scenario.loop.episodes < cell.scenario.loop.episodes


def test_a_quick_form_wins_over_what_grids_set() -> None:
    grids = [
        {"label": "a", "set": {"loop.duration_s": 0.2}},
        {"label": "b", "set": {"loop.period_s": 0.002}, "quick": {"seeds": [10009], "set": {"loop.duration_s": 0.03}}},
    ]
    quick = {"seeds": [10001], "set": {"loop.duration_s": 0.02, "loop.period_s": 0.001}}
    suite = load_suite(SMALL | {"controllers": ["lqr"], "grids": grids, "quick": quick})
    found = [(cell.scenario.loop.duration_s, cell.by_seed[0][0]) for cell in cells(short_form(suite, "quick"))]
    assert found == [(0.02, 10001), (0.03, 10009)]
    assert all(cell.scenario.loop.period_s == 0.001 for cell in cells(short_form(suite, "quick")))
    assert [cell.scenario.loop.duration_s for cell in cells(suite)] == [0.2, 0.05]


def test_a_suite_without_a_quick_form_says_so() -> None:
    with pytest.raises(ScenarioError, match=r"small: --quick: .* no quick form; allowed: one with a table"):
        short_form(load_suite(SMALL), "quick")


def test_a_form_leaves_out_grids_and_a_track_is_told_of_each_cell() -> None:
    grids = [{"label": "a", "track": "one", "smoke": {"skip": True}}, {"label": "b", "track": "two"}]
    suite = load_suite(SMALL | {"controllers": ["lqr"], "grids": grids, "smoke": {"seeds": [10003]}})
    assert [(cell.label, cell.track) for cell in cells(suite)] == [("lqr a", "one"), ("lqr b", "two")]
    (only,) = cells(short_form(suite, "smoke"))
    assert (only.label, only.by_seed[0][0], short_form(suite, "smoke").name) == ("lqr b", 10003, "small-smoke")
    with pytest.raises(ScenarioError, match=r"small: --quick: the suite has no quick form"):
        short_form(suite, "quick")
    nothing = load_suite(SMALL | {"smoke": {"skip": True}})
    with pytest.raises(ScenarioError, match=r"small: smoke.skip: every grid is left out; allowed: one that stays"):
        short_form(nothing, "smoke")


def test_cells_are_every_combination_over_the_seeds() -> None:
    grid = found(axes={"plant.pole_m": [1.0, 0.5]}, links=["inprocess", "zmq"], modes=["lockstep", "delayed"])
    assert len(grid) == 2 * 2 * 2 * 2
    assert {cell.scenario.plant.config.pole_m for cell in grid} == {1.0, 0.5}
    for cell in grid:
        assert [seed for seed, _ in cell.by_seed] == SMALL["seeds"]
        assert [scenario.loop.seed for _, scenario in cell.by_seed] == SMALL["seeds"]
        assert cell.scenario.plant.config.pole_m == dict(cell.point)["plant.pole_m"]


def test_labels_say_what_sets_cells_apart_from_the_first_of_their_name() -> None:
    assert [cell.label for cell in found()] == ["lqr", "random"]
    assert [cell.label for cell in found(controllers=["lqr"], modes=["lockstep", "delayed"])] == [
        "lqr",
        "lqr delayed",
    ]
    both = found(scenarios=["cartpole_ladder", "arm_payload"], controllers=["random"])
    assert [cell.label for cell in both] == ["random", "random arm-payload"]
    assert [cell.label for cell in found(axes={"plant.pole_m": [1.0, 0.5]})] == ["lqr", "lqr", "random", "random"]


def test_what_a_grid_leaves_out_the_suite_says() -> None:
    grids = [
        {"controllers": ["lqr"], "set": {"loop.duration_s": 0.02}},
        {"modes": ["realtime"], "seeds": [7], "scored": False},
    ]
    first, second, third = found(grids=grids)
    assert (first.label, first.scenario.loop.duration_s, first.scored) == ("lqr", 0.02, True)
    assert [seed for seed, _ in second.by_seed] == [7]
    assert {second.scenario.loop.mode, third.scenario.loop.mode} == {"realtime"}
    assert {second.scored, third.scored} == {False}
    assert second.scenario.loop.duration_s == 0.05


def test_two_cells_that_would_run_the_same_are_one() -> None:
    """A law has a backend of its own, whatever the suite says of backends."""
    grid = found(controllers=["lqr", "lif_lqr"], backends=["numba", "reference"])
    assert [(cell.label, cell.scenario.chosen.backend.kind) for cell in grid] == [
        ("lqr", "law"),
        ("lif_lqr", "numba"),
        ("lif_lqr reference", "reference"),
    ]


def test_tables_can_be_varied_too() -> None:
    delays = [{"kind": "constant", "s": 0.01}, {"kind": "gamma", "mean_s": 0.01, "sd_s": 0.001}]
    assert len({cell.scenario.loop.delay for cell in found(axes={"loop.delay": delays})}) == 2


@pytest.mark.parametrize("key", ["loop.mode", "loop.delay.s", "loop.seed", "link.kind"])
def test_an_override_of_what_the_suite_varies_is_refused(key: str) -> None:
    suite = load_suite(SMALL | {"modes": ["delayed"], "links": ["inprocess"], "axes": {"loop.delay.s": [0.0, 0.01]}})
    with pytest.raises(ScenarioError, match=f"--{key}: the suite varies this itself"):
        override(suite, {key.replace("_", "-"): 1})


def test_overrides_reach_every_cell_whatever_its_grid_says() -> None:
    grids = [{"set": {"loop.duration_s": 0.02}}, {"modes": ["delayed"]}]
    suite = override(load_suite(SMALL | {"grids": grids}), {"loop.duration-s": 0.03})
    assert {cell.scenario.loop.duration_s for cell in cells(suite)} == {0.03}
    with pytest.raises(ScenarioError, match="did you mean 'duration_s'"):
        cells(override(suite, {"loop.durations": 1}))


def repeated(text: str) -> resolved.Scenario:
    """The scenario that a command runs."""
    program, run, source, flag, controller, *arguments = shlex.split(text)
    assert (program, run, flag) == ("hilbench", "run", "--controller")
    overrides, rest = scenarios.assignments(arguments)
    assert not rest
    return scenarios.load(source, overrides, controller)


def test_a_cells_command_is_its_first_run() -> None:
    changes = {"record.spikes": ["neurons"], "controller.n_neurons": 50, "loop.delay": {"kind": "constant", "s": 0.01}}
    cell = found(controllers=["lif_lqr"], links=["zmq"], set=changes)[0]
    assert resolved.dump(repeated(command(cell, "lif_lqr", {}))) == resolved.dump(cell.scenario)
    other = repeated(command(cell, "lqr", {"loop.freeze_at_s": 0.5}))
    assert (other.controller, other.loop.freeze_at_s, other.loop.seed) == ("lqr", 0.5, 10000)
    delayed = found(set={"loop.mode": "delayed"}, axes={"loop.delay.s": [0.01]})[0]
    trace = repeated(command(delayed, "lqr", {"loop.delay": {"kind": "trace", "run": "runs/x"}}))
    assert trace.loop.delay.run == "runs/x"


@pytest.mark.parametrize(("changes", "line"), [
    ({"axes": {"plant.pole": [1.0]}}, "did you mean 'pole_m'"),
    ({"controllers": ["lqrr"]}, "did you mean 'lqr'"),
    ({"baseline": "pid"}, "baseline: found 'pid'; allowed: lqr, random"),
    ({"sceds": [1]}, "did you mean 'seeds'"),
    ({"grids": [{"controlers": ["lqr"]}]}, "controlers"),
    ({"seeds": []}, "seeds"),
    ({"modes": ["lockstp"]}, "did you mean 'lockstep'"),
    ({"grids": [{"set": {"plant.pole_m": 1.0}}, {"set": {"plant.pole_m": 0.5}}]}, "2 cells are called 'lqr'"),
    ({"grids": [{"label": "../up"}]}, "label"),
    ({"grids": [{"seeds": [1]}, {"seeds": [1, 2]}]}, "2 cells are called 'lqr'"),
    ({"grids": [{"scored": False}, {}]}, "2 cells are called 'lqr'"),
    ({"seeds": [1, 2, 1]}, "expected each seed once"),
    ({"seeds": [1, 2**63]}, "seeds: found 9223372036854775808; allowed: whole numbers from 0 to 2**63 - 1"),
    ({"axes": {"loop.seed": [1, 2]}}, "loop.seed: found in set or axes"),
    ({"set": {"loop.episodes": 3}, "seeds": [1, 3]}, "seeds at least that far apart"),
])  # fmt: skip
def test_a_mistake_is_one_line(changes: dict, line: str) -> None:
    with pytest.raises(ScenarioError) as error:
        found(**changes)
    assert line in str(error.value)
    assert "\n" not in str(error.value)


def test_a_seed_of_a_suite_that_is_made_in_python_is_checked_too() -> None:
    with pytest.raises(ScenarioError, match="seeds: found -1; allowed: whole numbers"):
        cells(msgspec.structs.replace(load_suite(SMALL), seeds=[1, -1]))


@pytest.mark.parametrize("field", ["scenarios", "seeds"])
def test_a_suite_without_scenarios_or_seeds_says_so(field: str) -> None:
    with pytest.raises(ScenarioError, match=f"{field}: found nothing"):
        load_suite({key: value for key, value in SMALL.items() if key != field})


def test_grids_that_differ_by_a_setting_alone_are_told_apart_by_their_labels() -> None:
    grids = [{"label": "tall"}, {"label": "short", "set": {"plant.pole_m": 0.5}}]
    assert [cell.label for cell in found(controllers=["lqr"], grids=grids)] == ["lqr tall", "lqr short"]


def beside(folder: Path, scenario: str, pole_m: float, grid: bool = False) -> Path:
    """A suite file in a folder of its own, with a scenario of this pole beside it."""
    folder.mkdir()
    text = scenarios.find("cartpole_ladder").read_text("utf-8")
    (folder / "own.toml").write_text(text.replace("pole_m = 1.0", f"pole_m = {pole_m}"), "utf-8")
    listed = f'scenarios = ["{scenario}"]\ncontrollers = ["lqr"]\nseeds = [10000]\n'
    head = 'name = "own"\nsummary = "of its own"\n' + ("[[grids]]\n" if grid else "")
    (folder / "suite.toml").write_text(head + listed, "utf-8")
    return folder / "suite.toml"


@pytest.mark.parametrize("grid", [False, True])
def test_a_scenario_beside_the_suites_file_is_found_from_anywhere(tmp_path, monkeypatch, grid) -> None:
    path = beside(tmp_path / "there", "own.toml", 0.37, grid)
    beside(tmp_path / "here", "own.toml", 0.41)
    monkeypatch.chdir(tmp_path / "here")
    (cell,) = cells(load_suite(path))
    assert cell.scenario.plant.config.pole_m == 0.37  # the suite's own, not the one from where the command runs
    assert cell.source == str(tmp_path / "there" / "own.toml")
    assert shlex.split(command(cell, "lqr", {}))[2] == cell.source
    assert scenarios.load(cell.source).plant.config.pole_m == 0.37


def test_a_scenario_that_is_nowhere_is_one_line_with_both_places(tmp_path, monkeypatch) -> None:
    path = beside(tmp_path / "there", "cartpole_laddr.toml", 0.37)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScenarioError) as error:
        load_suite(path)
    text = str(error.value)
    assert text.startswith(f"{path}: scenarios: cartpole_laddr.toml: no such file, ")
    assert "did you mean 'cartpole_ladder'?" in text
    assert text.endswith(f"; looked for in {tmp_path / 'there'} and here")


@pytest.mark.parametrize(("given", "missing"), [({}, "scenarios"), ({"scenarios": ["cartpole_ladder"]}, "seeds")])
def test_a_suite_made_in_python_without_scenarios_or_seeds_is_refused(given, missing) -> None:
    with pytest.raises(ScenarioError, match=rf"^own\.{missing}: found nothing; expected a list"):
        cells(Suite(name="own", summary="", **given))


def test_a_quick_form_may_not_set_what_the_suite_varies() -> None:
    suite = load_suite(SMALL | {"axes": {"loop.duration_s": [0.1, 0.2]}, "quick": {"set": {"loop.duration_s": 0.05}}})
    with pytest.raises(ScenarioError, match=r"small: quick\.set: loop\.duration_s: the suite varies this itself"):
        short_form(suite, "quick")


def test_the_command_of_a_reference_starts_from_nothing() -> None:
    given = {"name": "s", "summary": "", "scenarios": ["beam"], "seeds": [10000]}
    (cell,) = cells(load_suite(given | {"set": {"loop.start_from": "x"}}))
    assert "start-from" in command(cell, "pes_feedback", {})
    assert "start-from" not in command(cell, "pd", {})
