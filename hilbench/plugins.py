"""Finds plug-ins: kind and name -> class. There is no list to edit.

A built-in plug-in is a class that derives from its kind's base, or a function under its kind's decorator, in its kind's
folder or file. It may derive from the base over any number of classes between: they are followed through the imports of
hilbench's own files. Its name is the file's, or its own in snake case where one file may hold many. A class or a file
whose name starts with an underscore is no plug-in. Others come from entry points `hilbench.KIND`. A part that is no
plug-in has the name MODULE:NAME, and is imported only if `hilbench.modules` allows that module.

Names, summaries and base classes of hilbench's own are read with `ast`, so finding imports nothing.
"""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterable
from functools import cache
from importlib import import_module, metadata
from importlib.metadata import EntryPoint, EntryPoints
from inspect import cleandoc
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard

from hilbench import modules
from hilbench.errors import HilbenchError, PluginError, allowed_hint, said

PACKAGE = Path(__file__).parent
log = logging.getLogger(__name__)


class Kind(NamedTuple):
    """Where the built-in plug-ins of a kind are, and what marks them."""

    where: str
    """A folder, or a file."""
    base: str
    """The name of the class from which plug-ins derive, or of the decorator over them."""
    many: bool = False
    """Whether one file may hold several."""


KINDS = {
    "envs": Kind("envs", "Plant"),
    "disturbances": Kind("envs/disturbances", "Disturbance", many=True),
    "sensors": Kind("envs/sensors", "Sensor"),
    "controllers": Kind("controllers", "Controller"),
    "laws": Kind("controllers", "Law"),
    "encoders": Kind("coders", "Encoder"),
    "decoders": Kind("coders", "Decoder"),
    "backends": Kind("backends", "Backend"),
    "links": Kind("bridge", "Link"),
    "meters": Kind("meters", "Meter"),
    "metrics": Kind("metrics", "metric", many=True),
    "rules": Kind("nal/rules", "Rule"),
}


class Plugin(NamedTuple):
    """One plug-in: what it is called, and where it is imported from."""

    name: str
    summary: str
    module: str
    attribute: str
    hidden: tuple[str, ...] = ()
    """Plug-ins from elsewhere of the same name, which is taken: none of them is ever used."""

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
            named = repr(self.name) if where == self.name else f"plug-in {self.name!r} ({where})"
            raise PluginError(f"{named} does not load: {said(error)}{self._looked_for(error)}") from error
        return target

    def _looked_for(self, error: BaseException) -> str:
        """Where a module that was not found was looked for, besides Python's own path."""
        folder = modules.allowed().get(self.module)
        missing = isinstance(error, ModuleNotFoundError) and error.name == self.module.partition(".")[0]
        return f"; looked for in {folder} and where Python looks" if missing and folder else ""

    @property
    def foreign(self) -> bool:
        """Whether it is not hilbench's own."""
        return self.module.split(".")[0] != "hilbench"


def get(kind: str, name: str) -> Any:
    """The class or function behind a name.

    Raises PluginError with the names there are and the nearest one.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    name : str
        The plug-in's name within its kind, or MODULE:NAME.
    """
    found = find(kind, name)
    _warn_of(kind, found)
    return found.load()


def find(kind: str, name: str) -> Plugin:
    """Where the class or function behind a name is; nothing is imported. Raises PluginError as `get` does.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    name : str
        The plug-in's name within its kind, or MODULE:NAME.
    """
    if (own := _own(kind, name)) is not None:
        return own
    found = all_of(kind)
    if name in found:
        return found[name]
    if not modules.is_module_name(name):
        raise PluginError(f"no {kind} plug-in {name!r}; {allowed_hint(name, found)}")
    module, _, attribute = name.partition(":")
    if not modules.is_allowed(module) and not installed(name, [kind]):
        raise PluginError(f"{name!r} is no installed plug-in: {modules.HOW}")
    return Plugin(name, f"from {name}", module, attribute)


def installed(name: str, kinds: Iterable[str] = KINDS) -> bool:
    """Whether MODULE:NAME is where an installed plug-in stands.

    Parameters
    ----------
    name : str
    kinds : iterable of str
        Of which kinds; of any when absent.
    """
    return any(name == f"{each.module}:{each.attribute}" for kind in kinds for each in all_of(kind).values())


def name_of(kind: str, part: type) -> str:
    """The name under which `get` finds a class: its plug-in's, or MODULE:NAME.

    Parameters
    ----------
    kind : str
        A key of `KINDS`.
    part : type
        The class.
    """
    place = part.__module__, part.__qualname__
    own = (name for name, each in all_of(kind).items() if (each.module, each.attribute) == place)
    return next(own, ":".join(place))


@cache
def _warn_of(kind: str, plugin: Plugin) -> None:
    """Once, of what has the same name and is not used."""
    for hidden in plugin.hidden:
        log.warning("%s %r is hilbench's own; the plug-in %s of the same name is not used", kind, plugin.name, hidden)


@cache
def _all_points() -> Any:
    """What `select` is asked of, an EntryPoints since Python 3.12. Made once: it reads a file of each distribution."""
    return metadata.entry_points()


def entry_points(group: str) -> EntryPoints:
    """What installed distributions offer for a group."""
    found: EntryPoints = _all_points().select(group=group)
    return found


@cache
def _own(kind: str, name: str) -> Plugin | None:
    """A built-in plug-in whose file has its name: then no other file need be read."""
    where, base, many = KINDS[kind]
    file = PACKAGE / where / f"{name}.py"
    if many or name.startswith("_") or not name.isidentifier() or not file.is_file():
        return None
    points = entry_points(group=f"hilbench.{kind}")
    hidden = tuple(f"from {point.value}" for point in points if point.name == name)
    return next((plugin._replace(hidden=hidden) for plugin in _in_file(file, base, many)), None)


@cache
def all_of(kind: str) -> dict[str, Plugin]:
    """Every plug-in of a kind by name, built-in ones first."""
    where, base, many = KINDS[kind]
    path = PACKAGE / where
    files = sorted(path.glob("[!_]*.py")) if path.is_dir() else [path]
    found = [plugin for file in files for plugin in _in_file(file, base, many)]
    found += [_of_point(point) for point in entry_points(group=f"hilbench.{kind}")]
    named: dict[str, Plugin] = {}
    for plugin in found:
        first = named.setdefault(plugin.name, plugin)
        if first is not plugin and not first.foreign and plugin.foreign:
            named[plugin.name] = first._replace(hidden=(*first.hidden, plugin.summary))
    return named


def _of_point(point: EntryPoint) -> Plugin:
    """An entry point's plug-in. One whose value names no attribute of a module is found too, and does not load."""
    module, _, attribute = point.value.partition("[")[0].replace(" ", "").partition(":")
    return Plugin(point.name, f"from {point.value}", module, attribute)


def summaries(kind: str) -> dict[str, str]:
    """A line for every plug-in of a kind. Those from elsewhere are loaded; of one that does not load, the cause."""
    return {name: _summary(plugin) for name, plugin in all_of(kind).items()}


def _summary(plugin: Plugin) -> str:
    if not plugin.foreign:
        return " ".join([plugin.summary, *(f"(not used, for its name is taken: {each})" for each in plugin.hidden)])
    try:
        says = cleandoc(plugin.load().__doc__ or "").split("\n")[0]  # its own, not its base's
    except HilbenchError as error:
        return str(error)
    return f"{says} ({plugin.summary})".strip()


def _in_file(file: Path, base: str, many: bool) -> list[Plugin]:
    module = ".".join((PACKAGE.name, *file.relative_to(PACKAGE).with_suffix("").parts))
    source = _read(file)
    return [
        Plugin(
            _snake(node.name) if many else file.stem,
            (ast.get_docstring(node) or "").split("\n")[0],
            module,
            node.name,
        )
        for node in source.body
        if _can_be_plugin(node) and any(_derives(source.place(mark, module), base) for mark in _marks(node))
    ]


class _Source(NamedTuple):
    """One of hilbench's own files, read without importing it."""

    body: list[ast.stmt]
    classes: dict[str, ast.ClassDef]
    """Those at the top level, by name."""
    origins: dict[str, str]
    """Where each imported name comes from, as MODULE.NAME."""

    def place(self, node: ast.expr, module: str) -> str:
        """The MODULE.NAME of a base class or decorator as this file, which is `module`, writes it."""
        while isinstance(node, ast.Call | ast.Subscript):
            node = node.func if isinstance(node, ast.Call) else node.value
        first, dot, rest = ast.unparse(node).partition(".")
        return self.origins.get(first, f"{module}.{first}") + dot + rest


@cache
def _read(file: Path) -> _Source:
    body = ast.parse(file.read_text("utf-8")).body
    origins = {
        name.asname or name.name: f"{node.module}.{name.name}"
        for node in body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    return _Source(body, {node.name: node for node in body if isinstance(node, ast.ClassDef)}, origins)


def _derives(place: str, base: str) -> bool:
    """Whether the class or decorator at MODULE.NAME is called `base`, or is a class that derives from it."""
    module, _, name = place.rpartition(".")
    if name == base:
        return True
    if (file := _file(module)) is None:
        return False
    source = _read(file)
    if name in source.classes:
        return any(_derives(source.place(each, module), base) for each in source.classes[name].bases)
    return name in source.origins and _derives(source.origins[name], base)


def _file(module: str) -> Path | None:
    """The file of one of hilbench's own modules; None for any other."""
    top, *parts = module.split(".")
    path = PACKAGE.joinpath(*parts)
    found = (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file())
    return next(found, None) if top == PACKAGE.name else None


def _can_be_plugin(node: ast.stmt) -> TypeGuard[ast.ClassDef | ast.FunctionDef]:
    return isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_")


def _marks(node: ast.ClassDef | ast.FunctionDef) -> list[ast.expr]:
    return node.bases if isinstance(node, ast.ClassDef) else node.decorator_list


def _snake(name: str) -> str:
    """In snake case; the underscore behind a word that is Python's own, as `return_`, goes."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().rstrip("_")
