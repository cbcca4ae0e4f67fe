"""Two swimmers that learn nothing: one wanders, the other is told where the platform is.

The one that wanders does a correlated random walk: its direction diffuses, and is not drawn anew at each step, which
would hardly move it. It is the floor of the pool. With `knows_change` the swimmer goes straight to the platform, which
the plant's info tells: no swimmer knows that. It is the oracle that learners are compared with.
"""

from __future__ import annotations

from math import cos, pi, sin, sqrt
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._law import around, law_program, told
from hilbench.controllers._pool import Swimmer, swimmer_of
from hilbench.seeding import stream
from hilbench.types import BuiltController, Controller, Law, PlantSpec

GOAL = ("goal_x_m", "goal_y_m")


class PoolSwimConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `pool_swim`."""

    wander_rad2_s: Annotated[float, Meta(gt=0, le=1e6)] = 1.5
    """How fast the direction wanders: its diffusion constant."""
    knows_change: bool = False
    """Whether it is told where the platform is, from the plant's info."""


class PoolSwimLawConfig(PoolSwimConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings, the swimmer and the control period."""

    swimmer: Swimmer
    period_s: float


class PoolSwimLaw(Law):
    """At full speed straight to the platform, or into a direction that wanders."""

    Config = PoolSwimLawConfig

    def reset(self, seed: int) -> None:
        c = self.config
        self._random = stream(seed, "controller")
        self._angle_rad = self._random.uniform(0, 2 * pi)
        self._wander = sqrt(2 * c.wander_rad2_s * c.period_s)

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        c = self.config
        if c.knows_change:
            x, y = modulators - values[:2]
        else:
            self._angle_rad += self._wander * self._random.standard_normal()
            x, y = cos(self._angle_rad), sin(self._angle_rad)
        return np.array(c.swimmer.velocity(float(x), float(y)))


class PoolSwim(Controller):
    """Swims about at random; with `knows_change` straight to the platform."""

    Config = PoolSwimConfig
    backend = "law"

    @staticmethod
    def build(config: PoolSwimConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        law = PoolSwimLawConfig(
            swimmer=swimmer_of(plant, "pool_swim"),
            period_s=period_us * 1e-6,
            wander_rad2_s=config.wander_rad2_s,
            knows_change=config.knows_change,
        )
        if not config.knows_change:
            return around(law_program("pool_swim", law, plant, "velocity"), plant, period_us)
        ports, tell = told(GOAL, plant)
        return around(law_program("pool_swim", law, plant, "velocity", modulators=ports), plant, period_us, tell)
