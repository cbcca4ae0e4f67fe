"""Checks a network's numbers and makes float32 arrays of the right shape of them."""

from __future__ import annotations

from math import prod
from typing import Any

import msgspec
import numpy as np
import scipy.sparse
from numpy.typing import ArrayLike, NDArray

from hilbench.errors import NetworkError
from hilbench.types import Port

MAX_DELAY_STEPS = 65_535


def make_port(name: str, size: int, kind: str, units: tuple[str, ...]) -> Port:
    """A Port, its fields checked.

    Parameters
    ----------
    name : str
        The port's name.
    size : int
        How many values, or addresses of events.
    kind : str
        "values" or "events".
    units : tuple of str
        Units of the values.
    """
    size = int(size) if isinstance(size, np.integer) else size
    try:
        return msgspec.convert({"name": name, "size": size, "kind": kind, "units": units}, Port)
    except msgspec.ValidationError as error:
        raise NetworkError(f"port {name!r}: {error}") from None


def numbers(value: object, where: str) -> NDArray:
    """`value` as float32. A number that is too large becomes infinite; who takes no infinity refuses it later.

    Parameters
    ----------
    value : array_like
        Numbers.
    where : str
        What a refusal names.
    """
    if type(value) is np.ndarray and value.dtype == np.float32:
        return value
    try:
        with np.errstate(over="ignore"):
            return np.asarray(value, np.float32)
    except (TypeError, ValueError):
        raise NetworkError(f"{where}: found {type(value).__name__}; allowed: numbers in a regular array") from None


def per_neuron(value: ArrayLike, size: int, where: str, finite: bool = True) -> NDArray:
    """(size,) float32 from a number or an array of one per neuron.

    Parameters
    ----------
    value : array_like
        A number, or (size,) numbers.
    size : int
        How many neurons.
    where : str
        What a refusal names.
    finite : bool
        Whether infinity is refused; NaN always is.
    """
    array = numbers(value, where)
    if array.shape not in ((), (1,), (size,)):
        raise NetworkError(f"{where}: found shape {array.shape}; allowed: a number or ({size},)")
    if not np.isfinite(array).all() and (finite or np.isnan(array).any()):
        raise NetworkError(f"{where}: found NaN or infinity; allowed: finite numbers")
    return array.copy() if array.shape == (size,) else np.full(size, array, np.float32)


def sparse(
    weights: object, shape: tuple[int, int], keep_zeros: bool, where: str, copy: bool = True
) -> scipy.sparse.csc_array:
    """A weight matrix as (n_target, n_source) float32, column by column, targets in rising order.

    Parameters
    ----------
    weights : array_like or sparse matrix
        (n_target, n_source), dense or of SciPy.
    shape : (int, int)
        The shape that it must have.
    keep_zeros : bool
        Whether an entry of 0 is a synapse too.
    where : str
        What a refusal names.
    copy : bool
        False keeps a matrix that has this form already, without a copy.
    """
    if not copy and isinstance(weights, scipy.sparse.csc_array) and weights.dtype == np.float32:
        matrix = weights
    elif scipy.sparse.issparse(weights):
        matrix = scipy.sparse.csc_array(weights, dtype=np.float32, copy=True)
    else:
        dense = numbers(weights, f"{where}: weights")
        matrix = _every_entry(dense) if keep_zeros and dense.ndim == 2 else dense
        matrix = scipy.sparse.csc_array(matrix) if matrix.ndim == 2 else matrix
    if matrix.shape != shape:
        raise NetworkError(f"{where}: weights: found shape {matrix.shape}; allowed: {shape} (targets, sources)")
    if not np.isfinite(matrix.data).all():
        raise NetworkError(f"{where}: weights: found NaN or infinity; allowed: finite numbers")
    matrix.sum_duplicates()
    if max(*shape, matrix.nnz) <= np.iinfo(np.int32).max:  # SciPy takes the wider of a user's two index types for both
        matrix.indices, matrix.indptr = (a.astype(np.int32, copy=False) for a in (matrix.indices, matrix.indptr))
    if not keep_zeros and not matrix.data.all():
        matrix.eliminate_zeros()
    return matrix


def _every_entry(dense: NDArray) -> scipy.sparse.csc_array:
    """A matrix that stores its zeros too."""
    n_target, n_source = dense.shape
    rows = np.tile(np.arange(n_target, dtype=np.int32), n_source)
    starts = np.arange(0, dense.size + 1, n_target) if dense.size else np.zeros(n_source + 1, int)
    return scipy.sparse.csc_array((dense.T.ravel().copy(), rows, starts), shape=dense.shape)


def delays(value: Any, matrix: scipy.sparse.csc_array, where: str) -> int | NDArray:
    """Delays in whole network steps: one number, or (n_synapses,) uint16 in the order of the matrix's data.

    Delays that differ come as a matrix of the weights' shape, or in that order already.

    Parameters
    ----------
    value : int, array_like or sparse matrix
        The delays, in network steps.
    matrix : (n_target, n_source) csc_array
        The weights that they belong to.
    where : str
        What a refusal names.
    """
    where = f"{where}: delay_steps"
    allowed = f"0 to {MAX_DELAY_STEPS}"
    if type(value) is int and 0 <= value <= MAX_DELAY_STEPS:
        return value
    sources = np.repeat(np.arange(matrix.shape[1]), np.diff(matrix.indptr))
    if scipy.sparse.issparse(value) and value.shape == matrix.shape:
        # Read synapse by synapse: a dense matrix of a large network's delays would not fit into memory.
        value = scipy.sparse.coo_array(scipy.sparse.csr_array(value)[matrix.indices, sources]).toarray().ravel()
    found = np.asarray(value)
    if found.dtype.kind not in "iu" or isinstance(value, bool):
        raise NetworkError(f"{where}: found {value!r}; allowed: whole numbers, {allowed}")
    if found.size and not (found.min() >= 0 and found.max() <= MAX_DELAY_STEPS):
        raise NetworkError(f"{where}: found {found.min()} to {found.max()}; allowed: {allowed}")
    if found.ndim == 0:
        return int(found)
    if found.shape == matrix.shape:
        found = found[matrix.indices, sources]
    if found.shape != matrix.data.shape:
        raise NetworkError(
            f"{where}: found shape {found.shape}; allowed: a number, {matrix.shape} or one each for"
            f" {matrix.nnz} synapses"
        )
    if not found.size:
        return 0
    return int(found[0]) if (found == found[0]).all() else found.astype(np.uint16)


def read_shape(size: object, largest: int, where: str) -> tuple[int, ...]:
    """A size as a tuple, whether it is a number or a tuple of them.

    Parameters
    ----------
    size : int or tuple of int
        As a user states it.
    largest : int
        How many neurons there may be in all.
    where : str
        What a refusal names.
    """
    shape = size if isinstance(size, tuple) else (size,)
    whole = tuple(int(n) if isinstance(n, np.integer) else n for n in shape)
    if any(type(n) is not int or n < 1 for n in whole) or not 1 <= prod(whole) <= largest:
        raise NetworkError(f"{where}: size: found {size!r}; allowed: 1 to {largest}")
    return whole
