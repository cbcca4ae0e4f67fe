"""What each NIR node is in a Network: the parameters of a population, or a matrix with the form it was written in."""

from __future__ import annotations

from math import prod
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.errors import NetworkError
from hilbench.nal.model import forms
from hilbench.nal.model.forms import Form, FormKind
from hilbench.nal.model.neurons import Kind
from hilbench.nal.nir.fields import Node
from hilbench.nal.nir.shapes import Shape, window

_LI = {"tau": "tau_s", "r": "r", "v_leak": "v_leak"}
_SPIKE = {"v_threshold": "v_threshold", "v_reset": "v_reset"}
_CUBA = {"tau_mem": "tau_s", "tau_syn": "tau_syn_s", "r": "r", "v_leak": "v_leak", "w_in": "w_in"}
NEURONS: dict[str, tuple[Kind, dict[str, str]]] = {
    "LIF": ("lif", _LI | _SPIKE),
    "LI": ("li", _LI),
    "IF": ("if", {"r": "r"} | _SPIKE),
    "I": ("i", {"r": "r"}),
    "CubaLIF": ("cuba_lif", _CUBA | _SPIKE),
    "CubaLI": ("cuba_li", _CUBA),
    "Threshold": ("threshold", {"threshold": "v_threshold"}),
}
"""Type of node -> kind of population, and NIR's names of its parameters -> ours."""
TYPES = {kind: (name, names) for name, (kind, names) in NEURONS.items()}
FORMS: dict[str, FormKind] = {
    "Linear": "linear",
    "Affine": "linear",
    "Scale": "scale",
    "Conv1d": "conv1d",
    "Conv2d": "conv2d",
    "SumPool2d": "sum_pool2d",
    "AvgPool2d": "avg_pool2d",
    "Flatten": "flatten",
    "Delay": "delay",
}


class Matrix(NamedTuple):
    """A linear node, ready to be a projection."""

    form: Form
    weights: scipy.sparse.csc_array
    bias: NDArray | None = None
    delay_s: NDArray | None = None


def parameters(node: Node, shape: Shape) -> dict[str, NDArray]:
    """A population's arrays, (size,) each. A single number holds for all neurons.

    Parameters
    ----------
    node : Node
        A node of neurons.
    shape : tuple of int
        The node's shape.
    """
    names = NEURONS[node.type][1]
    return {names[key]: np.broadcast_to(value, shape).ravel() for key, value in node.arrays.items()}


def matrix(name: str, node: Node, shape_in: Shape, shape_out: Shape) -> Matrix:
    """A linear node as a projection's parts. Raises NetworkError.

    Parameters
    ----------
    name : str
        The node's name.
    node : Node
        A linear node.
    shape_in, shape_out : tuple of int
        What it takes in and gives out.
    """
    try:
        return _matrix(node, shape_in, shape_out)
    except NetworkError as error:
        raise NetworkError(f"node {name!r}: {error}") from None


def _matrix(node: Node, shape_in: Shape, shape_out: Shape) -> Matrix:
    kind, arrays = FORMS[node.type], node.arrays
    flat: dict[str, Any] = {key: node.settings[key] for key in ("start_dim", "end_dim") if key in node.settings}
    form = Form(kind, shape_in, shape_out, settings=flat)
    if kind == "linear":
        return Matrix(form, forms.linear(arrays["weight"]), _bias(arrays.get("bias"), shape_out))
    if kind == "scale":
        return Matrix(form, forms.diagonal(np.broadcast_to(arrays["scale"], shape_in)))
    if kind == "flatten":
        return Matrix(form, forms.identity(prod(shape_in)))
    if kind == "delay":
        return Matrix(form, forms.identity(prod(shape_in)), None, np.broadcast_to(arrays["delay"], shape_in).copy())
    form = Form(kind, shape_in, shape_out, settings=window(node, len(shape_in) - 1))
    if kind in ("sum_pool2d", "avg_pool2d"):
        return Matrix(form, forms.pooling(shape_in, form.settings, kind == "avg_pool2d"))
    form.arrays["weight"] = arrays["weight"]
    bias = arrays.get("bias", np.zeros(shape_out[0], np.float32))
    if bias.shape not in ((), shape_out[:1]):
        raise NetworkError(f"bias: found shape {bias.shape}; allowed: {shape_out[:1]}")
    weights = forms.convolution(arrays["weight"], shape_in, form.settings)
    return Matrix(form, weights, np.repeat(np.broadcast_to(bias, shape_out[:1]), prod(shape_out[1:])))


def _bias(bias: NDArray | None, shape_out: Shape) -> NDArray | None:
    if bias is None:
        return None
    try:
        return np.broadcast_to(bias, shape_out).ravel()
    except ValueError:
        raise NetworkError(f"bias: found shape {bias.shape}; allowed: {shape_out}") from None


def delay_s(steps: int | NDArray, dt_s: float, shape: Shape) -> NDArray:
    """Delays as a Delay node has them, in seconds, float32.

    Parameters
    ----------
    steps : int or NDArray
        Network steps.
    dt_s : float
        The network step, in seconds.
    shape : tuple of int
        The node's shape.
    """
    return np.broadcast_to(np.reshape(np.float64(steps) * dt_s, shape if np.ndim(steps) else ()), shape).astype(
        np.float32
    )
