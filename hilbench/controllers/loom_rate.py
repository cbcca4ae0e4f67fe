"""Alarms where there are many events at once in the middle of a camera's picture: one number and one threshold.

With `knows_change` it is told by the plant's info what contrast and thresholds are multiplied by, of which both change
how many events there are: its own threshold then follows, in proportion. With `least` beyond all numbers it never
alarms, which is the floor.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders.traces import Traces, TracesConfig
from hilbench.coders.values import direct
from hilbench.controllers._law import told
from hilbench.controllers._loom import CELLS, PER_SIDE, eye_of, middle
from hilbench.types import BuiltController, Controller, Law, LawProgram, PlantSpec, Port, to_builtins

TOLD = ("contrast", "thresholds")
LOWEST = 0.01
"""The least contrast over thresholds, and the least thresholds, that it believes."""


class LoomRateConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `loom_rate`."""

    least: Annotated[float, Meta(gt=0, le=1e9)] = 150.0
    """From how many events on it alarms."""
    tau_s: Annotated[float, Meta(gt=0, le=100)] = 0.01
    """For how long an event counts."""
    border: Annotated[int, Meta(ge=0, le=(PER_SIDE - 1) // 2)] = 1
    """How much of the picture is left out at each side, in eighths of its width; 1 is what `loom_lgmd` leaves out."""
    knows_change: bool = False
    """Whether it is told contrast and thresholds, from the plant's info."""


class LoomRateLaw(Law):
    """1 where the number of recent events has reached the threshold, else 0."""

    Config = LoomRateConfig

    def reset(self, seed: int) -> None:
        self._middle = middle(self.config.border)

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        least = self.config.least
        if self.config.knows_change:
            contrast, thresholds = modulators.tolist()
            least *= max(abs(contrast) / max(thresholds, LOWEST), LOWEST)
        return np.array([float(values[self._middle].sum() >= least)])


class LoomRate(Controller):
    """A threshold on the number of recent events; with `knows_change` it follows contrast and thresholds."""

    Config = LoomRateConfig
    backend = "law"

    @staticmethod
    def build(config: LoomRateConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        eye, n = eye_of(plant, "loom_rate"), CELLS * CELLS
        ports, tell = told(TOLD, plant) if config.knows_change else ((), None)
        program = LawProgram(
            "loom_rate",
            to_builtins(config),
            inputs=(Port("cells", n, units=("1",) * n),),
            outputs=(Port("alarm", 1, units=("1",)),),
            modulators=ports,
        )
        encoder = Traces(TracesConfig(pool=eye.pool, polarity="merge", tau_s=config.tau_s), plant, period_us)
        return BuiltController(program, encoder, direct(program.outputs, plant, period_us), tell)
