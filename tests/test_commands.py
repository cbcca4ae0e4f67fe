"""Every command line of every page: it runs as it stands, or a list says why not and it is parsed.

A command line is a line of an indented or a fenced block that begins with `hilbench`, `make`, `python` or `pip`.
test_readme.py runs blocks marked `console`.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import wraps
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from nir_graphs import chain, lif
from own_parts import forgotten

from hilbench import cli, plugins
from hilbench.cli import main
from hilbench.scenario.files import load
from hilbench.settings import to_config
from hilbench.studies.suite import cells, load_suite

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
COMMAND = re.compile(r"((?:[A-Z_]+=\S+ )*(?:hilbench|make|python|pip) .*)")
MARKED = {"python", "toml", "console"}
"""Fenced blocks of these are not shell; test_readme.py runs them."""

SYNOPSIS = "a synopsis, with options in brackets"
SLIDER = "needs the package of its page; tests/test_package_page.py installs it and runs this"
PARSED_ONLY = {
    "make demo": "minutes; tests/test_demo_script.py tests what its script makes of the runs",
    "make test": "this very suite",
    "make soak": "half an hour",
    "pip install": "changes this Python",
    "python -m pytest": "part of this suite",
    "HILBENCH_REQUIRE=frameworks python -m pytest": "part of this suite",
    "python -m hatchling build": "leaves dist/; tests/unit/test_package.py builds",
    "python docs/scripts/architecture.py": "writes into docs/; tests/test_architecture.py draws the picture, too",
    "python benchmarks/engine.py": "minutes, and the peers installed",
    "hilbench events runs/RUN": "needs a plant with event sensors; tests/unit/record/test_recordings.py has one",
    "hilbench device install lava": "downloads Lava into a Python 3.10 of its own; CI does it",
    "hilbench build cortexm": "needs a cross compiler; tests/unit/backends/test_cortexm.py builds",
    "hilbench evaluate devices": "minutes, and every device there is",
    "hilbench report runs/devices": "reads what `hilbench evaluate devices` leaves",
    "hilbench conformance": "minutes for all backends; docs/presets.md runs it for one",
    "hilbench doctor": "measures for half a minute; tests/unit/machine/test_doctor.py examines this machine",
    "hilbench serve": "serves until it is stopped",
    "hilbench impair": "impairs until it is stopped",
    "hilbench run arm_payload --link.kind zmq --link.address": "its device runs elsewhere",
    "hilbench run arm_payload --loop.mode realtime --link.kind zmq": "its device runs elsewhere",
    "hilbench run cartpole_ladder --link.kind zmq --backend.kind lava": "needs Lava's environment; tests/lava runs it",
    "hilbench run cartpole_ladder --controller lif_lqr --backend.kind cortexm": "needs a cross compiler and QEMU",
    "hilbench run cartpole_ladder --loop.mode realtime": "asks for a priority that this machine need not grant",
    "hilbench run arm_payload --backend.kind cortexm": "needs a cross compiler and QEMU",
    "hilbench run SCENARIO": "a board on a serial line",
    "hilbench check slide.toml": SLIDER,
    "hilbench run slide.toml": SLIDER,
    "hilbench replay runs/wire": SLIDER,
    "hilbench report runs/slide": SLIDER,
    "hilbench compile NETWORK.nir": SYNOPSIS,
}
"""How a command begins that is parsed, but not run -> why."""
STANDS_FOR = {"SCENARIO": "cartpole_ladder", "N": "2"}
"""What a page leaves open -> an example."""


class Line(NamedTuple):
    page: str
    number: int
    text: str

    @property
    def reason(self) -> str | None:
        """Why it is not run."""
        found = (why for start, why in PARSED_ONLY.items() if f"{self.text} ".startswith(f"{start} "))
        return next(found, None)

    @property
    def words(self) -> list[str]:
        """The command and its arguments, with an example for what the page leaves open."""
        words = shlex.split(self.text)
        if self.reason == SYNOPSIS:
            words = [word.strip("[]") for word in words]
        return [STANDS_FOR.get(word, word) for word in words]


def command_lines(page: Path) -> Iterator[Line]:
    fence: str | None = None
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if line.startswith("```"):
            fence = line[3:].strip() if fence is None else None
            continue
        in_a_block = line.startswith("    ") if fence is None else fence not in MARKED
        if in_a_block and (found := COMMAND.fullmatch(line.strip().removeprefix("$ "))):
            yield Line(page.name, number, re.sub(r"\s+#\s.*", "", found[1]))


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
    command = cli.COMMANDS[words[0]]

    @wraps(command)
    def kept(*args: Any, **options: Any) -> int:
        asked.update(options, args=args)
        return 0

    monkeypatch.setitem(cli.COMMANDS, words[0], kept)
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
