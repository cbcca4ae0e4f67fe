"""Which modules this process may import though no package has installed them as plug-ins.

A file may name a part as MODULE:NAME, as `my_plant:MyPlant`. To import a module is to run its code, so it is imported
only after a user has allowed it: with `--trust`, or from Python with `trust=True`. What is allowed holds for the
process. Workers and devices that it starts get the same.
"""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from hilbench.errors import ScenarioError

ANY = "*"
"""Stands for every module."""
HOW = "to run its code, add --trust (from Python: trust=True), if you trust that code"
_FORM = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_ENVIRONMENT = re.compile(r"(?!(hilbench|gymnasium):)[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:.+")
"""The id of an environment that Gymnasium imports a module for, as `my_module:Mine-v0`."""
_FIELDS = ("kind", "metrics", "id", "function")
"""The fields of a scenario that hold names of parts."""
_allowed: dict[str, str] = {}


def is_module_name(name: str) -> bool:
    """Whether a part's name is MODULE:NAME."""
    return _FORM.fullmatch(name) is not None


def named(table: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Every MODULE:NAME that a scenario's tables name, at any depth: the field's place and the name.

    Parameters
    ----------
    table : Any
        A table, or what one holds.
    field : str
        Its place.
    """
    if isinstance(table, Mapping):
        for key, value in table.items():
            yield from named(value, f"{field}.{key}" if field else str(key))
    elif isinstance(table, list | tuple):
        for item in table:
            yield from named(item, field)
    elif isinstance(table, str) and field.rpartition(".")[2] in _FIELDS:
        name = table.partition("[")[0]  # a metric's label follows
        if is_module_name(name) or (field == "plant.id" and _ENVIRONMENT.fullmatch(table)):
            yield field, name


def allow(modules: Iterable[str], folder: str = "") -> None:
    """Allow this process to import modules. Raises ScenarioError where two folders have one of the same name.

    Parameters
    ----------
    modules : iterable of str
        Their dotted names, or `ANY`.
    folder : str
        Where they are looked for behind everything else that Python searches; nowhere else when empty.
    """
    for module in modules:
        top = module.partition(".")[0]
        others = {*_allowed.values()} - {folder}
        if twice := next((other for other in others if _has(other, top) and _has(folder, top)), None):
            raise ScenarioError(
                f"{top}: found in {twice} and in {folder}; a process imports one module of a name: rename one of them,"
                " or use them in processes of their own"
            )
        _allowed[module] = folder
        if folder and folder not in sys.path:
            sys.path.append(folder)
            importlib.invalidate_caches()


def allowed() -> dict[str, str]:
    """The modules that this process may import, each with the folder where it is looked for too."""
    return dict(_allowed)


def is_allowed(module: str) -> bool:
    """Whether this process may import a module."""
    return module in _allowed or ANY in _allowed


def _has(folder: str, top: str) -> bool:
    return bool(folder) and (Path(folder, f"{top}.py").is_file() or Path(folder, top).is_dir())
