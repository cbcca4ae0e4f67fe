"""Finds what the tables of disturbances and sensors name. It must not know what either does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hilbench import plugins
from hilbench.errors import PluginError, ScenarioError, allowed_hint
from hilbench.modules import is_module_name
from hilbench.settings import to_config


def configured(kind: str, tables: Any) -> dict[str, tuple[Any, Any]]:
    """By name the class that each table's `kind` names, and the Config that the rest of the table makes.

    Raises ScenarioError when a table is wrong.

    Parameters
    ----------
    kind : str
        A key of `plugins.KINDS`, which is also the tables' section.
    tables : dict of dict
        By name {"kind": ..., and that kind's fields}.
    """
    if not isinstance(tables, Mapping):
        raise ScenarioError(f"{kind}: found {tables!r}, expected a table of tables")
    return {name: _configured(kind, f"{kind}.{name}", table) for name, table in tables.items()}


def _configured(kind: str, where: str, table: Any) -> tuple[Any, Any]:
    kinds = plugins.all_of(kind)
    name = table.get("kind") if isinstance(table, Mapping) else None
    if not isinstance(name, str) or (name not in kinds and not is_module_name(name)):
        raise ScenarioError(f"{where}.kind: found {name!r}; {allowed_hint(str(name), kinds)}")
    try:
        cls = plugins.get(kind, name)
    except PluginError as error:
        raise ScenarioError(f"{where}.kind: {error}") from None
    return cls, to_config(cls.Config, {key: value for key, value in table.items() if key != "kind"}, where)
