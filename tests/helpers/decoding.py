"""Plants, ports and events for tests of decoders."""

from __future__ import annotations

import numpy as np

from hilbench import plugins
from hilbench.types import EVENT, PlantSpec, Port

PERIOD_US = 20_000
PERIOD_S = 0.02


def plant_of(*choices: int, low=None, high=None, safe=None) -> PlantSpec:
    """A plant with an action for each number of choices, 0 for a continuous one from -2 to 2."""
    n = len(choices)
    names, units = tuple(f"a{i}" for i in range(n)), tuple("1" if k else "N" for k in choices)
    low = low or tuple(0.0 if k else -2.0 for k in choices)
    high = high or tuple(start + k - 1 if k else 2.0 for start, k in zip(low, choices, strict=True))
    safe = safe or tuple(start if k else 0.0 for start, k in zip(low, choices, strict=True))
    return PlantSpec(("x",), ("m",), names, units, low, high, safe, 0.001, {}, "", {}, choices if any(choices) else ())


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
