"""The first spike of a period decides: by its address, or by its time."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders._groups import Groups, Levels, choices_of, levels_of, limits, refused, when_silent
from hilbench.coders._names import spread
from hilbench.errors import ScenarioError
from hilbench.types import Decoder, Events, PlantSpec, Port

NEVER = np.iinfo(np.int64).max


class FirstSpikeConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of the decoder `first_spike`."""

    tells: Literal["level", "latency"] = "level"
    """What the first spike tells a continuous action: a level by its address, or a value by its time."""
    levels: Levels = ()
    """What the addresses of a continuous action stand for, in its units: one list for all, or one each; spread evenly
    over the action's range when empty."""
    early: float | tuple[float, ...] | None = None
    """By latency: the value of a spike at the start of the period, in the action's units, one for all continuous
    actions or one each; their lower limit where it is not given."""
    late: float | tuple[float, ...] | None = None
    """By latency: the value of a spike at the end of the window, in the action's units, one for all continuous actions
    or one each; their upper limit where it is not given."""
    window_s: Annotated[float, Meta(ge=0)] = 0.0
    """By latency: the time from `early` to `late`, in s; a later spike counts as one at its end. 0 for the period."""
    silent: str | float | tuple[float, ...] = "hold"
    """The action of a period without a spike: "hold" for the one before, a choice's number, or a value in the action's
    units; one for all, or one each."""


class FirstSpike(Decoder):
    """The choice, or the level, of the address that spikes first; or a value by the time of the first spike."""

    Config = FirstSpikeConfig

    def __init__(self, config: FirstSpikeConfig, port: Port, plant: PlantSpec, period_us: int) -> None:
        super().__init__(config, port, plant, period_us)
        self._continuous = np.array([not n for n in plant.choices], bool)
        self._timed = config.tells == "latency" and bool(self._continuous.any())
        levels = self._latencies(config, port, plant) if self._timed else _levels(config, port, plant)
        groups = Groups([len(each) for each in levels])
        self._actions, self._owner, self._size = np.concatenate(levels), groups.owner, port.size
        self._per_us = 1 / (config.window_s * 1e6 or period_us)
        self._silent = when_silent(config.silent, plant)
        self._safe, self._held = np.array(plant.safe_action), np.array(plant.safe_action)

    def _latencies(self, config: FirstSpikeConfig, port: Port, plant: PlantSpec) -> list[list[float]]:
        """The level of each address, which is `early` for a continuous action's; and the way from there to `late`."""
        if config.levels:
            raise ScenarioError("levels: found some beside tells = 'latency'; allowed: none, or tells = 'level'")
        where = np.flatnonzero(self._continuous).tolist()
        early, late = (
            [limits(plant, i, field)[end] for i in where] if given is None else spread(given, len(where), field)
            for end, (field, given) in enumerate((("early", config.early), ("late", config.late)))
        )
        if port.kind != "events" or port.size != (n := sum(n or 1 for n in plant.choices)):
            raise refused(port, f"{n} event addresses, one for each continuous action and one for each choice")
        self._way = np.zeros(len(plant.choices))
        self._way[where] = np.subtract(late, early)
        levels = choices_of(plant)
        for i, value in zip(where, early, strict=True):
            levels[i] = [value]
        return levels

    def reset(self, seed: int) -> None:
        self._held[:] = self._safe

    def decode(self, values: NDArray[np.floating[Any]], events: Events, action: NDArray[np.float64]) -> None:
        if self._silent is not None:
            self._held[:] = self._silent
        if events.size:
            first, rank = np.full(self._held.size, NEVER), events["t_us"] * np.int64(self._size) + events["address"]
            np.minimum.at(first, self._owner[events["address"]], rank)  # the earliest; of these the lowest address
            t_us, address = np.divmod(first, self._size)
            told = self._actions[address]
            if self._timed:
                told += self._way * np.minimum(t_us * self._per_us, 1.0)
            np.copyto(self._held, told, where=first != NEVER)
        action[:] = self._held


def _levels(config: FirstSpikeConfig, port: Port, plant: PlantSpec) -> list[list[float]]:
    for field in ("early", "late", "window_s"):
        if (found := getattr(config, field)) != getattr(FirstSpikeConfig(), field):
            raise ScenarioError(
                f"{field}: found {found}; allowed: none, for it needs tells = 'latency' and a continuous action"
            )
    return levels_of(config.levels, port, plant, "levels")
