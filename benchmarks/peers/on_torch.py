"""The peers that stand on PyTorch, snnTorch and Norse: 16-256-4 LIF, one sample, one thread, no gradients.

`way` is `eager`, as their documentation runs them, or `compiled`: the faster of a frozen trace of `torch.jit` and
`torch.compile` that fires as often. Norse multiplies what comes in by dt / tau, so its weights are divided by that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from time import perf_counter
from typing import Any

import numpy as np
import torch
from protocol import Run, serve

Step = Callable[..., tuple[torch.Tensor, ...]]
"""(x, v_1, v_2) -> (spikes of the hidden layer, spikes of the last, v_1, v_2)"""


def snntorch(arrays: str, dt_s: float, decay: float, way: str) -> tuple[dict[str, Any], Run]:
    import snntorch

    given = np.load(arrays)
    first, second = _linear(given["w_1"]), _linear(given["w_2"])
    hidden, last = (snntorch.Leaky(decay, reset_mechanism="zero") for _ in range(2))

    def step(x: torch.Tensor, v_1: torch.Tensor, v_2: torch.Tensor) -> tuple[torch.Tensor, ...]:
        spikes, v_1 = hidden(first(x), v_1)
        out, v_2 = last(second(spikes), v_2)
        return spikes, out, v_1, v_2

    return _chosen(way, step, torch.from_numpy(given["values"]))


def norse(arrays: str, dt_s: float, decay: float, way: str) -> tuple[dict[str, Any], Run]:
    from norse.torch.functional.lif_box import LIFBoxFeedForwardState, LIFBoxParameters, lif_box_feed_forward_step

    given, gain = np.load(arrays), 1 - decay
    first, second = _linear(given["w_1"] / gain), _linear(given["w_2"] / gain)
    constants = LIFBoxParameters(tau_mem_inv=torch.as_tensor(gain / dt_s))

    def step(x: torch.Tensor, v_1: torch.Tensor, v_2: torch.Tensor) -> tuple[torch.Tensor, ...]:
        spikes, state_1 = lif_box_feed_forward_step(first(x), LIFBoxFeedForwardState(v_1), constants, dt_s)
        out, state_2 = lif_box_feed_forward_step(second(spikes), LIFBoxFeedForwardState(v_2), constants, dt_s)
        return spikes, out, state_1.v, state_2.v

    return _chosen(way, step, torch.from_numpy(given["values"]))


def _linear(weights: np.ndarray) -> torch.nn.Linear:
    layer = torch.nn.Linear(weights.shape[1], weights.shape[0], bias=False)
    layer.weight = torch.nn.Parameter(torch.from_numpy(weights.astype(np.float32)), requires_grad=False)
    return layer


def _chosen(way: str, step: Step, values: torch.Tensor) -> tuple[dict[str, Any], Run]:
    torch.set_num_threads(1)
    eager = _timed(step, values)
    if way == "eager":
        return {"way": way}, eager
    example, spikes, runs = (values[:1], torch.zeros(1, 256), torch.zeros(1, 4)), eager()["spikes"], {}
    for name, make in (
        ("torch.jit", lambda: torch.jit.optimize_for_inference(torch.jit.trace(_Module(step).eval(), example))),
        ("torch.compile", lambda: torch.compile(step)),
    ):
        with contextlib.suppress(Exception):  # a way that does not work for this library is none of its ways
            run = _timed(make(), values)
            if run()["spikes"] == spikes:  # the first run compiles
                runs[run()["seconds"]] = (name, run)
    if not runs:
        raise RuntimeError("neither torch.jit nor torch.compile fires as the plain network does")
    name, run = runs[min(runs)]
    return {"way": name}, run


class _Module(torch.nn.Module):
    def __init__(self, step: Step) -> None:
        super().__init__()
        self.step = step

    def forward(self, x: torch.Tensor, v_1: torch.Tensor, v_2: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.step(x, v_1, v_2)


def _timed(step: Step, values: torch.Tensor) -> Run:
    arrays = values.numpy()

    def once() -> dict[str, float]:
        v_1, v_2, hidden, seen = torch.zeros(1, 256), torch.zeros(1, 4), [], []
        with torch.inference_mode():
            start = perf_counter()
            for i in range(len(arrays)):
                spikes, out, v_1, v_2 = step(torch.from_numpy(arrays[i : i + 1]), v_1, v_2)
                hidden.append(spikes)
                seen.append(out.numpy())
            seconds = (perf_counter() - start) / len(arrays)
        outputs = int(np.sum(seen))
        return {"seconds": seconds, "spikes": int(torch.cat(hidden).sum()) + outputs, "outputs": outputs}

    return once


if __name__ == "__main__":
    serve({"snntorch": snntorch, "norse": norse})
