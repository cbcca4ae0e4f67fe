"""The contracts of coders: encoders turn what a plant shows into a tick, decoders turn a reply into an action.

Both run beside the loop, hold no weights and never learn. What they keep between ticks begins anew with `reset`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.types.plants import PlantSpec
from hilbench.types.programs import Port
from hilbench.types.ticks import Events, Values


class Encoder(ABC):
    """Turns an observation, and the events of a plant's sensors, into values or events of a program.

    Parameters
    ----------
    config : Config
        Its settings.
    plant : PlantSpec
        The plant it reads.
    period_us : int
        The control period, in microseconds: the window that a tick's events lie in.

    Raises ScenarioError when the settings do not fit the plant.
    """

    Config: ClassVar[type[Struct]]
    kind: Literal["values", "events"] = "values"
    """What it gives."""
    size: int
    """How many values, or event addresses, it gives."""

    def __init__(self, config: Any, plant: PlantSpec, period_us: int) -> None:
        self.config, self.period_us = config, period_us

    @property
    def sizes(self) -> dict[str, int]:
        """How many values and event addresses a program needs for it; empty where any number will do."""
        return {self.kind: self.size} if hasattr(self, "size") else {}

    @property
    def parts(self) -> tuple[Encoder, ...]:
        """The encoders it consists of: itself, or those that it runs."""
        return (self,)

    def reset(self, seed: int) -> None:
        """Start an episode: forget what earlier ticks left. `seed` feeds all of its randomness."""

    @abstractmethod
    def encode(self, obs: Values, events: Events, values: Values) -> Events:
        """Encode one tick: values are written in place, and the events to send returned, (n,) EVENT in order of `t_us`.

        Parameters
        ----------
        obs : (n_obs,) float32
            What the plant's sensors show now. It goes on record afterwards: an encoder that changes it does so in a
            copy.
        events : (n,) EVENT
            What its event sensors told since the last tick, in the addresses of `PlantSpec.event_sensors`, and as with
            `obs`.
        values : (size,) float32
            Written in place by an encoder of values.
        """


class Decoder(ABC):
    """Turns a reply's values and events into an action.

    Parameters
    ----------
    config : Config
        Its settings.
    port : Port
        The program's output that it reads.
    plant : PlantSpec
        The plant, with only those of its actions that this decoder writes.
    period_us : int
        The control period, in microseconds.

    Raises ScenarioError when the settings do not fit the port or the plant.
    """

    Config: ClassVar[type[Struct]]

    def __init__(self, config: Any, port: Port, plant: PlantSpec, period_us: int) -> None:
        self.config, self.period_us = config, period_us

    @property
    def parts(self) -> tuple[Decoder, ...]:
        """The decoders it consists of: itself, or those that it runs."""
        return (self,)

    def reset(self, seed: int) -> None:
        """Start an episode: forget what earlier replies left. `seed` feeds all of its randomness."""

    @abstractmethod
    def decode(self, values: NDArray[np.floating[Any]], events: Events, action: NDArray[np.float64]) -> None:
        """Write the action.

        Parameters
        ----------
        values : (n_values,) float
            The port's values.
        events : (n,) EVENT
            Its events, addresses from 0, in order of `t_us`.
        action : (n_actions,) float64
            Written in place: in the plant's units, or the number of a choice.
        """
