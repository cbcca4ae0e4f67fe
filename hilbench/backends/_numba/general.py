"""One step of one population of any Behaviour, compiled, and what acts after the threshold test."""

from __future__ import annotations

import numpy as np

from hilbench.backends._network import MAX_SPIKES
from hilbench.backends._numba.arrivals import take_mark
from hilbench.backends._numba.pointers import f64, i64, inner, u64
from hilbench.backends._numba.table import Argument
from hilbench.nal.compile.lowered import Column, ConstantColumn, Trait
from hilbench.nal.model import noise

N_CONSTANTS, N_COLUMNS, N_TRAITS = len(ConstantColumn), len(Column), len(Trait)

_mix, _uniform = inner(noise.mix), inner(noise.uniform)


@inner
def _draw(table, q, k, now):
    """The random number of neuron k of population q in this step, as `nal.noise.uniform` draws it."""
    key = u64(table[Argument.KEYS], table[Argument.N_POPULATIONS])[q]
    step = np.uint64(now - i64(table[Argument.CLOCKS], 2)[1])
    return _uniform(key, step, np.uint64(k), _mix)


@inner
def _count(table, row, q, k, now, v, threshold, traits):
    """How many spikes a membrane makes; `threshold` without its noise."""
    if row[Column.POISSON]:
        return 1.0 if _draw(table, q, k, now) < v * f64(table[Argument.NUMBERS], 2)[0] else 0.0
    if traits[Trait.NOISE] > 0:
        drawn = _draw(table, q, k, now)
        threshold += traits[Trait.NOISE] * np.log(drawn / (1 - drawn))
    if not (v > threshold or (row[Column.AT_LEAST] and v == threshold)):
        return 0.0
    if not row[Column.MULTIPLE] or threshold <= 0:
        return 1.0
    fit = np.floor(v / threshold) if row[Column.AT_LEAST] else np.ceil(v / threshold) - 1
    return min(max(fit, 1.0), MAX_SPIKES)


@inner
def general(table, row, q, lo, hi, now, x, fired, amount):
    """One step of neurons lo to hi of any population, as `plain`, but one neuron after the other.

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
    c = f64(table[Argument.CONSTANTS], (N_CONSTANTS, n))[:, lo:hi]
    traits = f64(table[Argument.TRAITS], (table[Argument.N_POPULATIONS], N_TRAITS))[q]
    v, i, release = (
        f64(table[Argument.V], n)[lo:hi],
        f64(table[Argument.CURRENT], n)[lo:hi],
        i64(table[Argument.RELEASE], n)[lo:hi],
    )
    pending, adapted = f64(table[Argument.PENDING], n)[lo:hi], f64(table[Argument.ADAPTED], n)[lo:hi]
    held_current, excess = f64(table[Argument.HELD_CURRENT], n)[lo:hi], f64(table[Argument.EXCESS], n)[lo:hi]
    n_fired = 0
    for k in range(v.size):
        arrived = x[k] + held_current[k]
        x[k] = 0.0
        moved = c[ConstantColumn.REST, k] + (v[k] - c[ConstantColumn.REST, k]) * c[ConstantColumn.DECAY, k]
        if row[Column.NEXT] and pending[k] > 0:
            moved = _reset(c, k, moved, pending[k], row[Column.SUBTRACT])
        moved = moved + c[ConstantColumn.FROM_CURRENT, k] * i[k] + c[ConstantColumn.FROM_INPUT, k] * arrived
        i[k] = c[ConstantColumn.SYN_DECAY, k] * i[k] + c[ConstantColumn.SYN_GAIN, k] * arrived
        free = release[k] <= now
        if free:
            v[k] = max(moved, traits[Trait.FLOOR])
        count, tested = 0.0, free
        if row[Column.ON_ARRIVAL]:
            tested = take_mark(table, now, lo + k) and free
        if tested and row[Column.SPIKING]:
            threshold = c[ConstantColumn.THRESHOLD, k] + traits[Trait.ADAPT_STEP] * adapted[k]
            count = _count(table, row, q, lo + k - row[Column.LO], now, v[k], threshold, traits)
            excess[k] = v[k] - threshold
        elif row[Column.EXCESS]:
            excess[k] = -np.inf
        if traits[Trait.ADAPT_DECAY] > 0:
            adapted[k] = traits[Trait.ADAPT_DECAY] * adapted[k] + count
        pending[k] = count
        if count > 0:
            fired[n_fired], amount[n_fired] = k, v[k] if row[Column.GRADED] else count
            n_fired += 1
            release[k] = now + row[Column.REFRACTORY_STEPS] + 1
            if not row[Column.NEXT]:
                v[k] = _reset(c, k, v[k], count, row[Column.SUBTRACT])
    return n_fired


@inner
def _reset(c, k, v, count, subtract):
    return c[ConstantColumn.KEEP, k] * v + c[ConstantColumn.ADD, k] * (count if subtract else 1.0)


@inner
def act_after_threshold(table, part, now, arrived):
    """Add input that acts after the threshold test to this part's membranes.

    It acts on those that are free, and on those that fired in this step and keep their v.

    Parameters
    ----------
    arrived : (n,) float64
        What arrives after the test, of all neurons; set to 0.
    """
    n = table[Argument.N]
    populations = i64(table[Argument.POPULATIONS], (table[Argument.N_POPULATIONS], N_COLUMNS))
    bounds = i64(table[Argument.BOUNDS], (table[Argument.N_POPULATIONS], table[Argument.N_PARTS] + 1))
    constants = f64(table[Argument.CONSTANTS], (N_CONSTANTS, n))
    v, i, release = f64(table[Argument.V], n), f64(table[Argument.CURRENT], n), i64(table[Argument.RELEASE], n)
    for q in range(table[Argument.N_POPULATIONS]):
        row = populations[q]
        if not row[Column.AFTER_THRESHOLD]:
            continue
        fired_now = now + row[Column.REFRACTORY_STEPS] + 1
        for k in range(bounds[q, part], bounds[q, part + 1]):
            kept = release[k] == fired_now and (row[Column.SUBTRACT] or row[Column.NEXT])
            if release[k] <= now or kept:
                v[k] += constants[ConstantColumn.FROM_INPUT, k] * arrived[k]
            i[k] += constants[ConstantColumn.SYN_GAIN, k] * arrived[k]
            arrived[k] = 0.0
