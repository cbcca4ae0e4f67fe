"""Every block of the README, of CONTRIBUTING.md and the docs runs as it stands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from page_commands import PAGES, ROOT, blocks_of
from robots import serving

from hilbench import plugins
from hilbench.bridge.impair.impairment import Impairment, to_impairment
from hilbench.runs.run import run
from hilbench.scenario.files import load, resolve
from hilbench.studies.suite import cells, load_suite

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def blocks(language: str) -> list:
    """Every fenced block of a language, with the page and the line it starts at as its id."""
    return [
        pytest.param(block, id=f"{page.name}:{number}")
        for page in PAGES
        for number, block in blocks_of(page.read_text("utf-8"), language)
    ]


@pytest.mark.parametrize("code", blocks("python"))
def test_python_block(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "block", "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("session", blocks("console"))
def test_console_block(session: str, tmp_path: Path) -> None:
    commands = [line[2:] for line in session.splitlines() if line.startswith("$ ")]
    assert commands
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "hilbench"
        done = subprocess.run(
            [sys.executable, "-m", "hilbench", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", blocks("toml"))
def test_toml_block(text: str, tmp_path: Path) -> None:
    """A suite could run, a whole scenario runs, an impairment is valid, and any other table is part of a scenario."""
    raw = tomllib.loads(text)
    if "project" in raw:
        assert {group.removeprefix("hilbench.") for group in raw["project"]["entry-points"]} <= set(plugins.KINDS)
    elif raw.get("plant", {}).get("kind") == "slider":
        pytest.skip("tests/test_package_page.py installs the plant and runs it")
    elif "scenarios" in raw:
        assert cells(load_suite(raw))
    elif "impairment" in raw:
        assert to_impairment(raw["impairment"], "impairment") != Impairment()
    elif raw.get("plant", {}).get("kind") == "remote":
        with serving() as (address, _):
            raw["plant"]["address"] = address
            assert run(resolve(raw, "block"), tmp_path / "run").status == "done"
    elif "controller" in raw:
        assert run(resolve(raw, "block"), tmp_path / "run").status == "done"
    else:
        assert set(raw) <= set(load("arm_payload").__dataclass_fields__)


def test_make_targets_and_files_that_the_readme_names_exist() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"(?:`|    )make (?:PYTHON=\S+ )?([a-z]+)", text))
    assert {"demo", "test"} <= targets
    assert "@@" not in text
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.M), target
    for link in re.findall(r"\]\(([^):]+)\)", text):
        assert (ROOT / link).exists(), link


def test_the_readme_lists_every_page_with_a_line() -> None:
    """But docs/index.md, which lists them for the site."""
    listed = dict(re.findall(r"^- \[(.+)\]\(\1\): (.+)$", (ROOT / "README.md").read_text("utf-8"), re.M))
    pages = {page.relative_to(ROOT).as_posix() for page in PAGES} - {"README.md", "docs/index.md"}
    assert pages | {"CITATION.cff"} == set(listed)
    assert all(len(line) > 10 for line in listed.values())


def test_tests_that_the_pages_name_exist() -> None:
    """NAME stands for any."""
    for page in PAGES:
        for name in re.findall(r"\btests/[\w/]+(?:\.py)?", page.read_text("utf-8")):
            assert list(ROOT.glob(name.replace("NAME", "*"))), f"{page.name}: {name}"
