"""The work that hilbench and its peers do alike: arrays in a file, numbers beside it. NumPy alone.

CUBA is the current-based network of Vogels & Abbott (2005), "Signal propagation and logic gating in networks of
integrate-and-fire neurons", J. Neurosci. 25: 10786, with the constants of Brette et al. (2007), "Simulation of networks
of spiking neurons", J. Comput. Neurosci. 23: 349, benchmark 2: 80 % excitatory neurons, tau 20 ms, rest -49 mV,
threshold -50 mV, reset -60 mV, 5 ms refractory, 2 % connectivity. One change: excitation and inhibition share one
synaptic time constant, as NIR's CubaLIF has one, so an inhibitory weight is twice the original at half the 10 ms.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

CUBA = {
    "dt_ms": 0.1, "tau_ms": 20.0, "tau_syn_ms": 5.0, "v_leak_mv": -49.0, "v_threshold_mv": -50.0, "v_reset_mv": -60.0,
    "refractory_ms": 5.0, "excitatory": 0.8, "w_excitatory_mv": 1.62, "w_inhibitory_mv": -18.0, "delay_steps": 1,
    "warm_ms": 200.0, "run_ms": 1000.0,
}  # fmt: skip
"""What every CUBA network shares; a weight is the jump of the synaptic current, in mV of driven depolarisation."""
K = 80
"""The synapses per neuron that the weights above belong to."""
RATE_HZ = 6.0
"""What its neurons fire at."""


def cuba(folder: Path, n: int, k: int, **changes: float) -> dict[str, Any]:
    """A network of n neurons with k synapses each, asynchronous and irregular."""
    numbers = cuba_numbers(n, k) | changes
    random = np.random.default_rng(1)
    v = random.uniform(numbers["v_reset_mv"], numbers["v_threshold_mv"], n).astype(np.float32)
    return numbers | {"arrays": _save(folder / f"cuba-{n}-{k}.npz", targets=targets(n, k), v_mv=v)}


def cuba_numbers(n: int, k: int) -> dict[str, Any]:
    """CUBA's constants for k synapses per neuron: weights go as 1/sqrt(k), so that the input's fluctuation stays.

    Its mean, inhibitory, then grows as sqrt(k); the leak potential rises by the same at 6 Hz, so the rate stays too
    (van Vreeswijk & Sompolinsky 1996, "Chaos in neuronal networks with balanced excitatory and inhibitory activity").
    """
    scale = (K / k) ** 0.5
    mean_mv = CUBA["excitatory"] * CUBA["w_excitatory_mv"] + (1 - CUBA["excitatory"]) * CUBA["w_inhibitory_mv"]
    input_mv = RATE_HZ * K * CUBA["tau_syn_ms"] * 1e-3 * mean_mv
    return CUBA | {
        "n": n, "k": k, "w_excitatory_mv": CUBA["w_excitatory_mv"] * scale,
        "w_inhibitory_mv": CUBA["w_inhibitory_mv"] * scale, "v_leak_mv": CUBA["v_leak_mv"] - (1 / scale - 1) * input_mv,
    }  # fmt: skip


def targets(n: int, k: int, seed: int = 0) -> NDArray:
    """(n, k) int32: k different targets of each neuron, in rising order."""
    gaps = np.random.default_rng(seed).integers(0, n - k + 1, (n, k), np.int32)
    gaps.sort(axis=1)
    gaps += np.arange(k, dtype=np.int32)
    return gaps


def weights_mv(n: int, excitatory: float, w_excitatory_mv: float, w_inhibitory_mv: float) -> NDArray:
    """(n,) float32: what each source's synapses weigh."""
    return np.where(np.arange(n) < excitatory * n, w_excitatory_mv, w_inhibitory_mv).astype(np.float32)


def pes(folder: Path, n: int, n_steps: int) -> dict[str, Any]:
    """PES over n LIF neurons: a 4-D state in, two outputs learnt; encoders and tuning as Nengo draws them."""
    random = np.random.default_rng(2)
    tau_s, refractory_s = 0.02, 0.002
    encoders = random.standard_normal((n, 4))
    encoders /= np.linalg.norm(encoders, axis=1, keepdims=True)
    maximum_hz, intercept = random.uniform(100, 200, n), random.uniform(-0.9, 0.9, n)
    needed = 1 / (1 - np.exp((refractory_s - 1 / maximum_hz) / tau_s))
    gain = (needed - 1) / (1 - intercept)
    t_s = np.arange(n_steps)[:, None] * 1e-3
    state = 0.5 * np.sin(2 * np.pi * np.array([0.5, 0.7, 1.1, 1.3]) * t_s)
    arrays = _save(
        folder / f"pes-{n}.npz", encoders=encoders, gain=gain, bias=1 - gain * intercept, state=state,
        error=np.cos(2 * np.pi * np.array([0.3, 0.9]) * t_s),
    )  # fmt: skip
    return {
        "arrays": arrays, "dt_s": 1e-3, "tau_s": tau_s, "refractory_s": refractory_s, "pre_tau_s": 5e-3,
        "readout_tau_s": 5e-3, "learning_rate": 1e-4,
    }  # fmt: skip


def lif(folder: Path, n_steps: int) -> dict[str, Any]:
    """16 values, 256 LIF, 4 LIF: v <- decay v + w x, a spike above 1, then v = 0."""
    random = np.random.default_rng(3)
    arrays = _save(
        folder / "lif.npz",
        w_1=random.normal(0.0, 0.06, (256, 16)).astype(np.float32),
        w_2=random.normal(0.01, 0.05, (4, 256)).astype(np.float32),
        values=random.uniform(0, 1, (n_steps, 16)).astype(np.float32),
    )
    return {"arrays": arrays, "dt_s": 1e-3, "decay": 0.9}


def _save(path: Path, **arrays: NDArray) -> str:
    np.savez(path, **arrays)
    return str(path)


def memory_mb(name: str) -> float:
    """What this process holds (`VmRSS`) or has held at most (`VmHWM`); Linux tells it in kB."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024 / 1e6
