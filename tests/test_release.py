"""What a release is made of: the versions of Python it is tried on, and what its wheel holds."""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml
from load_script import load_script
from page_commands import command_lines

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
RELEASE = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8"))
DATA = (
    "envs/urdf/*", "firmware/*.[chl]*", "nal/targets/*.toml", "nal/compile/*.toml", "cli/starts/*", "report/page.*",
    "report/open_loop.html", "py.typed",
)  # fmt: skip
"""What the package reads beside its own code."""


def test_the_wheel_is_tried_on_every_python_that_it_is_for() -> None:
    told = [found[1] for text in PROJECT["classifiers"] if (found := re.fullmatch(r".* :: (3\.\d+)", text))]
    assert RELEASE["jobs"]["try"]["strategy"]["matrix"]["python"] == told
    assert PROJECT["requires-python"] == f">={told[0]}"


def test_nothing_is_published_but_a_tag_that_was_tried() -> None:
    publish = RELEASE["jobs"]["publish"]
    assert (publish["needs"], publish["if"]) == ("try", "github.ref_type == 'tag'")
    assert RELEASE["jobs"]["try"]["needs"] == "build"
    assert any("try_wheel.py dist/*.whl" in step.get("run", "") for step in RELEASE["jobs"]["try"]["steps"])
    writers = [name for name, job in RELEASE["jobs"].items() if "write" in job.get("permissions", {}).values()]
    assert writers == ["publish"]


def test_the_tag_has_to_be_the_version() -> None:
    """As the workflow's `grep -qx` compares it, a whole line."""
    assert f'version = "{PROJECT["version"]}"' in (ROOT / "pyproject.toml").read_text("utf-8").splitlines()


def test_the_trial_runs_what_the_readme_tells_to_run() -> None:
    """Its sessions first, then its Python blocks, which leave the network that the command lines read."""
    steps = load_script(ROOT / ".ci" / "try_wheel.py").steps()
    first = ["hilbench", "list"]
    assert steps[0] == first
    assert sum(words[0] == "python" for words in steps) >= 4
    words = [line.words for line in command_lines(ROOT / "README.md") if line.reason is None]
    assert [one for one in words if one not in steps] == [one for one in words if "examples/" in " ".join(one)]
    assert ["hilbench", "import", "net.nir", "--preset", "snntorch"] in steps


def test_the_wheel_holds_what_the_package_reads_and_the_archive_what_tests_need(tmp_path: Path) -> None:
    wheels = pytest.importorskip("hatchling.builders.wheel")
    archives = pytest.importorskip("hatchling.builders.sdist")
    wheel = next(wheels.WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"]))
    names = set(zipfile.ZipFile(wheel).namelist())
    for pattern in DATA:
        files = list((ROOT / "hilbench").glob(pattern))
        assert files, pattern
        assert {path.relative_to(ROOT).as_posix() for path in files} <= names
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.startswith("tests/")]
    archive = next(archives.SdistBuilder(str(ROOT)).build(directory=str(tmp_path)))
    with tarfile.open(archive) as packed:
        held = {name.partition("/")[2] for name in packed.getnames()}
    wanted = {
        "README.md",
        "docs/conf.py",
        "docs/index.md",
        "scenarios/arm_payload.toml",
        "tests/conftest.py",
        "LICENSE",
    }
    assert wanted <= held
    assert not [name for name in held if name.startswith((".venv", "runs/", "docs/_build"))]
