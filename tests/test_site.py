"""The site that `make docs` makes: no warning, no link that leads nowhere, and every public name on its page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
API = re.findall(r"^   (hilbench[\w.]*)$", (ROOT / "docs" / "api" / "index.md").read_text("utf-8"), re.M)
ASIDE = {
    "hilbench.nal.rules.pes": "one of the rules that docs/rules.md has a table of",
    "hilbench.nal.compile.operations": "how the example's backend counts what the others count",
}
"""What is imported without a page of names -> why it has none."""
NEEDED = ("sphinx", "furo", "myst_parser", "numpydoc")


class Page(HTMLParser):
    """What a page links to, and what may be linked to in it."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.links += [found[name] or "" for name in ("href", "src") if name in found]
        self.anchors |= {found.get("id") or "", found.get("name") or ""}


@pytest.mark.timeout(400)
def test_the_site_is_made_without_a_warning_and_its_links_lead_somewhere(tmp_path: Path) -> None:
    """One test, so that processes which share the tests make it once. HILBENCH_REQUIRE may ask for docs."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing and "docs" in os.environ.get("HILBENCH_REQUIRE", ""):
        pytest.fail(f"HILBENCH_REQUIRE asks for docs, but {', '.join(missing)} is missing")
    if missing:
        pytest.skip(f"the site needs {', '.join(missing)}: pip install --group docs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-c", "docs", "-d", str(tmp_path / "trees")]
    done = subprocess.run([*command, ".", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    pages = {path: Page(path) for path in tmp_path.rglob("*.html")}
    assert broken_links(pages) == []
    check_front_page(tmp_path, pages)
    for module in API:
        check_names(pages[tmp_path / "docs" / "api" / f"{module}.html"], module)


def broken_links(pages: dict[Path, Page]) -> list[tuple[Path, str]]:
    """Links within the site that lead to no file, or to no heading or name of the page that they name."""
    found = [(path, link) for path, page in pages.items() for link in page.links]
    found = [(path, link) for path, link in found if not urlsplit(link).scheme and not urlsplit(link).netloc]
    assert len(found) > 5000
    return [(path, link) for path, link in found if not leads_somewhere(path, link, pages)]


def leads_somewhere(path: Path, link: str, pages: dict[Path, Page]) -> bool:
    parts = urlsplit(link)
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if parts.fragment and target in pages:
        return unquote(parts.fragment) in pages[target].anchors
    return target.exists()


def check_front_page(site: Path, pages: dict[Path, Page]) -> None:
    """It leads to every page of docs/, and the site's root leads to it."""
    front = {unquote(link) for link in pages[site / "docs" / "index.html"].links}
    assert {f"{page.stem}.html" for page in (ROOT / "docs").glob("*.md") if page.stem != "index"} <= front
    assert {"../README.html", "../CONTRIBUTING.html", "../CHANGELOG.html", "api/index.html"} <= front
    assert "docs/index.html" in pages[site / "index.html"].links


def check_names(page: Page, module: str) -> None:
    """A page of names has every name of its package's `__all__`, and some in any case."""
    names = getattr(import_module(module), "__all__", ())
    assert {f"{module}.{name}" for name in names} <= page.anchors
    assert any(anchor.startswith(f"{module}.") for anchor in page.anchors)


def test_names_are_told_of_public_modules_alone() -> None:
    assert len(API) > 20
    assert not [module for module in API if "._" in module]


def test_what_pages_and_the_example_package_import_has_a_page() -> None:
    sources = [ROOT / "docs" / "python.md", ROOT / "docs" / "extending.md", ROOT / "docs" / "networks.md"]
    sources += (ROOT / "examples" / "plugins").rglob("*.py")
    text = "\n".join(path.read_text("utf-8") for path in sources)
    assert set(re.findall(r"^ *from (hilbench(?:\.\w+)+) import", text, re.M)) - set(API) == set(ASIDE)
