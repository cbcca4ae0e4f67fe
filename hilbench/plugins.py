"""Finds plug-ins: kind and name -> class. There is no list to edit.

A built-in plug-in is a class that derives from its kind's base, in its kind's folder or file; its name is the file's
name, or the class's name in snake case where one file holds many. Others come from entry points `hilbench.KIND`.
Names and summaries are read with `ast`, so listing imports nothing.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

from hilbench.errors import PluginError, choose

PACKAGE = Path(__file__).parent


class Kind(NamedTuple):
    where: str
    """A folder (one plug-in per file) or a file (many)."""
    bases: tuple[str, ...]


KINDS = {
    "envs": Kind("envs", ("BulletPlant", "Plant")),
    "disturbances": Kind("envs/disturbances.py", ("Disturbance",)),
    "controllers": Kind("controllers", ("Controller",)),
    "laws": Kind("controllers", ("Law",)),
    "backends": Kind("backends", ("Backend",)),
    "links": Kind("bridge", ("Link",)),
    "rules": Kind("nal/rules", ("Rule",)),
}


class Plugin(NamedTuple):
    name: str
    summary: str
    module: str
    attribute: str

    def load(self) -> Any:
        target = import_module(self.module)
        for part in self.attribute.split("."):
            target = getattr(target, part)
        return target


def get(kind: str, name: str) -> Any:
    """The class behind a name. Raises PluginError with the names there are and the nearest one."""
    found = all_of(kind)
    if name not in found:
        raise PluginError(f"no {kind} plug-in {name!r}; {choose(name, found)}")
    return found[name].load()


@cache
def all_of(kind: str) -> dict[str, Plugin]:
    """Every plug-in of a kind by name, built-in ones first."""
    where, bases = KINDS[kind]
    path = PACKAGE / where
    many = path.suffix == ".py"
    files = [path] if many else sorted(path.glob("[!_]*.py"))
    found = [plugin for file in files for plugin in _in_file(file, bases, many)]
    found += [
        Plugin(point.name, f"from {point.value}", point.module, point.attr)
        for point in entry_points(group=f"hilbench.{kind}")
    ]
    return {plugin.name: plugin for plugin in reversed(found)} if found else {}


def _in_file(file: Path, bases: tuple[str, ...], many: bool) -> list[Plugin]:
    module = ".".join(("hilbench", *file.relative_to(PACKAGE).with_suffix("").parts))
    return [
        Plugin(
            _snake(node.name) if many else file.stem,
            (ast.get_docstring(node) or "").split("\n")[0],
            module,
            node.name,
        )
        for node in ast.parse(file.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and any(_base(base) in bases for base in node.bases)
    ]


def _base(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
