"""NEST, one thread: `iaf_psc_exp` and static synapses, prepared once, then `nest.Run` in a row.

The seconds are the wall time of `nest.Run`. The network goes on from one run to the next: its activity is stationary.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import nest
import numpy as np
from problems import weights_mv
from protocol import Run, serve

CHUNK = 1_000_000
"""Synapses per call of Connect, which needs lists as long."""


def cuba(arrays: str, n: int, k: int, **p: Any) -> tuple[dict[str, Any], Run]:
    given = np.load(arrays)
    nest.ResetKernel()
    nest.set_verbosity("M_ERROR")
    nest.resolution = p["dt_ms"]
    nest.local_num_threads = 1
    c_m_pf = 200.0
    neurons = nest.Create("iaf_psc_exp", n, {
        "tau_m": p["tau_ms"], "C_m": c_m_pf, "tau_syn_ex": p["tau_syn_ms"], "tau_syn_in": p["tau_syn_ms"],
        "E_L": p["v_leak_mv"], "V_th": p["v_threshold_mv"], "V_reset": p["v_reset_mv"], "t_ref": p["refractory_ms"],
    })  # fmt: skip
    neurons.V_m = given["v_mv"].astype(float)
    w = weights_mv(n, p["excitatory"], p["w_excitatory_mv"], p["w_inhibitory_mv"])
    _connect(given["targets"], w * c_m_pf / p["tau_ms"], p["delay_steps"] * p["dt_ms"])
    nest.Prepare()
    nest.Run(p["warm_ms"])

    def once() -> dict[str, float]:
        start = perf_counter()
        nest.Run(p["run_ms"])
        return {"seconds": perf_counter() - start, "spikes": int(nest.local_spike_counter)}

    return {"version": nest.__version__}, once


def _connect(targets: np.ndarray, weights_pa: np.ndarray, delay_ms: float) -> None:
    n, k = targets.shape
    for first in range(0, n, max(1, CHUNK // k)):
        some = targets[first : first + max(1, CHUNK // k)]
        sources = np.repeat(np.arange(first, first + len(some)), k)
        synapses = {"weight": weights_pa[sources].astype(float), "delay": np.full(sources.size, delay_ms)}
        nest.Connect(sources + 1, some.ravel().astype(np.int64) + 1, "one_to_one", synapses)


if __name__ == "__main__":
    serve({"cuba": cuba})
