"""What code imports, read without importing it."""

from __future__ import annotations

import ast

import pytest

from hilbench.runs import imports
from hilbench.runs.imports import imports_of_source

EVERYWHERE = b"""
import a.b as c, d
from .beside import e
try:
    import f
except ImportError:
    from g import h
else:
    import i
finally:
    import j
def k():
    with open("l") as m:
        for n in m:
            import o
        else:
            import p
    match n:
        case 1:
            import q
class R:
    if True:
        import s
    elif False:
        import t
    while u:
        import v
"""


def test_imports_are_found_in_every_statement_that_holds_others() -> None:
    found = {"a.b", "d", "f", "g.h", "i", "j", "o", "p", "q", "s", "t", "v"}
    assert set(imports_of_source(EVERYWHERE, None)) == found
    assert set(imports_of_source(EVERYWHERE, "x.y")) == found | {"x.beside.e"}


def test_what_is_no_python_imports_nothing() -> None:
    assert imports_of_source(b"import (", None) == ()
    assert imports_of_source(b"\0", None) == ()


def test_the_same_code_is_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed, parse = [], ast.parse
    monkeypatch.setattr(imports.ast, "parse", lambda source: parsed.append(source) or parse(source))
    source = b"import first_seen_in_this_test"
    assert [imports_of_source(source, None) for _ in range(3)] == [("first_seen_in_this_test",)] * 3
    assert len(parsed) == 1
