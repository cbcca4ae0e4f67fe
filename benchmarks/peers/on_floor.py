"""No simulator at all: CUBA as one compiled loop over flat float32 arrays, what this machine can do at least.

It has one population, one delay and nothing to record, and a spike's targets lie in one row of a matrix.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
from numba import njit
from problems import weights_mv
from protocol import Run, serve


@njit(fastmath=True)
def steps(n_steps, constants, refractory, v, current, held, targets, weights, fired):
    """Brian2's order: membranes, threshold, synapses, reset. Returns the spikes."""
    decay, across, syn_decay, rest, threshold, reset = constants
    spikes = 0
    for _ in range(n_steps):
        for i in range(v.size):
            moved = rest + (v[i] - rest) * decay + across * current[i]
            v[i] = moved if held[i] == 0 else v[i]
            current[i] *= syn_decay
        for i in range(v.size):
            fired[i] = v[i] > threshold
            held[i] -= held[i] > 0
        for i in range(v.size):
            if fired[i]:
                spikes += 1
                v[i], held[i] = reset, refractory
                for k in range(targets.shape[1]):
                    current[targets[i, k]] += weights[i]
    return spikes


def cuba(arrays: str, n: int, **p: Any) -> tuple[dict[str, Any], Run]:
    given, dt = dict(np.load(arrays)), p["dt_ms"]
    decay, syn_decay = np.exp(-dt / p["tau_ms"]), np.exp(-dt / p["tau_syn_ms"])
    across = p["tau_syn_ms"] * (syn_decay - decay) / (p["tau_syn_ms"] - p["tau_ms"])
    constants = tuple(
        np.float32(x) for x in (decay, across, syn_decay, p["v_leak_mv"], p["v_threshold_mv"], p["v_reset_mv"])
    )
    w = weights_mv(n, p["excitatory"], p["w_excitatory_mv"], p["w_inhibitory_mv"])
    refractory = np.int32(round(p["refractory_ms"] / dt))

    def once() -> dict[str, float]:
        v, state = given["v_mv"].copy(), (np.zeros(n, np.float32), np.zeros(n, np.int32))
        rest = (constants, refractory, v, *state, given["targets"], w, np.zeros(n, np.bool_))
        steps(round(p["warm_ms"] / dt), *rest)
        start = perf_counter()
        spikes = steps(round(p["run_ms"] / dt), *rest)
        return {"seconds": perf_counter() - start, "spikes": int(spikes)}

    return {}, once


if __name__ == "__main__":
    serve({"cuba": cuba})
