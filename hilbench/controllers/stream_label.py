"""Says what a sample is because the plant's info tells it: the oracle of streams, which is always right.

No learner comes to that where samples are hard to tell apart, so an adaptivity on its scale is no more than on that of
the best decision there is.
"""

from __future__ import annotations

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.controllers._law import around, law_program, told
from hilbench.controllers._streams import stream_of
from hilbench.types import BuiltController, Controller, Law, PlantSpec


class StreamLabelConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `stream_label`: none."""


class StreamLabelLawConfig(StreamLabelConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many classes there are."""

    n_classes: int


class StreamLabelLaw(Law):
    """A score of 1 for the class that it is told."""

    Config = StreamLabelLawConfig

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        return np.eye(self.config.n_classes)[int(modulators[0])]


class StreamLabel(Controller):
    """Is told each sample's label."""

    Config = StreamLabelConfig
    backend = "law"

    @staticmethod
    def build(config: StreamLabelConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        stream = stream_of(plant, "stream_label", period_us)
        ports, tell = told(("label",), plant)
        law = StreamLabelLawConfig(n_classes=len(stream.classes))
        return around(law_program("stream_label", law, plant, "scores", ports), plant, period_us, tell)
