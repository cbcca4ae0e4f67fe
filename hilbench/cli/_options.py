"""What the option parser reads of types: an option that need not be given takes what it takes, and no `None`."""

from __future__ import annotations

from dataclasses import replace
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_type_hints

from tyro.constructors import ConstructorRegistry, PrimitiveConstructorSpec, PrimitiveTypeInfo

OPTIONS = ConstructorRegistry()
Annotated = TypeVar("Annotated", bound=Any)


def with_unions(what: Annotated) -> Annotated:
    """The same function or class; where its annotations say `X | Y`, they say `Union[X, Y]` now.

    Of a default that has a type `X | Y`, tyro asks typeguard, whose import takes longer than all the parsing.
    """
    hints = get_type_hints(what, include_extras=True)
    for name, hint in hints.items():
        if isinstance(hint, UnionType):
            hints[name] = Union[get_args(hint)]  # noqa: UP007 - of a tuple that is known here alone
    what.__annotations__ = hints
    return what


@OPTIONS.primitive_rule
def _or_absent(info: PrimitiveTypeInfo) -> Any:
    """The rule of X for X | None, whose None is the absence of the option and no word."""
    kinds = get_args(info.type)
    if info.type_origin not in (Union, UnionType) or NoneType not in kinds:
        return None
    others = tuple(kind for kind in kinds if kind is not NoneType)
    either: Any = Union[others]  # noqa: UP007 - of a tuple that is known here alone, which `|` cannot take
    spec = ConstructorRegistry.get_primitive_spec(PrimitiveTypeInfo.make(either, info.markers))
    if not isinstance(spec, PrimitiveConstructorSpec):
        return spec
    return replace(
        spec,
        is_instance=lambda value: value is None or spec.is_instance(value),
        str_from_instance=lambda value: ["none"] if value is None else spec.str_from_instance(value),
    )
