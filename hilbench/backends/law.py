"""Runs classical controllers, so that a law sits behind the same links as a network."""

from __future__ import annotations

import msgspec
import numpy as np

from hilbench import plugins
from hilbench.errors import NetworkError
from hilbench.types import (
    Backend,
    Carry,
    Empty,
    Law,
    LawProgram,
    LoadReport,
    Probes,
    Program,
    Reply,
    Tick,
    size_of,
)


class LawRunner(Backend):
    """Classical controllers by name and Config."""

    Config = Empty

    def load(self, program: Program, period_us: int, probes: Probes) -> LoadReport:
        if not isinstance(program, LawProgram):
            raise NetworkError("backend 'law' runs laws; found a network; allowed: backends 'numba', 'reference'")
        kind = plugins.get("laws", program.name)
        try:
            config = msgspec.convert(program.config, kind.Config)
        except msgspec.ValidationError as error:
            raise NetworkError(f"law {program.name!r}: {error}") from None
        self._law: Law = kind(config)
        self._reply = Reply(values=np.zeros(size_of(program.outputs, "values"), np.float32))
        self.reset(0, "none")
        return LoadReport("law", exact=(program.name,))

    def reset(self, seed: int, carry: Carry) -> None:
        if carry == "all":
            return
        kept = {name: getattr(self._law, name) for name in self._law.learnt} if carry == "weights" else {}
        self._law.reset(seed)
        for name, value in kept.items():
            setattr(self._law, name, value)

    def step(self, tick: Tick) -> Reply:
        self._reply.values[:] = self._law.step(tick.values, tick.modulators, tick.learning)
        return self._reply

    def advance(self, n_periods: int) -> None:
        """A law's state changes with its ticks alone."""
