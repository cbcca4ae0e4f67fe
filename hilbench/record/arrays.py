"""NumPy's arrays as Arrow's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import MissingExtra

try:
    import pyarrow as pa
except ImportError as error:
    raise MissingExtra("pyarrow", "sim") from error

_INTEGERS = (f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))
KINDS = {pa.from_numpy_dtype(kind): np.dtype(kind) for kind in ("bool", *_INTEGERS, "float16", "float32", "float64")}
"""Arrow's type -> NumPy's. `DataType.to_pandas_dtype` wants pandas in some versions of pyarrow."""


def as_arrow(values: NDArray[Any]) -> pa.Array:
    """Numbers or booleans, (n,), as `pa.array` gives them. That imports pandas first, in case they are a Series."""
    data = np.packbits(values, bitorder="little") if values.dtype == bool else np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), values.size, [None, pa.py_buffer(data)], 0)


def as_numpy(values: pa.Array) -> NDArray[Any]:
    """Numbers or booleans, (n,), none of them missing, as `to_numpy` gives them; it imports pandas like `pa.array`."""
    kind, data, first = KINDS.get(values.type), values.buffers()[1], values.offset
    if kind is None or data is None or values.null_count:
        return values.to_numpy(zero_copy_only=False)
    if kind.kind == "b":
        bits = np.unpackbits(np.frombuffer(data, np.uint8), count=first + len(values), bitorder="little")
        return bits[first:].view(bool)
    found = np.frombuffer(data, kind, len(values), first * kind.itemsize)
    found.flags.writeable = False
    return found
