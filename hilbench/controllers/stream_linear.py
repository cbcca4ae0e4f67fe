"""Softmax regression on counts of events: the classical learner of a stream, test then train.

Features are the square roots of how many events each address gave in each part of the sample, standardised by a running
mean and variance; with `whole` the count of all events alone, which says how much a stream gives away by its loudness.
With `pool` neighbours are counted together. After each decision the weights follow the gradient of the cross-entropy
(stochastic gradient descent).

With `knows_change` it is told by the plant's info how far the camera is turned, and counts events as if it were not. It
still has to learn what samples of each class look like.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders.values import direct
from hilbench.controllers._law import told
from hilbench.controllers._recent import counting
from hilbench.controllers._streams import Blocks, softmax, stream_of, weights_of
from hilbench.errors import ScenarioError
from hilbench.types import BuiltController, Controller, Events, Law, LawProgram, Modulate, PlantSpec, Port, to_builtins

SLOWEST = 0.005
"""The share by which a running mean moves at least: the last 200 samples count."""


class StreamLinearConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `stream_linear`."""

    rate: Annotated[float, Meta(ge=0, le=100)] = 0.01
    """Step size of the gradient; 0 for who always says the first class."""
    decay: Annotated[float, Meta(ge=0, le=1)] = 1e-5
    """The share of the weights that each step takes away."""
    n_bins: Annotated[int, Meta(ge=1, le=100)] = 3
    """Parts of a sample that are counted apart."""
    pool: Annotated[int, Meta(ge=1, le=65_536)] = 1
    """How many neighbours are counted together along each axis but polarity."""
    whole: bool = False
    """Whether the count of all events is all that it gets, and its square."""
    class_weights: tuple[Annotated[float, Meta(gt=0, le=1e3)], ...] = ()
    """What a step is multiplied by where the label is of each class, for classes that are rare; 1 where it is empty."""
    knows_change: bool = False
    """Whether it is told how far the camera is turned, from the plant's info."""


class StreamLinearLawConfig(StreamLinearConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings, and how many classes and features there are."""

    n_classes: int
    n_features: int


class StreamLinearLaw(Law):
    """Scores of the classes from counts. Weights, mean and variance are what it learns."""

    Config = StreamLinearLawConfig
    learnt = ("weights", "mean", "variance", "seen")

    def reset(self, seed: int) -> None:
        n = self.config.n_features
        self.weights, self.mean = np.zeros((self.config.n_classes, n + 1)), np.zeros(n)
        self.variance, self.seen = np.ones(n), np.zeros(1)
        self._taught = False

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        c, n = self.config, values.size - self.config.n_classes
        counts, label = values[:n].astype(float), values[n:]
        features = np.array([counts.sum(), counts.sum() ** 2]) if c.whole else np.sqrt(np.maximum(counts, 0))
        standard = np.append((features - self.mean) / np.sqrt(self.variance + 1e-2), 1.0)
        scores = self.weights @ standard
        if not label.any():
            self._taught = False
        elif learning and not self._taught:
            self._taught = True
            rate = c.rate * (np.array(c.class_weights) @ label)
            self.weights = (1 - c.decay) * self.weights - rate * np.outer(softmax(scores) - label, standard)
            self._follow(features)
        return scores

    def _follow(self, features: NDArray) -> None:
        """Move mean and variance towards a sample's features."""
        share = max(1 / (1 + self.seen[0]), SLOWEST)
        away = features - self.mean
        if self.seen[0]:
            self.variance = (1 - share) * (self.variance + share * away**2)
        self.mean = self.mean + share * away
        self.seen = self.seen + 1


class StreamLinear(Controller):
    """Softmax regression on counts of events."""

    Config = StreamLinearConfig
    backend = "law"

    @staticmethod
    def build(config: StreamLinearConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        stream, blocks = stream_of(plant, "stream_linear", period_us), Blocks(plant, config.pool)
        n, n_counts = len(stream.classes), config.n_bins * blocks.size
        settings = to_builtins(config) | {"class_weights": weights_of(config.class_weights, stream).tolist()}
        law = StreamLinearLawConfig(**settings, n_classes=n, n_features=2 if config.whole else n_counts)
        ports, tell = _turns(blocks, plant) if config.knows_change else ((), None)
        program = LawProgram(
            "stream_linear",
            to_builtins(law),
            inputs=(Port("counts", n_counts, units=("1",) * n_counts), Port("label", n, units=("1",) * n)),
            outputs=(Port("scores", n, units=("1",) * n),),
            modulators=ports,
        )
        encoder = counting(stream, plant, period_us, config.n_bins, blocks)
        return BuiltController(program, encoder, direct(program.outputs, plant, period_us), tell)


def _turns(blocks: Blocks, plant: PlantSpec) -> tuple[tuple[Port, ...], Modulate]:
    """A port for how far the camera is turned, and what writes it and has events counted by it."""
    if not blocks.is_picture:
        axes = plant.event_sensors[0].axes
        raise ScenarioError(f"knows_change: found a sensor of {axes}; allowed: one of x and y, as dvs")
    ports, write = told(("turned_rad",), plant)
    held = 0.0

    def tell(obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray) -> None:
        nonlocal held
        write(obs, events, reward, info, modulators)
        if info["turned_rad"] != held:
            held = info["turned_rad"]
            blocks.turn(held)

    return ports, tell
