"""Turns to where a sound came from by the correlation of both ears' spikes: the classical way, on what learners get.

Spikes of the same channel of both ears are taken in pairs. The histogram of their differences in time has its peak at
the time by which one ear is later: a cross-correlation of two point processes. Under a Gaussian kernel, and with a
parabola through the peak, that is the interaural time difference t, of which the angle is asin(t c / distance).

With `rate` an offset and a scale of t follow the sine of the angle that is left where the source is seen (LMS, Widrow &
Hoff 1960): two numbers, for an ear that is late and for one that is farther out. With `knows_change` it is told both by
the plant's info, which ear is which, and by how much one is louder: cells of a louder ear fire earlier, by
`latency_s_db`, also of the ear that is nearer. It is then the oracle that learners are compared with. With a `gain` of
0 it stays as it is, which is the floor.
"""

from __future__ import annotations

from math import asin, sin
from typing import Annotated

import numpy as np
from msgspec import Meta, Struct
from numpy.typing import NDArray

from hilbench.coders.values import direct
from hilbench.controllers._ears import OFFSET, SEEN, SOUND_M_S, WAITING, ears_of
from hilbench.controllers._law import told
from hilbench.types import (
    NO_EVENTS,
    BuiltController,
    Controller,
    Encoder,
    Events,
    Law,
    LawProgram,
    PlantSpec,
    Port,
    to_builtins,
)

FARTHEST_US, BIN_US = 1300, 20
"""The largest difference of times that counts, and the histogram's bins."""
N_BINS = 2 * FARTHEST_US // BIN_US
TOLD = ("late_s", "ears_m", "swapped", "louder_db")


class EarCorrelationConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings of `ear_correlation`."""

    kernel_s: Annotated[float, Meta(ge=1e-6, le=1e-2)] = 4e-5
    """Standard deviation of the Gaussian that the histogram is smoothed by."""
    rate: Annotated[float, Meta(ge=0, le=2)] = 0.0
    """How far an angle that is seen to be left moves the offset and the scale; 0 leaves them."""
    gain: Annotated[float, Meta(ge=0, le=10)] = 1.0
    """What the angle is multiplied by."""
    latency_s_db: Annotated[float, Meta(ge=0, le=1e-3)] = 3.2e-5
    """By how much earlier the cells of an ear fire for each dB that it is louder; for who is told that."""
    knows_change: bool = False
    """Whether it is told where its ears are, how late and how loud, from the plant's info."""


class EarCorrelationLawConfig(EarCorrelationConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Settings, and the distance that the ears are said to have."""

    nominal_m: float


class EarCorrelationLaw(Law):
    """The angle of the peak while the head waits, which then holds. What it learns is an offset and a scale."""

    Config = EarCorrelationLawConfig
    learnt = ("map",)

    def reset(self, seed: int) -> None:
        self.map = np.array([0.0, 1.0])
        n = min(int(3e6 * self.config.kernel_s / BIN_US) + 1, N_BINS // 2 - 1)
        kernel = np.exp(-0.5 * (BIN_US * 1e-6 * np.arange(-n, n + 1) / self.config.kernel_s) ** 2)
        self._kernel = kernel / kernel.sum()
        self._sine = self._gaze_rad = 0.0
        self._taught = False

    def step(self, values: NDArray, modulators: NDArray, learning: bool) -> NDArray:
        counts, (waiting, seen, offset_rad) = values[:N_BINS], values[N_BINS:].tolist()
        if waiting > 0.5 and counts.any():
            self._turn(self._peak_s(counts), modulators.tolist())
        if seen > 0.5 and learning and not self._taught:
            self._taught = True
            shift, scale = self.map.tolist()
            expected = min(max(scale * (self._sine - shift), -1.0), 1.0)
            rate = self.config.rate * (sin(self.config.gain * self._gaze_rad + offset_rad) - expected)
            self.map = np.array([shift - rate, scale + rate * (self._sine - shift)])
        return np.array([self.config.gain * self._gaze_rad])

    def _turn(self, late_s: float, told: list[float]) -> None:
        """Take in by how much the right ear is later."""
        shift, scale = self.map.tolist()
        distance_m = self.config.nominal_m
        if self.config.knows_change:
            known_s, distance_m, swapped, louder_db = told
            late_s = (late_s - known_s + self.config.latency_s_db * louder_db) * (1 - 2 * swapped)
        self._sine = late_s * SOUND_M_S / distance_m
        self._gaze_rad = asin(min(max(scale * (self._sine - shift), -1.0), 1.0))

    def _peak_s(self, counts: NDArray) -> float:
        """Where the smoothed histogram has its peak."""
        smooth = np.convolve(counts, self._kernel, "same")
        top = min(max(int(smooth.argmax()), 1), N_BINS - 2)
        before, here, after = smooth[top - 1 : top + 2].tolist()
        curve = before - 2 * here + after
        beside = 0.5 * (before - after) / curve if curve else 0.0
        return float((top + 0.5 + beside) * BIN_US - FARTHEST_US) * 1e-6


class EarCorrelation(Controller):
    """The peak of the correlation of both ears' spikes; with `knows_change` it is told where its ears are."""

    Config = EarCorrelationConfig
    backend = "law"

    @staticmethod
    def build(config: EarCorrelationConfig, plant: PlantSpec, period_us: int, seed: int) -> BuiltController:
        ears = ears_of(plant, "ear_correlation", period_us)
        law = EarCorrelationLawConfig(**to_builtins(config), nominal_m=ears.ears_m)
        ports, tell = told(TOLD, plant) if config.knows_change else ((), None)
        program = LawProgram(
            "ear_correlation",
            to_builtins(law),
            inputs=(Port("pairs", N_BINS, units=("1",) * N_BINS), Port("seen", 3, units=("1", "1", "rad"))),
            outputs=(Port("gaze", 1, units=("rad",)),),
            modulators=ports,
        )
        encoder = Correlogram(ears.n_channels, period_us)
        return BuiltController(program, encoder, direct(program.outputs, plant, period_us), tell)


class Correlogram(Encoder):
    """How many pairs of spikes of both ears there were at each difference of their times; and what is seen.

    Parameters
    ----------
    n_channels : int
        Of an ear; addresses of the right one follow those of the left one.
    period_us : int
    """

    size = N_BINS + 3

    def __init__(self, n_channels: int, period_us: int) -> None:
        self._n, self._period_us = n_channels, period_us
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._counts = np.zeros(N_BINS)
        self._recent = np.empty(0, np.int64), np.empty(0, np.int64)  # times from this tick's events' start, addresses

    def encode(self, obs: NDArray, events: Events, values: NDArray) -> Events:
        if obs[WAITING] > 0.5:
            self._pair(events["t_us"].astype(np.int64), events["address"].astype(np.int64))
        values[:N_BINS] = self._counts
        values[N_BINS:] = obs[[WAITING, SEEN, OFFSET]]
        return NO_EVENTS

    def _pair(self, t_us: NDArray, address: NDArray) -> None:
        """Count the pairs that a tick's spikes make, among themselves and with the last ones before."""
        (left, right), (old_left, old_right) = self._keys(t_us, address), self._keys(*self._recent)
        self._count(left, np.sort(np.append(old_right, right)))
        self._count(old_left, right)
        t_us, address = np.append(self._recent[0], t_us), np.append(self._recent[1], address)
        kept = t_us > self._period_us - FARTHEST_US
        self._recent = t_us[kept] - self._period_us, address[kept]

    def _keys(self, t_us: NDArray, address: NDArray) -> tuple[NDArray, NDArray]:
        """A number for each spike of the left and of the right ear, in order: channels far apart, times within them."""
        keys, is_left = address % self._n * (self._period_us + 3 * FARTHEST_US) + t_us, address < self._n
        return np.sort(keys[is_left]), np.sort(keys[~is_left])

    def _count(self, left: NDArray, right: NDArray) -> None:
        """Count the pairs of spikes of both ears, by their keys in order, that are less than FARTHEST_US apart."""
        first, end = np.searchsorted(right, left - FARTHEST_US + 1), np.searchsorted(right, left + FARTHEST_US)
        n = end - first
        begins = np.repeat(first - np.append(0, np.cumsum(n)[:-1]), n)
        later_us = right[begins + np.arange(n.sum())] - np.repeat(left, n)
        np.add.at(self._counts, (later_us + FARTHEST_US) // BIN_US, 1)
