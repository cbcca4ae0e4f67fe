"""Which shape each node of a graph takes in and gives out, and whether those of neighbours fit."""

from __future__ import annotations

from collections import deque
from math import prod
from typing import Any

import numpy as np

from hilbench.errors import NetworkError
from hilbench.nal.model import forms
from hilbench.nal.nir.fields import Node
from hilbench.nal.nir.graph import Graph

Shape = tuple[int, ...]
OWN = ("LIF", "LI", "IF", "I", "CubaLIF", "CubaLI", "Threshold", "Scale", "Delay")
"""Types whose arrays have the shape of what they take in and give out."""


def shapes_of(graph: Graph) -> dict[str, tuple[Shape, Shape]]:
    """(shape in, shape out) of every node, from the nodes themselves or from what comes before them.

    Raises NetworkError for a node whose shape follows from nothing.
    """
    found: dict[str, tuple[Shape, Shape]] = {}
    after = graph.targets()
    waiting: deque[tuple[str, Shape | None]] = deque((name, None) for name in graph.nodes)
    while waiting:
        name, given = waiting.popleft()
        if name in found:
            continue
        try:
            shapes = _shapes(graph.nodes[name], given)
        except NetworkError as error:
            raise NetworkError(f"node {name!r}: {error}") from None
        if shapes is not None:
            found[name] = shapes
            waiting.extend((target, shapes[1]) for target in after[name])
    for name in graph.nodes:
        if name not in found:
            raise NetworkError(f"node {name!r}: neither the node nor one before it states its shape")
    return found


def check_shapes(graph: Graph, shapes: dict[str, tuple[Shape, Shape]]) -> None:
    """Raise NetworkError for an edge whose ends do not fit. An Output takes any shape of as many numbers.

    Parameters
    ----------
    graph : Graph
        The graph.
    shapes : dict
        (shape in, shape out) of each node.
    """
    for a, b in graph.edges:
        out, into = shapes[a][1], shapes[b][0]
        if out == into:
            continue
        if graph.nodes[b].type != "Output" or prod(out) != prod(into):
            raise NetworkError(f"node {a!r} gives shape {out} and node {b!r} takes {into}; allowed: the same")
        graph.notes.append(f"the shape of an Output is saved as {out}, not {into}: {b}")
    for name, port in graph.inner.items():
        odd = [shapes[a][1] for a in port.sources if shapes[a][1] != port.shape]
        if port.shape and odd:
            found = f"{port.type} of a graph within the graph says shape {port.shape} and gets {odd[0]}"
            graph.notes.append(f"this {found}, which holds: {name}")


def _shapes(node: Node, given: Shape | None) -> tuple[Shape, Shape] | None:
    """What a node takes in and gives out; None while that hangs on what comes before it."""
    if node.type in ("Input", "Output"):
        shape = _sides(node, "shape") if "shape" in node.settings else given
        return None if shape is None else (shape, shape)
    if node.type in OWN:
        return _own_shape(node, given)
    if node.type in ("Linear", "Affine"):
        weight = node.arrays["weight"]
        if weight.ndim < 2 or not weight.size:
            raise NetworkError(f"weight: found shape {weight.shape}; allowed: (..., outputs, inputs)")
        return (*weight.shape[:-2], weight.shape[-1]), weight.shape[:-1]
    if node.type == "Flatten":
        return _flat(node, given)
    return _windowed(node, given)


def _own_shape(node: Node, given: Shape | None) -> tuple[Shape, Shape] | None:
    try:
        own: Shape = np.broadcast_shapes(*(value.shape for value in node.arrays.values()))
    except ValueError:
        found = ", ".join(f"{key} {value.shape}" for key, value in node.arrays.items())
        raise NetworkError(f"its parameters have different shapes: {found}; allowed: one for all") from None
    shape = given if own == () else own
    return None if shape is None else (shape, shape)


def _flat(node: Node, given: Shape | None) -> tuple[Shape, Shape] | None:
    shape = _sides(node, "input_type") if "input_type" in node.settings else given
    if shape is None:
        return None
    first, last = (node.settings.get(key, usual) for key, usual in (("start_dim", 1), ("end_dim", -1)))
    n = len(shape)
    if not (-n <= first < n and -n <= last < n and first % n <= last % n):
        raise NetworkError(f"start_dim {first} and end_dim {last}: allowed: two of the {n} dimensions, in rising order")
    first, last = first % n, last % n
    return shape, (*shape[:first], prod(shape[first : last + 1]), *shape[last + 1 :])


def _windowed(node: Node, given: Shape | None) -> tuple[Shape, Shape] | None:
    """Convolutions and poolings."""
    n_axes = 1 if node.type == "Conv1d" else 2
    if node.type in ("SumPool2d", "AvgPool2d"):
        if given is None or len(given) != 3:
            _check_no_image(given, 3)
            return None
        settings = window(node, 2)
        return given, (given[0], *forms.sides_out(settings["kernel_size"], given[1:], settings))
    weight = node.arrays["weight"]
    if weight.ndim != 2 + n_axes or not weight.size:
        sides = "side" if n_axes == 1 else "height, width"
        raise NetworkError(f"weight: found shape {weight.shape}; allowed: (outputs, inputs, {sides})")
    settings = window(node, n_axes)
    shape = given
    if "input_shape" in node.settings:
        shape = (weight.shape[1] * settings["groups"], *_sides(node, "input_shape"))
    if shape is None or len(shape) != 1 + n_axes:
        _check_no_image(shape, 1 + n_axes)
        return None
    if shape[0] != weight.shape[1] * settings["groups"] or weight.shape[0] % settings["groups"]:
        raise NetworkError(
            f"weight: found shape {weight.shape} in {settings['groups']} groups; allowed: {shape[0]} channels in all"
        )
    return shape, (weight.shape[0], *forms.sides_out(weight.shape[2:], shape[1:], settings))


def _check_no_image(shape: Shape | None, n_axes: int) -> None:
    """Raise NetworkError for a shape that is known and is no image."""
    if shape is not None:
        raise NetworkError(f"found an input of shape {shape}; allowed: {n_axes} dimensions, channels first")


def window(node: Node, n_axes: int) -> dict[str, Any]:
    """The settings of a moving window: one number for each axis.

    Parameters
    ----------
    node : Node
        A convolution or a pooling.
    n_axes : int
        1 or 2.
    """
    lowest = {"kernel_size": 1, "stride": 1, "dilation": 1, "padding": 0}
    found: dict[str, Any] = {}
    for key, low in lowest.items():
        if key in node.settings:
            found[key] = _per_axis(node.settings[key], key, low, n_axes)
    if "groups" in node.settings:
        groups = node.settings["groups"]
        found["groups"] = _per_axis(groups, "groups", 1, 1)[0]
    if found["padding"] == "same" and found["stride"] != [1] * n_axes:
        raise NetworkError(f"padding 'same' with stride {found['stride']}; allowed: stride 1")
    return found


def _per_axis(value: Any, key: str, low: int, n_axes: int) -> Any:
    if key == "padding" and value in ("same", "valid"):
        return value
    each = value if isinstance(value, list) else [value] * n_axes
    if len(each) == 1:
        each = each * n_axes
    if len(each) != n_axes or any(type(n) is not int or n < low for n in each):
        words = ", 'same' or 'valid'" if key == "padding" else ""
        raise NetworkError(f"{key}: found {value!r}; allowed: whole numbers from {low}{words}")
    return each


def _sides(node: Node, key: str) -> Shape:
    """The shape that a node states. One of no dimensions is a single number's, and stands as (1,)."""
    value = node.settings[key]
    shape = (tuple(value) or (1,)) if isinstance(value, list) else (value,)
    if any(type(n) is not int or n < 1 for n in shape):
        raise NetworkError(f"{key}: found {value!r}; allowed: whole numbers from 1")
    return shape
