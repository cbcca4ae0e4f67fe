"""Rows of a record whose every column follows from the tick's number, and a check of what was read back."""

from __future__ import annotations

import blank
import numpy as np

from hilbench.record.columns import Widths
from hilbench.record.meta import RunMeta
from hilbench.types import EVENT, NO_EVENTS, REPLIED, Reply, Tick

SHAPE = Widths(obs=3, state=2, info=("error", "x"), actions=2, steps=2, values_in=3, modulators=1, values_out=2)

META = {
    "plant_spec": {"obs_names": list("abc"), "action_names": list("ab"), "physics_step_s": 0.0005},
    "ports": {
        "inputs": [{"name": "x", "size": 3, "kind": "values"}],
        "outputs": [{"name": "y", "size": 2, "kind": "values"}],
        "modulators": [{"name": "m", "size": 1, "kind": "values"}],
    },
}
"""What a run's file says of such rows."""


def run_meta(**more) -> RunMeta:
    """The RunMeta of a run with such rows, with these entries."""
    return blank.run_meta(**blank.laid_over(META, more))


def events(k, salt):
    found = np.zeros((k * salt) % 4, EVENT)
    found["t_us"], found["address"] = np.arange(len(found)) + k, 2**32 - 1 - salt
    return found


def write_tick(rows, k, x=None):
    tick = Tick(seq=k, values=np.full(3, k, "f4"), modulators=np.full(1, -k, "f4"), events=events(k, 1))
    row = (k, 1000 * k, False, k % 2 == 0, 10 * k, 10 * k + 1, 10 * k + 2, 10 * k + 3, -0.5 * k, False, False, k % 3)
    told = tick.events if k % 2 else events(k, 3)  # every other tick is sent what the sensors told
    obs, state = np.full(3, 0.1 * k, "f4"), np.array([k, 1 / (k + 1)])
    rows.tick(row, tick, obs, state, {"x": 2.0 * k if x is None else x, "error": 3.0 * k}, told)
    for j in range(2):
        rows.acted(k, j, np.array([k, j]), REPLIED * j)


def write_reply(rows, k, prev=None):
    reply = Reply(
        seq=k, prev_seq=k - 1 if prev is None else prev, recv_ns=7 * k, compute_ns=k, energy_j=0.25 * k,
        counters=np.array([k, 2 * k, 3 * k, 2**63 + k, k], np.uint64), values=np.array([k, -k], "f4"),
        events=events(k, 2), probe_events=events(k, 3), probe_values=np.full(k % 3, k, "f4"),
    )  # fmt: skip
    rows.reply(reply, 100 + k, 150 + k, k % 5, k % 7 == 0, k % 2, 0)
    rows.applied(k, 2 * k + 1, 200 + k)


def check(rows, n, answered):
    """Every column of the first `n` rows, of which `answered` have a reply."""
    k = np.arange(n)
    for name, expected in {
        "seq": k, "t_us": 1000 * k, "skipped": k < 0, "learning": k % 2 == 0, "scheduled_ns": 10 * k,
        "captured_ns": 10 * k + 1, "encoded_ns": 10 * k + 2, "sent_ns": 10 * k + 3, "reward": -0.5 * k,
        "terminated": k < 0, "truncated": k < 0, "relayed": k % 2 == 1,
        "events_lost": k % 3, "info.x": 2.0 * k, "info.error": 3.0 * k, "obs": np.float32(0.1 * k)[:, None] * [1, 1, 1],
        "state": np.stack([k, 1 / (k + 1)], 1), "values_in": k[:, None] * [1, 1, 1], "modulators": -k[:, None],
        "actions": np.stack([k, 0 * k, k, 0 * k + 1], 1), "sources": k[:, None] * 0 + [0, REPLIED],
        "answered": answered, "arrived_ns": np.where(answered, 100 + k, 0),
        "decoded_ns": np.where(answered, 150 + k, 0), "prev_seq": np.where(answered, k - 1, -1),
        "received_ns": np.where(answered, 7 * k, 0), "compute_ns": np.where(answered, k, 0),
        "energy_j": np.where(answered, 0.25 * k, np.nan), "spikes": np.where(answered, k, 0),
        "synaptic_operations": np.where(answered, 2 * k, 0), "neuron_updates": np.where(answered, 3 * k, 0),
        "late": answered & (k % 7 == 0), "slip": np.where(answered, k % 5, 0), "clipped": answered & (k % 2 == 1),
        "not_finite": k < 0, "applied_step": np.where(answered, 2 * k + 1, -1),
        "applied_ns": np.where(answered, 200 + k, 0),
        "values_out": np.where(answered[:, None], np.stack([k, -k], 1), np.nan),
        "weight_updates": np.where(answered, np.uint64(2**63) + k.astype(np.uint64), np.uint64(0)),
    }.items():  # fmt: skip
        np.testing.assert_array_equal(rows[name], expected, err_msg=name)
    # Its own reply or its follower's says that the network has run a tick, unless the row was written by then.
    assert (rows["processed"] >= answered).all()
    assert (rows["processed"] <= (answered | np.append(answered[1:], False))).all()
    for name, salt in (("events", 1), ("reply_events", 2), ("probe_events", 3)):
        for i in range(n):
            known = answered[i] or name == "events"
            np.testing.assert_array_equal(rows[name][i], events(i, salt) if known else NO_EVENTS, err_msg=name)
    for i in range(n):
        np.testing.assert_array_equal(rows["sensor_events"][i], events(i, 1 if i % 2 else 3))
        np.testing.assert_array_equal(rows["probe_values"][i], np.full(i % 3 if answered[i] else 0, i))
