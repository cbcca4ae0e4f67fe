"""What can be stated of which node, and whether what is stated has the right type."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np

from hilbench.errors import NetworkError, allowed_hint
from hilbench.nal.model.neurons import Behaviour
from hilbench.nal.nir.fields import Node
from hilbench.nal.nir.graph import Graph
from hilbench.nal.nir.nodes import FORMS, NEURONS

RESETTING = ("LIF", "IF", "CubaLIF")
SPIKING = (*RESETTING, "Threshold")
DYNAMIC = tuple(kind for kind in NEURONS if kind != "Threshold")
BEHAVIOUR = {
    "integrator": DYNAMIC,
    "synapse": DYNAMIC,
    "synapse_update": ("CubaLIF", "CubaLI"),
    "reset": RESETTING,
    "reset_at": RESETTING,
    "refractory_s": RESETTING,
    "threshold_test": SPIKING,
    "fires": SPIKING,
    "spikes": SPIKING,
}
"""What can be stated for all nodes, and the types of node that it applies to."""
MAX_STEPS = 2**31 - 1


def plain(value: Any, where: str = "") -> Any:
    """Statements with NumPy's numbers as Python's. Raises NetworkError for what JSON would drop in silence.

    Parameters
    ----------
    value : Any
        A statement, or a part of one.
    where : str
        What a refusal names.
    """
    if isinstance(value, dict):
        return {key: plain(each, f"{where}.{key}".lstrip(".")) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each, where) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf" or not np.isfinite(value).all():
            raise NetworkError(f"{where}: found an array of {value.dtype}; allowed: finite numbers")
    elif isinstance(value, float):
        if not isfinite(value):
            raise NetworkError(f"{where}: found {value}; allowed: finite numbers")
        return float(value)
    elif not isinstance(value, str | int | None):
        raise NetworkError(f"{where}: found {type(value).__name__}; allowed: numbers, words, true and false")
    return value


def check_nodes(graph: Graph, stated: dict[str, dict[str, Any]]) -> None:
    """Raise NetworkError for what cannot be stated of a node, naming it.

    Parameters
    ----------
    graph : Graph
        The graph.
    stated : dict of dict
        What is stated of single nodes, by name.
    """
    for name, own in stated.items():
        if name not in graph.nodes:
            raise NetworkError(f"nodes: found {name!r}; {allowed_hint(name, graph.nodes)}")
        node, where = graph.nodes[name], f"nodes: {name}"
        allowed = _fields(node)
        for key in own:
            if key not in allowed:
                raise NetworkError(f"{where}: found {key!r}; {allowed_hint(key, allowed)}")
        if "delay_steps" in own and not _are_steps(own["delay_steps"]):
            found = str(own["delay_steps"])[:80]
            raise NetworkError(f"{where}: delay_steps: found {found!r}; allowed: whole numbers from 0, or a matrix")
        if not isinstance(own.get("after_threshold", False), bool):
            raise NetworkError(f"{where}: after_threshold: found {own['after_threshold']!r}; allowed: true or false")
        if own.get("kind", "poisson") != "poisson":
            raise NetworkError(f"{where}: kind: found {own['kind']!r}; allowed: 'poisson'")


def _fields(node: Node) -> tuple[str, ...]:
    if node.type in NEURONS:
        kind = ("kind",) if node.type == "Threshold" else ()
        return (*Behaviour.__struct_fields__, "v_initial", *kind)
    if node.type == "Delay":
        return ("after_threshold",)  # its array has the delay
    return ("delay_steps", "after_threshold") if node.type in FORMS else ()


def _are_steps(value: Any) -> bool:
    """Whether these are whole numbers: one, or rows of equal length."""
    try:
        array = np.asarray(value)
    except ValueError:
        return False
    cells: list[Any] = [] if isinstance(value, np.ndarray) else np.asarray(value, object).ravel().tolist()
    if array.dtype.kind not in "iuf" or any(isinstance(cell, bool) for cell in cells):
        return False
    return array.ndim <= 2 and bool(((array >= 0) & (array <= MAX_STEPS) & (array == np.floor(array))).all())


def delaying(graph: Graph, stated: dict[str, dict[str, Any]]) -> set[str]:
    """Linear nodes that delay all that passes them, so that a loop through one needs no other delay.

    Parameters
    ----------
    graph : Graph
        The graph.
    stated : dict of dict
        What is stated of single nodes, by name.
    """
    found = set()
    for name, node in graph.nodes.items():
        own = stated.get(name, {})
        closed = node.type == "Delay" and node.arrays["delay"].min(initial=np.inf) > 0
        if closed or (
            node.type in FORMS and (own.get("after_threshold") or _shortest(node, own.get("delay_steps", 0)) > 0)
        ):
            found.add(name)
    return found


def _shortest(node: Node, steps: Any) -> float:
    """The shortest delay that is stated of a node's synapses; a matrix may say anything where there is none."""
    steps = np.asarray(steps, np.float64)
    weight = node.arrays.get("weight")
    if weight is not None and weight.shape == steps.shape:
        steps = steps[weight != 0]
    return steps.min(initial=np.inf)


def in_full(node: Node, own: dict[str, Any], for_all: Any) -> bool:
    """Whether all that must be known of these neurons is stated, so that no preset is asked.

    Parameters
    ----------
    node : Node
        A node of neurons.
    own : dict
        What is stated of this node.
    for_all : Statements
        What is stated of all nodes.
    """
    if own.get("kind") is not None:
        return True
    needed = ["threshold_test"] if node.type == "Threshold" else ["integrator", "reset"]
    return all(key in own or getattr(for_all, key) is not None for key in needed if node.type in BEHAVIOUR[key])
