"""Push and pull: the spike rate of one group of addresses against that of another."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders._counts import FilterTime, SpikeCounts
from hilbench.coders._groups import refused
from hilbench.coders._names import spread
from hilbench.errors import ScenarioError
from hilbench.types import Decoder, Events, PlantSpec, Port


class DifferenceConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the decoder `difference`."""

    tau_s: FilterTime = 0.0
    """Time constant of the filter of the rates, in s; 0 for the period's count over the period."""
    gain: float | tuple[float, ...] = 1.0
    """What a difference of rates is multiplied by, in the action's units per Hz: one for all actions, or one each."""
    offset: float | tuple[float, ...] = 0.0
    """What is then added, in the action's units: one for all actions, or one each."""
    dead_zone_hz: Annotated[float, Meta(ge=0)] = 0.0
    """Differences up to this, in Hz, count as 0."""


class Difference(Decoder):
    """The rate of a plus group less that of a minus group, scaled; two or three choices go by its sign."""

    Config = DifferenceConfig

    def __init__(self, config: DifferenceConfig, port: Port, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, port, plant, period_us)
        n = len(plant.action_names)
        for name, n_choices in zip(plant.action_names, plant.choices, strict=True):
            if n_choices not in (0, 2, 3):
                raise ScenarioError(
                    f"the plant's actions: found {n_choices} choices for {name!r};"
                    " allowed: 2 or 3 choices, or a continuous action"
                )
        if port.kind != "events" or n == 0 or port.size % (2 * n):
            allowed = f"a multiple of {2 * n} event addresses, a plus and a minus group of one size for each action"
            raise refused(port, allowed)
        self._counts = SpikeCounts(port.size, config.tau_s, period_us)
        self._shape = (n, 2, port.size // (2 * n))
        self._per_count_hz = self._counts.per_count_hz / self._shape[2]
        self._gain, self._offset = (np.array(spread(getattr(config, f), n, f)) for f in ("gain", "offset"))
        choices = np.array(plant.choices)
        self._discrete, self._two, self._any_discrete = choices > 0, choices == 2, bool(choices.any())
        self._low, self._half = np.array(plant.action_low), (choices - 1) / 2
        self._safe, self._held = np.array(plant.safe_action), np.array(plant.safe_action)

    def reset(self, seed: int) -> None:
        self._counts.reset()
        self._held[:] = self._safe

    def decode(self, values: NDArray[np.floating[Any]], events: Events, action: NDArray[np.float64]) -> None:
        plus_minus = self._counts.update(events).reshape(self._shape).sum(axis=2)
        difference_hz = (plus_minus[:, 0] - plus_minus[:, 1]) * self._per_count_hz
        if self.config.dead_zone_hz:
            difference_hz[np.abs(difference_hz) <= self.config.dead_zone_hz] = 0
        action[:] = difference_hz * self._gain + self._offset
        if self._any_discrete:
            self._choose(action)

    def _choose(self, action: NDArray[np.float64]) -> None:
        """Put choices in the place of drives: by their sign, where 0 is the middle of three and holds one of two."""
        choice = (np.sign(action) + 1) * self._half + self._low
        np.copyto(choice, self._held, where=self._two & (action == 0))
        np.copyto(action, choice, where=self._discrete)
        self._held[:] = action
