"""brainevent, a library of event-driven operators for JAX: 16-256-4 LIF, one sample, one compiled step.

Neurons are the program's own, as in its documentation; the hidden layer's spikes are a `BinaryArray`. Its operators run
on `jax_raw`: on one sample its default for a CPU, `numba`, takes six times as long. JAX waits for each step anyway, so
it runs without a queue, which saves a tenth.
"""

from __future__ import annotations

import os
from time import perf_counter
from typing import Any

os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"  # before JAX is there

import brainevent
import jax
import jax.numpy as jnp
import numpy as np
from protocol import Run, serve


def lif(arrays: str, dt_s: float, decay: float) -> tuple[dict[str, Any], Run]:
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    brainevent.config.set_backend("cpu", "jax_raw")
    given = np.load(arrays)
    w_1, w_2, values = jnp.asarray(given["w_1"]), jnp.asarray(given["w_2"].T.copy()), list(given["values"])

    @jax.jit
    def step(x: jax.Array, v_1: jax.Array, v_2: jax.Array) -> tuple[jax.Array, ...]:
        spikes, v_1 = _fire(decay * v_1 + w_1 @ x)
        out, v_2 = _fire(decay * v_2 + brainevent.BinaryArray(spikes) @ w_2)
        return spikes, out, v_1, v_2

    def once() -> dict[str, float]:
        v_1, v_2, hidden, seen = jnp.zeros(256), jnp.zeros(4), [], []
        start = perf_counter()
        for x in values:
            spikes, out, v_1, v_2 = step(x, v_1, v_2)
            hidden.append(spikes)
            seen.append(np.asarray(out))
        seconds = (perf_counter() - start) / len(values)
        outputs = int(np.sum(seen))
        return {"seconds": seconds, "spikes": int(np.sum(hidden)) + outputs, "outputs": outputs}

    return {"version": brainevent.__version__}, once


def _fire(v: jax.Array) -> tuple[jax.Array, jax.Array]:
    """What fires, and the membranes after it."""
    spikes = v > 1
    return spikes, jnp.where(spikes, 0, v)


if __name__ == "__main__":
    serve({"lif": lif})
