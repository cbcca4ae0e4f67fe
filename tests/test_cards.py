"""Whether the scenarios' cards say what the scenarios are: their tables are those that `make cards` writes now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CARDS = sorted(path.stem for path in (ROOT / "docs" / "scenarios").glob("*.md"))


@pytest.mark.timeout(120)
def test_every_card_is_up_to_date():
    done = subprocess.run(
        [sys.executable, "docs/scripts/cards.py", "--check"], cwd=ROOT, capture_output=True, text=True, timeout=110
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", CARDS)
def test_a_card_has_all_its_tables(name):
    text = (ROOT / "docs" / "scenarios" / f"{name}.md").read_text("utf-8")
    assert [
        text.count(f"<!-- table {table} -->") for table in ("constants", "spaces", "score", "results", "budgets")
    ] == [1] * 5
    assert text.count("<!-- end -->") == text.count("<!-- table ")
