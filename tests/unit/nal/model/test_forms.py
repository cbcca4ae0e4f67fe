"""Convolutions, poolings and matrices as sparse matrices: against a plain loop, and against PyTorch where it is."""

from __future__ import annotations

import os
from itertools import product

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from hilbench.errors import NetworkError
from hilbench.nal.model import forms

RELAXED = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@st.composite
def windows(draw, n_axes: int, pool: bool = False):
    """(shape_in, kernel, settings) of a window that fits."""
    shape = tuple(draw(st.integers(1, 9)) for _ in range(n_axes))
    kernel = [draw(st.integers(1, 4)) for _ in range(n_axes)]
    # PyTorch pads a pooling by half its kernel at most.
    padding = [draw(st.integers(0, k // 2 if pool else 3)) for k in kernel]
    found = {"stride": [draw(st.integers(1, 3)) for _ in range(n_axes)], "padding": padding}
    if not pool:
        found["dilation"] = [draw(st.integers(1, 3)) for _ in range(n_axes)]
        named = draw(st.sampled_from([None, "valid", "same"]))
        found["padding"] = named or padding
        if named == "same":
            found["stride"] = [1] * n_axes
    else:
        found["kernel_size"] = kernel
    try:
        forms.sides_out(kernel, shape, found)
    except NetworkError:
        assume(False)
    return shape, kernel, found


def by_loops(weight, x, found):
    """A convolution, one product at a time."""
    sides, kernel = x.shape[1:], weight.shape[2:]
    per_group = weight.shape[0] // found["groups"]
    y = np.zeros((weight.shape[0], *forms.sides_out(kernel, sides, found)))
    before = {"valid": [0] * len(sides)}.get(str(found["padding"]), found["padding"])
    if before == "same":
        before = [d * (k - 1) // 2 for d, k in zip(found["dilation"], kernel, strict=True)]
    for c, at in product(range(len(y)), np.ndindex(y.shape[1:])):
        for i, tap in product(range(weight.shape[1]), np.ndindex(*kernel)):
            rule = zip(at, found["stride"], before, tap, found["dilation"], strict=True)
            place = [a * s - b + t * d for a, s, b, t, d in rule]
            if all(0 <= p < side for p, side in zip(place, sides, strict=True)):
                y[(c, *at)] += weight[(c, i, *tap)] * x[(c // per_group * weight.shape[1] + i, *place)]
    return y


@RELAXED
@pytest.mark.filterwarnings("ignore:Using padding='same'")
@given(data=st.data(), n_axes=st.sampled_from([1, 2]))
def test_a_convolution_is_what_loops_give(data, n_axes):
    sides, kernel, found = data.draw(windows(n_axes))
    found["groups"] = data.draw(st.integers(1, 3))
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    weight = random.normal(size=(found["groups"] * data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2)), *kernel))
    x = random.normal(size=(weight.shape[1] * found["groups"], *sides))
    y = by_loops(weight, x, found)
    matrix = forms.convolution(weight, x.shape, found)
    np.testing.assert_allclose(matrix @ x.ravel(), y.ravel(), rtol=1e-9, atol=1e-9)
    if torch := _torch():
        call = torch.nn.functional.conv1d if n_axes == 1 else torch.nn.functional.conv2d
        more = {name: tuple(found[name]) for name in ("stride", "dilation")}
        padding = found["padding"] if isinstance(found["padding"], str) else tuple(found["padding"])
        theirs = call(torch.tensor(x)[None], torch.tensor(weight), groups=found["groups"], padding=padding, **more)
        np.testing.assert_allclose(matrix @ x.ravel(), theirs.numpy().ravel(), rtol=1e-9, atol=1e-9)


@RELAXED
@given(data=st.data(), average=st.booleans())
def test_a_pooling_is_what_windows_give(data, average):
    sides, kernel, found = data.draw(windows(2, pool=True))
    x = np.random.default_rng(1).normal(size=(data.draw(st.integers(1, 3)), *sides))
    matrix = forms.pooling(x.shape, found, average)
    weight = np.ones((len(x), 1, *kernel)) / (np.prod(kernel) if average else 1)
    y = by_loops(weight, x, {"groups": len(x), "dilation": [1, 1]} | found)
    np.testing.assert_allclose(matrix @ x.ravel(), y.ravel(), rtol=1e-6, atol=1e-6)
    if average and (torch := _torch()):
        more = {name: tuple(found[name]) for name in ("kernel_size", "stride", "padding")}
        theirs = torch.nn.functional.avg_pool2d(torch.tensor(x)[None], **more)
        np.testing.assert_allclose(matrix @ x.ravel(), theirs.numpy().ravel(), rtol=1e-6, atol=1e-6)


def _torch():
    try:
        import torch
    except ImportError:
        assert "rl" not in os.environ.get("HILBENCH_REQUIRE", ""), "torch must be there"
        return None
    return torch


@pytest.mark.parametrize("lead", [(), (3,), (2, 3)])
def test_a_matrix_for_each_row_comes_back(lead):
    weight = np.random.default_rng(0).normal(size=(*lead, 4, 5)).astype(np.float32)
    matrix = forms.linear(weight)
    x = np.random.default_rng(1).normal(size=(*lead, 5))
    np.testing.assert_allclose(matrix @ x.ravel(), np.einsum("...oi,...i->...o", weight, x).ravel(), rtol=1e-6)
    np.testing.assert_array_equal(forms.matrices(matrix, (*lead, 5), (*lead, 4)), weight)


def test_a_large_convolution_stays_sparse():
    weight = np.ones((8, 8, 3, 3), np.float32)
    found = {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1}
    matrix = forms.convolution(weight, (8, 128, 128), found)
    assert matrix.shape == (8 * 128 * 128,) * 2
    assert matrix.nnz == 64 * (3 * 128 - 2) ** 2


def test_a_convolution_without_bounds_is_refused_before_it_is_built():
    weight = np.broadcast_to(np.float32(1), (1000, 1000, 3, 3))
    found = {"stride": [1, 1], "padding": [1, 1], "dilation": [1, 1], "groups": 1}
    with pytest.raises(NetworkError, match="synapses; allowed"):
        forms.convolution(weight, (1000, 100, 100), found)


def test_a_kernel_larger_than_its_input_is_refused():
    with pytest.raises(NetworkError, match=r"kernel \[5, 5\] is larger than its input \[3, 3\]"):
        forms.sides_out([5, 5], [3, 3], {"stride": [1, 1], "padding": [0, 0], "dilation": [1, 1]})
