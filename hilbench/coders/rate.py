"""Rates as actions, and the spike rates of a network's outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.coders._counts import FilterTime, SpikeCounts
from hilbench.coders._groups import Scores, refused
from hilbench.coders._names import spread
from hilbench.types import Decoder, Events, PlantSpec, Port


class RateDecoderConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the decoder `rate`."""

    tau_s: FilterTime = 0.0
    """Time constant of the filter of the rates, in s; 0 for the period's count over the period."""
    gain: float | tuple[float, ...] = 1.0
    """What each rate is multiplied by, in the action's units per Hz: one for all addresses, or one each."""
    offset: float | tuple[float, ...] = 0.0
    """What is then added, in the action's units: one for all addresses, or one each."""


class RateDecoder(Decoder):
    """The spike rate of an address for each action, scaled; a discrete one takes the choice with the largest."""

    Config = RateDecoderConfig

    def __init__(self, config: RateDecoderConfig, port: Port, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, port, plant, period_us)
        self._scores = Scores(plant)
        if port.kind != "events" or port.size != self._scores.size:
            choices = ", and one for each choice of a discrete one" if any(plant.choices) else ""
            raise refused(port, f"{self._scores.size} event addresses, one for each action{choices}")
        self._counts = SpikeCounts(port.size, config.tau_s, period_us)
        self._gain = np.array(spread(config.gain, port.size, "gain")) * self._counts.per_count_hz
        self._offset = np.array(spread(config.offset, port.size, "offset"))

    def reset(self, seed: int) -> None:
        self._counts.reset()

    def decode(self, values: NDArray[np.floating[Any]], events: Events, action: NDArray[np.float64]) -> None:
        self._scores.write(self._counts.update(events) * self._gain + self._offset, action)
