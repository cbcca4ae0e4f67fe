"""Runs classical controllers, so that a law sits behind the same links as a network."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite

import msgspec
import numpy as np
from numpy.typing import NDArray

from hilbench import plugins
from hilbench.errors import HilbenchError, NetworkError, PluginError, PluginFault, said
from hilbench.types import (
    COUNTERS,
    NO_VALUES,
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
        """Make the law and try one step, so that sizes it does not have are refused here. Raises NetworkError."""
        if not isinstance(program, LawProgram):
            raise NetworkError("backend 'law' runs laws; found a network; allowed: backends 'numba', 'reference'")
        try:
            kind = plugins.get("laws", program.name)
            config = msgspec.convert(program.config, kind.Config)
        except (msgspec.ValidationError, PluginError) as error:
            raise NetworkError(f"law {program.name!r}: {error}") from None
        except (AttributeError, TypeError) as error:
            raise PluginFault(f"law {program.name!r}: has no Config that settings fit: {said(error)}") from error
        with _guarded(program.name, "its making"):
            self._law: Law = kind(config)
        self._reply, self._values = Reply(), np.zeros(size_of(program.outputs, "values"), np.float32)
        self._counters, self._modulated = np.zeros(len(COUNTERS), np.uint64), bool(program.modulators)
        self._fresh = self._values[:], self._counters[:]
        with _guarded(program.name, "its reset"):
            self.reset(0, "none")
        self._try(program)
        with _guarded(program.name, "its reset"):
            self.reset(0, "none")
        return LoadReport("law", exact=(program.name,))

    def reset(self, seed: int, carry: Carry) -> None:
        if carry == "all":
            return
        kept = {name: getattr(self._law, name) for name in self._law.learnt} if carry == "weights" else {}
        self._law.reset(seed)
        for name, value in kept.items():
            setattr(self._law, name, value)

    def _try(self, program: LawProgram) -> None:
        values, modulators = (
            np.zeros(size_of(ports, "values"), np.float32) for ports in (program.inputs, program.modulators)
        )
        try:
            with _guarded(program.name, "its step", but=(HilbenchError, TypeError, ValueError)):
                found = np.shape(self._law.step(values, modulators, False))
        except HilbenchError:
            raise
        except (TypeError, ValueError) as error:
            raise NetworkError(f"law {program.name!r}: does not take {values.size} values ({said(error)})") from None
        if found != self._values.shape:
            raise NetworkError(f"law {program.name!r}: gives {found} values; its ports: {self._values.shape}")

    def step(self, tick: Tick) -> Reply:
        modulators = _own(tick.modulators) if self._modulated else NO_VALUES
        self._values[...] = self._law.step(_own(tick.values), modulators, tick.learning)
        self._counters.fill(0)  # a reader may have written over them
        self._reply.renew(*self._fresh)
        return self._reply

    def advance(self, n_periods: int) -> None:
        """Do nothing: a law's state changes only with its ticks."""


@contextmanager
def _guarded(name: str, what: str, but: tuple[type[Exception], ...] = (HilbenchError,)) -> Iterator[None]:
    """Whatever a law raises, `but` for some, as one line."""
    try:
        yield
    except but:
        raise
    except (Exception, SystemExit) as error:
        raise PluginFault(f"law {name!r}: {what} raised {said(error)}") from error


def _own(numbers: NDArray) -> NDArray:
    """A copy of these numbers, with 0 for each that is not finite."""
    if isfinite(sum(numbers.tolist())):  # a sum of float32 in float64 is finite when all of them are
        return numbers.copy()
    return np.where(np.isfinite(numbers), numbers, np.float32(0))
