"""Whether the scenarios' cards say what the scenarios are, and from which delay on a controller has failed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hilbench.runs.build import make_plant
from hilbench.scenario.files import load
from hilbench.scenario.tuning import LAST_SEED
from hilbench.studies.suite import cells, load_suite

ROOT = Path(__file__).parents[1]
CARDS = sorted(path.stem for path in (ROOT / "docs" / "scenarios").glob("*.md") if path.stem != "README")
TABLES = ("constants", "spaces", "score", "results", "delay", "budgets", "chips")
UNSCORED = ("constants", "spaces", "ladder", "chips")


def script(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # scripts import each other
    spec.loader.exec_module(module)
    return module


delays, _, ladder, result_tables = (script(name) for name in ("delays", "scenario_tables", "ladder", "result_tables"))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("script", ["cards.py", "overview.py"])
def test_every_card_is_up_to_date(script):
    done = subprocess.run(
        [sys.executable, f"docs/scripts/{script}", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", CARDS)
def test_a_card_has_all_its_tables(name):
    text = (ROOT / "docs" / "scenarios" / f"{name}.md").read_text("utf-8")
    wanted = TABLES if load(name).score.change else UNSCORED
    assert [text.count(f"<!-- table {table} -->") for table in wanted] == [1] * len(wanted)
    assert text.count("<!-- end -->") == len(wanted)
    assert wanted is UNSCORED or "\n## What failed\n" in text or "\n## Where it fails\n" in text


def cell(controller, delay_s, losses, lasted_s=(30.0, 30.0), **changes):
    found = {"survival": SimpleNamespace(values=lasted_s)}
    if losses:
        found["loss[after]"] = SimpleNamespace(values=losses, unit="m", better=changes.pop("better", "lower"))
    about = {"controller": controller, "point": {"loop.delay.s": delay_s}, "seeds": [7, 8], "failures": [], **changes}
    return SimpleNamespace(metrics=found, **about)


def stored(*cells, by_episode=False):
    score = SimpleNamespace(floor="idle", by_episode=by_episode)
    return delays.kept("beam", SimpleNamespace(score=score, loop=SimpleNamespace(duration_s=30.0)), cells)


IDLE = cell("idle", 0.0, (8.0, 12.0))
QUICK = cell("quick", 0.0, (2.0, 2.0))


@pytest.mark.parametrize(
    ("late", "failed"),
    [
        (cell("quick", 0.02, (5.0, 7.0)), False),  # halfway between its own 2 and the floor's 8 and 12
        (cell("quick", 0.02, (5.1, 2.0)), True),  # on the first seed
        (cell("quick", 0.02, (2.0, 7.1)), True),  # on the second
        (cell("quick", 0.02, (2.0, 2.0), (30.0, 29.9)), True),  # the plant ended one run
        (cell("quick", 0.02, ()), True),  # no run has a loss
        (cell("quick", 0.02, (2.0,)), True),  # nor has every one
        (cell("quick", 0.02, (2.0, 2.0), failures=["seed 7: no answer"]), True),
    ],
)
def test_a_controller_fails_beyond_the_middle_between_itself_and_the_floor(late, failed):
    assert delays.critical_s(stored(IDLE, QUICK, late)) == {"quick": 0.02 if failed else None}


def test_the_shortest_delay_counts_though_a_longer_one_may_do():
    again = [cell("quick", delay_s, (loss, loss)) for delay_s, loss in ((0.03, 2.0), (0.02, 9.0), (0.01, 3.0))]
    found = stored(*again, IDLE, QUICK)
    assert delays.critical_s(found) == {"quick": 0.02}
    headings, rows = delays.table(found)
    assert headings == ["controller", "fails from", "0 ms", "10 ms", "20 ms", "30 ms"]
    assert rows == [["`quick`", "20 ms", "2", "3", "9 ×", "2"], ["`idle`, floor", "", "10", "", "", ""]]


def rung(pole_m, delay_s, lasted_s):
    about = {"point": {"plant.pole_m": pole_m, "loop.delay.s": delay_s}, "seeds": [7, 8], "failures": []}
    return SimpleNamespace(controller="lqr", metrics={"survival": SimpleNamespace(values=lasted_s)}, **about)


def test_a_pole_has_fallen_where_it_did_on_one_seed():
    rungs = [rung(1.0, 0.0, (10.0, 10.0)), rung(1.0, 0.1, (10.0, 9.0)), rung(0.5, 0.0, (10.0, 10.0))]
    kept = ladder.kept(SimpleNamespace(loop=SimpleNamespace(duration_s=10.0)), rungs)
    found = list(ladder.rungs(kept, {1.0: 4.0, 0.5: 5.6}))
    assert found[2:] == ["| 1 m | 4 /s | 100 ms |", "| 0.5 m | 5.6 /s | none up to 0 ms |"]


def test_a_pole_grows_as_its_equation_says():
    """A thin rod of 0.1 kg on a cart of 1 kg: the rate is the root of (M + m) m g l / ((M + m) I - (m l)^2)."""
    plant = make_plant(load("cartpole_ladder", {"plant.pole_m": 1.0}))
    total, moment, inertia = 1.1, 0.1 * 0.5, 0.1 / 3
    expected = (total * moment * 9.81 / (total * inertia - moment**2)) ** 0.5
    assert ladder.growth_per_s(plant.plant_spec) == pytest.approx(expected, rel=1e-6)
    plant.close()


def test_of_episodes_that_the_plant_ends_at_a_goal_the_loss_alone_decides():
    cells = [
        cell("idle", 0.0, (0.0, 0.0), (9.0, 9.0), better="higher"),
        cell("quick", 0.0, (0.8, 0.8), (5.0, 5.0), better="higher"),
        cell("quick", 0.5, (0.4, 0.7), (7.0, 7.0), better="higher"),
        cell("quick", 0.6, (0.39, 0.7), (8.0, 8.0), better="higher"),
    ]
    assert delays.critical_s(stored(*cells, by_episode=True)) == {"quick": 0.6}


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "scenarios").glob("*.delay.json")), ids=lambda path: path.name)
def test_a_scenario_states_the_critical_delays_that_were_found(path):
    found = delays.critical_s(json.loads(path.read_text("utf-8")))
    stated = load(path.name.removesuffix(".delay.json")).score.critical_delay_s
    assert stated == {controller: delay_s for controller, delay_s in found.items() if delay_s is not None}


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "scenarios").glob("*.toml")), ids=lambda path: path.stem)
def test_what_a_card_says_of_tuning_seeds_can_be_run_again(path):
    suite = load_suite(path)
    assert max(suite.seeds) <= LAST_SEED
    labels = [(cell.label, cell.point) for cell in cells(suite)]
    assert len(labels) == len(set(map(str, labels)))
    cards = [(path.parent / f"{name}.md").read_text("utf-8") for name in suite.scenarios]
    assert all(f"hilbench evaluate docs/scenarios/{path.name}" in " ".join(card.split()) for card in cards)


def test_one_grid_is_renewed_in_its_place_and_says_so():
    cells = [
        {"grid": grid, "role": "", "controller": name, "seeds": [1], "controls": None, "map": None, "metrics": {}}
        for grid, name in (("load", "a"), ("load", "b"), ("wind", "a"), ("loss", "a"))
    ]
    made = {"command": "first", "made": {"started_at": "2026-01-01", "cpu_model": "x"}}
    stored = {**made, "cells": cells, "realtime_factors": []}
    again = {"command": "second", "made": {"started_at": "2026-01-02", "cpu_model": "x"}}
    found = result_tables.renewed(stored, "wind", again, [cells[2] | {"controller": name} for name in "cd"])
    named = [(cell["grid"], cell["controller"]) for cell in found["cells"]]
    assert named == [("load", "a"), ("load", "b"), ("wind", "c"), ("wind", "d"), ("loss", "a")]
    lines = list(result_tables.results(found))
    assert lines[0] == "By `first` on 2026-01-01 on x."
    assert [line for line in lines if "second" in line] == ["Wind, seed 1, by `second` on 2026-01-02 on x:"]
