"""Brian2 in C++ standalone mode, one thread, its default compiler flags: built once, then the binary runs again.

The seconds are Brian2's own `_last_run_time`: the loop over the time steps alone, without start and files.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import brian2
import numpy as np
from brian2 import NeuronGroup, SpikeMonitor, Synapses, defaultclock, device, ms, mV, run, set_device
from problems import weights_mv
from protocol import Run, serve

EQUATIONS = """
dv/dt = (current - (v - v_leak)) / tau : volt (unless refractory)
dcurrent/dt = -current / tau_syn : volt
"""


def cuba(arrays: str, n: int, k: int, **p: Any) -> tuple[dict[str, Any], Run]:
    given = np.load(arrays)
    set_device("cpp_standalone", build_on_run=False)
    defaultclock.dt = p["dt_ms"] * ms
    constants = {
        "tau": p["tau_ms"] * ms, "tau_syn": p["tau_syn_ms"] * ms, "v_leak": p["v_leak_mv"] * mV,
        "v_threshold": p["v_threshold_mv"] * mV, "v_reset": p["v_reset_mv"] * mV,
    }  # fmt: skip
    neurons = NeuronGroup(
        n, EQUATIONS, threshold="v > v_threshold", reset="v = v_reset", method="exact", namespace=constants,
        refractory=p["refractory_ms"] * ms,
    )  # fmt: skip
    neurons.v = given["v_mv"] * mV
    # A spike of a step without delay acts in the next one here, so one step of delay is none.
    delay = (p["delay_steps"] - 1) * p["dt_ms"] * ms
    synapses = Synapses(neurons, neurons, "w : volt", on_pre="current_post += w", delay=delay)
    synapses.connect(i=np.repeat(np.arange(n, dtype=np.int32), k), j=given["targets"].ravel())
    w = weights_mv(n, p["excitatory"], p["w_excitatory_mv"], p["w_inhibitory_mv"])
    synapses.w = np.repeat(w, k) * mV
    spikes = SpikeMonitor(neurons, record=False)
    spikes.active = False
    run(p["warm_ms"] * ms)
    spikes.active = True
    run(p["run_ms"] * ms)
    folder = tempfile.mkdtemp(prefix="brian2-", dir=Path(arrays).parent)
    device.build(directory=folder, compile=True, run=False)

    def once() -> dict[str, float]:
        device.run(with_output=False)
        return {"seconds": float(device._last_run_time), "spikes": int(spikes.num_spikes)}

    return {"version": brian2.__version__}, once


if __name__ == "__main__":
    serve({"cuba": cuba})
