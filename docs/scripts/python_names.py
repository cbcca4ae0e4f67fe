"""The names of a module that its page of the site has: docs/conf.py hands `public` to docs/templates/module.rst."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from inspect import getdoc, getsource, isclass, isroutine
from typing import Any, NamedTuple

from sphinx.pycode import ModuleAnalyzer


class Public(NamedTuple):
    """A name, and what its page says of it."""

    name: str
    directive: str
    """Which describes it: one of autodoc's, or `py:data` for a constant or a type that is short for another one."""
    words: list[str]
    """The lines of its docstring, or of the string under it."""
    value: str
    """Of a constant: what it is, as Python."""

    @property
    def summary(self) -> str:
        """The first paragraph of its words, in one line."""
        end = self.words.index("") if "" in self.words else len(self.words)
        line = " ".join(line.strip() for line in self.words[:end])
        return line.removesuffix(":") if line.endswith("::") else line


def public(module: str) -> list[Public]:
    """The names of a module's `__all__`; of one without, its own classes and functions, and data with a string."""
    found = import_module(module)
    own = [name for name in vars(found) if not name.startswith("_")]
    told = getattr(found, "__all__", None)
    every = [described(module, name) for name in told or own]
    return [one for one in every if told or (one.words and is_own(module, one))]


def is_own(module: str, one: Public) -> bool:
    """Whether a name is defined in the module and not only imported there.

    Parameters
    ----------
    module : str
        As `hilbench.errors`.
    one : Public
        One of its names.
    """
    return one.name not in imported(module)


def described(module: str, name: str) -> Public:
    """A name of a module.

    Parameters
    ----------
    module, name : str
        As `hilbench.nal` and `Network`; it may be one that is loaded late.
    """
    value = getattr(import_module(module), name)
    if isclass(value) and not hasattr(value, "__origin__"):
        directive = "autoexception" if issubclass(value, BaseException) else "autoclass"
    elif isroutine(value):
        directive = "autofunction"
    else:
        home = imported(module).get(name, module)
        words = home.startswith("hilbench") and ModuleAnalyzer.for_module(home).find_attr_docs().get(("", name))
        return Public(name, "py:data", list(words or ()), written(home, name, value))
    return Public(name, directive, (getdoc(value) or "").splitlines(), "")


def imported(module: str) -> dict[str, str]:
    """What a module imports by name -> from where; names that it loads late are imported for type checkers."""
    nodes = (node for node in ast.walk(tree(module)) if isinstance(node, ast.ImportFrom) and node.module)
    return {alias.asname or alias.name: str(node.module) for node in nodes for alias in node.names}


def written(home: str, name: str, value: Any) -> str:
    """What a constant is, as its module says it; the number itself where that is one.

    Parameters
    ----------
    home : str
        The module that defines it.
    name : str
        Its name there.
    value : Any
        What it is.
    """
    if isinstance(value, int | float | str):
        return repr(value)
    found = next((node for target, node in assigned(home) if target == name), None)
    text = "" if found is None else ast.unparse(found)
    return text if len(text) < 200 else ""


def assigned(home: str) -> Iterator[tuple[str, ast.expr]]:
    """The names that a module defines by `=`, each with what stands at the right."""
    for node in tree(home).body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value:
            yield node.target.id, node.value
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value


def tree(module: str) -> ast.Module:
    """A module's source, parsed."""
    return ast.parse(getsource(import_module(module)))
