"""The JSON Schema of a scenario's file, with every kind of every plug-in that is installed: for editors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from hilbench import plugins
from hilbench.errors import PluginError
from hilbench.scenario.files import DEFAULT_KINDS, Top
from hilbench.scenario.json_schema import DRAFT, schema_of
from hilbench.scenario.loop import LoopConfig
from hilbench.scenario.resolved import ReportConfig
from hilbench.scenario.score import ScoreConfig
from hilbench.scenario.tuning import TuneConfig
from hilbench.types import Probes

WHOLE: dict[str, type[Struct]] = {
    "loop": LoopConfig, "record": Probes, "score": ScoreConfig, "report": ReportConfig, "tune": TuneConfig,
}  # fmt: skip
"""Tables that have one struct."""
BY_KIND = {"plant": "envs", "link": "links", "backend": "backends"}
"""Tables whose `kind` is a plug-in's."""
NAMED = {"sensors": "sensors", "disturbances": "disturbances", "controllers": "controllers"}
"""Tables of such tables by name."""
OWN_MODULE = {
    "type": "object",
    "properties": {"kind": {"type": "string", "pattern": ":"}},
    "required": ["kind"],
}
"""A kind of a module of its user's own, MODULE:NAME, whose settings nobody knows before it is imported."""


def scenario_schema() -> dict[str, Any]:
    """The JSON Schema of a scenario's file. It loads every plug-in; one that does not load may have any settings."""
    found = schema_of(Top)
    (top,) = found["$defs"].values()
    defs: dict[str, Any] = {}
    tables = {name: _table(name, _own(schema_of(struct), defs)) for name, struct in WHOLE.items()}
    tables |= {name: _kinds(name, kind, defs) for name, kind in BY_KIND.items()}
    for name, kind in NAMED.items():
        tables[name] = top["properties"][name] | {"additionalProperties": _kinds(name, kind, defs)}
    _relax_delay(defs)
    return {"$schema": DRAFT} | top | {"properties": top["properties"] | tables, "$defs": defs}


def _table(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": f"The table [{name}]."} | schema


def _own(schema: dict[str, Any], defs: dict[str, Any], place: str = "") -> dict[str, Any]:
    """A struct's schema, whose definitions go among those of the file under names of their own."""
    names = {f"#/$defs/{name}": f"#/$defs/{place}{name}" for name in schema["$defs"]}
    for name, found in schema["$defs"].items():
        defs[f"{place}{name}"] = _renamed(found, names)
    return {"$ref": names[schema["$ref"]]}


def _renamed(schema: Any, names: Mapping[str, str]) -> Any:
    if isinstance(schema, dict):
        return {key: names[value] if key == "$ref" else _renamed(value, names) for key, value in schema.items()}
    return [_renamed(item, names) for item in schema] if isinstance(schema, list) else schema


def _kinds(table: str, kind: str, defs: dict[str, Any]) -> dict[str, Any]:
    """A table of any of the kinds of a plug-in."""
    return {"anyOf": [*(_kind(table, kind, name, defs) for name in plugins.all_of(kind)), OWN_MODULE]}


def _kind(table: str, kind: str, name: str, defs: dict[str, Any]) -> dict[str, Any]:
    """A table of one kind; `kind` may be left out where it is the default."""
    try:
        config = plugins.get(kind, name).Config
    except (PluginError, AttributeError):
        return OWN_MODULE | {"properties": {"kind": {"const": name}}}
    found = _own(schema_of(config), defs, f"{kind}.{name}.")
    own = defs[found["$ref"].removeprefix("#/$defs/")]
    fields = {"kind": {"const": name, "description": plugins.summaries(kind)[name]}, **own["properties"]}
    if kind == "controllers":
        fields["backend"] = _kinds("backend", "backends", defs)
    needed = [*own.get("required", ()), *(() if DEFAULT_KINDS.get(table) == name else ("kind",))]
    own |= {"title": f"{table}: {name}", "properties": fields, "required": needed}
    return found


def _relax_delay(defs: dict[str, Any]) -> None:
    """`delay = { s = 0.01 }` is a constant one."""
    defs["ConstantDelay"]["required"] = []
