"""Finds plug-ins: kind and name -> class. There is no list to edit.

A built-in plug-in is a class that derives from its kind's base, or a function under its kind's decorator, in its kind's
folder or file. Its name is the file's, or its own in snake case where one file may hold many. Others come from entry
points `hilbench.KIND`.
Names and summaries of hilbench's own are read with `ast`, so finding imports nothing.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from inspect import getdoc
from pathlib import Path
from typing import Any, NamedTuple

from hilbench.errors import HilbenchError, PluginError, allowed_hint, said

PACKAGE = Path(__file__).parent


class Kind(NamedTuple):
    where: str
    """A folder, or a file."""
    bases: tuple[str, ...]
    """Base classes, or decorators, that mark a plug-in."""
    many: bool = False
    """Whether one file may hold several."""


KINDS = {
    "envs": Kind("envs", ("BulletPlant", "Plant")),
    "disturbances": Kind("envs/disturbances.py", ("Disturbance",), many=True),
    "controllers": Kind("controllers", ("Controller",)),
    "laws": Kind("controllers", ("Law",)),
    "backends": Kind("backends", ("Backend",)),
    "links": Kind("bridge", ("Link", "FrameLink", "ConnectionLink")),
    "meters": Kind("meters", ("Meter",)),
    "metrics": Kind("metrics", ("metric",), many=True),
    "rules": Kind("nal/rules", ("Rule",)),
}


class Plugin(NamedTuple):
    name: str
    summary: str
    module: str
    attribute: str

    def load(self) -> Any:
        """The class or function itself. Raises PluginError, with the cause, where it cannot be imported."""
        try:
            target = import_module(self.module)
            for part in self.attribute.split("."):
                target = getattr(target, part)
        except HilbenchError:
            raise
        except (Exception, SystemExit) as error:  # what somebody else's module does when it is imported
            where = ":".join(filter(None, (self.module, self.attribute)))
            raise PluginError(f"plug-in {self.name!r} ({where}) does not load: {said(error)}") from error
        return target

    @property
    def foreign(self) -> bool:
        """Whether it is not hilbench's own."""
        return self.module.split(".")[0] != "hilbench"


def get(kind: str, name: str) -> Any:
    """The class behind a name. Raises PluginError with the names there are and the nearest one."""
    found = all_of(kind)
    if name not in found:
        raise PluginError(f"no {kind} plug-in {name!r}; {allowed_hint(name, found)}")
    return found[name].load()


@cache
def all_of(kind: str) -> dict[str, Plugin]:
    """Every plug-in of a kind by name, built-in ones first."""
    where, bases, many = KINDS[kind]
    path = PACKAGE / where
    files = sorted(path.glob("[!_]*.py")) if path.is_dir() else [path]
    found = [plugin for file in files for plugin in _in_file(file, bases, many)]
    found += [_of_point(point) for point in entry_points(group=f"hilbench.{kind}")]
    named: dict[str, Plugin] = {}
    for plugin in found:
        named.setdefault(plugin.name, plugin)
    return named


def _of_point(point: EntryPoint) -> Plugin:
    """An entry point's plug-in. One whose value names no attribute of a module is found too, and does not load."""
    module, _, attribute = re.match(r"([^\[]*)", point.value)[1].replace(" ", "").partition(":")
    return Plugin(point.name, f"from {point.value}", module, attribute)


def summaries(kind: str) -> dict[str, str]:
    """A line for every plug-in of a kind. Those from elsewhere are loaded; of one that does not load, the cause."""
    return {name: _summary(plugin) if plugin.foreign else plugin.summary for name, plugin in all_of(kind).items()}


def _summary(plugin: Plugin) -> str:
    try:
        says = (getdoc(plugin.load()) or "").split("\n")[0]
    except HilbenchError as error:
        return str(error)
    return f"{says} ({plugin.summary})".strip()


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
        if any(_name(mark) in bases for mark in _marks(node))
    ]


def _marks(node: ast.stmt) -> list[ast.expr]:
    if isinstance(node, ast.ClassDef):
        return node.bases
    return node.decorator_list if isinstance(node, ast.FunctionDef) else []


def _name(node: ast.expr) -> str:
    node = node.func if isinstance(node, ast.Call) else node
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def _snake(name: str) -> str:
    """In snake case; the underscore behind a word that is Python's own, as `return_`, goes."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().rstrip("_")
