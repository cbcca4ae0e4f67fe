"""Encoders and decoders as a scenario's tables name them, one or more for each port of a program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import structs

from hilbench import plugins
from hilbench.coders._names import columns_of
from hilbench.coders._ports import PortDecoders, PortEncoders
from hilbench.errors import PluginError, ScenarioError, allowed_hint
from hilbench.settings import to_config
from hilbench.types import Decoder, Encoder, PlantSpec, Port

Table = Mapping[str, Any]
Tables = Mapping[str, Table | Sequence[Table]]
"""By port: a table with `kind` and that kind's fields, or a list of such."""


def port_encoders(tables: Tables, ports: Sequence[Port], plant: PlantSpec, period_us: int) -> PortEncoders:
    """The encoders of a program's input ports. Raises ScenarioError where they do not fill the ports.

    A port without a table takes the observation as values, where it has one for each.

    Parameters
    ----------
    tables : dict
        By port, one table or a list of them: those of a list fill the port one after the other.
    ports : sequence of Port
        The program's inputs.
    plant : PlantSpec
    period_us : int
        The control period, in microseconds.
    """
    _check_names(tables, ports, "encoders", "input")
    encoders: list[Encoder] = []
    for port in ports:
        where = f"encoders.{port.name}"
        given = tables.get(port.name)
        if given is None:
            given = _usual(port, "values", len(plant.obs_names), where, "input")
        listed = [given] if isinstance(given, Mapping) else list(given)
        own = [_encoder(table, plant, period_us, where) for table in listed]
        size = sum(encoder.size for encoder in own)
        kinds = sorted({encoder.kind for encoder in own} | {port.kind})
        if size != port.size or kinds != [port.kind]:
            found = " and ".join(f"{encoder.size} {encoder.kind}" for encoder in own) or "no encoder"
            raise ScenarioError(f"{where}: found {found}; allowed: the {port.size} {port.kind} of the network's input")
        encoders += own
    return PortEncoders(encoders)


def port_decoders(tables: Mapping[str, Table], ports: Sequence[Port], plant: PlantSpec, period_us: int) -> PortDecoders:
    """The decoders of a program's output ports. Raises ScenarioError unless each action is written by one of them.

    A single port without a table takes its values as the action, where it has one for each.

    Parameters
    ----------
    tables : dict
        By port, a table, whose field `actions` names those that it writes; all of them when absent.
    ports : sequence of Port
        The program's outputs.
    plant : PlantSpec
    period_us : int
        The control period, in microseconds.
    """
    _check_names(tables, ports, "decoders", "output")
    if not tables and len(ports) == 1:
        port = ports[0]
        tables = {port.name: _usual(port, "values", len(plant.action_names), f"decoders.{port.name}", "output")}
    parts: list[tuple[Port, Decoder | None, Sequence[int]]] = []
    written: dict[str, str] = {}
    for port in ports:
        if port.name not in tables:
            parts.append((port, None, ()))
            continue
        where, table = f"decoders.{port.name}", dict(tables[port.name])
        columns = columns_of(_names(table.pop("actions", ()), where), plant.action_names, f"{where}.actions")
        parts.append((port, _decoder(table, port, _only(plant, columns), period_us, where), columns))
        for name in (plant.action_names[i] for i in columns):
            if name in written:
                raise ScenarioError(f"{where}: writes {name!r}, as decoders.{written[name]} does; allowed: one of them")
            written[name] = port.name
    for name in plant.action_names:
        if name not in written:
            ports_text = ", ".join(f"decoders.{port.name}" for port in ports)
            raise ScenarioError(f"decoders: found none that writes the action {name!r}; allowed: {ports_text}")
    return PortDecoders(parts)


def _check_names(tables: Mapping[str, Any], ports: Sequence[Port], field: str, what: str) -> None:
    names = [port.name for port in ports]
    for name in tables:
        if name not in names:
            raise ScenarioError(f"{field}.{name}: the network has no {what} {name!r}; {allowed_hint(name, names)}")


def _usual(port: Port, kind: str, n: int, where: str, what: str) -> Table:
    """The table of a port that has none. Raises ScenarioError where nothing is usual."""
    if port.kind == "values" and port.size == n:
        return {"kind": kind}
    kinds = "encoders" if what == "input" else "decoders"
    raise ScenarioError(
        f"{where}: found no table for the {what} {port.name!r} of {port.size} {port.kind}; {_of_kind(kinds, '')}"
    )


def _of_kind(kind: str, name: str) -> str:
    return (
        f"{allowed_hint(name, plugins.all_of(kind))}" if name else f"allowed: kind = {', '.join(plugins.all_of(kind))}"
    )


def _names(given: Any, where: str) -> Sequence[str]:
    if not isinstance(given, list | tuple) or not all(isinstance(name, str) for name in given):
        raise ScenarioError(f"{where}.actions: found {given!r}; allowed: a list of the plant's actions")
    if len(set(given)) < len(given):
        raise ScenarioError(f"{where}.actions: found {given!r}; allowed: each action once")
    return given


def _encoder(table: Table, plant: PlantSpec, period_us: int, where: str) -> Encoder:
    kind, config = _part("encoders", table, where)
    try:
        return kind(config, plant, period_us)
    except ScenarioError as error:
        raise ScenarioError(f"{where}.{error}") from None


def _decoder(table: Table, port: Port, plant: PlantSpec, period_us: int, where: str) -> Decoder:
    kind, config = _part("decoders", table, where)
    try:
        return kind(config, port, plant, period_us)
    except ScenarioError as error:
        raise ScenarioError(f"{where}.{error}") from None


def _part(kind: str, table: Table, where: str) -> tuple[Any, Any]:
    """The class that a table names, and its Config."""
    name = table.get("kind") if isinstance(table, Mapping) else None
    if not isinstance(name, str):
        raise ScenarioError(f"{where}.kind: found {name!r}; {_of_kind(kind, '')}")
    try:
        found = plugins.get(kind, name)
    except PluginError as error:
        raise ScenarioError(f"{where}.kind: {error}") from None
    settings = {field: value for field, value in table.items() if field != "kind"}
    return found, to_config(found.Config, settings, where, name)


def _only(plant: PlantSpec, columns: Sequence[int]) -> PlantSpec:
    """The plant with only some of its actions."""
    fields = ("action_names", "action_units", "action_low", "action_high", "safe_action", "action_choices")
    chosen = {field: getattr(plant, field) for field in fields}
    return structs.replace(plant, **{f: tuple(v[i] for i in columns) if v else v for f, v in chosen.items()})
