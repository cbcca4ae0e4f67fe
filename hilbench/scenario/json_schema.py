"""JSON Schema (draft 7, which editors know) of structs, with what their docstrings say of each field."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import msgspec
from msgspec import Struct

DRAFT = "http://json-schema.org/draft-07/schema#"
NOT_FINITE = {"enum": ["NaN", "Infinity", "-Infinity"]}
"""Numbers that JSON has no word for, as files of hilbench have them."""


def schema_of(struct: type[Struct], *, not_finite: bool = False) -> dict[str, Any]:
    """The JSON Schema of a file that a struct describes.

    Parameters
    ----------
    struct : type[Struct]
        What the file says.
    not_finite : bool
        Whether NaN and infinity may stand as text where a number without limits is asked for.
    """
    (top,), components = _components([struct])
    found = {"$schema": DRAFT, **top, "$defs": components}
    return _or_not_finite(found) if not_finite else found


def _or_not_finite(schema: Any) -> Any:
    if isinstance(schema, dict):
        if schema.get("type") == "number" and not schema.keys() & {"minimum", "maximum", "exclusiveMinimum"}:
            return {key: value for key, value in schema.items() if key != "type"} | {
                "anyOf": [{"type": "number"}, NOT_FINITE]
            }
        return {key: _or_not_finite(value) for key, value in schema.items()}
    return [_or_not_finite(item) for item in schema] if isinstance(schema, list) else schema


def _components(structs: Sequence[type[Struct]]) -> tuple[list[dict[str, Any]], dict[str, dict[str, Any]]]:
    """References to structs, and the definitions that they lead to, for `$defs`."""
    found, components = msgspec.json.schema_components(structs, ref_template="#/$defs/{name}")
    known = _by_name(structs)
    described = {name: _with_docs(part, known.get(name)) for name, part in components.items()}
    return list(found), _draft_7(described)


def _with_docs(schema: dict[str, Any], struct: type | None) -> dict[str, Any]:
    docs = {} if struct is None else _field_docs(struct)
    fields = {name: {"description": docs[name]} | field if name in docs else field
              for name, field in schema.get("properties", {}).items()}  # fmt: skip
    return schema | ({"properties": fields} if fields else {})


def _by_name(structs: Sequence[type[Struct]]) -> dict[str, type]:
    """Every struct that can be reached, by the name that msgspec gives it where no other has that name."""
    found: dict[str, type] = {}
    waiting: list[Any] = list(structs)
    while waiting:
        each = waiting.pop()
        if isinstance(each, type) and issubclass(each, Struct):
            if each.__name__ not in found:
                found[each.__name__] = each
                waiting += [field.type for field in msgspec.structs.fields(each)]
        else:
            waiting += getattr(each, "__args__", ())
    return found


def _field_docs(struct: type) -> dict[str, str]:
    """What stands below each field of a class and its bases, without its markup."""
    found: dict[str, str] = {}
    for each in reversed(struct.__mro__):
        try:
            (node,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        except (OSError, TypeError, SyntaxError, ValueError):  # no source, as of built-in classes
            continue
        body = node.body if isinstance(node, ast.ClassDef) else []
        for field, below in pairwise(body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_text(below):
                found[field.target.id] = " ".join(inspect.cleandoc(below.value.value).split())  # type: ignore[attr-defined]
    return found


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _draft_7(schema: Any) -> Any:
    """The same for draft 7, which has other words for tuples, and no discriminator."""
    if isinstance(schema, dict):
        found = {key: _draft_7(value) for key, value in schema.items() if key != "discriminator"}
        if "prefixItems" in found:
            found |= {"items": found.pop("prefixItems"), "additionalItems": False}
        return found
    return [_draft_7(item) for item in schema] if isinstance(schema, list) else schema
