"""Linear nodes of a graph (convolutions, poolings, plain matrices) as sparse matrices.

Images are (channels, height, width) and are read row by row, as NIR and PyTorch have them. Convolutions follow
PyTorch's conventions; an average pooling counts the padding (`count_include_pad`), as PyTorch's default does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from hilbench.errors import NetworkError

FormKind = Literal["linear", "scale", "conv1d", "conv2d", "sum_pool2d", "avg_pool2d", "flatten", "delay", "identity"]
MAX_SYNAPSES = 500_000_000


@dataclass(frozen=True, slots=True, eq=False)
class Form:
    """How a graph writes a projection, so that it is written the same again. `identity` is an edge without a node."""

    kind: FormKind
    shape_in: tuple[int, ...]
    shape_out: tuple[int, ...]
    arrays: dict[str, NDArray] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def computes(self) -> bool:
        """Whether it has weights of its own; the others pass numbers on, or average them."""
        return self.kind in ("linear", "scale", "conv1d", "conv2d")

    @property
    def size(self) -> int:
        """How many weights there are by structure, zeros among them: kernel positions that lie inside the image."""
        if self.kind == "linear":
            return prod(self.shape_in) * self.shape_out[-1]
        if self.kind == "scale":
            return prod(self.shape_in)
        weight = self.arrays["weight"]
        return prod(weight.shape[:2]) * _taps(weight.shape[2:], self.shape_in[1:], self.settings)[0].size


def identity(size: int) -> scipy.sparse.csc_array:
    """The (size, size) identity."""
    return diagonal(np.ones(size, np.float32))


def diagonal(values: NDArray) -> scipy.sparse.csc_array:
    """A diagonal matrix."""
    n = values.size
    return scipy.sparse.csc_array((np.ravel(values), np.arange(n), np.arange(n + 1)), shape=(n, n))


def linear(weight: NDArray) -> scipy.sparse.csc_array:
    """The matrix of a weight (..., n_out, n_in): a block on the diagonal for each row of a larger input."""
    blocks = [_columns(block) for block in weight.reshape(-1, *weight.shape[-2:])]
    return blocks[0] if len(blocks) == 1 else scipy.sparse.block_diag(blocks, format="csc")


def _columns(dense: NDArray) -> scipy.sparse.csc_array:
    """A dense matrix in columns; three times as fast as SciPy's own conversion."""
    columns = np.ascontiguousarray(dense.T)
    mask = columns != 0
    starts = np.concatenate([[0], np.cumsum(np.count_nonzero(mask, axis=1))])
    rows = np.broadcast_to(np.arange(dense.shape[0], dtype=np.int32), columns.shape)[mask]
    return scipy.sparse.csc_array((columns[mask], rows, starts.astype(_index(starts[-1]))), shape=dense.shape)


def _index(largest: int) -> type:
    return np.int32 if largest < 2**31 else np.int64


def matrices(weights: scipy.sparse.csc_array, shape_in: Sequence[int], shape_out: Sequence[int]) -> NDArray:
    """The dense weight that `linear` takes.

    Parameters
    ----------
    weights : (n_target, n_source) csc_array
        Blocks on the diagonal, one for each row of the input.
    shape_in : sequence of int
        (..., n_in).
    shape_out : sequence of int
        (..., n_out).
    """
    n_out, n_in = shape_out[-1], shape_in[-1]
    rows = range(prod(shape_in[:-1]))
    blocks = [weights[i * n_out : (i + 1) * n_out, i * n_in : (i + 1) * n_in].toarray() for i in rows]
    return np.stack(blocks).reshape(*shape_in[:-1], n_out, n_in)


def convolution(weight: NDArray, shape_in: Sequence[int], settings: dict[str, Any]) -> scipy.sparse.csc_array:
    """A convolution as a matrix.

    Parameters
    ----------
    weight : (out channels, in channels of a group, *kernel) float32
        The kernels.
    shape_in : sequence of int
        (in channels, *sides) of the input.
    settings : dict
        `stride`, `padding`, `dilation`, a number for each axis, and `groups`.
    """
    outs, ins, kernel, sides = weight.shape[0], weight.shape[1], weight.shape[2:], tuple(shape_in[1:])
    taps = _taps(kernel, sides, settings)
    _check_number(outs * ins * taps[0].size)
    places, steps, sources = taps
    group_of = np.arange(outs) // (outs // settings["groups"])
    channels = group_of[:, None] * ins + np.arange(ins)  # (outs, ins): the channel that each kernel reads
    n_places = prod(sides_out(kernel, sides, settings))
    rows = np.broadcast_to((np.arange(outs) * n_places)[:, None, None] + places, (outs, ins, places.size))
    columns = (channels * prod(sides))[:, :, None] + sources
    values = weight.reshape(outs, ins, -1)[:, :, steps]
    shape = (outs * n_places, prod(shape_in))
    at: tuple[NDArray, NDArray] = (rows.astype(_index(shape[0])).ravel(), columns.astype(_index(shape[1])).ravel())
    return scipy.sparse.coo_array((values.ravel(), at), shape=shape).tocsc()


def pooling(shape_in: Sequence[int], settings: dict[str, Any], average: bool) -> scipy.sparse.csc_array:
    """A pooling as a matrix: the sum, or the average, of windows of each channel.

    Parameters
    ----------
    shape_in : sequence of int
        (channels, height, width) of the input.
    settings : dict
        `kernel_size`, `stride` and `padding`, a number for each axis.
    average : bool
        Whether it averages.
    """
    kernel = settings["kernel_size"]
    factor = 1 / prod(kernel) if average else 1.0
    places, _, sources = _taps(kernel, shape_in[1:], settings)
    _check_number(shape_in[0] * places.size)
    shape = (prod(sides_out(kernel, shape_in[1:], settings)), prod(shape_in[1:]))
    one = scipy.sparse.coo_array((np.full(places.size, factor, np.float32), (places, sources)), shape=shape)
    return scipy.sparse.kron(identity(shape_in[0]), one, format="csc")


def sides_out(kernel: Sequence[int], sides: Sequence[int], settings: dict[str, Any]) -> tuple[int, ...]:
    """The size of the result of a window that moves over an input. Raises NetworkError where the window fits nowhere.

    Parameters
    ----------
    kernel : sequence of int
        The window's sides.
    sides : sequence of int
        The input's sides.
    settings : dict
        As `convolution` and `pooling` take them.
    """
    found = []
    for axis, side in enumerate(sides):
        before, after = _padding(kernel, settings, axis)
        reach = settings.get("dilation", [1] * len(sides))[axis] * (kernel[axis] - 1) + 1
        found.append((side + before + after - reach) // settings["stride"][axis] + 1)
    if min(found) < 1:
        raise NetworkError(f"kernel {list(kernel)} is larger than its input {list(sides)}")
    return tuple(found)


def _padding(kernel: Sequence[int], settings: dict[str, Any], axis: int) -> tuple[int, int]:
    """Padding before and after the input. With `same` and an odd sum, the larger part comes after, as in PyTorch."""
    padding = settings["padding"]
    if padding == "valid":
        return 0, 0
    if padding == "same":
        both = settings["dilation"][axis] * (kernel[axis] - 1)
        return both // 2, both - both // 2
    return padding[axis], padding[axis]


def _taps(kernel: Sequence[int], sides: Sequence[int], settings: dict[str, Any]) -> tuple[NDArray, NDArray, NDArray]:
    """Of one channel, (n,) each: places in the result, in the kernel and in the input that belong together."""
    outer = sides_out(kernel, sides, settings)
    places, steps, sources = (np.zeros(1, np.int64) for _ in range(3))
    for axis, side in enumerate(sides):
        place, step = np.meshgrid(np.arange(outer[axis]), np.arange(kernel[axis]), indexing="ij")
        spread = settings.get("dilation", [1] * len(sides))[axis]
        source = place * settings["stride"][axis] - _padding(kernel, settings, axis)[0] + step * spread
        inside = (source >= 0) & (source < side)
        places = np.add.outer(places * outer[axis], place[inside]).ravel()
        steps = np.add.outer(steps * kernel[axis], step[inside]).ravel()
        sources = np.add.outer(sources * side, source[inside]).ravel()
        _check_number(places.size)
    return places, steps, sources


def _check_number(n_synapses: int) -> None:
    if n_synapses > MAX_SYNAPSES:
        raise NetworkError(f"{n_synapses} synapses; allowed: {MAX_SYNAPSES}")
