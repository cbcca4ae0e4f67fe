"""Every public function of two parameters or more says in its docstring what each of them is: read with `ast`.

Public is what no underscore begins: the function, its class, its file and the folders it stands in. `self` and `cls`
are no parameters. A method that overrides one of a base class needs no section: without a docstring it has the base's,
and where the base has one, in this package, its own may say only what differs.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

import hilbench

ROOT = Path(hilbench.__file__).parent
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
TREES: dict[str, ast.Module] = {}
"""Those of the files that were read: `tree` reads them."""
MODULES = {"hilbench." + name.removesuffix(".py").removesuffix("/__init__").replace("/", "."): name for name in FILES}
"""Full name of a module -> its file."""
FunctionNode = (ast.FunctionDef, ast.AsyncFunctionDef)
ANYTHING = re.compile(r"Any|[A-Z]")
"""Annotations of what may be anything, which has no type to be named: Any, a type variable."""
ENTRY = re.compile(r"(?P<names>\**\w+(?:, \**\w+)*)(?P<type> : \S.*)?")


def tree(file: str) -> ast.Module:
    if file not in TREES:
        TREES[file] = ast.parse((ROOT / file).read_text("utf-8"))
    return TREES[file]


class Function(NamedTuple):
    file: str
    owner: ast.ClassDef | None
    node: ast.FunctionDef

    @property
    def place(self) -> str:
        owner = "" if self.owner is None else f"{self.owner.name}."
        return f"{self.file}:{self.node.lineno} {owner}{self.node.name}"


def hidden(name: str) -> bool:
    return name.startswith("_")


def in_the_open(file: str) -> bool:
    return not any(hidden(part) for part in file.replace("__init__.py", "").replace("__main__.py", "").split("/"))


def for_pytest(node: ast.FunctionDef) -> bool:
    """Whether it is a test or a fixture: pytest alone calls it."""
    return node.name.startswith("test_") or "pytest.fixture" in map(ast.unparse, node.decorator_list)


def functions(file: str, body: list[ast.stmt], owner: ast.ClassDef | None = None) -> Iterator[Function]:
    """Those of a file and of its classes that are public; none that another function holds."""
    for node in body:
        if isinstance(node, FunctionNode) and not hidden(node.name) and not for_pytest(node):
            yield Function(file, owner, node)
        elif isinstance(node, ast.ClassDef) and not hidden(node.name):
            yield from functions(file, node.body, node)


def parameters(function: Function) -> list[str]:
    """Names as numpydoc writes them, with stars; without `self` and `cls`."""
    given = function.node.args
    named = [*given.posonlyargs, *given.args]
    decorators = {ast.unparse(decorator) for decorator in function.node.decorator_list}
    if function.owner is not None and "staticmethod" not in decorators:
        named = named[1:]
    found = [arg.arg for arg in named]
    found += [f"*{given.vararg.arg}"] if given.vararg else []
    found += [arg.arg for arg in given.kwonlyargs]
    return found + ([f"**{given.kwarg.arg}"] if given.kwarg else [])


@cache
def imported(file: str) -> dict[str, str]:
    """What a file calls something from elsewhere -> its full name."""
    found = {}
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            for alias in node.names:
                first = alias.name.split(".")[0]
                found[alias.asname or first] = alias.name if alias.asname else first
    return found


def defined(full: str) -> tuple[str, ast.ClassDef | None]:
    """The file and the definition of a class of this package, through modules that pass it on; None for another's."""
    module, _, name = full.rpartition(".")
    if module not in MODULES:
        return "", None
    for node in tree(MODULES[module]).body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return MODULES[module], node
    return defined(imported(MODULES[module])[name])


def bases(file: str, owner: ast.ClassDef) -> Iterator[tuple[str, ast.ClassDef] | str]:
    """Every class that a class derives from: file and definition, or the full name of one that is not hilbench's."""
    local = {node.name: node for node in ast.walk(tree(file)) if isinstance(node, ast.ClassDef)}
    names = imported(file)
    for base in owner.bases:
        written = ast.unparse(base.value if isinstance(base, ast.Subscript) else base)
        if written in local:
            yield file, local[written]
            yield from bases(file, local[written])
            continue
        first, _, rest = written.partition(".")
        full = ".".join(filter(None, (names.get(first, f"builtins.{first}"), rest)))
        home, found = defined(full)
        yield full if found is None else (home, found)
        yield from () if found is None else bases(home, found)


def has_method(full: str, name: str) -> bool:
    """Whether a class of another library has a method."""
    module, _, owner = full.rpartition(".")
    return hasattr(getattr(import_module(module), owner), name)


def overrides(function: Function) -> tuple[bool, bool]:
    """Whether a method stands for one of a base class; and for one of this package that has a docstring."""
    any_base = documented = False
    for base in bases(function.file, function.owner) if function.owner else ():
        if isinstance(base, str):
            any_base |= has_method(base, function.node.name)
            continue
        for node in base[1].body:
            if isinstance(node, FunctionNode) and node.name == function.node.name:
                any_base, documented = True, documented or ast.get_docstring(node) is not None
    return any_base, documented


def annotations(function: Function) -> dict[str, str]:
    """Parameter -> how it is annotated; `Any` without."""
    given = function.node.args
    named = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return {arg.arg: "Any" if arg.annotation is None else ast.unparse(arg.annotation) for arg in named}


def section(docstring: str) -> dict[str, bool] | None:
    """Parameter -> whether its type is given, or that it is as in another function; None without a section."""
    match = re.search(r"^Parameters\n-{10}\n(.*?)(?=^\w[^\n]*\n---|\Z)", docstring, re.M | re.S)
    if match is None:
        return None
    found = {}
    for line, below in pairwise([*match[1].splitlines(), ""]):
        if entry := ENTRY.fullmatch(line):
            known = entry["type"] is not None or below.startswith("    As in `")
            found |= dict.fromkeys(entry["names"].split(", "), known)
    return found


def complaint(function: Function) -> str | None:
    """What is wrong with a function's docstring; None where all is well."""
    expected = parameters(function)
    if len(expected) < 2:
        return None
    docstring = ast.get_docstring(function.node)
    any_base, documented = overrides(function)
    if documented or (any_base and docstring is None):
        return None
    found = section(docstring or "")
    if found is None:
        return "no section Parameters"
    annotated = annotations(function)
    offered = [name for name in expected if "tyro.conf.Suppress" not in annotated.get(name, "")]
    if missing := [name for name in offered if name not in found]:
        return f"not in the section: {', '.join(missing)}"
    if strange := [name for name in found if name not in expected]:
        return f"in the section, but no parameter: {', '.join(strange)}"
    if function.file.startswith("cli/"):  # options have their types from the signature
        return None
    untyped = [
        name for name, known in found.items() if not known and not ANYTHING.fullmatch(annotated.get(name, "Any"))
    ]
    return f"no type, shape or unit: {', '.join(untyped)}" if untyped else None


def test_public_functions_say_what_their_parameters_are() -> None:
    found = (function for file in FILES if in_the_open(file) for function in functions(file, tree(file).body))
    complaints = [f"{function.place}: {text}" for function in found if (text := complaint(function))]
    assert not complaints, "\n".join(complaints)


EXAMPLE = '''
class Base:
    def kept(self, a, b):
        """Both.

        Parameters
        ----------
        a, b : float
            In volts.
        *more : str
        """

    def bare(self, a, b): ...

class Derived(Base):
    def kept(self, a, b):
        """Twice that."""

    def bare(self, a, b): ...

    @staticmethod
    def own(a, b, *, c=1, **more):
        """Has all.

        Parameters
        ----------
        a : int
        b : (n,) float32
        c : float
            In seconds.
        **more

        Returns
        -------
        d
        """

    def _hidden(self, a, b): ...

def few(a): ...

def untyped(a: int, b: Any, c: int, d: int):
    """Has one type.

    Parameters
    ----------
    a
        The first.
    b
    c
        As in `own`.
    d : int
    """

def lacking(a, b):
    """Lacks one.

    Parameters
    ----------
    a : int
    """
'''


def test_what_is_wrong_is_found_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TREES, "example.py", ast.parse(EXAMPLE))
    here = functions("example.py", TREES["example.py"].body)
    found = [f"{function.node.name}: {complaint(function)}" for function in here]
    assert found == [
        "kept: in the section, but no parameter: *more",
        "bare: no section Parameters",
        "kept: None",
        "bare: None",
        "own: None",
        "few: None",
        "untyped: no type, shape or unit: a",
        "lacking: not in the section: b",
    ]
