"""One step of one population of plain neurons, compiled: the fast path. `general` is the path of all others."""

from __future__ import annotations

import numpy as np
from numba import types
from numba.cpython.unsafe.numbers import trailing_zeros
from numba.extending import overload

from hilbench.backends._numba.pointers import f64, i32, i64, inner, u8, u64
from hilbench.backends._numba.table import BLOCK, Argument
from hilbench.nal.compile.lowered import Column, ConstantColumn

N_CONSTANTS = len(ConstantColumn)
HEAD, LENGTH, N_SAVED = range(3)


def _at(constant, k):
    """One neuron's constant: the number that all share, or its element of an array."""


@overload(_at, inline="always")
def _at_compiled(constant, k):
    if isinstance(constant, types.Float):
        return lambda constant, k: constant
    return lambda constant, k: constant[np.uint64(k)]


# Loops without branches over blocks of a fixed length are vectorised. `hot` lists the blocks in which any membrane is
# over its limit, so that the search for spikes looks at few blocks. An index is unsigned or counts from 0 over a view:
# where it may be negative, LLVM gathers and scatters if the processor has AVX-512, which takes several times as long.


@inner
def _move(v, x, hot, rest, decay, from_input, limit):
    """Membranes without a synaptic current. Returns how many blocks are hot."""
    n_hot = 0
    for b in range((v.size + BLOCK - 1) // BLOCK):
        block = slice(b * BLOCK, min((b + 1) * BLOCK, v.size))
        vs, xs, any_over = v[block], x[block], False
        for j in range(vs.size):
            k = b * BLOCK + j
            moved = _at(rest, k) + (vs[j] - _at(rest, k)) * _at(decay, k) + _at(from_input, k) * xs[j]
            xs[j], vs[j] = 0.0, moved
            any_over |= moved > _at(limit, k)
        hot[n_hot] = b
        n_hot += any_over
    return n_hot


@inner
def _move_with_current(v, i, x, hot, rest, decay, from_current, from_input, syn_decay, syn_gain, limit):
    """Membranes behind a synaptic current i. Returns how many blocks are hot."""
    n_hot = 0
    for b in range((v.size + BLOCK - 1) // BLOCK):
        block = slice(b * BLOCK, min((b + 1) * BLOCK, v.size))
        vs, currents, xs, any_over = v[block], i[block], x[block], False
        for j in range(vs.size):
            k = b * BLOCK + j
            moved = _at(rest, k) + (vs[j] - _at(rest, k)) * _at(decay, k)
            moved = moved + _at(from_current, k) * currents[j] + _at(from_input, k) * xs[j]
            currents[j] = _at(syn_decay, k) * currents[j] + _at(syn_gain, k) * xs[j]
            xs[j], vs[j] = 0.0, moved
            any_over |= moved > _at(limit, k)
        hot[n_hot] = b
        n_hot += any_over
    return n_hot


@inner
def _move_all(table, row, lo, hi, v, i, x, hot):
    """One of the loops above, with one constant for all or one for each. Returns how many blocks are hot."""
    n = table[Argument.N]
    all_constants = f64(table[Argument.CONSTANTS], (N_CONSTANTS, n))
    if row[Column.UNIFORM]:
        c = all_constants[:, lo]
        if row[Column.CURRENT]:
            return _move_with_current(
                v, i, x, hot, c[ConstantColumn.REST], c[ConstantColumn.DECAY], c[ConstantColumn.FROM_CURRENT],
                c[ConstantColumn.FROM_INPUT],
                c[ConstantColumn.SYN_DECAY], c[ConstantColumn.SYN_GAIN], c[ConstantColumn.LIMIT],
            )  # fmt: skip
        return _move(
            v, x, hot, c[ConstantColumn.REST], c[ConstantColumn.DECAY], c[ConstantColumn.FROM_INPUT],
            c[ConstantColumn.LIMIT],
        )  # fmt: skip
    rest, decay, limit = (
        all_constants[ConstantColumn.REST, lo:hi], all_constants[ConstantColumn.DECAY, lo:hi],
        all_constants[ConstantColumn.LIMIT, lo:hi]
    )  # fmt: skip
    from_input = all_constants[ConstantColumn.FROM_INPUT, lo:hi]
    if row[Column.CURRENT]:
        return _move_with_current(
            v, i, x, hot, rest, decay, all_constants[ConstantColumn.FROM_CURRENT, lo:hi], from_input,
            all_constants[ConstantColumn.SYN_DECAY, lo:hi], all_constants[ConstantColumn.SYN_GAIN, lo:hi], limit,
        )  # fmt: skip
    return _move(v, x, hot, rest, decay, from_input, limit)


@inner
def plain(table, row, q, part, lo, hi, now, step, x, fired, amount):
    """One step of neurons lo to hi of a plain population; spikes are reset at once.

    Returns how many neurons fired.

    Parameters
    ----------
    q : int
        The number of the population, in the order of steps.
    lo : int
        The first neuron.
    hi : int
        The first neuron after the last one.
    step : int
        Which of the tick's steps this is.
    x : (hi - lo,) float64
        What arrives in this step; set to 0.
    fired : (hi - lo,) int32
        Written: the neurons that fired.
    amount : (hi - lo,) float64
        Written: how often each of them fired, or its v where spikes are graded.
    """
    n = table[Argument.N]
    v, i = f64(table[Argument.V], n)[lo:hi], f64(table[Argument.CURRENT], n)[lo:hi]
    hot = i32(table[Argument.HOT_BLOCKS] + 4 * part * (n // BLOCK + 1), n // BLOCK + 1)
    over = table[Argument.OVER] + part * BLOCK
    release, holding = i64(table[Argument.RELEASE], n)[lo:hi], i32(table[Argument.HOLDING], n)[lo:hi]
    hold_v = f64(table[Argument.HOLD_V], n)[lo:hi]
    queue = i64(table[Argument.QUEUE], (table[Argument.N_POPULATIONS], table[Argument.N_PARTS], 3))[q, part]
    if row[Column.HELD_INPUT]:
        held_current = f64(table[Argument.HELD_CURRENT], n)[lo:hi]
        for k in range(x.size):
            x[k] += held_current[k]
    constants = f64(table[Argument.CONSTANTS], (N_CONSTANTS, n))
    _save_held(v, hold_v, holding, queue, 0 if step == 0 else queue[N_SAVED])
    _let_go(v, hold_v, release, holding, queue, now)
    n_hot = _move_all(table, row, lo, hi, v, i, x, hot)
    if step == table[Argument.N_STEPS] - 1:
        _put_held(v, hold_v, holding, queue)
    if not row[Column.SPIKING]:
        return 0
    limit = constants[ConstantColumn.LIMIT, lo:hi]
    n_fired = _scan(v, limit, hot[:n_hot], u8(over, BLOCK), u64(over, BLOCK // 8), release, now, fired)
    if row[Column.EXCESS]:
        excess, threshold = f64(table[Argument.EXCESS], n)[lo:hi], constants[ConstantColumn.THRESHOLD, lo:hi]
        for k in range(v.size):
            excess[k] = v[k] - threshold[k] if release[k] <= now else -np.inf
    for j in range(n_fired):
        k, amount[j] = fired[j], 1.0
        v[k] = constants[ConstantColumn.KEEP, lo + k] * v[k] + constants[ConstantColumn.ADD, lo + k]
        release[k] = now + row[Column.REFRACTORY_STEPS] + 1
        if row[Column.REFRACTORY_STEPS] > 0:
            holding[(queue[HEAD] + queue[LENGTH]) % holding.size] = k
            queue[LENGTH] += 1
    return n_fired


# Few neurons are held after a spike at one time. They stand in a ring by age, HOLDING, with their membranes in HOLD_V.
# Their v moves on with all others, for a test for every neuron would take longer; nothing reads it meanwhile. It is put
# right when a neuron is free again, and at the end of a tick.


@inner
def _save_held(v, hold_v, holding, queue, first):
    """Save the membranes that are held, but for the oldest `first` ones, which are saved already."""
    at = queue[HEAD] + first
    for _ in range(first, queue[LENGTH]):
        at = at if at < holding.size else at - holding.size
        hold_v[at] = v[holding[at]]
        at += 1
    queue[N_SAVED] = queue[LENGTH]


@inner
def _let_go(v, hold_v, release, holding, queue, now):
    """Remove the neurons that are free again from the ring, and restore their membranes."""
    at = queue[HEAD]
    while queue[LENGTH] > 0 and release[holding[at]] <= now:
        v[holding[at]] = hold_v[at]
        at = at + 1 if at + 1 < holding.size else 0
        queue[LENGTH] -= 1
    queue[HEAD], queue[N_SAVED] = at, queue[LENGTH]


@inner
def _put_held(v, hold_v, holding, queue):
    """Restore the membranes that are held."""
    at = queue[HEAD]
    for _ in range(queue[LENGTH]):
        v[holding[at]] = hold_v[at]
        at = at + 1 if at + 1 < holding.size else 0


@inner
def _scan(v, limit, hot, over, words, release, now, fired):
    """Which neurons are over their limit and not held: in hot blocks, eight at a time, because few are."""
    n_fired = 0
    for b in range(hot.size):
        first = hot[b] * BLOCK
        vs, limits = v[first : first + BLOCK], limit[first : first + BLOCK]
        for j in range(vs.size):
            over[j] = vs[j] > limits[j]
        for j in range(vs.size, over.size):
            over[j] = 0
        for w in range(words.size):
            word = words[w]
            while word != 0:
                k = first + 8 * w + np.int64(trailing_zeros(word) >> 3)  # a byte that is set holds 1
                if release[k] <= now:
                    fired[n_fired] = k
                    n_fired += 1
                word &= word - np.uint64(1)
    return n_fired
