"""What controllers that tell samples apart share: the classes, counts of events, and the label that teaches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.coders import PoolConfig, Pooled
from hilbench.errors import ScenarioError
from hilbench.types import NO_EVENTS, Decoder, Encoder, Events, PlantSpec

TIMES = ("sample_s", "reveal_s")
"""The plant's constants that say when what happens; with `trial_s`, from sample to sample, where that is the same."""


class Stream(NamedTuple):
    """A plant that plays samples of one event sensor."""

    classes: tuple[str, ...]
    n_addresses: int
    shape: tuple[int, ...]
    axes: tuple[str, ...]
    label_columns: tuple[int, ...]
    """Of the observations, those that show a label."""


def stream_of(plant: PlantSpec, controller: str, period_us: int) -> Stream:
    """The stream that a plant plays.

    Raises ScenarioError for another plant, for one without one event sensor, and for a control period in which a label
    may come and go, or which samples fall out of step with.

    Parameters
    ----------
    plant : PlantSpec
    controller : str
        Its name, for messages.
    period_us : int
        The control period, in microseconds.
    """
    classes = tuple(name.removeprefix("score_") for name in plant.action_names)
    wanted = [f"is_{name}" for name in classes]
    if not all(name in plant.obs_names for name in wanted) or any(name not in plant.parameters for name in TIMES):
        raise ScenarioError(f"controller {controller!r} needs a stream of samples with labels, as of the plant emg")
    if len(plant.event_sensors) != 1:
        found = len(plant.event_sensors)
        raise ScenarioError(f"controller {controller!r} needs one event sensor, as delta; found {found}")
    (sensor,) = plant.event_sensors
    reveal_us, trial_us = (round(plant.parameters.get(name, 0.0) * 1e6) for name in ("reveal_s", "trial_s"))
    if period_us > reveal_us or trial_us % period_us:
        divides = f" that divides {trial_us / 1e6:g} s" if trial_us else ""
        allowed = f"a control period of at most {reveal_us / 1e6:g} s{divides}"
        raise ScenarioError(f"controller {controller!r} needs {allowed}; found {period_us / 1e6:g}")
    columns = tuple(plant.obs_names.index(name) for name in wanted)
    return Stream(classes, sensor.size, sensor.shape, sensor.axes, columns)


class Blocks(Pooled):
    """Where the events of each address are counted: in blocks of neighbours.

    Parameters
    ----------
    plant : PlantSpec
        With one event sensor.
    pool : int
        How many neighbours become one along each axis but polarity; 1 for each address by itself.
    """

    def __init__(self, plant: PlantSpec, pool: int = 1) -> None:
        super().__init__(PoolConfig(pool=pool), plant)
        (self._sensor,), self._straight = plant.event_sensors, self.table
        self.is_picture = {"x", "y"} <= set(self._sensor.axes)

    def turn(self, turned_rad: float) -> None:
        """Count the events of a picture that is turned as if it were not; those from beyond its border not at all.

        Parameters
        ----------
        turned_rad : float
            How far the camera's left side was turned up.
        """
        shape, axes = self._sensor.shape, self._sensor.axes
        places = np.indices(shape).reshape(len(shape), -1)
        y, x = axes.index("y"), axes.index("x")
        middle = (shape[y] - 1) / 2, (shape[x] - 1) / 2
        up, right = middle[0] - places[y], places[x] - middle[1]
        across, along = np.cos(turned_rad), np.sin(turned_rad)
        places[y] = np.rint(middle[0] - (up * across - right * along))
        places[x] = np.rint(middle[1] + (right * across + up * along))
        within = (places[y] >= 0) & (places[y] < shape[y]) & (places[x] >= 0) & (places[x] < shape[x])
        places[:, ~within] = 0
        self.table = np.where(within, self._straight[np.ravel_multi_index(tuple(places), shape)], self.size)


class Counts(Encoder):
    """How many events each block of addresses gave in each part of the sample that plays; and the label once shown.

    Parameters
    ----------
    stream : Stream
    plant : PlantSpec
    period_us : int
        The control period, in microseconds.
    n_bins : int
        Into how many parts of equal length a sample is cut.
    blocks : Blocks, optional
        Of addresses that are counted together; each by itself when absent.
    """

    def __init__(
        self, stream: Stream, plant: PlantSpec, period_us: int, n_bins: int, blocks: Blocks | None = None
    ) -> None:
        self._stream, self._n_bins = stream, n_bins
        self._blocks = Blocks(plant) if blocks is None else blocks
        self.size = n_bins * self._blocks.size + len(stream.classes)
        trial_s, sample_s = plant.parameters["trial_s"], plant.parameters["sample_s"]
        self._trial, self._over = (max(1, round(each / (period_us * 1e-6))) for each in (trial_s, sample_s))
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._ticks = -1
        # One more, for events that are not counted.
        self._counts = np.zeros((self._n_bins, self._blocks.size + 1), np.float32)

    def encode(self, obs: NDArray, events: Events, values: NDArray) -> Events:
        # A tick's events are of the period before it; the first period of a sample ends with its first tick.
        place = self._ticks % self._trial
        self._ticks += 1
        if place == 0:
            self._counts[:] = 0
        if events.size and self._ticks:
            bin_of = min(place * self._n_bins // self._over, self._n_bins - 1)
            np.add.at(self._counts[bin_of], self._blocks.table[events["address"]], 1)
        n = self._n_bins * self._blocks.size
        values[:n] = self._counts[:, :-1].ravel()
        values[n:] = obs[list(self._stream.label_columns)]
        return NO_EVENTS


class Scores(Decoder):
    """A score for each class; and the error of their softmax while the label is shown.

    Parameters
    ----------
    stream : Stream
    class_weights : tuple of float
        What the error is multiplied by where the label is of each class; 1 where it is empty.
    """

    def __init__(self, stream: Stream, class_weights: tuple[float, ...] = ()) -> None:
        self._stream, self._weights = stream, weights_of(class_weights, stream)
        self.reset(0)

    def reset(self, seed: int) -> None:
        self._scores = np.zeros(len(self._stream.classes))

    def decode(self, values: NDArray, events: Events, action: NDArray) -> None:
        self._scores = values.astype(float)
        action[:] = values

    def teach(
        self, obs: NDArray, events: Events, reward: float, info: Mapping[str, float], modulators: NDArray
    ) -> None:
        """Write softmax(scores) minus the label, times the weight of its class; 0 while none is shown."""
        label = obs[list(self._stream.label_columns)]
        modulators[:] = (softmax(self._scores) - label) * (self._weights @ label) if label.any() else 0.0


def weights_of(class_weights: tuple[float, ...], stream: Stream) -> NDArray[np.float64]:
    """A weight for each class, (n_classes,), 1 where none are stated. Raises ScenarioError for another number of them.

    Parameters
    ----------
    class_weights : tuple of float
    stream : Stream
    """
    n = len(stream.classes)
    if class_weights and len(class_weights) != n:
        allowed = f"one each for {', '.join(stream.classes)}, or none"
        raise ScenarioError(f"controller: class_weights: found {len(class_weights)} numbers; allowed: {allowed}")
    return np.array(class_weights or (1.0,) * n)


def softmax(scores: NDArray) -> NDArray[np.float64]:
    """Shares that add up to 1, (n,), by the exponentials of scores."""
    found = np.exp(scores - scores.max())
    return found / found.sum()
