"""Arrays from addresses inside compiled code: Python passes one table of numbers, not 30 arrays.

To pass the arrays would take longer than the whole step of a small network. Whoever fills a table keeps its arrays
alive and in place. Only `backends.numba` imports this module.
"""

from __future__ import annotations

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import np_cfarray

inner = njit(no_cpython_wrapper=True, no_cfunc_wrapper=True, forceinline=True, _nrt=False)
"""Decorator of functions that only compiled code calls. They have no wrappers for Python, which would double the time
to compile, and are inlined.

A call that is not inlined passes each array as seven numbers and counts its references, which takes longer than a small
population's step. Without the counting (`_nrt=False`) numba refuses code that allocates.
"""


@inner
def finite(x):
    """A number from outside as float64; one that is not finite becomes 0."""
    return np.float64(x) if np.isfinite(x) else 0.0


def _view(kind, name):
    """The intrinsic that makes an array of this kind, in C order, of an address and a shape."""

    def view(typing, address, shape):
        n_dimensions = len(shape) if isinstance(shape, types.BaseTuple) else 1
        array, pointer = types.Array(kind, n_dimensions, "C"), types.CPointer(kind)

        def build(context, builder, signature, arguments):
            at = builder.inttoptr(arguments[0], context.get_value_type(pointer))
            return np_cfarray(context, builder, array(pointer, shape), (at, arguments[1]))

        return array(types.int64, shape), build

    view.__name__ = view.__qualname__ = name
    return intrinsic(view)


f64, f32 = _view(types.float64, "f64"), _view(types.float32, "f32")
i64, i32 = _view(types.int64, "i64"), _view(types.int32, "i32")
u64, u32 = _view(types.uint64, "u64"), _view(types.uint32, "u32")
u16, u8 = _view(types.uint16, "u16"), _view(types.uint8, "u8")


@intrinsic
def call(typing, address, table, plan, learning):
    """Call the function at an address, int64(int64, int64, int64), which was compiled separately.

    Parameters
    ----------
    typing : typing context
        numba's.
    address : int
        The function's address.
    table : int
        The address of the kernel's table.
    plan : int
        The address of the row of a rule in PLANS.
    learning : int
        Whether weights and thresholds change.
    """
    number = ir.IntType(64)
    function = ir.FunctionType(number, [number] * 3).as_pointer()

    def build(context, builder, signature, arguments):
        return builder.call(builder.inttoptr(arguments[0], function), arguments[1:])

    return types.int64(types.int64, types.int64, types.int64, types.int64), build


@intrinsic
def prefetch(typing, address):
    """Ask for the cache line at an address, which need not exist, before it is needed.

    Parameters
    ----------
    typing : typing context
        numba's.
    address : int
        Any address of the cache line.
    """

    def build(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], context.get_value_type(types.CPointer(types.int8)))
        ints = [ir.IntType(32)] * 3
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, *ints])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [pointer, *(ir.Constant(i, x) for i, x in zip(ints, (0, 3, 1), strict=True))])
        return context.get_dummy_value()

    return types.none(types.int64), build


@intrinsic
def atomic_add(typing, address, amount):
    """Add atomically to the int64 at an address; returns its value before.

    Parameters
    ----------
    typing : typing context
        numba's.
    address : int
        The number's address.
    amount : int
        What is added.
    """

    def build(context, builder, signature, arguments):
        pointer = builder.inttoptr(arguments[0], context.get_value_type(types.CPointer(types.int64)))
        return builder.atomic_rmw("add", pointer, arguments[1], "seq_cst")

    return types.int64(types.int64, types.int64), build
