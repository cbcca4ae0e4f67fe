"""docs/glossary.md: every plug-in kind stands in it, its folders and files are there, and no word has two lines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hilbench import plugins

ROOT = Path(__file__).parents[1]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs" / "glossary.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| word ")
]
PARTS = {row[0]: row[1:] for row in ROWS if len(row) == 4}
"""Word -> meaning, plug-in kind or nothing, place."""
NOUNS = (
    "plant", "disturbance", "sensor", "encoder", "decoder", "network", "law", "program", "target", "controller",
    "agent", "backend", "link", "device", "meter", "scenario", "loop", "metric", "suite",
)  # fmt: skip
"""What the package is made of."""


@pytest.mark.parametrize("kind", plugins.KINDS)
def test_every_plug_in_kind_has_its_word_and_its_place(kind: str) -> None:
    (place,) = (row[2] for row in PARTS.values() if row[1] == f"`{kind}`")
    assert place.strip("`").rstrip("/") == f"hilbench/{plugins.KINDS[kind].where}"


def test_no_kind_is_named_that_there_is_not() -> None:
    assert {row[1].strip("`") for row in PARTS.values()} - {""} == set(plugins.KINDS)


def test_every_noun_has_a_line_and_its_place_is_there() -> None:
    assert set(NOUNS) <= set(PARTS)
    for _, _, place in PARTS.values():
        assert (ROOT / place.strip("`")).exists(), place


def test_each_word_has_one_line_that_says_something() -> None:
    words = [row[0] for row in ROWS]
    assert sorted(words) == sorted(set(words))
    assert all(len(row[1]) > 10 for row in ROWS)


def test_its_links_lead_to_pages() -> None:
    for link in re.findall(r"\]\(([^)]+)\)", (ROOT / "docs" / "glossary.md").read_text("utf-8")):
        assert (ROOT / "docs" / link).is_file(), link
