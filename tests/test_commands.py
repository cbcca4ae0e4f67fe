"""Every command line of every page: it runs as it stands, or a list says why not and it is parsed.

test_readme.py runs blocks marked `console`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from functools import wraps
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nir_graphs import chain, lif
from own_parts import forgotten
from page_commands import PAGES, PARSED_ONLY, ROOT, Line, command_lines

from hilbench import cli, plugins
from hilbench.cli import main
from hilbench.scenario.files import load
from hilbench.settings import to_config
from hilbench.studies.suite import cells, load_suite

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
LINES = [line for page in PAGES for line in command_lines(page)]


def named(line: Line) -> str:
    return f"{line.page}:{line.number}"


@pytest.mark.parametrize("line", LINES, ids=named)
def test_a_command_line_is_one_that_its_program_takes(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [word for word in line.words if not re.match(r"[A-Z_]+=", word)]
    {"hilbench": parsed_by_hilbench, "make": known_to_make, "python": known_to_python, "pip": known_to_pip}[words[0]](
        words[1:], monkeypatch
    )


def parsed_by_hilbench(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes all options; the scenario, the suite or the settings that the command names are valid, too."""
    asked: dict[str, Any] = {}
    command = cli.function_of(words[0])

    @wraps(command)
    def kept(*args: Any, **options: Any) -> int:
        asked.update(options, args=args)
        return 0

    monkeypatch.setattr(cli, "function_of", lambda name: kept)
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 0
    if asked.get("trust") or asked["args"][:1] == ("slide.toml",):
        return  # what it names is a file that a line above it writes: both run below
    if words[0] in ("run", "check", "program") and not asked["args"][0].endswith(".nir"):
        load(asked["args"][0], asked["overrides"], asked["controller"])
    elif words[0] == "evaluate":
        assert cells(load_suite(asked["args"][0]))
    elif words[0] == "serve":
        to_config(plugins.get("backends", asked["backend"]).Config, msgspec.json.decode(asked["config"]), "config")


def known_to_make(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def known_to_python(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is there, and has every option by name; or the module is installed, and its files are there."""
    if words[0] == "-m":
        assert find_spec(words[1]), words[1]
        assert words[1] != "pytest" or all((ROOT / word).exists() for word in words[2:])
        return
    text = (ROOT / words[0]).read_text("utf-8")
    for word in words[1:]:
        assert not word.startswith("-") or f'add_argument("{word}"' in text, word


def known_to_pip(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Extras and groups are this project's, and versions those that CI installs."""
    assert words[0] == "install"
    for option, word in pairwise(words):
        if option == "--group":
            assert word in PROJECT["dependency-groups"]
        elif extra := re.fullmatch(r"hilbench\[(\w+)\]", word):
            assert extra[1] in PROJECT["project"]["optional-dependencies"]
        elif "==" in word:
            assert f'"{word}"' in (ROOT / ".ci" / "run").read_text("utf-8"), word


@pytest.mark.parametrize("page", sorted({line.page for line in LINES if line.reason is None}))
def test_the_commands_of_a_page_run_in_their_order(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a folder that holds the file net.nir of another tool, x.csv, an input of it, and one of the examples."""
    import nir

    shutil.copytree(ROOT / "examples" / "cartpole", tmp_path / "examples" / "cartpole")
    nir.write(tmp_path / "net.nir", chain(lif()))
    (tmp_path / "x.csv").write_text("left,right\n" + "2.5,1\n" * 100)
    monkeypatch.chdir(tmp_path)
    for line in LINES:
        if line.page == page and line.reason is None:
            program, *arguments = line.words
            assert program == "hilbench", f"{named(line)}: run it here, or say in PARSED_ONLY why not"
            with forgotten(), pytest.raises(SystemExit) as end:
                main(arguments)
            assert end.value.code == 0, f"{named(line)}: {capsys.readouterr().err}"


def test_no_reason_is_given_for_a_command_that_no_page_has() -> None:
    for start in PARSED_ONLY:
        assert any(f"{line.text} ".startswith(f"{start} ") for line in LINES), start
