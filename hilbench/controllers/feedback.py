"""Feedback about a known reference, without learning: PD on the beam, the arms and the quadrotor, LQR on the cart-pole.

With `knows_change` the law is told what no controller on a robot knows: the plant's info of its change, by which it
corrects what it commands. It is then the oracle that learners are compared with.
"""

from __future__ import annotations

from math import cos
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.controllers._feedback import Feedback, FeedbackConfig, Terms, feedback_of
from hilbench.controllers._law import around, law_program, told
from hilbench.errors import ScenarioError
from hilbench.types import BuiltController, Controller, Law, PlantSpec

CHANGES = {
    "beam": ("payload_kg", "motor_gain", "field_nm"),
    "cart": ("friction_n_s_m", "theta_bias_rad", "field_n"),
    "quad": (
        *(f"lost_{axis}_m_s2" for axis in ("x", "y", "z")),
        *(f"lost_{axis}_rad_s2" for axis in ("roll", "pitch", "yaw")),
    ),
    "arm": tuple(f"load_{n}_nm" for n in range(1, 8)),
}
"""By plant, the info keys that say what has changed."""


class FeedbackSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `feedback`."""

    gains: FeedbackConfig = FeedbackConfig()
    """Of PD or LQR."""
    knows_change: bool = False
    """Whether it is given the plant's change from its info as soon as it comes."""


class FeedbackLawConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The feedback and, for one that knows the change, its plant."""

    feedback: Feedback
    told: str = ""
    """Which plant's changes it knows; none when empty."""
    parameters: dict[str, float] = {}
    """That plant's."""
    columns: dict[str, int] = {}
    """Of its observations."""


class FeedbackLaw(Law):
    """u_ff + u_fb, within the plant's limits."""

    Config = FeedbackLawConfig

    def reset(self, seed: int) -> None:
        self._terms, self._limit = Terms(self.config.feedback), np.array(self.config.feedback.limit)
        special = {"": None, "beam": self._beam, "cart": self._cart}
        self._told = special.get(self.config.told, self._added)

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        command = self._terms.command(values) if self._told is None else self._told(values, modulators)
        return np.clip(command, -self._limit, self._limit)

    def _beam(self, values: NDArray, modulators: NDArray) -> NDArray:
        """The payload's inertia and weight, less the field, all by motors that have lost some of their torque."""
        payload_kg, motor_gain, field_nm = modulators.tolist()
        p, columns = self.config.parameters, self.config.columns
        acceleration = p["tip_m"] * values[columns["qdd_ref"]] + p["gravity_m_s2"] * cos(values[columns["q"]])
        wanted = self._terms.command(values) + payload_kg * p["tip_m"] * acceleration - field_nm
        return wanted / max(motor_gain, 0.1)

    def _cart(self, values: NDArray, modulators: NDArray) -> NDArray:
        """Friction and field, with the angle as it is."""
        friction, bias_rad, field_n = modulators.tolist()
        columns = self.config.columns
        values[columns["theta"]] -= bias_rad
        return self._terms.command(values) + friction * values[columns["xd"]] - field_n

    def _added(self, values: NDArray, modulators: NDArray) -> NDArray:
        """What the plant's info says to be missing: of the quadrotor's thrust, or to carry the arm's load."""
        return self._terms.command(values) + modulators


class FeedbackController(Controller):
    """Feedback and feed-forward about the reference, without learning: the floor; with knows_change, the oracle."""

    Config = FeedbackSettings
    backend = "law"

    @staticmethod
    def build(config: FeedbackSettings, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        feedback = feedback_of(config.gains, plant, "feedback")
        if not config.knows_change:
            law: Any = FeedbackLawConfig(feedback=feedback)
            return around(law_program("feedback", law, plant), plant, period_us)
        whose = next((name for name, keys in CHANGES.items() if set(keys) <= set(plant.info_units)), "")
        if not whose:
            raise ScenarioError("controller 'feedback' needs a plant whose info states its changes for knows_change")
        law = FeedbackLawConfig(
            feedback=feedback,
            told=whose,
            parameters=dict(plant.parameters),
            columns={name: column for column, name in enumerate(plant.obs_names)},
        )
        ports, tell = told(CHANGES[whose], plant)
        return around(law_program("feedback", law, plant, modulators=ports), plant, period_us, tell)
