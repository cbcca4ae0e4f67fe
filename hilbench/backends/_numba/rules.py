"""The kernels of learning rules: each rule's own equations, compiled over the arrays of `plans`.

A kernel updates the traces of every neuron in every step, then the synapses that the rule changes. Rules that change
weights by spikes touch only the synapses of neurons that spiked. A kernel is compiled when the first network with its
rule is loaded, and is called by its address: all rules in one function would take as long to compile as all the rest.
"""

from __future__ import annotations

import sys
from functools import cache
from types import FunctionType

import numpy as np
from numba import cfunc
from numba.np.unsafe.ndarray import to_fixed_tuple

from hilbench.backends._numba.changes import HIGH, LOW, SOFTNESS, kept, kept_in_proportion, kept_softly, moved, named
from hilbench.backends._numba.plans import Plan
from hilbench.backends._numba.pointers import f32, f64, i32, i64, inner, u8
from hilbench.backends._numba.table import Address, Argument
from hilbench.backends._numba.thresholds import threshold_kernel
from hilbench.nal.compile.lowered import ProjectionRow

N_ENTRIES, N_LINK_COLUMNS, N_PLAN = len(Argument), len(ProjectionRow), len(Plan)
N_ADDRESSES = len(Address)
FEW = 8
"""With at most this many targets, a dense projection is updated column by column."""

# How a neuron's or a synapse's traces are read and written, by how many it has.


@inner
def _take_none(traces, k):
    return ()


@inner
def _take_one(traces, k):
    return (traces[0, k],)


@inner
def _take_two(traces, k):
    return traces[0, k], traces[1, k]


@inner
def _take_three(traces, k):
    return traces[0, k], traces[1, k], traces[2, k]


_TAKE = (_take_none, _take_one, _take_two, _take_three)


@inner
def _put_none(traces, k, after):
    pass


@inner
def _put_one(traces, k, after):
    traces[0, k] = after[0]


@inner
def _put_two(traces, k, after):
    traces[0, k], traces[1, k] = after[0], after[1]


@inner
def _put_three(traces, k, after):
    traces[0, k], traces[1, k], traces[2, k] = after[0], after[1], after[2]


_PUT = (_put_none, _put_one, _put_two, _put_three)


def kernel(rule):
    """The compiled step of one rule on one projection, or on one population's thresholds."""
    return threshold_kernel(rule) if rule.moves == "thresholds" else _weight_kernel(rule)


def _weight_kernel(rule):
    constants = sys.modules[rule.__module__].Constants
    n_constants, n_pre, n_post = len(constants._fields), len(rule.pre_traces), len(rule.post_traces)
    pre, post, drive = (inner(f) for f in (rule.pre, rule.post, rule.drive))
    take_x, put_x, take_y, put_y = _TAKE[n_pre], _PUT[n_pre], _TAKE[n_post], _PUT[n_post]
    change = (_by_spikes if rule.by_spikes else _every_step)(rule, take_x, take_y)

    @inner
    @named(rule, "step")
    def step(table_at, plan_at, learning):
        table, plan = i64(table_at, N_ENTRIES), i64(plan_at, N_PLAN)
        link = i64(table[Argument.LINKS] + 8 * N_LINK_COLUMNS * plan[Plan.LINK], N_LINK_COLUMNS)
        addresses = i64(table[Argument.SYNAPSES] + 8 * N_ADDRESSES * plan[Plan.LINK], N_ADDRESSES)
        n, n_source, n_target = table[Argument.N], link[ProjectionRow.N_SOURCE], link[ProjectionRow.N_TARGET]
        slot = (i64(table[Argument.CLOCKS], 2)[0] + plan[Plan.OLDEST]) % plan[Plan.DEPTH]
        arrived = f32(plan[Plan.UNDER_WAY] + 4 * n_source * slot, n_source)
        c = constants(*to_fixed_tuple(f64(plan[Plan.CONSTANTS], n_constants), n_constants))
        x, y = f64(plan[Plan.PRE], (n_pre, n_source)), f64(plan[Plan.POST], (n_post, n_target))
        fired = u8(table[Argument.SPIKED], n)[link[ProjectionRow.TARGET_LO] : link[ProjectionRow.TARGET_LO] + n_target]
        excess = f64(table[Argument.EXCESS], n)[
            link[ProjectionRow.TARGET_LO] : link[ProjectionRow.TARGET_LO] + n_target
        ]
        signal, drives = f64(plan[Plan.SIGNAL], n_target), f64(plan[Plan.DRIVE], n_target)
        for s in range(n_source):
            put_x(x, s, pre(c, take_x(x, s), np.float64(arrived[s])))
        for t in range(n_target):
            put_y(y, t, post(c, take_y(y, t), np.float64(fired[t]), excess[t], signal[t]))
            drives[t] = drive(c, take_y(y, t), signal[t])
        return change(c, plan, link, addresses, arrived, fired, x, y, drives, learning != 0)

    return step


def _every_step(rule, take_x, take_y):
    """The compiled changes of a rule that moves all weights in every step. Counts those with a drive."""
    n_traces = len(rule.synapse_traces)
    hard, linear, soft = (_synapses(rule, take_x, take_y, keep) for keep in (kept, kept_in_proportion, kept_softly))

    @inner
    @named(rule, "change")
    def run(c, plan, link, addresses, arrived, fired, x, y, drives, learning):
        if n_traces == 0 and not learning:
            return 0
        starts = i64(addresses[Address.STARTS], link[ProjectionRow.N_SOURCE] + 1)
        n, bounds = starts[link[ProjectionRow.N_SOURCE]], f64(plan[Plan.BOUNDS], 3)
        targets, weights, e = (
            i32(addresses[Address.TARGETS], n),
            f64(addresses[Address.WEIGHTS], n),
            f64(plan[Plan.SYNAPSE], (n_traces, n)),
        )
        limits, dense = (bounds[LOW], bounds[HIGH], bounds[SOFTNESS]), link[ProjectionRow.DENSE]
        if bounds[SOFTNESS] == 1:
            linear(c, weights, e, starts, targets, dense, arrived, fired, x, y, drives, learning, limits)
        elif bounds[SOFTNESS] > 0:
            soft(c, weights, e, starts, targets, dense, arrived, fired, x, y, drives, learning, limits)
        else:
            hard(c, weights, e, starts, targets, dense, arrived, fired, x, y, drives, learning, limits)
        return _driven(starts, targets, drives) if learning else 0

    return run


def _synapses(rule, take_x, take_y, keep):
    """The compiled loops of `_every_step`, which keep weights within their bounds in one way."""
    change, n_traces = inner(rule.change), len(rule.synapse_traces)
    take_e, put_e = _TAKE[n_traces], _PUT[n_traces]

    @inner
    @named(rule, f"{keep.__name__}.one")
    def one(c, weights, e, k, came, x, z, y, drive, live, bounds):
        w = weights[k]
        dw, after = change(c, w, take_e(e, k), came, x, z, y, drive)
        put_e(e, k, after)
        kept = keep(w, dw, *bounds)
        weights[k] = kept if live else w

    @inner
    @named(rule, f"{keep.__name__}.synapses")
    def run(c, weights, e, starts, targets, dense, arrived, fired, x, y, drives, live, bounds):
        if dense and drives.size <= FEW:  # short rows: column by column
            for t in range(drives.size):
                z, own, d = np.float64(fired[t]), take_y(y, t), drives[t]
                for s in range(arrived.size):
                    k = s * drives.size + t
                    one(c, weights, e, k, np.float64(arrived[s]), take_x(x, s), z, own, d, live, bounds)
            return
        for s in range(arrived.size):
            a, b = starts[s], starts[s + 1]
            w, mine, to, came, seen = weights[a:b], e[:, a:b], targets[a:b], np.float64(arrived[s]), take_x(x, s)
            if dense:  # a loop of its own, so that it vectorises
                for t in range(b - a):
                    one(c, w, mine, t, came, seen, np.float64(fired[t]), take_y(y, t), drives[t], live, bounds)
            else:
                for k in range(b - a):
                    t = to[k]
                    one(c, w, mine, k, came, seen, np.float64(fired[t]), take_y(y, t), drives[t], live, bounds)

    return run


@inner
def _driven(starts, targets, drives):
    """How many synapses have a target that is driven."""
    n_driven, n = 0, 0
    for t in range(drives.size):
        n_driven += drives[t] != 0
    if n_driven == drives.size:
        return starts[-1]
    for k in range(starts[-1] if n_driven else 0):
        n += drives[targets[k]] != 0
    return n


def _by_spikes(rule, take_x, take_y):
    """The compiled changes of a rule that moves weights where spikes arrive or leave. Counts those it touches."""
    on_pre, on_post = inner(rule.on_pre), inner(rule.on_post)

    @inner
    @named(rule, "change")
    def run(c, plan, link, addresses, arrived, fired, x, y, drives, learning):
        if not learning:
            return 0
        starts, ends = (
            i64(addresses[Address.STARTS], link[ProjectionRow.N_SOURCE] + 1),
            i64(plan[Plan.BY_TARGET], fired.size + 1),
        )
        n = starts[link[ProjectionRow.N_SOURCE]]
        targets, weights = i32(addresses[Address.TARGETS], n), f64(addresses[Address.WEIGHTS], n)
        synapses, sources = i64(plan[Plan.AT_SYNAPSE], n), i32(plan[Plan.AT_SOURCE], n)
        bounds, updates = f64(plan[Plan.BOUNDS], 3), 0
        for s in range(link[ProjectionRow.N_SOURCE]):
            if arrived[s] != 0:
                for k in range(starts[s], starts[s + 1]):
                    t, w = targets[k], weights[k]
                    dw = on_pre(c, w, np.float64(arrived[s]), take_x(x, s), np.float64(fired[t]), take_y(y, t))
                    weights[k] = moved(w, dw, bounds)
                updates += starts[s + 1] - starts[s]
        for t in range(fired.size):
            if fired[t] != 0:
                for j in range(ends[t], ends[t + 1]):
                    k, s = synapses[j], sources[j]
                    w = weights[k]
                    dw = on_post(c, w, np.float64(arrived[s]), take_x(x, s), np.float64(fired[t]), take_y(y, t))
                    weights[k] = moved(w, dw, bounds)
                updates += ends[t + 1] - ends[t]
        return updates

    return run


def _run(table, plan, learning):
    return _step(table, plan, learning)  # noqa: F821 - each copy of this function is given a global of that name


@cache
def compiled(rule):
    """The kernel of a class of rules. It has an `address`, and lives as long as this module.

    numba finds a kernel in its disk cache by a function's name and by the bytes of what it closes over, which differ
    from process to process. So each rule has a copy of `_run` under a name of its own, with its step as a global.
    """
    run = FunctionType(_run.__code__, globals() | {"_step": kernel(rule)})
    return cfunc("int64(int64, int64, int64)", cache=True)(named(rule, "run")(run))
