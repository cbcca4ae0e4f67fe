"""Learning, compiled: one step of all rules in the order that `reference` has, and of the thresholds that move."""

from __future__ import annotations

import numpy as np

from hilbench.backends._numba.changes import GATE_ABOVE
from hilbench.backends._numba.plans import Ear, Move, Plan
from hilbench.backends._numba.pointers import call, f32, f64, finite, i32, i64, inner, u8, u32
from hilbench.backends._numba.table import Address, Argument
from hilbench.nal.compile.lowered import ProjectionRow

N_LINK_COLUMNS, N_PLAN, N_MOVE, N_ADDRESSES = (
    len(ProjectionRow),
    len(Plan),
    len(Move),
    len(Address),
)
N_EAR = len(Ear)


@inner
def learn(table, learning, first_event, next_event):
    """One step of every rule. Returns how many weights and thresholds were updated.

    Parameters
    ----------
    learning : bool
        Whether weights and thresholds change.
    first_event : int
        The first of this step's events.
    next_event : int
        The first event after this step.
    """
    n_plans, updates = table[Argument.N_PLANS], 0
    plans = i64(table[Argument.PLANS], (n_plans, N_PLAN))
    links = i64(table[Argument.LINKS], (table[Argument.N_LINKS], N_LINK_COLUMNS))
    synapses = i64(table[Argument.SYNAPSES], (table[Argument.N_LINKS], N_ADDRESSES))
    for p in range(n_plans):
        _signal(table, plans[p], links, synapses)
        _send(table, plans[p], links[plans[p, Plan.LINK], ProjectionRow.N_SOURCE], first_event, next_event)
    for p in range(n_plans):
        plan_at = table[Argument.PLANS] + 8 * N_PLAN * p
        live = learning and _open(table, plans[p, Plan.GATE], plans[p, Plan.BOUNDS])
        updates += call(plans[p, Plan.STEP], table.ctypes.data, plan_at, np.int64(live))
    updates += _move_thresholds(table) if learning else 0
    if table[Argument.N_EARS] > 0:
        _hear(table)
    return updates


@inner
def _open(table, gate, bounds_at):
    """Whether a rule's gate is open; one without a gate may always learn."""
    return gate < 0 or f64(table[Argument.HEARD], table[Argument.N_HEARD])[gate] > f64(bounds_at, 4)[GATE_ABOVE]


@inner
def _hear(table):
    """Keep what the rules hear of the network for the next step: values, or spikes per second."""
    ears = i64(table[Argument.EARS], (table[Argument.N_EARS], N_EAR))
    heard, dt_s = f64(table[Argument.HEARD], table[Argument.N_HEARD]), f64(table[Argument.NUMBERS], 2)[0]
    v, spiked = f64(table[Argument.V], table[Argument.N]), u8(table[Argument.SPIKED], table[Argument.N])
    for e in range(ears.shape[0]):
        lo, at = ears[e, Ear.LO], ears[e, Ear.AT]
        for k in range(ears[e, Ear.SIZE]):
            heard[at + k] = np.float64(spiked[lo + k]) / dt_s if ears[e, Ear.SPIKING] else finite(v[lo + k])


@inner
def _signal(table, plan, links, synapses):
    """The modulator of each target neuron, by weights as they stand before this step's learning."""
    if plan[Plan.N_MODULATORS] == 0:
        return
    own = slice(plan[Plan.MODULATOR_LO], plan[Plan.MODULATOR_LO] + plan[Plan.N_MODULATORS])
    if plan[Plan.INSIDE]:
        _spread(f64(table[Argument.HEARD], table[Argument.N_HEARD])[own], plan, links, synapses)
    else:
        _spread(f32(table[Argument.MODULATORS], table[Argument.N_MODULATORS])[own], plan, links, synapses)


@inner
def _spread(m, plan, links, synapses):
    """The values m of a modulator onto the target neurons."""
    n, n_target, readout = (
        plan[Plan.N_MODULATORS],
        links[plan[Plan.LINK], ProjectionRow.N_TARGET],
        plan[Plan.FEEDBACK_LINK],
    )
    signal = f64(plan[Plan.SIGNAL], n_target)
    if plan[Plan.FEEDBACK] != 0:
        feedback = f64(plan[Plan.FEEDBACK], (n_target, n))
        for t in range(n_target):
            signal[t] = 0.0
            for k in range(n):
                signal[t] += feedback[t, k] * finite(m[k])
    elif readout >= 0:
        starts = i64(synapses[readout, Address.STARTS], n_target + 1)
        outputs = i32(synapses[readout, Address.TARGETS], starts[n_target])
        if links[readout, ProjectionRow.PLASTIC]:
            _sum_by(f64(synapses[readout, Address.WEIGHTS], starts[n_target]), starts, outputs, m, signal)
        else:
            _sum_by(f32(synapses[readout, Address.WEIGHTS], starts[n_target]), starts, outputs, m, signal)
    else:
        for t in range(n_target):
            signal[t] = finite(m[t if n > 1 else 0])


@inner
def _sum_by(weights, starts, outputs, m, signal):
    """The modulator of each neuron by the weights that it sends to the readout's outputs."""
    for t in range(signal.size):
        signal[t] = 0.0
        for k in range(starts[t], starts[t + 1]):
            signal[t] += np.float64(weights[k]) * finite(m[outputs[k]])


@inner
def _send(table, plan, n, first_event, next_event):
    """Note how many spikes of each of the n sources are sent in this step; they arrive when their slot comes again."""
    if not plan[Plan.FIRST]:
        return
    slot = i64(table[Argument.CLOCKS], 2)[0] % plan[Plan.DEPTH]
    sent = f32(plan[Plan.UNDER_WAY] + 4 * n * slot, n)
    if plan[Plan.FROM_EVENTS]:
        events = u32(table[Argument.EVENTS], (next_event, 2))
        sent[:] = 0
        for j in range(first_event, next_event):
            s = np.int64(events[j, 1]) - plan[Plan.SOURCE]
            if 0 <= s < n:
                sent[s] += 1
    else:
        spiked = u8(table[Argument.SPIKED], table[Argument.N])[plan[Plan.SOURCE] : plan[Plan.SOURCE] + n]
        for s in range(n):
            sent[s] = spiked[s]


@inner
def _move_thresholds(table):
    """Thresholds that a rule moves, with the constants that follow from them. Returns how many."""
    updates = 0
    moves = i64(table[Argument.MOVES], (table[Argument.N_MOVES], N_MOVE))
    for q in range(table[Argument.N_MOVES]):
        if not _open(table, moves[q, Move.GATE], moves[q, Move.BOUNDS]):
            continue
        updates += call(moves[q, Move.STEP], table.ctypes.data, table[Argument.MOVES] + 8 * N_MOVE * q, 1)
    return updates
