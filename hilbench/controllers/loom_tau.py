"""Alarms by the time to contact: the angle that a ball fills over how fast that grows, tau of Lee (1976).

Lee, "A theory of visual control of braking based on information about time-to-collision", Perception 5: 437. The ball's
border gives the events, so that their mean distance from the middle of all of them is taken for its radius, over cells
that have more events than noise gives. With `knows_angle` it is told the true angle and its growth by the plant's info,
which no camera tells as exactly: it then shows what tau alone is worth.
"""

from __future__ import annotations

from math import atan, exp
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders.traces import Traces, TracesConfig
from hilbench.coders.values import direct
from hilbench.controllers._law import told
from hilbench.controllers._loom import CELLS, PER_SIDE, eye_of, middle
from hilbench.errors import ScenarioError
from hilbench.types import BuiltController, Controller, Law, LawProgram, PlantSpec, Port, to_builtins

TOLD = ("theta_rad", "theta_dot_rad_s")
Positive = Annotated[float, Meta(gt=0, le=1e6)]


class LoomTauConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `loom_tau`."""

    tau_s: Positive = 0.4
    """It alarms where contact is less than this away."""
    angle_rad: Positive = 0.2
    """And the angle is at least this."""
    events: Positive = 8.0
    """How many events a cell must have to count."""
    cells: Positive = 4.0
    """How many such cells there must be."""
    memory_s: Positive = 0.04
    """For how long an event counts, and over how long the angle's growth is smoothed."""
    border: Annotated[int, Meta(ge=0, le=(PER_SIDE - 1) // 2)] = 1
    """How much of the picture is left out at each side, in eighths of its width."""
    knows_angle: bool = False
    """Whether it is told the true angle, from the plant's info."""


class LoomTauLawConfig(LoomTauConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings, the control period, and the tangent of half of the camera's view."""

    period_s: float
    half_view: float


class LoomTauLaw(Law):
    """1 where angle / growth is less than `tau_s`, else 0."""

    Config = LoomTauLawConfig

    def reset(self, seed: int) -> None:
        config = self.config
        centre = (np.arange(CELLS) - (CELLS - 1) / 2) / (CELLS / 2) * config.half_view
        self._up, self._left = (each.ravel() for each in np.meshgrid(centre, centre, indexing="ij"))
        self._middle = middle(config.border)
        self._share = 1 - exp(-config.period_s / config.memory_s)
        self._angle_rad, self._growth = 0.0, 0.0

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        config = self.config
        angle_rad, growth = modulators.tolist() if config.knows_angle else self._seen(values)
        alarms = angle_rad >= config.angle_rad and growth * config.tau_s > angle_rad
        return np.array([float(alarms)])

    def _seen(self, values: NDArray) -> tuple[float, float]:
        """The angle and its growth by the events, 0 and 0 where too few cells have any."""
        config = self.config
        busy = np.flatnonzero((values >= config.events) & self._middle)
        if busy.size < config.cells:
            self._angle_rad = self._growth = 0.0
            return 0.0, 0.0
        weights = values[busy]
        up, left = self._up[busy], self._left[busy]
        up, left = up - np.average(up, weights=weights), left - np.average(left, weights=weights)
        angle_rad = 2 * atan(float(np.average(np.hypot(up, left), weights=weights)))
        before = self._angle_rad or angle_rad
        self._angle_rad = angle_rad
        self._growth += self._share * ((angle_rad - before) / config.period_s - self._growth)
        return angle_rad, self._growth


class LoomTau(Controller):
    """A threshold on the time to contact, by the angle of what gives events; or told the true angle."""

    Config = LoomTauConfig
    backend = "law"

    @staticmethod
    def build(config: LoomTauConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        eye, n = eye_of(plant, "loom_tau"), CELLS * CELLS
        if "fov_rad" not in plant.parameters:
            raise ScenarioError("controller 'loom_tau' needs a plant that states its camera's fov_rad, as loom_dvs")
        half_view = float(np.tan(0.5 * plant.parameters["fov_rad"]))
        law = LoomTauLawConfig(**to_builtins(config), period_s=period_us * 1e-6, half_view=half_view)
        ports, tell = told(TOLD, plant) if config.knows_angle else ((), None)
        program = LawProgram(
            "loom_tau",
            to_builtins(law),
            inputs=(Port("cells", n, units=("1",) * n),),
            outputs=(Port("alarm", 1, units=("1",)),),
            modulators=ports,
        )
        encoder = Traces(TracesConfig(pool=eye.pool, polarity="merge", tau_s=config.memory_s), plant, period_us)
        return BuiltController(program, encoder, direct(program.outputs, plant, period_us), tell)
