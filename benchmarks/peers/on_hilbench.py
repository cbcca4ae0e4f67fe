"""hilbench's own side of every comparison: the backend `numba`, driven as a device drives it, tick by tick."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import scipy.sparse
from problems import cuba_numbers, memory_mb, targets, weights_mv
from protocol import Run, serve

from hilbench.backends.numba import Numba
from hilbench.nal import Network
from hilbench.nal.rules.pes import PES
from hilbench.types import Backend, Probes, Tick


def cuba(arrays: str, **p: Any) -> tuple[dict[str, Any], Run]:
    """The seconds are those of the ticks, 100 ms of the network's time each, after the warm-up of every run."""
    given = np.load(arrays)
    backend = _loaded(_cuba_network(given["targets"], given["v_mv"], **p), 100_000)
    return {}, _stationary(backend, round(p["warm_ms"] / 100), round(p["run_ms"] / 100))


def large(n: int, k: int, run_ms: float) -> tuple[dict[str, Any], Run]:
    """How long a network takes to build, and what it holds, before it runs. Nothing else may run beside it."""
    numbers = cuba_numbers(n, k)
    small = _cuba_network(targets(100, 10), np.full(100, -60.0), **numbers)
    _loaded(small, 100_000)  # compiles, or loads what the disk holds: no part of this network's build
    edges, v = targets(n, k), np.random.default_rng(1).uniform(-60, -50, n)
    before, start = memory_mb("VmRSS") - edges.nbytes / 1e6, perf_counter()
    network = _cuba_network(edges, v, **numbers)
    del edges
    built_s = perf_counter() - start
    backend = _loaded(network, 100_000)
    facts = {
        "synapses": n * k,
        "build_s": perf_counter() - start,
        "network_s": built_s,
        "held_bytes_per_synapse": (memory_mb("VmRSS") - before) * 1e6 / (n * k),
        "peak_bytes_per_synapse": (memory_mb("VmHWM") - before) * 1e6 / (n * k),
    }
    return facts, _stationary(backend, 1, round(run_ms / 100))


def _cuba_network(edges: np.ndarray, v_mv: np.ndarray, **p: Any) -> Network:
    n, k = edges.shape
    net = Network(p["dt_ms"] * 1e-3)
    # A spike's weight is the jump of the current: exact integration multiplies what arrives by w_in (1 - decay).
    jump = 1 / -np.expm1(-p["dt_ms"] / p["tau_syn_ms"])
    neurons = net.cuba_lif(
        "neurons", n, tau_s=p["tau_ms"] * 1e-3, tau_syn_s=p["tau_syn_ms"] * 1e-3, w_in=jump, v_leak=p["v_leak_mv"],
        v_threshold=p["v_threshold_mv"], v_reset=p["v_reset_mv"], v_initial=v_mv,
        refractory_s=p["refractory_ms"] * 1e-3,
    )  # fmt: skip
    w = weights_mv(n, p["excitatory"], p["w_excitatory_mv"], p["w_inhibitory_mv"])
    starts = np.arange(0, n * k + 1, k, dtype=np.int32)  # SciPy widens the edges to what these are
    matrix = scipy.sparse.csc_array((np.repeat(w, k), edges.ravel(), starts), shape=(n, n))
    net.connect(neurons, neurons, matrix, delay_steps=p["delay_steps"])
    return net


def _loaded(network: Network, period_us: int) -> Backend:
    backend = Numba(Numba.Config())
    backend.load(network, period_us, Probes())
    return backend


def _stationary(backend: Backend, warm_ticks: int, run_ticks: int) -> Run:
    def once() -> dict[str, float]:
        backend.reset(0, "none")
        for seq in range(warm_ticks):
            backend.step(Tick(seq=seq))
        spikes, start = 0, perf_counter()
        for seq in range(warm_ticks, warm_ticks + run_ticks):
            spikes += int(backend.step(Tick(seq=seq)).counters[0])
        return {"seconds": perf_counter() - start, "spikes": spikes}

    return once


def pes(arrays: str, dt_s: float, **p: Any) -> tuple[dict[str, Any], Run]:
    """A step is a tick of 1 ms: state and error in, both outputs out."""
    given = np.load(arrays)
    net = Network(dt_s, spike_amplitude=1 / dt_s)
    state = net.input("state", 4)
    n = given["gain"].size
    neurons = net.lif("neurons", n, tau_s=p["tau_s"], refractory_s=p["refractory_s"])
    learnt = net.readout("learnt", 2, tau_s=p["readout_tau_s"])
    net.connect(state, neurons, given["gain"][:, None] * given["encoders"], bias=given["bias"])
    rule = PES(modulator="error", learning_rate=p["learning_rate"], pre_tau_s=p["pre_tau_s"])
    net.connect(neurons, learnt, np.zeros((2, n)), rule=rule)
    backend = _loaded(net, round(dt_s * 1e6))
    return {}, _by_steps(backend, given["state"], given["error"], lambda reply: reply.values[0])


def lif(arrays: str, dt_s: float, decay: float) -> tuple[dict[str, Any], Run]:
    """A step is a tick of 1 ms: 16 values in, the spikes of 4 neurons out."""
    given = np.load(arrays)
    net = Network(dt_s, integrator="discrete")
    values = net.input("values", 16)
    hidden = net.lif("hidden", 256, tau_s=dt_s / (1 - decay), reset="zero")
    last = net.lif("last", 4, tau_s=dt_s / (1 - decay), reset="zero", output=True)
    net.connect(values, hidden, given["w_1"])
    net.connect(hidden, last, given["w_2"])
    return {}, _by_steps(_loaded(net, round(dt_s * 1e6)), given["values"], None, lambda reply: reply.events.size)


def _by_steps(backend: Backend, values: np.ndarray, modulators: np.ndarray | None, read: Callable[[Any], Any]) -> Run:
    """Spikes are counted beforehand, and what a reply holds is added up afterwards: neither is part of a step."""
    ins = list(values.astype(np.float32))
    signals = [np.zeros(0, np.float32)] * len(ins) if modulators is None else list(modulators.astype(np.float32))
    backend.reset(0, "none")
    both = list(zip(ins, signals, strict=True))
    spikes = sum(int(backend.step(Tick(values=x, modulators=m)).counters[0]) for x, m in both)

    def once() -> dict[str, float]:
        backend.reset(0, "none")
        tick, step, seen = Tick(), backend.step, []
        start = perf_counter()
        for tick.values, tick.modulators in both:
            seen.append(read(step(tick)))
        seconds = (perf_counter() - start) / len(both)
        return {"seconds": seconds, "spikes": spikes, "outputs": float(np.abs(seen).sum())}

    return once


if __name__ == "__main__":
    serve({"cuba": cuba, "large": large, "pes": pes, "lif": lif})
