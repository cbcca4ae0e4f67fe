"""A recorded run as those see it who judge it: metrics, studies and reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
from msgspec import convert
from numpy.typing import NDArray

from hilbench.types.plants import EventSensor


@dataclass(frozen=True, slots=True)
class RunData:
    """A run, read back: its `run.json`, and per episode a dict of columns, one row per tick."""

    meta: dict[str, Any]
    episodes: list[dict[str, NDArray[Any]]]
    echo_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """(n,) int64: the bare echo of the run's link, from each echo's scheduled instant to its return."""

    @property
    def mode(self) -> str:
        """`lockstep`, `delayed` or `realtime`; `replay` for a real-time run that was run again on the virtual clock."""
        return "replay" if "replay_of" in self.meta else self.meta["scenario"]["loop"].get("mode", "lockstep")

    @property
    def event_sensors(self) -> dict[EventSensor, int]:
        """Its plant's event sensors, each with the first of its addresses."""
        sensors = convert(self.meta.get("plant_spec", {}).get("event_sensors", ()), tuple[EventSensor, ...])
        sizes = [sensor.size for sensor in sensors]
        return dict(zip(sensors, accumulate(sizes[:-1], initial=0), strict=False))

    @property
    def instruction_ns(self) -> int | None:
        """As in the run's LoadReport: None where `compute_ns` is time."""
        return self.meta.get("report", {}).get("instruction_ns")
