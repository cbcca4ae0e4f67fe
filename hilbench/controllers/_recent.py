"""Counts of events over the time that is just over, for streams whose samples differ in length."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.controllers._streams import Blocks, Counts, Stream
from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS, Encoder, Events, PlantSpec


class Recent(Encoder):
    """How many events each block of addresses gave in each part of the last `sample_s`; and the label once shown.

    Parameters
    ----------
    stream : Stream
    plant : PlantSpec
    period_us : int
        The control period, in microseconds.
    n_bins : int
        Into how many parts that time is cut, of as equal length as whole control periods can be.
    blocks : Blocks, optional
        Of addresses that are counted together; each by itself when absent.
    """

    def __init__(
        self, stream: Stream, plant: PlantSpec, period_us: int, n_bins: int, blocks: Blocks | None = None
    ) -> None:
        self._stream = stream
        self._blocks = Blocks(plant) if blocks is None else blocks
        self._n_ticks = max(1, round(plant.parameters["sample_s"] * 1e6 / period_us))
        if n_bins > self._n_ticks:
            allowed = f"at most {self._n_ticks}, control periods of a sample"
            raise ScenarioError(f"controller: n_bins: found {n_bins}; allowed: {allowed}")
        self._starts = np.arange(n_bins) * self._n_ticks // n_bins
        self.size = n_bins * self._blocks.size + len(stream.classes)
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._ticks = 0
        # One more, for events that are not counted.
        self._counts = np.zeros((self._n_ticks, self._blocks.size + 1), np.float32)

    def encode(self, obs: NDArray, events: Events, values: NDArray) -> Events:
        # The oldest tick's counts are the next ones to be written over.
        newest = self._ticks % self._n_ticks
        self._ticks += 1
        self._counts[newest] = 0
        if events.size:
            np.add.at(self._counts[newest], self._blocks.table[events["address"]], 1)
        in_order = np.roll(self._counts[:, :-1], -newest - 1, axis=0)
        n = self.size - len(self._stream.classes)
        values[:n] = np.add.reduceat(in_order, self._starts, axis=0).ravel()
        values[n:] = obs[list(self._stream.label_columns)]
        return NO_EVENTS


def counting(
    stream: Stream, plant: PlantSpec, period_us: int, n_bins: int, blocks: Blocks | None = None
) -> Counts | Recent:
    """What counts the events of a plant's samples: in step with samples of one length, else over the last `sample_s`.

    Parameters
    ----------
    stream : Stream
    plant : PlantSpec
    period_us : int
        The control period, in microseconds.
    n_bins : int
        Parts of a sample.
    blocks : Blocks, optional
        Of addresses that are counted together; each by itself when absent.
    """
    kind = Counts if "trial_s" in plant.parameters else Recent
    return kind(stream, plant, period_us, n_bins, blocks)
