"""Turns plain settings into a Config; errors name the field. It must not know any particular Config."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from hilbench.errors import ScenarioError, allowed_hint
from hilbench.files import is_file

S = TypeVar("S", bound=msgspec.Struct)
_FILE = {"names": "file"}
File = Annotated[str, Meta(min_length=1, extra=_FILE)]
"""The type of a Config's field that names a file, or a folder of files.

In a scenario it is looked for beside the scenario's file first, then in the working directory.

Its contents count among what decides a run's numbers. Key files have another type: they change no number.
"""


def to_config(config: type[S], values: Mapping[str, Any], where: str, kind: str | None = None) -> S:
    """Turn a table of plain values into a Config. Raises ScenarioError: the place, what was found, what is allowed.

    Parameters
    ----------
    config : type[S]
        The Config's class.
    values : mapping
        Field -> value, as TOML or JSON has them.
    where : str
        The table's place, which errors begin with: "plant".
    kind : str, optional
        The plug-in whose Config it is, for errors.
    """
    if not isinstance(values, Mapping):
        raise ScenarioError(f"{where}: found {values!r}, expected a table of fields")
    _refuse_unknown(config, values, where, "" if kind is None else f" of kind {kind!r}")
    _refuse_infinite(values, where)
    try:
        return msgspec.convert(dict(values), config)
    except msgspec.ValidationError as error:
        raise ScenarioError(_line(str(error), config, values, where)) from None


def files_named(value: Any, any_text: bool = False, hint: Any = None) -> set[str]:
    """The paths in a Config's fields of the type File, at any depth.

    Parameters
    ----------
    value : Any
        A Config, or what a field of one holds.
    any_text : bool
        Whether any text that is an existing file's path counts too.
    hint : type, optional
        The type of the value's field, where it is a field's value.
    """
    if isinstance(value, str):
        return {value} if _names_file(hint) or (any_text and is_file(value)) else set()
    if isinstance(value, msgspec.Struct):
        hints = get_type_hints(type(value), include_extras=True)
        inside = [(item, hints[name]) for name, item in msgspec.structs.asdict(value).items()]
    elif isinstance(value, Mapping):
        inside = [(item, hint) for item in value.values()]
    else:
        inside = [(item, hint) for item in value] if isinstance(value, list | tuple | set | frozenset) else []
    return {path for item, its in inside for path in files_named(item, any_text, its)}


def beside(config: S, folder: Path | None) -> S:
    """The Config with the paths of those files that its File fields name and that lie in a folder.

    Parameters
    ----------
    config : Struct
        A Config.
    folder : Path, optional
        Where to look first, as the scenario's own folder.
    """
    if folder is None:
        return config
    hints = get_type_hints(type(config), include_extras=True)
    fields = msgspec.structs.asdict(config)
    found = {name: _beside(value, _names_file(hints[name]), folder) for name, value in fields.items()}
    changed = {name: value for name, value in found.items() if value is not fields[name]}
    return msgspec.structs.replace(config, **changed) if changed else config


def _beside(value: Any, names_file: bool, folder: Path) -> Any:
    if isinstance(value, msgspec.Struct):
        return beside(value, folder)
    if names_file and isinstance(value, tuple | list):
        return type(value)(_beside(item, names_file, folder) for item in value)
    if not (names_file and isinstance(value, str)):
        return value
    try:
        return str(folder / value) if (folder / value).exists() else value
    except (OSError, ValueError):  # too long for a path, or with a null character
        return value


def _names_file(hint: Any) -> bool:
    """Whether a type is File, or contains it, as a tuple or a union may."""
    if any(getattr(meta, "extra", None) == _FILE for meta in getattr(hint, "__metadata__", ())):
        return True
    return any(_names_file(part) for part in get_args(hint))


def _refuse_unknown(config: type[msgspec.Struct], values: Mapping[str, Any], where: str, of: str) -> None:
    """Raise ScenarioError for a field that there is not, also in the tables that are a Struct of their own."""
    names = config.__struct_fields__
    for field in values:
        if field not in names:
            raise ScenarioError(f"{where}.{field}: no such field{of}; {allowed_hint(str(field), names)}")
    tables = {field: value for field, value in values.items() if isinstance(value, Mapping)}
    for inner in msgspec.structs.fields(config) if tables else ():
        if inner.name in tables and _is_plain(inner.type):
            _refuse_unknown(inner.type, tables[inner.name], f"{where}.{inner.name}", "")


def _is_plain(hint: Any) -> bool:
    """Whether a field holds a Struct of one kind, whose table names none."""
    is_struct = isinstance(hint, type) and issubclass(hint, msgspec.Struct)
    return is_struct and hint.__struct_config__.tag is None


def _refuse_infinite(value: Any, where: str) -> None:
    """Raise ScenarioError for infinity and NaN: neither means anything to a plant, and JSON has no word for them."""
    if isinstance(value, float) and not isfinite(value):
        raise ScenarioError(f"{where}: found {value}, expected a finite number")
    if isinstance(value, Mapping):
        for field, item in value.items():
            _refuse_infinite(item, f"{where}.{field}")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _refuse_infinite(item, f"{where}[{index}]")


def whole_steps(period_s: float, step_s: float, where: str, step: str = "physics steps") -> int:
    """How many steps a period has. Raises ScenarioError unless it is a whole number, at least 1.

    Parameters
    ----------
    period_s : float
        The period, in s.
    step_s : float
        A step's length, in s.
    where : str
        The period's place, which the error begins with.
    step : str
        What the steps are called in the error.
    """
    if not isinstance(period_s, int | float):
        raise ScenarioError(f"{where}: found {period_s!r}, expected a time in s")
    ratio = period_s / step_s
    steps = round(ratio) if ratio < 1e12 else 0
    if steps < 1 or abs(ratio - steps) > 1e-6:
        raise ScenarioError(f"{where}: found {period_s} s, expected a whole number of {step} of {step_s} s")
    return steps


def _line(message: str, config: type, values: Mapping[str, Any], where: str) -> str:
    """Msgspec's message as one of hilbench's: the place, what was found, what is allowed."""
    expected, _, path = message.partition(" - at `$")
    path = path.rstrip("`")
    named = re.match(r"\.?(\w*)", path)
    field = named[1] if named else ""
    if (names := _choices(config, field)) and field in values:
        return f"{where}{path}: found {values[field]!r}; {allowed_hint(str(values[field]), names)}"
    if "matching regex" in expected and (words := _described(config, field)):
        return f"{where}{path}: found {values[field]!r}; allowed: {words}"
    found = f"found {values[field]!r}, " if field in values else ""
    return f"{where}{path}: {found}{expected[0].lower()}{expected[1:]}"


def _described(config: type, field: str) -> str:
    """The description of a field's pattern in words; empty where it has none."""
    hint = get_type_hints(config, include_extras=True).get(field)
    metas = (meta for part in (hint, *get_args(hint)) for meta in getattr(part, "__metadata__", ()))
    return next((meta.description for meta in metas if meta.description), "")


def _choices(config: type, field: str) -> list[str]:
    """The words that a Literal field may hold; none for any other field."""
    hint = get_type_hints(config).get(field)
    return [str(word) for word in get_args(hint)] if get_origin(hint) is Literal else []
