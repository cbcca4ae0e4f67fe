"""What decides a run's numbers: every change of it makes another run, and nothing else does."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from msgspec import Struct

import hilbench
from hilbench import plugins
from hilbench.runs import digests, imports, sources
from hilbench.settings import File, files_named
from hilbench.studies.plan import Planner
from hilbench.studies.suite import cells, load_suite
from hilbench.types import Empty

CONTROLLER = """
import numpy as np
from msgspec import Struct
from hilbench.coders.values import direct, whole
from hilbench.settings import File
from hilbench.types import BuiltController, Controller, Empty, LawProgram, Port
from .gains import GAIN

class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    network: File
    table: str = ""

class Push(Controller):
    Config = Config
    backend = "law"

    @staticmethod
    def build(config, plant, period_us, seed):
        ports = (Port("observation", len(plant.obs_names)),), (Port("action", 1),)
        coders = whole(plant, period_us), direct(ports[1], plant, period_us)
        return BuiltController(LawProgram("push", {}, *ports), *coders)
"""
LAW = """
import numpy as np
from hilbench.types import Empty, Law
from law_helper import FORCE_N

class Push(Law):
    Config = Empty

    def step(self, values, modulators, learning):
        return np.full(1, FORCE_N)
"""
GUST = """
from hilbench.envs.disturbances import Disturbance, Timing

def bias():
    from gust_helper import BIAS
    return BIAS

class Gust(Disturbance):
    class Config(Timing, frozen=True, kw_only=True, forbid_unknown_fields=True):
        profile: str = ""

    def fit(self, traits):
        self._bias = bias()

    def sense(self, values):
        values[2] += self._bias
"""


LEVEL = """
from hilbench.envs.sensors import Sensor, SensorConfig

class Level(Sensor):
    class Config(SensorConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
        curve: str = ""

    channels, units = ("level",), ("1",)

    def sample(self, plant):
        from level_helper import LEVEL
        return [LEVEL]
"""


class Inner(Struct):
    weights: File
    label: str = "w"


class Config(Struct):
    one: File
    none: File | None = None
    many: tuple[File, ...] = ()
    named: dict[str, File] = {}
    inner: Inner | Empty = Empty()
    word: str = __file__


FILES = {
    "outsider/__init__.py": "",
    "outsider/push.py": CONTROLLER,
    "outsider/gains.py": "GAIN = 1.0\n",
    "outsider/robot.urdf": "<robot/>\n",
    "outsider_law.py": LAW,
    "gust_helper.py": "import further\nBIAS = 0.0\n",
    "further.py": "X = 1\n",
    "law_helper.py": "FORCE_N = 1.0\n",
    "shared/deep/gust.py": GUST,
    "outsider_level.py": LEVEL,
    "level_helper.py": "LEVEL = 0.0\n",
    "curve.txt": "a curve",
    "shared/other/unused.py": "Y = 1\n",
    "unrelated.py": "Z = 1\n",
    "net.nir": "a network",
    "table.txt": "a table",
    "profile.txt": "a profile",
}
ENTRY_POINTS = """[hilbench.controllers]
push = outsider.push:Push
[hilbench.laws]
push = outsider_law:Push
[hilbench.disturbances]
gust = shared.deep.gust:Gust
[hilbench.sensors]
level = outsider_level:Level
"""
SUITE = {
    "name": "foreign",
    "summary": "plug-ins from outside",
    "scenarios": ["cartpole_ladder"],
    "controllers": ["push"],
    "seeds": [1],
    "set": {
        "loop.duration_s": 0.05,
        "controllers.push.kind": "push",
        "disturbances.gust.kind": "gust",
        "sensors.level.kind": "level",
    },
}


def write_distribution(folder: Path, name: str, version: str, files: list[str], more: dict[str, str]) -> None:
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    for file, text in more.items():
        (info / file).write_text(text)
    (info / "RECORD").write_text("".join(f"{file},,\n" for file in files))


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution with a package, a module of its own beside it and a part of a namespace package, and helpers that
    belong to none.
    """
    folder = tmp_path / "outside"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    own = [name for name in FILES if name.startswith(("outsider", "shared/deep"))]
    write_distribution(folder, "outsider", "1.0", own, {"entry_points.txt": ENTRY_POINTS})
    before = set(sys.modules)
    monkeypatch.syspath_prepend(folder)
    _forget()
    yield folder
    monkeypatch.undo()
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", "") or "").startswith(str(folder)) or name.startswith("shared"):
            del sys.modules[name]
    _forget()


def _forget() -> None:
    plugins.all_of.cache_clear()
    plugins._all_points.cache_clear()
    imports.distributions.cache_clear()
    sources._version.cache_clear()


def suite(outside: Path) -> dict:
    named = {
        "controllers.push.network": str(outside / "net.nir"),
        "controllers.push.table": str(outside / "table.txt"),
        "disturbances.gust.profile": str(outside / "profile.txt"),
        "sensors.level.curve": str(outside / "curve.txt"),
    }
    return SUITE | {"set": SUITE["set"] | named}


def key(outside: Path) -> str:
    planner = Planner(outside / "out")
    planner.lines(cells(load_suite(suite(outside))))
    (job,) = planner.jobs.values()
    return job.key


@pytest.mark.parametrize("name", [name for name in FILES if name not in ("shared/other/unused.py", "unrelated.py")])
def test_a_change_of_any_file_that_takes_part_is_another_run(outside: Path, name: str) -> None:
    before = key(outside)
    assert key(outside) == before
    with (outside / name).open("a") as file:
        file.write("# changed\n")
    assert key(outside) != before


def test_a_meter_that_changed_meters_again(outside: Path) -> None:
    assert sources.source_of("meters", "rapl") == sources.source_of("meters", "nobody's") == {}
    before = sources.source_of("disturbances", "gust")
    assert set(before) == {"shared.deep.gust", "gust_helper", "further", "law_helper", "level_helper"}, (
        "its distribution is one"
    )
    (outside / "gust_helper.py").write_text("BIAS = 1.0\n")
    assert sources.source_of("disturbances", "gust") != before


def test_what_takes_no_part_changes_nothing(outside: Path) -> None:
    before = key(outside)
    for name in ("shared/other/unused.py", "unrelated.py"):
        (outside / name).write_text("Y = 2\n")
    (outside / "outsider" / "__pycache__").mkdir(exist_ok=True)
    (outside / "outsider" / "__pycache__" / "push.pyc").write_bytes(b"compiled")
    (outside / "outsider" / "runs").mkdir()
    (outside / "outsider" / "runs" / "summary.json").write_text("{}")
    assert key(outside) == before


def test_an_editable_install_is_read_where_it_stands(outside: Path) -> None:
    """Its distribution lists nothing but the file that leads there."""
    (info,) = outside.glob("*.dist-info")
    (info / "RECORD").write_text("__editable__.outsider-1.0.pth,,\n")
    _forget()
    before = key(outside)
    (outside / "outsider" / "gains.py").write_text("GAIN = 2.0\n")
    assert key(outside) != before


def test_a_library_that_a_plugin_imports_counts_with_its_version_and_its_source(outside: Path, tmp_path: Path) -> None:
    site = tmp_path / "lib" / "site-packages"
    (site / "library").mkdir(parents=True)
    (site / "library" / "__init__.py").write_text("A = 1\n")
    (outside / "gust_helper.py").write_text("import library\nBIAS = 0.0\n")
    sys.path.append(str(site))
    try:
        found = []
        for version, text in (("1.0", "A = 1\n"), ("1.0", "A = 2\n"), ("1.1", "A = 2\n")):
            for info in site.glob("*.dist-info"):
                for file in info.iterdir():
                    file.unlink()
                info.rmdir()
            write_distribution(site, "library", version, ["library/__init__.py"], {})
            (site / "library" / "__init__.py").write_text(text)
            _forget()
            found.append(key(outside))
        assert len(set(found)) == 3
    finally:
        sys.path.remove(str(site))
        sys.modules.pop("library", None)


INSTALLED = {
    "models/__init__.py": "import maths.core\n",
    "models/table.csv": "1.0",
    "models/kernel.so": "compiled",
    "maths/__init__.py": "",
    "maths/core.py": "from single import TWO\n",
    "single.py": "TWO = 2\n",
}


@pytest.mark.parametrize("name", INSTALLED)
def test_every_file_of_what_an_installed_library_imports_in_turn_counts(
    outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    site = tmp_path / "lib" / "site-packages"
    for file, text in INSTALLED.items():
        (site / file).parent.mkdir(parents=True, exist_ok=True)
        (site / file).write_text(text)
    (outside / "gust_helper.py").write_text("import models\nBIAS = 0.0\n")
    monkeypatch.syspath_prepend(site)
    before = sources.source_of("disturbances", "gust")
    assert {"models", "maths", "single"} <= set(before)
    (site / name).write_text("changed = True\n")
    assert sources.source_of("disturbances", "gust") != before


def test_modules_in_an_archive_count_with_it_and_with_what_they_import(
    outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, behind = tmp_path / "zipped.zip", tmp_path / "behind.py"
    behind.write_text("A = 1\n")
    (outside / "gust_helper.py").write_text("import zipped\nBIAS = 0.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(archive)
    found = []
    for text in ("import behind\n", "import behind\nA = 2\n"):
        with ZipFile(archive, "w") as opened:
            opened.writestr("zipped.py", text)
        importlib.invalidate_caches()
        found.append(sources.source_of("disturbances", "gust"))
    behind.write_text("A = 2\n")
    found.append(sources.source_of("disturbances", "gust"))
    assert found[0]["zipped"] != found[1]["zipped"] == found[2]["zipped"]
    assert found[0]["behind"] == found[1]["behind"] != found[2]["behind"]


def test_a_module_that_lies_in_no_file_is_said_to_be_not_seen(outside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:
            return ModuleSpec(name, None, origin="memory:made") if name == "made" else None

    (outside / "gust_helper.py").write_text("import made\nBIAS = 0.0\n")
    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder])
    assert sources.source_of("disturbances", "gust")["made"] == sources.NOT_SEEN


@pytest.mark.parametrize("library", sources.COUNTS)
def test_another_version_of_a_library_that_makes_numbers_is_another_run(
    outside: Path, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, version = key(outside), sources._version
    monkeypatch.setattr(sources, "_version", lambda name: "0.0" if name == library else version(name))
    assert key(outside) != before


def test_the_libraries_of_a_trained_policy_count_where_it_runs(sb3: object) -> None:
    found = sources._versions_of_imports("hilbench.controllers.sb3")
    assert set(found) == {"stable-baselines3", "torch"}
    assert all(found.values())
    assert sources._versions_of_imports("hilbench.controllers.lqr") == {}


def test_every_file_of_hilbench_itself_counts() -> None:
    package = plugins.PACKAGE
    files = {path.relative_to(package).as_posix() for path in digests.tree(package, {"scenarios"})}
    assert {"loop/loop.py", "firmware/network.c", "firmware/memory.ld", "nal/targets/loihi1.toml"} <= files
    assert "envs/urdf/cartpole_ladder.urdf.template" in files
    assert not [name for name in files if "__pycache__" in name]


def test_a_record_says_what_decided_it(outside: Path) -> None:
    scenario = hilbench.load("cartpole_ladder", suite(outside)["set"], "push")
    assert hilbench.run(scenario, outside / "run").status == "done"
    found = hilbench.read_run(outside / "run").meta.sources
    assert set(found.code_sha256) == {
        "hilbench", "outsider", "outsider_law", "law_helper", "shared.deep.gust", "gust_helper", "further",
        "outsider_level", "level_helper",
    }  # fmt: skip
    assert {"numpy", "numba", "scipy", "pybullet", "gymnasium", "outsider"} <= set(found.library_versions)
    assert found.library_versions["outsider"] == "1.0"
    assert set(found.file_sha256) == {
        str(outside / name) for name in ("net.nir", "table.txt", "profile.txt", "curve.txt")
    }
    assert all(len(digest) == 64 for digest in (*found.code_sha256.values(), *found.file_sha256.values()))


def test_fields_of_the_type_file_are_found_however_deep() -> None:
    found = Config("a", "b", ("c", "d"), {"x": "e"}, Inner("f"))
    assert files_named(found) == set("abcdef")
    assert files_named(found, any_text=True) == {*"abcdef", __file__}
    assert files_named(Config("a")) == {"a"}


def evaluated(outside: Path, suite_file: Path) -> dict:
    command = [sys.executable, "-m", "hilbench", "evaluate", str(suite_file), "--out", str(outside / "out")]
    command += ["--workers", "1", "--json"]
    path = os.pathsep.join([str(outside), str(plugins.PACKAGE.parent)])
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=110, check=True
    )
    return json.loads(done.stdout)


def test_an_evaluation_after_a_change_has_the_new_number(outside: Path) -> None:
    """The cart's final position under a constant force, whose size stands in a helper of the law."""
    import tomli_w

    suite_file = outside / "suite.toml"
    suite_file.write_text(tomli_w.dumps(suite(outside)))

    def moved_m() -> tuple[float, int]:
        (cell,) = evaluated(outside, suite_file)["cells"]
        place = outside / "out" / cell["run_folders"][0]
        return float(hilbench.read_run(place).episodes[0]["state"][-1][0]), (place / "run.json").stat().st_mtime_ns

    one, first = moved_m()
    (outside / "law_helper.py").write_text("FORCE_N = 3.0\n")
    three, second = moved_m()
    assert three > 2 * one > 0
    assert second != first


def test_a_run_whose_sources_changed_after_it_was_planned_is_not_taken_for_it(
    outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hilbench.studies import evaluation

    def work_here(workers: evaluation.Workers, tasks: list, function: Callable, ended: Callable) -> None:
        for task in tasks:
            ended(task, function(task), None)

    def change_then_work(*arguments: Any) -> None:
        (outside / "law_helper.py").write_text("FORCE_N = 3.0\n")
        work_here(*arguments)

    def statuses() -> list[str]:
        steps: list[evaluation.Progress] = []
        evaluation.evaluate(suite(outside), outside / "out", steps.append)
        return [step.status for step in steps]

    monkeypatch.setattr(evaluation.Workers, "work", change_then_work)
    assert statuses() == ["done"]
    (outside / "law_helper.py").write_text(FILES["law_helper.py"])  # as it was: the same key
    monkeypatch.setattr(evaluation.Workers, "work", work_here)
    assert statuses() == ["done"]
    assert statuses() == ["was there"]


def test_a_folder_that_a_setting_names_counts_whole_and_a_run_by_its_record(tmp_path: Path) -> None:
    def digest(name: str) -> str | None:
        return sources.Reader()._file(str(tmp_path / name))

    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "a.nir").write_text("a")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    (tmp_path / "run" / "episode_0000.arrow").write_text("rows")
    nets, run = digest("nets"), digest("run")
    assert digest("nowhere") is None
    (tmp_path / "run" / "energy.json").write_text("{}")  # as a meter leaves it later
    assert digest("run") == run
    (tmp_path / "run" / "episode_0000.arrow").write_text("other rows")
    (tmp_path / "nets" / "a.nir").write_text("b")
    assert len({nets, run, digest("nets"), digest("run")}) == 4
