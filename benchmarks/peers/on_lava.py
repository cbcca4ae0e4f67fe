"""Lava on the CPU, its floating-point models: 16-256-4 LIF between an Injector and an Extractor.

Every step sends 16 values and receives 4 spikes; the run was started for all steps at once (`blocking=False`), which is
Lava's fastest way to stream. A Dense holds what it sends for one step, so an answer is two steps old; the hidden
layer's spikes cannot be counted without slowing it, so only the last layer's are.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.extractor import Extractor, PyLoihiExtractorModel
from lava.proc.io.injector import Injector, PyLoihiInjectorModel
from lava.proc.lif.process import LIF
from protocol import Run, serve

GRADED_BITS = 24
"""More than 0 bits make an input a number; without, Lava casts it to a spike."""


def lif(arrays: str, dt_s: float, decay: float) -> tuple[dict[str, Any], Run]:
    given = dict(np.load(arrays))

    def once() -> dict[str, float]:
        return _run(given, decay)

    return {}, once


def _run(given: dict[str, np.ndarray], decay: float) -> dict[str, float]:
    values = given["values"].astype(float)
    injector, extractor = Injector(shape=(16,)), Extractor(shape=(4,))
    first = Dense(weights=given["w_1"].astype(float), num_message_bits=GRADED_BITS)
    second = Dense(weights=given["w_2"].astype(float))
    # du = 1: no synaptic current is kept. A spike sets v to 0.
    hidden, last = (LIF(shape=(n,), du=1.0, dv=1 - decay, vth=1.0) for n in (256, 4))
    injector.out_port.connect(first.s_in)
    first.a_out.connect(hidden.a_in)
    hidden.s_out.connect(second.s_in)
    second.a_out.connect(last.a_in)
    last.s_out.connect(extractor.in_port)
    models = {Injector: PyLoihiInjectorModel, Extractor: PyLoihiExtractorModel}
    config = Loihi2SimCfg(select_tag="floating_pt", exception_proc_model_map=models)
    last.run(RunSteps(len(values), blocking=False), config)
    spikes = 0
    start = perf_counter()
    for row in values:
        injector.send(row)
        spikes += int(extractor.receive().sum())
    seconds = (perf_counter() - start) / len(values)
    last.wait()
    last.stop()
    return {"seconds": seconds, "outputs": spikes}


if __name__ == "__main__":
    serve({"lif": lif})
