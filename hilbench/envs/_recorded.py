"""Plants that play recordings, from files that whoever runs them has: what they share.

Nothing here fetches a file from elsewhere, copies one, or writes one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hilbench.envs._stream import StreamConfig, StreamPlant
from hilbench.envs.sensors import Playback
from hilbench.errors import ScenarioError, allowed_hint
from hilbench.settings import File

CHANGE = "source_changed"
"""The disturbance that names whose samples are played from then on."""


class Sample(NamedTuple):
    """A recording with its label."""

    label: int
    sources: tuple[str, ...]
    """Whose it is: names by which it may be chosen."""
    place: tuple[Any, ...]
    """Where its plant finds it."""


class RecordedConfig(StreamConfig, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where recordings are, and whose are played."""

    folder: File
    """The folder of the data set, beside the scenario's file or from where you stand."""
    sources: tuple[str | int, ...] = ()
    """Whose samples are played; everybody's when empty."""


class RecordedPlant(StreamPlant):
    """Samples of a data set, each drawn by the seed among those of its sources that the episode has not had yet.

    A plant gives `find`, which lists the data set's samples without reading what is in them, and what a stream gives.

    Raises ScenarioError where files are missing or wrong, where its settings or a disturbance name a source that there
    is not, and for sources with too few samples for an episode, or without one of each class.
    """

    Config: ClassVar[type[StreamConfig]] = RecordedConfig
    info_units: ClassVar[dict[str, str]] = {"sample": "1"}
    samples: list[Sample]
    """All of the data set, in the order of its files."""
    sample: int
    """Which of them is played."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        folder = Path(self.config.folder)
        if not folder.is_dir():
            raise ScenarioError(f"plant.folder: found no folder {str(folder)!r}; allowed: the one of the data set")
        self.samples = self.find(folder)
        asked = {"plant": self.config.sources} | changes(self.disturbances)
        self._pools = {tuple(map(str, sources)): self._pool(where, sources) for where, sources in asked.items()}

    @abstractmethod
    def find(self, folder: Path) -> list[Sample]:
        """All samples of the data set in a folder. Raises ScenarioError for a file that is missing or wrong."""

    def _pool(self, where: str, sources: tuple[str | int, ...]) -> NDArray[np.int64]:
        """Which samples are of some sources. Raises ScenarioError where these are not enough."""
        known = {name for sample in self.samples for name in sample.sources}
        wanted = set(map(str, sources))
        for name in map(str, sources):
            if name not in known:
                raise ScenarioError(f"{where}.sources: found {name!r}; {allowed_hint(name, known)}")
        found = [k for k, sample in enumerate(self.samples) if not wanted or wanted.intersection(sample.sources)]
        had = {self.samples[k].label for k in found}
        if lacks := [name for label, name in enumerate(self.classes) if label not in had]:
            raise ScenarioError(f"{where}.sources: found no sample of {', '.join(lacks)}; allowed: one of each class")
        if len(found) < (n := self.config.n_samples):
            raise ScenarioError(f"{where}.sources: found {len(found)} samples; allowed: n_samples = {n}, or more")
        return np.array(found)

    def pool(self) -> NDArray[np.int64]:
        """Which samples may be played now."""
        return self._pools[self.loads.sources or tuple(map(str, self.config.sources))]

    def begin(self, random: np.random.Generator) -> None:
        super().begin(random)
        self._had = np.zeros(len(self.samples), bool)

    def pick(self, random: np.random.Generator) -> int:
        pool = self.pool()
        left = pool[~self._had[pool]]
        # One more begins as an episode ends: it may be any.
        self.sample = int(random.choice(left if left.size else pool))
        self._had[self.sample] = True
        return self.samples[self.sample].label

    def about(self) -> dict[str, float]:
        return {"sample": float(self.sample)}


def changes(disturbances: Mapping[str, Mapping[str, Any]]) -> dict[str, tuple[str | int, ...]]:
    """Whose recordings disturbances let play, by where they are named.

    Parameters
    ----------
    disturbances : dict
        A plant's.
    """
    return {f"disturbances.{name}": table["sources"] for name, table in disturbances.items() if table["kind"] == CHANGE}


class PlayingPlant(RecordedPlant):
    """Samples that are events, which the sensor `recorded` gives; a plant gives `shape` and `take`."""

    channels = ("n_events",)
    shape: ClassVar[tuple[int, ...]]
    """Of what it was recorded with, as a Playback has it."""

    @abstractmethod
    def take(self, sample: Sample, until_us: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The times of a sample's events in microseconds since its start, and their addresses, each (n,).

        Parameters
        ----------
        sample : Sample
        until_us : int
            Later events are not wanted.
        """

    def begin(self, random: np.random.Generator) -> None:
        super().begin(random)
        self._playback = Playback(self.shape, np.zeros(0, np.int64), np.zeros(0, np.int64))

    def draw(self, random: np.random.Generator, label: int, n_steps: int, n_sample: int) -> NDArray[np.float64]:
        t_us, address = self.take(self.samples[self.sample], n_sample * self._step_us)
        heard = (t_us >= 0) & (t_us < n_sample * self._step_us)
        order = np.argsort(t_us[heard], kind="stable")
        t_us, address = t_us[heard][order], address[heard][order]
        before, start_us = self._playback, self._index * self._step_us
        kept = before.t_us >= self._began * self._step_us
        self._playback = Playback(
            self.shape,
            np.concatenate([before.t_us[kept], start_us + t_us]),
            np.concatenate([before.address[kept], address]),
        )
        return np.bincount(t_us // self._step_us, minlength=n_steps)[:n_steps, None].astype(float)

    def playback(self) -> Playback:
        """What the sensor `recorded` reads."""
        return self._playback


def file_in(folder: Path, name: str) -> Path:
    """A file of a data set. Raises ScenarioError where it is missing.

    Parameters
    ----------
    folder : Path
    name : str
    """
    if not (folder / name).is_file():
        raise ScenarioError(f"plant.folder: {folder}: found no file {name}")
    return folder / name
