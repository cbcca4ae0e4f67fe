"""Puts a table between its marks in a page: `<!-- table NAME -->` and `<!-- end -->`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path


def write_table(page: Path, name: str, lines: Iterable[str]) -> None:
    """Replace what a page has between the marks of a table.

    Parameters
    ----------
    page : Path
    name : str
        The table's.
    lines : iterable of str
    """
    mark = re.compile(rf"(<!-- table {name} -->\n).*?(<!-- end -->)", re.S)
    text = "\n".join(lines) + "\n"
    page.write_text(mark.sub(lambda found: found[1] + text + found[2], page.read_text("utf-8")), "utf-8")
