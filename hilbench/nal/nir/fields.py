"""One node of a NIR graph as plain, checked data. Files of older versions of NIR (0.0.1 and later) are understood."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import NetworkError, allowed_hint


class Fields(NamedTuple):
    """What a type of node holds. `optional`: older versions of NIR wrote files without these."""

    arrays: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


_CONV = Fields(("weight", "bias"), ("input_shape", "stride", "padding", "dilation", "groups"), ("bias", "input_shape"))
_POOL = Fields((), ("kernel_size", "stride", "padding"))
_CUBA = ("tau_mem", "tau_syn", "r", "v_leak", "w_in")
_SPIKE = ("v_threshold", "v_reset")
TYPES = {
    "Input": Fields((), ("shape",)),
    "Output": Fields((), ("shape",), ("shape",)),
    "Affine": Fields(("weight", "bias")),
    "Linear": Fields(("weight",)),
    "Scale": Fields(("scale",)),
    "Conv1d": _CONV,
    "Conv2d": _CONV,
    "SumPool2d": _POOL,
    "AvgPool2d": _POOL,
    "Flatten": Fields((), ("start_dim", "end_dim", "input_type"), ("start_dim", "end_dim", "input_type")),
    "Delay": Fields(("delay",)),
    "Threshold": Fields(("threshold",)),
    "I": Fields(("r",)),
    "IF": Fields(("r", *_SPIKE), (), ("v_reset",)),
    "LI": Fields(("tau", "r", "v_leak")),
    "LIF": Fields(("tau", "r", "v_leak", *_SPIKE), (), ("v_reset",)),
    "CubaLI": Fields(_CUBA, (), ("w_in",)),
    "CubaLIF": Fields((*_CUBA, *_SPIKE), (), ("w_in", "v_reset")),
}
OLD_NAMES = {"weights": "weight", "theta": "v_threshold"}
"""Before NIR 0.0.6."""


@dataclass(frozen=True, slots=True)
class Node:
    """One node: `arrays` are float32 and finite, `settings` whole numbers, lists of them, or words."""

    type: str
    arrays: dict[str, NDArray]
    settings: dict[str, Any]


def node_of(name: str, raw: dict[str, Any], notes: list[str]) -> Node:
    """The node in a nested dict. Raises NetworkError, naming it.

    Parameters
    ----------
    name : str
        Its full name.
    raw : dict
        As the file has it: the node's type, arrays and settings.
    notes : list of str
        What the file did not say, and what of it is not kept, is added here.
    """
    where = f"node {name!r}"
    found = {OLD_NAMES.get(key, key): value for key, value in raw.items()}
    kind = found.pop("type", None)
    if not isinstance(kind, str) or kind not in TYPES:
        raise NetworkError(f"{where}: found type {str(kind)[:80]!r}; {allowed_hint(str(kind), TYPES)}")
    if kind == "Linear" and "bias" in found:
        kind = "Affine"  # before NIR 0.0.5
    if says_anything(found.pop("metadata", None)):
        notes.append(f"metadata is not kept: node {name}")
    fields = TYPES[kind]
    known = fields.arrays + fields.settings
    for key in found:
        if key not in known:
            raise NetworkError(f"{where}: a {kind} has no {key!r}; {allowed_hint(key, known)}")
    found = {key: value for key, value in found.items() if value is not None}
    for key in known:
        if key not in found and key not in fields.optional:
            raise NetworkError(f"{where}: a {kind} needs {key!r}")
    for key in fields.arrays:
        if key not in found:
            notes.append(f"{kind}.{key} is absent, {1 if key == 'w_in' else 0} taken: node {name}")
    arrays = {key: _array(found[key], f"{where}: {key}", notes) for key in fields.arrays if key in found}
    settings = {key: _setting(found[key], f"{where}: {key}") for key in fields.settings if key in found}
    return Node(kind, arrays, settings)


def _array(value: Any, where: str, notes: list[str]) -> NDArray:
    given = np.asarray(value)
    if given.dtype.kind not in "biuf":
        raise NetworkError(f"{where}: found {given.dtype}; allowed: numbers")
    with np.errstate(over="ignore"):
        array = given.astype(np.float32)
    # A threshold may be infinite: such a neuron never fires.
    if np.isnan(array).any() or (np.isinf(array).any() and not where.endswith("v_threshold")):
        raise NetworkError(f"{where}: found NaN, infinity or more than float32 holds; allowed: finite numbers")
    lost = np.count_nonzero(array != given)
    if lost:
        name = where.split("'")[1]
        notes.append(f"numbers are rounded to float32, {lost} of {where.rpartition(': ')[2]}: node {name}")
    return array


def _setting(value: Any, where: str) -> Any:
    """A word, a whole number or a list of them."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        return value
    if isinstance(value, dict):  # nir's own types: {"input": array}
        value = next(iter(value.values()), None)
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.ndim > 1 or not (array == np.floor(array)).all():
        raise NetworkError(f"{where}: found {str(value)[:80]!r}; allowed: whole numbers")
    return array.astype(np.int64).tolist()


def says_anything(metadata: Any) -> bool:
    """Whether there is any; a file may hold a number or an array for it."""
    return metadata is not None and not (isinstance(metadata, dict) and not metadata)
