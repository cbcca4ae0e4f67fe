"""Returns values without computing: with it a run measures what the link and the loop cost alone."""

from __future__ import annotations

import numpy as np

from hilbench.types import Backend, Carry, Empty, LoadReport, Probes, Program, Reply, Tick, size_of


class Null(Backend):
    """Echo: the first input values come back as outputs, zeros where there are none left."""

    Config = Empty

    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        n_out = size_of(program.outputs, "values")
        self._n = min(n_out, size_of(program.inputs, "values"))
        self._n_zeros = n_out - self._n
        self._zeros = np.zeros(self._n_zeros, np.float32)
        self._reply = Reply()
        return LoadReport("null", dropped=("the whole program: null only echoes values",))

    def reset(self, seed: int, carry: Carry) -> None:
        """Do nothing: it has no state."""

    def step(self, tick: Tick) -> Reply:
        values = tick.values[: self._n].copy()
        self._reply.renew(np.append(values, self._zeros) if self._n_zeros else values)
        return self._reply

    def advance(self, n_periods: int) -> None:
        """Do nothing: it has no state."""
