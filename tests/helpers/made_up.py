"""Made-up episodes and runs whose metrics can be worked out by hand."""

from __future__ import annotations

import numpy as np
from blank import laid_over, run_meta

from hilbench.record.data import RunData

MS = 1_000_000


def episode(n, **columns):
    """A lockstep episode of `n` ticks at 1 kHz, every tick answered and acting at once; `columns` replace its own."""
    k = np.arange(n)
    rows = {
        "seq": k, "t_us": 1000 * k, "skipped": k < 0, "terminated": k < 0, "truncated": k < 0, "answered": k >= 0,
        "scheduled_ns": MS * k, "captured_ns": MS * k, "arrived_ns": MS * k + 100_000, "applied_ns": MS * k,
        "applied_step": k, "compute_ns": k * 0 + 50_000, "clipped": k < 0, "not_finite": k < 0, "late": k < 0,
        "info.error": k * 0.0, "spikes": k * 0 + 3, "synaptic_operations": k, "neuron_updates": k, "weight_updates": k,
        "multiplications": k * 0, "prev_seq": k - 1, "slip": k * 0, "learning": k >= 0, "energy_j": k * np.nan,
        "sources": np.ones((n, 1), np.uint8), "reward": k * 0.0,
    }  # fmt: skip
    rows |= {name: np.asarray(column) for name, column in columns.items()}
    return {"processed": rows["answered"], **rows}


def run(*episodes, mode="lockstep", scenario=(), faults=(), network=None, inputs=(), more=(), beside=(), **parts):
    """`parts` are tables of the scenario, or fields of its loop."""
    tables = {name: dict(parts.pop(name)) for name in ("phases", "score", "record", "disturbances") if name in parts}
    scenario = {"loop": {"mode": mode, "period_s": 0.001, **parts}, **tables, **dict(scenario)}
    plant_spec = {"error": "error", "info_units": {"error": "m"}, "physics_step_s": 0.001}
    ports = {"inputs": [{"name": name, "size": size, "kind": kind} for name, size, kind in inputs]}
    known = {"scenario": scenario, "plant_spec": plant_spec, "faults": faults, "network": network, "ports": ports}
    return RunData(run_meta(**laid_over(known, dict(more))), list(episodes), **dict(beside))
