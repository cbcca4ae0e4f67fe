"""PD on the true offset and heading, with the curve fed forward: what a robot with a perfect lane sensor does.

With `knows_change` it is given what the wheels make of their commands, too, and asks for the turn that is left after
that. It is then the oracle that learners are compared with. With gains of 0 it drives straight on, which is the floor.
"""

from __future__ import annotations

from math import sin
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._lane import check_lane
from hilbench.controllers._law import around, law_program, told
from hilbench.types import BuiltController, Controller, Law, PlantSpec

Gain = Annotated[float, Meta(ge=0, le=1000)]
TOLD = ("curvature_per_m", "gain_left", "gain_right")


class LanePDConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `lane_pd`."""

    kp: Gain = 16.0
    """rad/s per m of offset."""
    kd: Gain = 6.0
    """rad/s per rad of heading error."""
    feed_forward: bool = True
    """Whether it is told the curve."""
    knows_change: bool = False
    """Whether it is told the gains of the wheels."""


class LanePDLawConfig(LanePDConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings, and the plant's constants."""

    speed_m_s: float
    width_m: float
    lane_m: float


class LanePDLaw(Law):
    """turn = -kp offset - kd sin(heading error) + speed x curvature of the lane, through the wheels' gains."""

    Config = LanePDLawConfig

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        config, (curvature, left, right) = self.config, modulators.tolist()
        offset, heading = values[:2].tolist()
        turn = -config.kp * offset - config.kd * sin(heading)
        if config.feed_forward:
            turn += config.speed_m_s * curvature / (1 - curvature * config.lane_m)
        if config.knows_change and left + right > 0:
            pull = config.speed_m_s * (right - left) / config.width_m
            turn = (turn - pull) * 2 / (left + right)
        return np.array((turn,))


class LanePD(Controller):
    """PD on what no camera tells."""

    Config = LanePDConfig
    backend = "law"

    @staticmethod
    def build(config: LanePDConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        check_lane(plant, TOLD, "lane_pd")
        known = plant.parameters
        law = LanePDLawConfig(
            **{field: getattr(config, field) for field in config.__struct_fields__},
            speed_m_s=known["speed_m_s"],
            width_m=known["track_m"],
            lane_m=known["lane_m"],
        )
        ports, tell = told(TOLD, plant)
        return around(law_program("lane_pd", law, plant, "turn", modulators=ports), plant, period_us, tell)
