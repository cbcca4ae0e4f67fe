"""Winner takes all: the address with the most spikes decides."""

from __future__ import annotations

from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from hilbench.coders._counts import SILENT, FilterTime, SpikeCounts
from hilbench.coders._groups import Groups, Levels, levels_of, when_silent
from hilbench.types import Decoder, Events, PlantSpec, Port


class WinnerConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the decoder `winner`."""

    tau_s: FilterTime = 0.0
    """Time constant, in s, with which counts fade; 0 for those of the period alone."""
    levels: Levels = ()
    """What the addresses of a continuous action stand for, in its units: one list for all, or one each; spread evenly
    over the action's range when empty."""
    silent: str | float | tuple[float, ...] = "hold"
    """The action while no spike comes: "hold" for the one before, a choice's number, or a value in the action's units;
    one for all, or one each."""


class Winner(Decoder):
    """The choice, or the level, of the address with the most spikes; of equals the one that acts already."""

    Config = WinnerConfig

    def __init__(self, config: WinnerConfig, port: Port, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, port, plant, period_us)
        levels = levels_of(config.levels, port, plant, "levels")
        self._counts = SpikeCounts(port.size, config.tau_s, period_us)
        self._groups = Groups([len(each) for each in levels], spare=2)
        self._actions = self._groups.fill(np.concatenate(levels)).copy()
        safe, silent = np.array(plant.safe_action), when_silent(config.silent, plant)
        self._first = self._column(safe, self._groups.widest)
        self._silent = None if silent is None else self._column(silent, self._groups.widest + 1)
        self._held = self._first

    def _column(self, action: NDArray[np.float64], spare: int) -> NDArray[np.intp]:
        """Which column holds each action: its address's, or else the spare one, which has no address."""
        self._actions[:, spare] = action
        return (self._actions == action[:, None]).argmax(axis=1)

    def reset(self, seed: int) -> None:
        self._counts.reset()
        self._held = self._first

    def decode(self, values: NDArray[np.floating[Any]], events: Events, action: NDArray[np.float64]) -> None:
        rows, counts = self._groups.rows, self._groups.fill(self._counts.update(events))
        top = counts.max(axis=1)
        winner = np.where(counts[rows, self._held] == top, self._held, counts.argmax(axis=1))
        quiet = self._held if self._silent is None else self._silent
        self._held = np.where(top < SILENT, quiet, winner)
        action[:] = self._actions[rows, self._held]
