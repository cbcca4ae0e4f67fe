"""One step of one population of plain neurons, compiled: the fast path. `general` is the path of all others."""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import overload

from hilbench.backends._numba.pointers import f64, i32, i64, inner, u8, u64
from hilbench.backends._numba.table import BLOCK, Argument
from hilbench.nal.compile.lowered import Column, ConstantColumn

N_CONSTANTS = len(ConstantColumn)
HEAD, LENGTH = range(2)


def _at(constant, k):
    """Neuron k's constant: the number that all share, or its element of an array."""


@overload(_at, inline="always")
def _at_compiled(constant, k):
    if isinstance(constant, types.Float):
        return lambda constant, k: constant
    return lambda constant, k: constant[k]


# Loops without branches over blocks of a fixed length are vectorised. `hot` says for each block whether any membrane in
# it is over its limit, so that the search for spikes looks at few blocks.


@inner
def _move(v, x, hot, rest, decay, from_input, limit):
    """Membranes without a synaptic current."""
    for b in range(hot.size):
        block = slice(b * BLOCK, min((b + 1) * BLOCK, v.size))
        vs, xs, any_over = v[block], x[block], False
        for j in range(vs.size):
            k = b * BLOCK + j
            moved = _at(rest, k) + (vs[j] - _at(rest, k)) * _at(decay, k) + _at(from_input, k) * xs[j]
            xs[j], vs[j] = 0.0, moved
            any_over |= moved > _at(limit, k)
        hot[b] = any_over


@inner
def _move_with_current(v, i, x, hot, rest, decay, from_current, from_input, syn_decay, syn_gain, limit):
    """Membranes behind a synaptic current i."""
    for b in range(hot.size):
        block = slice(b * BLOCK, min((b + 1) * BLOCK, v.size))
        vs, currents, xs, any_over = v[block], i[block], x[block], False
        for j in range(vs.size):
            k = b * BLOCK + j
            moved = _at(rest, k) + (vs[j] - _at(rest, k)) * _at(decay, k)
            moved = moved + _at(from_current, k) * currents[j] + _at(from_input, k) * xs[j]
            currents[j] = _at(syn_decay, k) * currents[j] + _at(syn_gain, k) * xs[j]
            xs[j], vs[j] = 0.0, moved
            any_over |= moved > _at(limit, k)
        hot[b] = any_over


@inner
def _move_all(table, row, lo, hi, v, i, x, hot):
    """One of the loops above, with one constant for all or one for each."""
    n = table[Argument.N]
    all_constants = f64(table[Argument.CONSTANTS], (N_CONSTANTS, n))
    if row[Column.UNIFORM]:
        c = all_constants[:, lo]
        if row[Column.CURRENT]:
            _move_with_current(
                v, i, x, hot, c[ConstantColumn.REST], c[ConstantColumn.DECAY], c[ConstantColumn.FROM_CURRENT],
                c[ConstantColumn.FROM_INPUT],
                c[ConstantColumn.SYN_DECAY], c[ConstantColumn.SYN_GAIN], c[ConstantColumn.LIMIT],
            )  # fmt: skip
        else:
            _move(
                v,
                x,
                hot,
                c[ConstantColumn.REST],
                c[ConstantColumn.DECAY],
                c[ConstantColumn.FROM_INPUT],
                c[ConstantColumn.LIMIT],
            )
        return
    rest, decay, limit = (
        all_constants[ConstantColumn.REST, lo:hi], all_constants[ConstantColumn.DECAY, lo:hi],
        all_constants[ConstantColumn.LIMIT, lo:hi]
    )  # fmt: skip
    from_input = all_constants[ConstantColumn.FROM_INPUT, lo:hi]
    if row[Column.CURRENT]:
        _move_with_current(
            v, i, x, hot, rest, decay, all_constants[ConstantColumn.FROM_CURRENT, lo:hi], from_input,
            all_constants[ConstantColumn.SYN_DECAY, lo:hi], all_constants[ConstantColumn.SYN_GAIN, lo:hi], limit,
        )  # fmt: skip
    else:
        _move(v, x, hot, rest, decay, from_input, limit)


@inner
def plain(table, row, q, part, lo, hi, now, x, fired, amount):
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
    x : (hi - lo,) float64
        What arrives in this step; set to 0.
    fired : (hi - lo,) int32
        Written: the neurons that fired.
    amount : (hi - lo,) float64
        Written: how often each of them fired, or its v where spikes are graded.
    """
    n = table[Argument.N]
    v, i = f64(table[Argument.V], n)[lo:hi], f64(table[Argument.CURRENT], n)[lo:hi]
    hot = u8(table[Argument.ACTIVE_BLOCKS] + part * n, (hi - lo + BLOCK - 1) // BLOCK)
    over = table[Argument.OVER] + part * BLOCK
    release, holding = i64(table[Argument.RELEASE], n)[lo:hi], i32(table[Argument.HOLDING], n)[lo:hi]
    hold_v = f64(table[Argument.HOLD_V], n)[lo:hi]
    queue = i64(table[Argument.QUEUE], (table[Argument.N_POPULATIONS], table[Argument.N_PARTS], 2))[q, part]
    if row[Column.HELD_INPUT]:
        held_current = f64(table[Argument.HELD_CURRENT], n)[lo:hi]
        for k in range(x.size):
            x[k] += held_current[k]
    constants = f64(table[Argument.CONSTANTS], (N_CONSTANTS, n))
    _let_go(release, holding, queue, now)
    _copy_held(v, hold_v, holding, queue)
    _move_all(table, row, lo, hi, v, i, x, hot)
    _put_held(v, hold_v, holding, queue)
    if not row[Column.SPIKING]:
        return 0
    n_fired = _scan(
        v, constants[ConstantColumn.LIMIT, lo:hi], hot, u8(over, BLOCK), u64(over, BLOCK // 8), release, now, fired
    )
    if row[Column.EXCESS]:
        excess = f64(table[Argument.EXCESS], n)[lo:hi]
        for k in range(v.size):
            excess[k] = v[k] - constants[ConstantColumn.THRESHOLD, lo + k] if release[k] <= now else -np.inf
    for j in range(n_fired):
        k, amount[j] = fired[j], 1.0
        v[k] = constants[ConstantColumn.KEEP, lo + k] * v[k] + constants[ConstantColumn.ADD, lo + k]
        release[k] = now + row[Column.REFRACTORY_STEPS] + 1
        if row[Column.REFRACTORY_STEPS] > 0:
            holding[(queue[HEAD] + queue[LENGTH]) % holding.size] = k
            queue[LENGTH] += 1
    return n_fired


# Few neurons are held after a spike at one time. To save and restore their membranes, in a ring by age, is cheaper than
# a test for every neuron.


@inner
def _let_go(release, holding, queue, now):
    """Remove the neurons that are free again from the ring."""
    while queue[LENGTH] > 0 and release[holding[queue[HEAD]]] <= now:
        queue[HEAD] = queue[HEAD] + 1 if queue[HEAD] + 1 < holding.size else 0
        queue[LENGTH] -= 1


@inner
def _copy_held(v, hold_v, holding, queue):
    """Save the membranes that are held."""
    head = holding[queue[HEAD] :][: queue[LENGTH]]
    for j in range(head.size):
        hold_v[j] = v[head[j]]
    rest, kept = holding[: queue[LENGTH] - head.size], hold_v[head.size :]
    for j in range(rest.size):
        kept[j] = v[rest[j]]


@inner
def _put_held(v, hold_v, holding, queue):
    """Restore the membranes that are held."""
    head = holding[queue[HEAD] :][: queue[LENGTH]]
    for j in range(head.size):
        v[head[j]] = hold_v[j]
    rest, kept = holding[: queue[LENGTH] - head.size], hold_v[head.size :]
    for j in range(rest.size):
        v[rest[j]] = kept[j]


@inner
def _scan(v, limit, hot, over, words, release, now, fired):
    """Which neurons are over their limit and not held: in hot blocks, eight at a time, because few are."""
    n_fired = 0
    for b in range(hot.size):
        if not hot[b]:
            continue
        first = b * BLOCK
        vs, limits = v[first : first + BLOCK], limit[first : first + BLOCK]
        for j in range(vs.size):
            over[j] = vs[j] > limits[j]
        for j in range(vs.size, over.size):
            over[j] = 0
        for w in range(words.size):
            if words[w] != 0:
                for j in range(8 * w, 8 * w + 8):
                    if over[j] and release[first + j] <= now:
                        fired[n_fired] = first + j
                        n_fired += 1
    return n_fired
