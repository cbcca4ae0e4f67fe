"""Finds the first numbers of a plant that are not finite, batch by batch as rows are written.

It costs a tick nothing, and a batch little. It must not know files.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hilbench.record.arrays import as_numpy
from hilbench.record.meta import NotFinite

if TYPE_CHECKING:
    import pyarrow as pa


class FiniteWatch:
    """Looks at each batch of a run until something is not finite. The first of it is `found`.

    An info that is not finite in the run's first row is not watched: a plant may have one that means nothing there.
    """

    def __init__(self, obs_names: Iterable[str], info_names: Iterable[str]) -> None:
        self._obs = [f"obs.{name}" for name in obs_names]
        self._infos = [f"info.{name}" for name in info_names]
        self._begun = False
        self.found: NotFinite | None = None

    def look(self, batch: pa.RecordBatch, episode: int) -> None:
        """Look at what is about to be written.

        Parameters
        ----------
        batch : RecordBatch
            Rows of an episode.
        episode : int
            The episode's number.
        """
        if self.found is not None or not batch.num_rows:
            return
        if not self._begun:
            self._begun = True
            self._infos = [name for name in self._infos if np.isfinite(batch.column(name)[0].as_py())]
        parts: list[tuple[list[str], NDArray[np.floating]]] = [
            ([name], as_numpy(batch.column(name))[:, None]) for name in ("reward", *self._infos)
        ]
        if self._obs:
            parts.insert(0, (self._obs, as_numpy(batch.column("obs").flatten()).reshape(batch.num_rows, -1)))
        bad = [(names, ~good) for names, values in parts if not (good := np.isfinite(values)).all()]
        if not bad:
            return
        row = min(int(where.any(1).argmax()) for _, where in bad)
        entries = tuple(names[i] for names, where in bad for i in np.flatnonzero(where[row]))
        tick, t_us = (batch.column(name)[row].as_py() for name in ("seq", "t_us"))
        self.found = NotFinite(episode=episode, tick=tick, t_s=t_us * 1e-6, entries=entries)
