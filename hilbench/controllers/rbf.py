"""Feedback-error learning in a network of Gaussian radial basis functions: the map without spikes.

Sanner & Slotine (1992), "Gaussian networks for direct adaptive control", IEEE Trans. Neural Networks 3(6): 837-863.
It learns by the rule of `pes_feedback`, with as many basis functions as that has neurons, at the states its neurons
prefer.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.controllers._feedback import Feedback, FeedbackConfig, Terms, feedback_of, teaching
from hilbench.controllers._law import around, law_program
from hilbench.controllers._offset import Offset, OffsetConfig, OffsetTerms, offset_of
from hilbench.controllers._places import MapConfig, chosen, lift, preferred_states
from hilbench.seeding import stream
from hilbench.types import BuiltController, Controller, Law, PlantSpec


class RBFConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `rbf`."""

    gains: FeedbackConfig = FeedbackConfig()
    """Of the feedback."""
    map: MapConfig = MapConfig()
    """What is learnt as a function of what."""
    gain_per_s: Annotated[float, Meta(ge=0)] = 2.0
    """How fast what is learnt grows per feedback, mean over the map: as that of `integral`."""
    n_functions: Annotated[int, Meta(ge=1, le=1_000_000)] = 300
    """Number of basis functions."""
    width: Annotated[float, Meta(gt=0)] = 0.1
    """Standard deviation of each, where the map's radius is 1."""
    offset: OffsetConfig = OffsetConfig()
    """A second map, of a sensor's offset."""


class RBFLawConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The feedback, the basis functions, and how far their weights move in a control period."""

    feedback: Feedback
    columns: tuple[int, ...]
    n_functions: int
    width: float
    gain: float
    seed: int
    offset: OffsetTerms = OffsetTerms()


class RBFLaw(Law):
    """Feedback and a map of the state; the map's weights are what it learns."""

    Config = RBFLawConfig
    learnt = ("weights",)

    def reset(self, seed: int) -> None:
        c, feedback = self.config, self.config.feedback
        self._terms, self._limit = Terms(feedback), np.array(feedback.limit)
        self._columns, self._scale, self._centre = (np.array(x) for x in (c.columns, feedback.scale, feedback.centre))
        # Nearest in the lifted space first: exp(-|a - b|^2 / 2 w^2) is exp((<a, b> - 1) / w^2) for unit vectors.
        states = preferred_states(c.n_functions, self._columns.size, stream(c.seed, "controller"))
        self._centres = lift(states) / c.width**2
        self._shift = 1 / c.width**2
        square = float(np.mean(np.sum(np.square([self.activity(state) for state in states]), axis=1)))
        self._steps = c.gain / square, c.offset.step / square
        self._offset = Offset(c.offset, feedback)
        self.weights = np.zeros((self._limit.size + self._offset.n, c.n_functions))

    def activity(self, state: NDArray) -> NDArray:
        """The basis functions at a scaled state, (n_functions,)."""
        return np.exp(self._centres @ lift(state) - self._shift)

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        activity = self.activity((values[self._columns] - self._centre) / self._scale)
        if learning:
            self._learn(values, activity)
        learnt, n = self.weights @ activity, self._limit.size
        command = self._terms.command(values) + self._offset.added(learnt[n:])
        return np.clip(command + learnt[:n], -self._limit, self._limit)

    def _learn(self, values: NDArray, activity: NDArray) -> None:
        learnt, n = self.weights @ activity, self._limit.size
        feedback = self._terms.feedback(values) + self._offset.added(learnt[n:])
        force = self._steps[0] * teaching(feedback, learnt[:n], self._limit)
        offset = -self._steps[1] * self._offset.see(values)
        self.weights += np.outer(np.concatenate([force, offset]), activity)


class RBF(Controller):
    """Gaussian basis functions learn what the feedback still has to do: the spiking map's twin without spikes."""

    Config = RBFConfig
    backend = "law"

    @staticmethod
    def build(config: RBFConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        feedback = chosen(config.map, feedback_of(config.gains, plant, "rbf"), plant, "rbf")
        law: Any = RBFLawConfig(
            feedback=feedback,
            columns=tuple(plant.obs_names.index(name) for name in feedback.state),
            n_functions=config.n_functions,
            width=config.width,
            gain=config.gain_per_s * period_us * 1e-6,
            seed=seed,
            offset=offset_of(config.offset, feedback, period_us, "rbf"),
        )
        return around(law_program("rbf", law, plant), plant, period_us)
