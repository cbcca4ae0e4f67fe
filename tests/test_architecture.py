"""docs/architecture.md and CONTRIBUTING.md: what they name exists, and the picture is that of the imports."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

from load_script import load_script
from test_layers import FILES, LAYERS, own_imports, part

from hilbench import plugins
from hilbench.bridge.protocol.wire import Kind
from hilbench.record.layout import AGREEMENT, ECHO_NAME, ENERGY, RUN
from hilbench.record.streams import SUMS
from hilbench.runs.run import run
from hilbench.scenario.files import load
from hilbench.scenario.loop import LoopConfig
from hilbench.types import Probes

ROOT = Path(__file__).parents[1]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
PACKAGES = {part(name) for name in FILES}
SECTIONS = {"loop": LoopConfig, "record": Probes}
"""Tables of a scenario that are called as a package is -> what they may hold."""


def quoted(page: str) -> list[str]:
    """What stands between backticks, outside of blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", page, flags=re.M | re.S))


PATHS = sorted(
    {word for page in (ARCHITECTURE, CONTRIBUTING) for word in quoted(page) if re.fullmatch(r"[\w./-]+/[\w./-]*", word)}
)
NAMES = sorted(
    {
        word
        for page in (ARCHITECTURE, CONTRIBUTING)
        for word in quoted(page)
        if re.fullmatch(r"\w+(\.\w+)+", word) and word.split(".")[0] in PACKAGES
    }
)


def test_paths_are_there() -> None:
    """NAME stands for any; what a run or a build leaves is not in the checkout, nor is what a snapshot holds."""
    left = ("runs/", "dist/", "docs/_build/", "weights/", "thresholds/")
    kept = [path for path in PATHS if not path.startswith(left)]
    assert kept
    assert [path for path in kept if not list(ROOT.glob(path.replace("NAME", "*")))] == []


def test_dotted_names_are_something_in_the_package() -> None:
    assert NAMES
    for name in NAMES:
        section, _, field = name.partition(".")
        if section not in SECTIONS or field not in SECTIONS[section].__struct_fields__:
            assert found(name) is not None


def found(name: str) -> Any:
    """The module, class, function or method of this name below the package. Raises AttributeError or ImportError."""
    words = name.split(".")
    here: Any = import_module(f"hilbench.{words[0]}")
    for n, word in enumerate(words[1:], 2):
        if isinstance(here, ModuleType) and not hasattr(here, word):
            import_module(".".join(("hilbench", *words[:n])))
        here = getattr(here, word)
    return here


def test_the_picture_is_what_its_script_draws() -> None:
    script = load_script(ROOT / "docs" / "scripts" / "architecture.py")
    same = script.OUT.read_text("utf-8") == script.draw()
    assert same, "run `python docs/scripts/architecture.py`, look at docs/architecture.svg, and commit it"


def test_its_arrows_are_the_imports_between_packages_above_the_ground() -> None:
    """As tests/test_layers.py reads them."""
    svg = ElementTree.parse(ROOT / "docs" / "architecture.svg")
    titles = [title.text or "" for title in svg.iterfind(".//{*}path/{*}title")]
    wanted = {(part(name), there) for name in FILES for there in own_imports(name) if there != part(name)}
    wanted = {(here, there) for here, there in wanted if there not in LAYERS[0]}
    assert len(wanted) > 40
    assert sorted(titles) == sorted(f"{here} imports {there}" for here, there in wanted)
    texts = {text.text for text in svg.iterfind(".//{*}text")}
    assert texts >= PACKAGES


def test_every_package_has_a_row() -> None:
    rows = re.findall(r"^\| (`hilbench/.*?) \|", ARCHITECTURE, re.M)
    named = {word.split("/")[1].removesuffix(".py") for row in rows for word in quoted(row)}
    assert PACKAGES - named == {"__init__", "__main__", "types"}


def test_the_files_of_a_run_are_those_that_it_leaves(tmp_path: Path) -> None:
    table = ARCHITECTURE[ARCHITECTURE.index("A run's folder:") : ARCHITECTURE.index("`record.reader.read_run` checks")]
    listed = {word for row in re.findall(r"^\| (`.*?) \|", table, re.M) for word in quoted(row)}
    short = {"loop.duration_s": 0.1, "loop.echo_s": 0.05, "loop.mode": "realtime"}
    run(load("cartpole_ladder", short, "lqr"), tmp_path / "run")
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert {RUN, ECHO_NAME, ECHO_NAME.replace(".arrow", SUMS)} < left
    assert listed == left | {AGREEMENT, ENERGY}


def test_every_kind_of_part_has_its_steps() -> None:
    """A section for each plug-in kind, with its folder or file, and the wire's kinds of message."""
    steps = CONTRIBUTING[CONTRIBUTING.index("## Adding a part") :]
    for kind in plugins.KINDS.values():
        assert f"`hilbench/{kind.where}" in steps, kind
    assert Kind.__name__ in steps


def test_every_make_target_is_explained() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.search(r"^\.PHONY: (.*)", makefile, re.M)[1].split())  # type: ignore[index]  # there is one
    told = set(re.findall(r"\bmake ([a-z-]+)", CONTRIBUTING))
    assert targets <= told


def test_links_lead_to_files() -> None:
    for page, folder in ((ARCHITECTURE, ROOT / "docs"), (CONTRIBUTING, ROOT)):
        for link in re.findall(r"\]\(([^):#]+)(?:#[^)]*)?\)", page):
            assert (folder / link).exists(), link


def test_what_citation_cff_says_is_what_the_package_says() -> None:
    """Version and licence of pyproject.toml, and who wrote it."""
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    fields = dict(re.findall(r'^([a-z-]+): "?([^"\n]+)"?$', (ROOT / "CITATION.cff").read_text("utf-8"), re.M))
    for name in ("version", "license"):
        assert f'\n{name} = "{fields[name]}"\n' in project
    assert fields["cff-version"] == "1.2.0"
    assert fields["title"] == "hilbench"
    author = re.search(r'authors = \[\{ name = "(.+?)" \}\]', project)
    assert author
    assert f'- name: "{author[1]}"' in (ROOT / "CITATION.cff").read_text("utf-8")


def test_a_version_stands_in_three_places_and_the_changelog() -> None:
    import hilbench

    assert f'\nversion = "{hilbench.__version__}"\n' in (ROOT / "pyproject.toml").read_text("utf-8")
    assert f"\n## {hilbench.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
