"""Observations as values, and values as actions: what classical controllers and networks with analogue ports use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.coders._groups import Scores, refused
from hilbench.coders._names import columns_of, spread
from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS, Decoder, Encoder, Events, PlantSpec, Port
from hilbench.types import Values as ValueArray


class ValuesConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the encoder `values`."""

    observations: tuple[str, ...] = ()
    """Which observations, in the order of the values; all when empty."""
    centre: float | tuple[float, ...] = 0.0
    """What is subtracted, in the observations' units: one for all, or one each."""
    scale: float | tuple[float, ...] = 1.0
    """What the difference is divided by, in the observations' units: one for all, or one each."""


class Values(Encoder):
    """Chosen observations as values, centred and scaled."""

    Config = ValuesConfig

    def __init__(self, config: ValuesConfig, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, plant, period_us)
        columns = columns_of(config.observations, plant.obs_names, "observations")
        self.size = len(columns)
        scale = np.array(spread(config.scale, self.size, "scale"))
        if not scale.all():
            raise ScenarioError("scale: found 0; allowed: any other number")
        in_order = columns == list(range(self.size))
        self._all = in_order and self.size == len(plant.obs_names)
        self._columns: Any = slice(self.size) if in_order else np.array(columns)
        self._factor = (1 / scale).astype(np.float32)
        self._shift = (np.array(spread(config.centre, self.size, "centre")) * self._factor).astype(np.float32)
        self._shifted = bool(self._shift.any())

    def encode(self, obs: ValueArray, events: Events, values: ValueArray) -> Events:
        np.multiply(obs if self._all else obs[self._columns], self._factor, values)  # NumPy is slower with `out=`
        if self._shifted:
            np.subtract(values, self._shift, values)
        return NO_EVENTS


class ValuesDecoderConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the decoder `values`."""

    scale: float | tuple[float, ...] = 1.0
    """What each value is multiplied by: one for all, or one each."""
    offset: float | tuple[float, ...] = 0.0
    """What is then added, in the actions' units: one for all, or one each."""


class ValuesDecoder(Decoder):
    """A value for each action; a discrete one takes the nearest choice, or the largest of a value for each choice."""

    Config = ValuesDecoderConfig

    def __init__(self, config: ValuesDecoderConfig, port: Port, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, port, plant, period_us)
        n, scores = len(plant.action_names), Scores(plant)
        if port.kind != "values" or port.size not in (n, scores.size):
            one_each = f", or {scores.size}, one for each choice" if any(plant.choices) else ""
            raise refused(port, f"{n} values, one for each action of the plant{one_each}", "values")
        self._scores = scores if port.size != n else None
        discrete, low, high = map(np.array, (plant.choices, plant.action_low, plant.action_high))
        self._discrete = np.flatnonzero(discrete)
        self._low, self._high = low[self._discrete], high[self._discrete]
        self._scale = np.array(spread(config.scale, port.size, "scale"))
        self._offset = np.array(spread(config.offset, port.size, "offset"))
        self._plain = bool((self._scale == 1).all() and not self._offset.any())

    def decode(self, values: NDArray[np.floating[Any]], events: Events, action: NDArray[np.float64]) -> None:
        if not self._plain:
            values = values * self._scale + self._offset
        if self._scores is not None:
            self._scores.write(values, action)
            return
        action[...] = values
        if self._discrete.size:
            action[self._discrete] = np.clip(np.rint(action[self._discrete]), self._low, self._high)


def whole(plant: PlantSpec, period_us: int) -> Values:
    """The encoder that gives the whole observation as it is.

    Parameters
    ----------
    plant : PlantSpec
    period_us : int
        The control period, in microseconds.
    """
    return Values(ValuesConfig(), plant, period_us)


def direct(outputs: Sequence[Port], plant: PlantSpec, period_us: int) -> ValuesDecoder:
    """The decoder that takes a program's values as the action.

    Parameters
    ----------
    outputs : sequence of Port
        The program's; they have a value for each action together.
    plant : PlantSpec
    period_us : int
        The control period, in microseconds.
    """
    port = Port("+".join(port.name for port in outputs), sum(port.size for port in outputs))
    return ValuesDecoder(ValuesDecoderConfig(), port, plant, period_us)
