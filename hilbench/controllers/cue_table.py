"""A table of what each arm is worth after each cue: the classical learner of a T-maze, and who is told the arm.

At the junction it draws an arm by a softmax of the values of the cue that was shown last. When the reward r comes, the
value of that cue and arm does q <- q + rate (r - q): Rescorla & Wagner's rule (1972), which for a single decision is
TD(1). A table has no trouble with late rewards, nor with a cue that is gone: it remembers both.

With `knows_change` it walks to the rewarded arm, which the plant's info tells: the oracle that learners are compared
with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._arms import CHOOSING, CUE_LEFT, CUE_RIGHT, walker_speed_m_s
from hilbench.controllers._law import around, law_program
from hilbench.errors import ScenarioError
from hilbench.seeding import stream
from hilbench.types import BuiltController, Controller, Events, Law, PlantSpec, Port


class CueTableConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `cue_table`."""

    rate: Annotated[float, Meta(ge=0, le=1)] = 0.3
    """How far a reward moves the value of its cue and arm."""
    temperature: Annotated[float, Meta(gt=0, le=1e6)] = 0.2
    """Of the softmax: the difference of values at which one arm is e times as likely as the other."""
    knows_change: bool = False
    """Whether it is told the rewarded arm, from the plant's info."""


class CueTableLawConfig(CueTableConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings, and how fast the walker is."""

    speed_m_s: float


class CueTableLaw(Law):
    """Values of two arms after two cues, which are what it learns. Its learning signals are the reward and the arm."""

    Config = CueTableLawConfig
    learnt = ("table",)

    def reset(self, seed: int) -> None:
        self._random = stream(seed, "controller")
        self.table = np.zeros((2, 2))
        self._cue = self._arm = -1  # 0 for the left one, 1 for the right one

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        c = self.config
        reward, rewarded = modulators.tolist()
        if max(values[CUE_LEFT], values[CUE_RIGHT]) > 0.5:
            self._cue = int(values[CUE_RIGHT] > 0.5)
        if values[CHOOSING] > 0.5 and self._arm < 0:
            self._arm = int(rewarded > 0) if c.knows_change else self._drawn()
        if reward and learning and self._arm >= 0:
            table = self.table.copy()
            table[self._cue, self._arm] += c.rate * (reward - table[self._cue, self._arm])
            self.table = table
        return np.array([0.0 if self._arm < 0 else (2 * self._arm - 1) * c.speed_m_s])

    def _drawn(self) -> int:
        left, right = self.table[self._cue] / self.config.temperature
        return int(self._random.random() < 1 / (1 + np.exp(left - right)))


class CueTable(Controller):
    """A table of what each arm is worth after each cue; with `knows_change` it is told the arm."""

    Config = CueTableConfig
    backend = "law"

    @staticmethod
    def build(config: CueTableConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        speed_m_s = walker_speed_m_s(plant, "cue_table")
        if "rewarded" not in plant.info_units:
            raise ScenarioError("controller 'cue_table' needs rewarded in the plant's info")
        stated = {name: getattr(config, name) for name in config.__struct_fields__}
        law = CueTableLawConfig(speed_m_s=speed_m_s, **stated)
        program = law_program("cue_table", law, plant, modulators=(Port("reward", 2, units=("1", "1")),))
        return around(program, plant, period_us, _tell if config.knows_change else _reward)


def _reward(obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray) -> None:
    modulators[0] = reward


def _tell(obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray) -> None:
    modulators[0], modulators[1] = reward, info["rewarded"]
