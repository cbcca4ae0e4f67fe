"""Nengo's own simulator, NumPy, one thread: a PES ensemble stepped by `Simulator.step`, its cheapest way.

A Node without a wait hands the input in, another takes the outputs: what a Nengo program that drives a robot does. The
neurons' spikes are counted beforehand, in a simulator with a probe, since a probe costs time.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import nengo
import numpy as np
from protocol import Run, serve


def pes(arrays: str, **p: Any) -> tuple[dict[str, Any], Run]:
    given = dict(np.load(arrays))
    counted, _ = _simulator(given, probe=True, **p)
    for _ in given["state"]:
        counted["simulator"].step()
    spikes = round(counted["simulator"].data[counted["probe"]].sum() * p["dt_s"])
    counted["simulator"].close()
    made, seen = _simulator(given, probe=False, **p)
    simulator, n_steps = made["simulator"], len(given["state"])

    def once() -> dict[str, float]:
        simulator.reset()
        seen.clear()
        step = simulator.step
        start = perf_counter()
        for _ in range(n_steps):
            step()
        seconds = (perf_counter() - start) / n_steps
        return {"seconds": seconds, "spikes": spikes, "outputs": float(np.sum([abs(x[0]) for x in seen]))}

    return {"version": nengo.__version__}, once


def _simulator(given: dict[str, np.ndarray], *, probe: bool, **p: Any) -> tuple[dict[str, Any], list[np.ndarray]]:
    state, error = given["state"], given["error"]
    dt_s, n, last = p["dt_s"], given["gain"].size, len(state) - 1
    seen: list[np.ndarray] = []
    with nengo.Network() as model:
        state_in = nengo.Node(lambda t: state[min(last, round(t / dt_s) - 1)], size_out=4)
        error_in = nengo.Node(lambda t: error[min(last, round(t / dt_s) - 1)], size_out=2)
        neurons = nengo.Ensemble(
            n, 4, encoders=given["encoders"], gain=given["gain"], bias=given["bias"],
            neuron_type=nengo.LIF(tau_rc=p["tau_s"], tau_ref=p["refractory_s"]),
        )  # fmt: skip
        out = nengo.Node(lambda t, x: seen.append(x.copy()), size_in=2)
        rule = nengo.PES(p["learning_rate"], pre_synapse=nengo.Lowpass(p["pre_tau_s"]))
        learnt = nengo.Connection(
            neurons, out, synapse=p["readout_tau_s"], learning_rule_type=rule, function=lambda x: [0.0, 0.0],
            solver=nengo.solvers.NoSolver(np.zeros((n, 2))),
        )  # fmt: skip
        nengo.Connection(state_in, neurons, synapse=None)
        nengo.Connection(error_in, learnt.learning_rule, synapse=None)
        watched = nengo.Probe(neurons.neurons) if probe else None
    return {"simulator": nengo.Simulator(model, dt=dt_s, progress_bar=False), "probe": watched}, seen


if __name__ == "__main__":
    serve({"pes": pes})
