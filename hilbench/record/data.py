"""A recorded run as those see it who judge it: metrics, studies and reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.record.meta import AgreementRecord, EnergyRecord, RunMeta
from hilbench.types import EventSensor


@dataclass(frozen=True, slots=True)
class RunData:
    """A run, read back: what its `run.json` says, and per episode a dict of columns, one row per tick."""

    meta: RunMeta
    episodes: list[dict[str, NDArray[Any]]]
    echo_ns: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """(n,) int64: the bare echo of the run's link, from each echo's scheduled instant to its return."""
    energy: EnergyRecord | None = None
    """None where the run was not metered."""
    agreement: AgreementRecord | None = None
    """None where its spikes were not compared."""

    @property
    def mode(self) -> str:
        """`lockstep`, `delayed` or `realtime`; `replay` for a real-time run that was run again on the virtual clock."""
        return "replay" if self.meta.replay_of is not None else self.meta.scenario.loop.mode

    @property
    def event_sensors(self) -> dict[EventSensor, int]:
        """Its plant's event sensors, each with the first of its addresses."""
        sensors = self.meta.plant_spec.event_sensors
        sizes = [sensor.size for sensor in sensors]
        return dict(zip(sensors, accumulate(sizes[:-1], initial=0), strict=False))

    @property
    def instruction_ns(self) -> int | None:
        """As in the run's LoadReport: None where `compute_ns` is time."""
        return self.meta.load_report.instruction_ns

    @property
    def compute_is_time(self) -> bool:
        """Whether `compute_ns` may be subtracted from stamps of the plant: not where the device counts instructions.

        A board may be emulated without the plant's side knowing: then it computes for longer than its answers took.
        """
        return not self.instruction_ns and all(
            (e["compute_ns"] <= e["arrived_ns"] - e["encoded_ns"])[e["answered"]].all()
            for e in self.episodes
            if "encoded_ns" in e
        )
