"""Plants, ports and events for tests of decoders."""

from __future__ import annotations

import numpy as np

from hilbench import plugins
from hilbench.testing.decoders import acted_on as plant_of
from hilbench.types import EVENT, PlantSpec, Port

__all__ = ["PERIOD_S", "PERIOD_US", "action_of", "decoder_of", "plant_of", "spikes"]
PERIOD_US = 20_000
PERIOD_S = 0.02


def spikes(*pairs: tuple[int, int]) -> np.ndarray:
    """Events of (time in microseconds, address)."""
    return np.array(list(pairs), EVENT)


def decoder_of(name: str, size: int, plant: PlantSpec, kind: str = "events", **settings):
    """A decoder by its plug-in's name, as a scenario would build it."""
    decoder = plugins.get("decoders", name)
    built = decoder(decoder.Config(**settings), Port("out", size, kind), plant, PERIOD_US)
    built.reset(0)
    return built


def action_of(decoder, n: int, *replies: np.ndarray, values=()) -> list[float]:
    """What a decoder says after the last of some replies."""
    action = np.full(n, np.nan)
    for events in replies:
        decoder.decode(np.asarray(values, np.float32), events, action)
    return action.tolist()
