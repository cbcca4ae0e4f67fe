"""The kernels of rules that move thresholds: each rule's own `change`, compiled over one population's thresholds."""

from __future__ import annotations

import sys

import numpy as np
from numba.np.unsafe.ndarray import to_fixed_tuple

from hilbench.backends._numba.changes import moved, named
from hilbench.backends._numba.plans import Move
from hilbench.backends._numba.pointers import f64, i64, inner, u8
from hilbench.backends._numba.table import Argument
from hilbench.nal.compile.lowered import ConstantColumn

N_ENTRIES, N_MOVE, N_CONSTANTS = len(Argument), len(Move), len(ConstantColumn)


@inner
def _set(constants, move, k, theta):
    """Give neuron k this threshold, with the constants that follow from it."""
    constants[ConstantColumn.THRESHOLD, k] = theta
    constants[ConstantColumn.LIMIT, k] = np.nextafter(theta, -np.inf) if move[Move.AT_LEAST] else theta
    if move[Move.SUBTRACT]:
        constants[ConstantColumn.ADD, k] = -theta


def threshold_kernel(rule):
    """The compiled step of one rule on one population's thresholds, with the constants that follow from them."""
    make, change = sys.modules[rule.__module__].Constants, inner(rule.change)
    n_own = len(make._fields)

    @inner
    @named(rule, "step")
    def step(table_at, move_at, learning):
        table, move = i64(table_at, N_ENTRIES), i64(move_at, N_MOVE)
        n = table[Argument.N]
        constants, spiked = f64(table[Argument.CONSTANTS], (N_CONSTANTS, n)), u8(table[Argument.SPIKED], n)
        c, bounds = make(*to_fixed_tuple(f64(move[Move.CONSTANTS], n_own), n_own)), f64(move[Move.BOUNDS], 3)
        if move[Move.POOL_HI] > move[Move.POOL_LO]:
            total = 0.0
            for k in range(move[Move.POOL_LO], move[Move.POOL_HI]):
                total += spiked[k]
            dw = change(c, total / (move[Move.POOL_HI] - move[Move.POOL_LO]))
            for k in range(move[Move.LO], move[Move.HI]):
                _set(constants, move, k, moved(constants[ConstantColumn.THRESHOLD, k], dw, bounds))
        else:
            for k in range(move[Move.LO], move[Move.HI]):
                dw = change(c, np.float64(spiked[k]))
                _set(constants, move, k, moved(constants[ConstantColumn.THRESHOLD, k], dw, bounds))
        return move[Move.HI] - move[Move.LO]

    return step
