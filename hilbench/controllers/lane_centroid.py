"""PD on where in the picture events are: a classical law that sees no more than the learners do."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders.traces import Traces, TracesConfig
from hilbench.coders.values import direct
from hilbench.controllers._lane import COLUMNS, check_lane, pool_of
from hilbench.types import BuiltController, Controller, Law, LawProgram, PlantSpec, Port, to_builtins

Gain = Annotated[float, Meta(ge=-1000, le=1000)]


class LaneCentroidConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `lane_centroid`."""

    kp: Gain = 1.0
    """rad/s to the left for each column of pooled pixels by which events are too far to the right: the nearer line has
    more of them, and it turns away from that."""
    kd: Gain = 0.05
    """rad/s for each column per second."""
    middle: Annotated[float, Meta(ge=-100, le=100)] = 0.1
    """Where they are to be, in columns to the right of the picture's middle."""
    tau_s: Annotated[float, Meta(gt=0, le=100)] = 0.1
    """For how long an event counts."""
    least: Annotated[float, Meta(ge=0, le=1e6)] = 2.0
    """With fewer events than this the last place holds."""


class LaneCentroidLawConfig(LaneCentroidConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings, and the control period."""

    period_s: float


class LaneCentroidLaw(Law):
    """turn = kp (centroid - middle) + kd d(centroid)/dt."""

    Config = LaneCentroidLawConfig

    def reset(self, seed: int) -> None:
        self._columns = np.arange(COLUMNS) - (COLUMNS - 1) / 2
        self._at: float | None = None

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        config, before = self.config, self._at
        total = float(values.sum())
        if total > config.least:
            self._at = float(self._columns @ values) / total
        if self._at is None:
            return np.zeros(1)
        speed = 0.0 if before is None else (self._at - before) / config.period_s
        return np.array((config.kp * (self._at - config.middle) + config.kd * speed,))


class LaneCentroid(Controller):
    """PD on the mean column of recent events."""

    Config = LaneCentroidConfig
    backend = "law"

    @staticmethod
    def build(config: LaneCentroidConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        check_lane(plant, ("lane_error_m",), "lane_centroid")
        pool = pool_of(plant, "lane_centroid", 1, COLUMNS)
        encoder = Traces(TracesConfig(pool=pool, polarity="merge", tau_s=config.tau_s), plant, period_us)
        law = LaneCentroidLawConfig(**to_builtins(config), period_s=period_us * 1e-6)
        program = LawProgram(
            "lane_centroid",
            to_builtins(law),
            inputs=(Port("columns", COLUMNS, units=("1",) * COLUMNS),),
            outputs=(Port("turn", len(plant.action_names), units=plant.action_units),),
        )
        return BuiltController(program, encoder, direct(program.outputs, plant, period_us))
