"""Arrays by their addresses, inside compiled code: one table of numbers crosses from Python instead of 30 arrays,
which would cost more than a small network's whole step.

Whoever fills a table keeps its arrays alive and in place. Imported through `backends.numba` alone.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import carray, njit, types
from numba.extending import intrinsic

inner = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""For what compiled code alone calls: wrappers that Python never uses would double the time to compile."""


@inner
def finite(x):
    """A signal from outside; one that is no finite number counts as 0."""
    return np.float64(x) if np.isfinite(x) else 0.0


@intrinsic
def _pointer(typing, address, kind):
    """The address as a pointer to numbers of this kind."""
    pointer = types.CPointer(kind.dtype)

    def build(context, builder, signature, arguments):
        return builder.inttoptr(arguments[0], context.get_value_type(pointer))

    return pointer(types.int64, kind), build


@intrinsic
def call(typing, address, table, plan, learning):
    """Call the compiled function at an address, int64(int64, int64, int64): it was compiled apart from the caller."""
    number = ir.IntType(64)
    function = ir.FunctionType(number, [number] * 3).as_pointer()

    def build(context, builder, signature, arguments):
        return builder.call(builder.inttoptr(arguments[0], function), arguments[1:])

    return types.int64(types.int64, types.int64, types.int64, types.int64), build


@njit(inline="always")
def f64(address, shape):
    """The float64 array at an address."""
    return carray(_pointer(address, np.float64), shape)


@njit(inline="always")
def f32(address, shape):
    """The float32 array at an address."""
    return carray(_pointer(address, np.float32), shape)


@njit(inline="always")
def i64(address, shape):
    """The int64 array at an address."""
    return carray(_pointer(address, np.int64), shape)


@njit(inline="always")
def i32(address, shape):
    """The int32 array at an address."""
    return carray(_pointer(address, np.int32), shape)


@njit(inline="always")
def u64(address, shape):
    """The uint64 array at an address."""
    return carray(_pointer(address, np.uint64), shape)


@njit(inline="always")
def u32(address, shape):
    """The uint32 array at an address."""
    return carray(_pointer(address, np.uint32), shape)


@njit(inline="always")
def u16(address, shape):
    """The uint16 array at an address."""
    return carray(_pointer(address, np.uint16), shape)


@njit(inline="always")
def u8(address, shape):
    """The uint8 array at an address."""
    return carray(_pointer(address, np.uint8), shape)


@intrinsic
def atomic_add(typing, address, amount):
    """Add to the int64 at an address, before and after all other threads' additions; returns what it was."""

    def build(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], context.get_value_type(types.CPointer(types.int64)))
        return builder.atomic_rmw("add", pointer, arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), build
