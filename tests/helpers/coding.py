"""A plant that encoders read, encoders of it, and ticks one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from hilbench import plugins
from hilbench.settings import to_config
from hilbench.testing.encoders import EAR, EYE, observed
from hilbench.types import EVENT, NO_EVENTS, Encoder, Events, PlantSpec

__all__ = ["EAR", "EYE", "PERIOD_US", "encoder", "events_from", "observed", "pairs", "ticks", "values_of"]
PERIOD_US = 10_000


def encoder(name: str, plant: PlantSpec, period_us: int = PERIOD_US, seed: int = 1, **settings: Any) -> Encoder:
    cls = plugins.get("encoders", name)
    made = cls(to_config(cls.Config, settings, name), plant, period_us)
    made.reset(seed)
    return made


def ticks(made: Encoder, observations: Iterable[Any]) -> Events:
    """The events of ticks in a row; `t_us` counts from the first one's start."""
    found = []
    for k, obs in enumerate(observations):
        events = made.encode(np.atleast_1d(np.float32(obs)), NO_EVENTS, np.empty(0, np.float32)).copy()
        events["t_us"] += np.uint32(k * made.period_us)
        found.append(events)
    return np.concatenate(found)


def values_of(made: Encoder, obs: Any = (), events: Events = NO_EVENTS) -> np.ndarray:
    """The values of one tick."""
    found = np.full(made.size, np.nan, np.float32)
    assert made.encode(np.atleast_1d(np.float32(obs)), events, found).size == 0
    return found


def events_from(*pairs: tuple[int, int]) -> Events:
    """Events from (t_us, address)."""
    return np.array(list(pairs), EVENT)


def pairs(events: Events) -> list[tuple[int, int]]:
    """(t_us, address) of each event."""
    return [(int(t_us), int(address)) for t_us, address in events]
