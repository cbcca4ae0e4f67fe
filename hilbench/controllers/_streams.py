"""What controllers that tell samples apart share: the classes, counts of events, and the label that teaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS, Decoder, Encoder, Events, PlantSpec

TIMES = ("sample_s", "decide_s", "reveal_s", "rest_s")


class Stream(NamedTuple):
    """A plant that plays samples of one event sensor."""

    classes: tuple[str, ...]
    n_addresses: int
    shape: tuple[int, ...]
    label_columns: tuple[int, ...]
    """Of the observations, those that show a label."""


def stream_of(plant: PlantSpec, controller: str) -> Stream:
    """The stream that a plant plays. Raises ScenarioError for another plant, or not with one event sensor.

    Parameters
    ----------
    plant : PlantSpec
    controller : str
        Its name, for messages.
    """
    classes = tuple(name.removeprefix("score_") for name in plant.action_names)
    wanted = [f"is_{name}" for name in classes]
    if not all(name in plant.obs_names for name in wanted) or any(name not in plant.parameters for name in TIMES):
        raise ScenarioError(f"controller {controller!r} needs a stream of samples with labels, as of the plant emg")
    shapes = [sensor.shape for sensor in plant.event_sensors]
    if len(shapes) != 1:
        raise ScenarioError(f"controller {controller!r} needs one event sensor, as delta; found {len(shapes)}")
    columns = tuple(plant.obs_names.index(name) for name in wanted)
    return Stream(classes, int(np.prod(shapes[0])), shapes[0], columns)


class Counts(Encoder):
    """How many events each address gave in each part of the sample that plays; and the label while it is shown.

    Parameters
    ----------
    stream : Stream
    plant : PlantSpec
    period_us : int
        The control period, in microseconds.
    n_bins : int
        Into how many parts of equal length a sample is cut.
    """

    def __init__(self, stream: Stream, plant: PlantSpec, period_us: int, n_bins: int) -> None:
        self._stream, self._n_bins = stream, n_bins
        self.size = n_bins * stream.n_addresses + len(stream.classes)
        times_s = [plant.parameters[name] for name in TIMES]
        self._trial, self._over = (max(1, round(each / (period_us * 1e-6))) for each in (sum(times_s), times_s[0]))
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._ticks = -1
        self._counts = np.zeros((self._n_bins, self._stream.n_addresses), np.float32)

    def encode(self, obs: NDArray, events: Events, values: NDArray) -> Events:
        # A tick's events are of the period before it; the first period of a sample ends with its first tick.
        place = self._ticks % self._trial
        self._ticks += 1
        if place == 0:
            self._counts[:] = 0
        if events.size and self._ticks:
            bin_of = min(place * self._n_bins // self._over, self._n_bins - 1)
            np.add.at(self._counts[bin_of], events["address"], 1)
        n = self._counts.size
        values[:n] = self._counts.ravel()
        values[n:] = obs[list(self._stream.label_columns)]
        return NO_EVENTS


class Scores(Decoder):
    """A score for each class; and the error of their softmax while the label is shown.

    Parameters
    ----------
    stream : Stream
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._scores = np.zeros(len(self._stream.classes))

    def decode(self, values: NDArray, events: Events, action: NDArray) -> None:
        self._scores = values.astype(float)
        action[:] = values

    def teach(
        self, obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray
    ) -> None:
        """Write softmax(scores) minus the label, 0 while none is shown."""
        label = obs[list(self._stream.label_columns)]
        modulators[:] = softmax(self._scores) - label if label.any() else 0.0


def softmax(scores: NDArray) -> NDArray[np.float64]:
    """Shares that add up to 1, (n,), by the exponentials of scores."""
    found = np.exp(scores - scores.max())
    return found / found.sum()
