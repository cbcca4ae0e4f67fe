"""What `import hilbench` offers: every name is there on its first use, and `run` takes a name as well as a Scenario."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import hilbench
from hilbench import metrics
from hilbench.errors import ScenarioError
from hilbench.loop import agent
from hilbench.record import reader
from hilbench.runs import build
from hilbench.scenario import files as scenario
from hilbench.studies import evaluation

SHORT = {"loop.duration_s": 0.02}


def test_names_are_those_of_the_modules_behind_them() -> None:
    assert (hilbench.Agent, hilbench.make_agent, hilbench.make_plant) == (
        agent.Agent,
        build.make_agent,
        build.make_plant,
    )
    assert (hilbench.load, hilbench.evaluate) == (scenario.load, evaluation.evaluate)
    assert (hilbench.read_run, hilbench.measure) == (reader.read_run, metrics.measure)
    assert set(hilbench.__all__) <= set(dir(hilbench))
    assert all(callable(getattr(hilbench, name)) for name in hilbench.__all__)


def test_a_name_it_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'hilbench' has no attribute 'lode'"):
        _ = hilbench.lode


def test_editors_are_told_of_every_name_that_is_loaded_late() -> None:
    tree = ast.parse(inspect.getsource(hilbench))
    told = next(node for node in tree.body if isinstance(node, ast.If))
    names = {(alias.name, node.module) for node in told.body for alias in node.names}
    assert {(name, f"hilbench.{home}") for name, home in hilbench._HOMES.items()} <= names
    assert set(hilbench.__all__) == {*hilbench._HOMES, "run"}


@pytest.mark.parametrize(
    "first",
    [
        "hilbench.evaluate",
        "import hilbench.studies.evaluation",
        "import hilbench.scenario.files, hilbench.record.frames",
    ],
)
def test_no_order_of_first_uses_hides_a_function_behind_a_module(first: str) -> None:
    code = f"import hilbench; {first}"
    code += "; print([n for n in hilbench.__all__ if not callable(getattr(hilbench, n))])"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.strip() == "[]"


def test_run_takes_a_name_with_overrides_and_a_controller(tmp_path: Path) -> None:
    told: list[float] = []
    outcome = hilbench.run(
        "cartpole_ladder",
        str(tmp_path / "run"),
        overrides={**SHORT, "plant.pole_m": 0.5},
        controller="lqr",
        progress=told.append,
    )
    assert (outcome.status, outcome.fault) == ("done", "")
    found = hilbench.read_run(tmp_path / "run").meta.scenario
    assert (found.controller, found.plant["pole_m"], found.loop.duration_s) == ("lqr", 0.5, 0.02)
    assert told


def test_run_takes_a_scenario_as_it_is(tmp_path: Path) -> None:
    found = hilbench.load("cartpole_ladder", SHORT, "lqr")
    assert hilbench.run(found, tmp_path / "run").status == "done"
    assert len(hilbench.read_run(tmp_path / "run").episodes[0]["seq"]) == 20
    for more in ({"controller": "lqr"}, {"overrides": SHORT}):
        with pytest.raises(ScenarioError, match=r"give these to load\(\)"):
            hilbench.run(found, tmp_path / "other", **more)
    assert not (tmp_path / "other").exists()


def test_a_wheel_holds_the_scenarios_and_an_editable_one_nothing_but_the_way_to_the_checkout(tmp_path: Path) -> None:
    wheel = pytest.importorskip("hatchling.builders.wheel")
    root = Path(__file__).parents[2]
    names = {}
    for version in ("standard", "editable"):
        built = next(wheel.WheelBuilder(str(root)).build(directory=str(tmp_path), versions=[version]))
        names[version] = [name for name in zipfile.ZipFile(built).namelist() if ".dist-info/" not in name]
    shipped = {f"hilbench/{path.relative_to(root)}" for path in (root / "scenarios").rglob("*.toml")}
    assert {"hilbench/__init__.py", *shipped} <= set(names["standard"])
    assert all(name.startswith("hilbench/") for name in names["standard"])
    assert names["editable"] == ["_hilbench.pth"]
