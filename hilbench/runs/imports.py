"""Where a module's code is, what it imports, and which distributions bring it: read from files, nothing is imported."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib import metadata
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from pkgutil import get_importer

SETTINGS = "msgspec"
"""What every plug-in imports for its Config; it affects no number."""
_KNOWN: dict[tuple[bytes, str | None], tuple[str, ...]] = {}
"""What was parsed: a digest of the code and where it lies -> the names that it imports."""


def is_foreign(module: str) -> bool:
    """Whether a module is not hilbench's own."""
    return module.split(".")[0] != "hilbench"


def locate(name: str) -> ModuleSpec | None:
    """The package, or the single module, that contains a dotted name; None for Python's own and for what is missing.

    Many distributions may share a namespace package, so for such a package it is the package or module inside it.
    """
    top, *parts = name.split(".")
    if top in sys.stdlib_module_names or top == SETTINGS or not is_foreign(top):
        return None
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        return None
    for part in parts:
        if spec is None or spec.origin is not None:
            break
        spec = _within(spec, f"{spec.name}.{part}")
    return spec if spec is not None and spec.origin not in (None, "built-in", "frozen") else None


def _within(namespace: ModuleSpec, name: str) -> ModuleSpec | None:
    """What a namespace package has under a full name: a module, a package, or a namespace again."""
    finders = filter(None, map(get_importer, namespace.submodule_search_locations or ()))
    specs = [spec for finder in finders if (spec := finder.find_spec(name)) is not None]
    found = next((spec for spec in specs if spec.origin is not None), None)
    if found is None and specs:
        found = ModuleSpec(name, None, is_package=True)
        found.submodule_search_locations = [where for spec in specs for where in spec.submodule_search_locations or ()]
    return found


def imports_of_file(file: Path, inside: str | None = None) -> tuple[str, ...]:
    """The dotted names that a file imports, anywhere in it.

    Parameters
    ----------
    file : Path
        The file; one that cannot be read imports nothing.
    inside : str, optional
        The module that relative imports start from; without it they are left out.
    """
    try:
        source = file.read_bytes()
    except OSError:
        return ()
    return imports_of_source(source, inside)


def imports_of_source(source: bytes, inside: str | None) -> tuple[str, ...]:
    """The dotted names that source code imports, anywhere in it. The same code is parsed once in a process.

    Parameters
    ----------
    source : bytes
        The code; what is no Python imports nothing.
    inside : str or None
        As in `imports_of_file`.
    """
    key = sha256(source).digest(), inside
    if key not in _KNOWN:
        _KNOWN[key] = tuple(dict.fromkeys(_imports(source, inside)))
    return _KNOWN[key]


def _imports(source: bytes, inside: str | None) -> Iterator[str]:
    for node in _statements(source):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [node.module] if node.module else []
            if node.level:
                if inside is None:
                    continue
                base = inside.split(".")[: -node.level] + base
            yield from (".".join([*base, alias.name]) for alias in node.names)


def _statements(source: bytes) -> Iterator[ast.AST]:
    """All statements of some code, also those within others; not their expressions, which are most of a tree."""
    try:
        waiting: list[ast.AST] = list(ast.parse(source).body)
    except (SyntaxError, ValueError):
        return
    while waiting:
        node = waiting.pop()
        yield node
        for field in ("body", "orelse", "finalbody", "handlers", "cases"):
            waiting += getattr(node, field, ())


@cache
def distributions() -> dict[str, list[str]]:
    """The distributions of each importable name, as they are at the first call."""
    return dict(metadata.packages_distributions())


def files_of(distribution: str) -> list[Path]:
    """The files that a distribution has installed, without compiled Python and its own records."""
    listed = metadata.files(distribution) or ()
    kept = (file for file in listed if file.suffix not in (".pyc", ".pth") and ".dist-info" not in str(file))
    return [path for file in kept if (path := Path(file.locate())).is_file()]


def required_by(distribution: str) -> set[str]:
    """The distributions that a distribution requires, without its extras."""
    try:
        stated = metadata.requires(distribution) or ()
    except metadata.PackageNotFoundError:
        return set()
    names = (re.match(r"[\w.-]+", line) for line in stated if "extra ==" not in line)
    return {plain_name(found[0]) for found in names if found is not None}


def plain_name(name: str) -> str:
    """A distribution's name in its normal form."""
    return re.sub(r"[-_.]+", "-", name).lower()
